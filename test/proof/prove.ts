import fc from "fast-check";
import type { TestServer } from "../support/postgres.ts";
import { type Played, playCase } from "./case.ts";
import { anyHistory } from "./history.ts";
import { makeImage, type ProofImage } from "./image.ts";
import { anyWorld, describeWorld, type World } from "./world.ts";

/** A history is baked once and met by so many worlds. */
export const worldsEach = 40;

/** One of so many histories is run by real Alembic, whose start takes half a second. */
const alembicEvery = 8;

export type CaseReport = Played & {
  readonly seed: number;
  readonly number: number;
  readonly world: World;
  readonly image: ProofImage;
  readonly description: string;
  readonly ms: number;
};

/** Cases of a seed: the same number is the same case, whichever of them run. */
export async function prove(
  server: TestServer,
  {
    seed,
    numbers,
    jobs,
  }: { readonly seed: number; readonly numbers: readonly number[]; readonly jobs: number },
  onCase: (report: CaseReport) => void,
): Promise<void> {
  const groups = Map.groupBy(numbers, (number) => Math.floor(number / worldsEach));
  for (const [group, members] of groups) {
    const tool = group % alembicEvery === alembicEvery - 1 ? "alembic" : "sql";
    const [history] = fc.sample(fc.noBias(anyHistory(tool)), {
      seed: seed * 100_003 + group,
      numRuns: 1,
    });
    const worlds = fc.sample(fc.noBias(anyWorld(history!)), {
      seed: seed * 100_003 + group,
      numRuns: worldsEach,
    });
    const image = await makeImage(server, history!);
    const queue = [...members];
    await Promise.all(
      Array.from({ length: jobs }, async () => {
        for (let number = queue.shift(); number !== undefined; number = queue.shift())
          await play(number, worlds[number % worldsEach]!, image);
      }),
    );
  }

  async function play(number: number, world: World, image: ProofImage): Promise<void> {
    const started = performance.now();
    const description = describeWorld(world, image.history);
    const played = await playCase(server, image, world).catch((error: unknown) => {
      throw new Error(`case ${number} of seed ${seed} could not be played: ${description}`, {
        cause: error,
      });
    });
    const ms = Math.round(performance.now() - started);
    onCase({ ...played, seed, number, world, image, description, ms });
  }
}
