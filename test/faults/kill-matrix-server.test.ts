import { afterAll, beforeAll, describe, it } from "vitest";
import { startServer } from "../support/postgres.ts";
import { pythonEnvironment } from "../support/python.ts";
import { type Case, play, setScene } from "./support/case.ts";
import { type Crash, crashes, crashing, type CrashingServer } from "./support/crash.ts";
import type { Point } from "./support/gates.ts";
import { type Ground, type Kind, kinds, prepare, type Prepared } from "./support/kinds.ts";
import { isWhole } from "./support/sample.ts";
import { printTally } from "./support/tally.ts";

let ground: Ground;
let prepared: ReadonlyMap<Kind, Prepared>;
let crasher: CrashingServer;

beforeAll(async () => {
  const server = await startServer({ settings: ["autovacuum = off"] });
  crasher = crashing(server);
  ground = { server, python: await pythonEnvironment() };
  prepared = await prepare(ground, Object.keys(kinds) as Kind[]);
});

afterAll(async () => {
  printTally("kill matrix, the server");
  await crasher?.stop();
});

/** Where the server ends, by kind of migration; and how the next run ends: 23 where only a person can say what stands. */
const matrix: readonly (readonly [Point, Kind, Case["next"]])[] = [
  ["locked", "together", [0]],
  ["relooking", "files", [0]],
  ["stamping", "stamp", [0]],
  ["spawned", "each", [0]],
  ["working", "together", [0]],
  ["working", "each", [0]],
  ["working", "stamp", [0]],
  ["working", "rows", [23]],
  ["working", "files", [0]],
  ["working", "outside", [23]],
  ["building", "index", [23]],
  ["building", "outside", [23]],
  ["recording", "together", [0]],
  ["recording", "files", [0]],
  ["between", "each", [0]],
  // The commit of its rows is certain, the one of its version row is not there.
  ["between", "rows", [23]],
  ["exiting", "together", [0]],
  ["looking", "files", [0]],
];

const ways = Object.keys(crashes) as Crash[];
const cases = matrix.flatMap(([point, kind, next], at) =>
  // One way each, in turn, and in the whole matrix all of them in the middle of the work.
  ways
    .filter((_, way) => (isWhole && point === "working") || way === at % ways.length)
    .map(
      (how) => ({ point, kind, next, how, program: at % 3 === 2 ? "module" : "binary" }) as const,
    ),
);

describe("the outcome is temporary, and the next run finishes or says what stands (fault 33)", () => {
  for (const { how, ...rest } of cases)
    it(`${rest.point}, ${rest.kind}: ${crashes[how]} (${rest.program})`, async () => {
      const each: Case = { ...rest, victim: "server", exits: [75] };
      const scene = await setScene(ground, prepared.get(each.kind)!, each);
      await play(scene, async () => await crasher.crash(how));
    });
});
