import { rmSync } from "node:fs";
import fc from "fast-check";
import type { TestServer } from "../support/postgres.ts";
import { type Played, playCase } from "./case.ts";
import { anyHistory, type ProofHistory } from "./history.ts";
import { makeImage, type ProofImage } from "./image.ts";
import { anyWorld, describeWorld, type World } from "./world.ts";

/** A history is baked once and met by so many worlds. */
export const worldsEach = 40;

/** One of so many histories is run by real Alembic, whose start takes half a second. */
const alembicEvery = 8;

export type CaseReport = Played & {
  readonly number: number;
  readonly world: World;
  readonly image: ProofImage;
  readonly description: string;
};

export type ProveOptions = {
  readonly seed: number;
  readonly numbers: readonly number[];
  /** So many at a time. */
  readonly jobs: number;
  /** Only cases whose description has this text. */
  readonly about?: string;
  readonly onCase: (report: CaseReport) => void;
  /** A case that could not be made, or a history that could not be baked. */
  readonly onTrouble: (what: string, error: unknown) => void;
};

/** Cases of a seed: the same number is the same case, whichever of them run. */
export async function prove(server: TestServer, options: ProveOptions): Promise<void> {
  const { numbers, about = "", onTrouble } = options;
  const groups = Map.groupBy(numbers, (number) => Math.floor(number / worldsEach));
  for (const [group, members] of groups) {
    const { history, worlds } = drawGroup(options.seed, group);
    const chosen = members
      .map((number) => ({ number, world: worlds[number % worldsEach]! }))
      .filter(({ world }) => describeWorld(world, history).includes(about));
    if (chosen.length === 0) continue;
    try {
      const image = await makeImage(
        server,
        history,
        new Set(chosen.map(({ world }) => world.ledger)),
      );
      await playAll(server, image, chosen, options);
      for (const directory of image.directories.values()) rmSync(directory, { recursive: true });
    } catch (error) {
      onTrouble(`the history of case ${members[0]} and its like`, error);
    }
  }
}

function drawGroup(
  seed: number,
  group: number,
): { readonly history: ProofHistory; readonly worlds: readonly World[] } {
  const tool = group % alembicEvery === alembicEvery - 1 ? "alembic" : "sql";
  const ownSeed = seed * 100_003 + group;
  const [history] = fc.sample(fc.noBias(anyHistory(tool)), { seed: ownSeed, numRuns: 1 });
  const worlds = fc.sample(fc.noBias(anyWorld(history!)), { seed: ownSeed, numRuns: worldsEach });
  return { history: history!, worlds };
}

async function playAll(
  server: TestServer,
  image: ProofImage,
  cases: readonly { readonly number: number; readonly world: World }[],
  { jobs, onCase, onTrouble }: ProveOptions,
): Promise<void> {
  const queue = [...cases];
  await Promise.all(Array.from({ length: jobs }, work));

  async function work(): Promise<void> {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { number, world } = next;
      const description = describeWorld(world, image.history);
      try {
        onCase({ ...(await playCase(server, image, world)), number, world, image, description });
      } catch (error) {
        onTrouble(`case ${number}: ${description}`, error);
      }
    }
  }
}
