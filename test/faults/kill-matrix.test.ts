import { afterAll, beforeAll, describe, it } from "vitest";
import { startServer } from "../support/postgres.ts";
import type { Program } from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { type Case, play, setScene, strikeAt, type Victim, victims } from "./support/case.ts";
import { isReachedBy, type Point } from "./support/gates.ts";
import { type Ground, type Kind, kinds, prepare, type Prepared } from "./support/kinds.ts";
import { pairsOf } from "./support/sample.ts";
import { printTally } from "./support/tally.ts";

let ground: Ground;
let prepared: ReadonlyMap<Kind, Prepared>;

beforeAll(async () => {
  const server = await startServer({ settings: ["autovacuum = off", "max_connections = 200"] });
  ground = { server, python: await pythonEnvironment() };
  prepared = await prepare(ground, Object.keys(kinds) as Kind[]);
});

afterAll(async () => {
  printTally("kill matrix");
  await ground?.server.stop();
});

/** THE table: who is stopped at which point, by kind of migration. */
const matrix: readonly (readonly [Point, readonly Kind[], readonly Exclude<Victim, "server">[]])[] =
  [
    ["locked", ["together", "files", "stamp"], ["us", "lock", "term"]],
    ["relooking", ["together", "files", "stamp"], ["us", "worker", "lock", "term"]],
    ["stamping", ["stamp"], ["us", "worker", "lock", "term", "pause"]],
    ["asked", ["together", "rows"], ["us", "child", "both", "lock", "term"]],
    ["spawned", ["together", "rows", "stamp"], ["us", "child", "both", "lock", "term"]],
    [
      "working",
      ["together", "each", "rows", "stamp"],
      ["us", "child", "both", "worker", "lock", "term", "pause"],
    ],
    ["working", ["files", "outside"], ["us", "worker", "lock", "term", "pause"]],
    ["building", ["index"], ["us", "child", "both", "worker", "lock", "term", "pause"]],
    ["building", ["outside"], ["us", "worker", "lock", "term", "pause"]],
    ["recording", ["together", "each"], ["us", "child", "both", "worker", "lock", "term"]],
    ["recording", ["files", "outside"], ["us", "worker", "lock", "term"]],
    ["between", ["each", "index", "rows"], ["us", "child", "both", "worker", "lock", "term"]],
    ["between", ["files", "outside"], ["us", "worker", "lock", "term"]],
    ["exiting", ["together", "rows"], ["us", "child", "both", "lock", "term"]],
    ["looking", ["together", "index", "files", "stamp"], ["us", "worker", "lock", "term"]],
  ];

/** The rows of the fault table that a case belongs to. */
function faultsOf(point: Point, victim: Victim, kind: Kind): string {
  if (victim === "term") return "43";
  if (victim === "lock") return "25";
  if (victim === "both" || victim === "us") return "22, 23";
  if (victim === "child" && point === "exiting") return "31";
  if (victim === "child" && point === "building") return "32";
  if (victim === "worker" && (kind === "files" || kind === "outside")) return "33";
  return "30";
}

function exitsOf(point: Point, victim: Victim, kind: Kind): Case["exits"] {
  switch (victim) {
    case "us":
    case "both":
      return [null];
    case "term":
      return [143];
    case "pause":
      return [0];
    case "child":
      return point === "exiting" ? [0] : [25];
    case "lock":
      return [75];
    case "worker":
      return isHalf(kind, point) ? [25] : [75];
    case "server":
      return [75];
  }
}

/** An end of its session leaves something half-way: that will not pass by itself. */
function isHalf(kind: Kind, point: Point): boolean {
  return (
    (kind === "index" && point === "building") ||
    (kind === "rows" && ["working", "between"].includes(point))
  );
}

/** Where a statement outside of a transaction was in work, only a person can say what stands. */
function nextOf(point: Point, victim: Victim, kind: Kind): Case["next"] {
  if (victim === "pause") return [0];
  const orphan = victim === "us" || victim === "both";
  switch (kind) {
    case "index":
      // What is left of the work may end before the next run looks, or be ended by it.
      if (point === "building") return orphan ? [0, 23] : [23];
      return [0];
    case "rows":
      // A child that has not connected yet is at work for nobody but itself.
      if (victim === "us") return point === "spawned" ? [0, 23] : [0];
      return ["spawned", "working", "between"].includes(point) ? [23] : [0];
    case "outside":
      // The last message that was sent holds its COMMIT as well, and needs nobody.
      if (victim === "us" && point === "recording") return [0];
      return ["building", "working", "recording"].includes(point) ? [23] : [0];
    default:
      return [0];
  }
}

function casesOf(point: Point): readonly Case[] {
  return matrix
    .filter(([each]) => each === point)
    .flatMap(([, some, whom]) =>
      pairsOf(
        some.filter((kind) => isReachedBy(point, kind)),
        whom,
      ),
    )
    .map(([kind, victim], at) => ({
      kind,
      point,
      victim,
      // The binary everywhere, the module for a sample.
      program: (at % 5 === 4 ? "module" : "binary") satisfies Program,
      exits: exitsOf(point, victim, kind),
      next: nextOf(point, victim, kind),
    }));
}

describe.concurrent.each([...new Set(matrix.map(([point]) => point))])(
  "a run that is %s",
  (point) => {
    for (const each of casesOf(point))
      it.concurrent(`${each.kind}: ${victims[each.victim]} (${each.program}) (fault ${faultsOf(point, each.victim, each.kind)})`, async () => {
        const scene = await setScene(ground, prepared.get(each.kind)!, each);
        await play(scene, async (run) => {
          if (each.victim !== "server") await strikeAt(each.victim, scene, run);
        });
      });
  },
);
