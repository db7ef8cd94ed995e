import { describe, expect, it } from "vitest";
import type { VerdictLine } from "../../src/report/verdict-schema.ts";
import type { Said } from "../support/in-process.ts";
import type { Sight } from "./case.ts";
import type { Expectation } from "./expectation.ts";
import type { ProofHistory, ProofRevision } from "./history.ts";
import type { ProofImage } from "./image.ts";
import { type Violation, violationsOf } from "./violations.ts";
import type { World } from "./world.ts";

const revision = (id: string, writes: boolean): ProofRevision => ({
  id,
  name: "table",
  statements: [],
  writes,
  outside: false,
  deeds: ["table"],
});

const history: ProofHistory = {
  tool: "sql",
  program: "path",
  naming: "bare",
  journal: "keyed",
  revisions: [revision("001", false), revision("002", true), revision("003", false)],
};

const states = [[], ["table t1"], ["table t1"], ["table t1", "table t3"]];
const image = { history, states: { public: states, other: states } } as unknown as ProofImage;

const behind = { homeName: "public", state: "behind", at: 2, other: 2 } as unknown as World;

function sight(at: number, rest: Partial<Sight> = {}): Sight {
  const rows = ["001", "002", "003"].slice(0, at);
  const journal = new Map(at >= 2 ? [["002", 1]] : []);
  return { schema: states[at]!, rows, journal, neighbours: "", picture: `at ${at}`, ...rest };
}

function said(exit: number, ledger: VerdictLine["ledger"] = "verified"): Said {
  return {
    exit,
    line: { exit, ledger, verdict: "behind" } as VerdictLine,
    log: [],
    stdout: "",
    stderr: "",
  };
}

function kinds(
  sights: readonly [Sight, Sight, Sight],
  exits: readonly [number, number],
  expectation: Expectation = { kind: "act" },
  world: Partial<World> = {},
): readonly Violation["kind"][] {
  const [first, second] = exits;
  const found = violationsOf({
    world: { ...behind, ...world },
    image,
    expectation,
    said: [said(first), said(second)],
    sights,
    ranBefore: sights[0].journal.size === 0 ? 0 : (world.at ?? behind.at),
  });
  return [...new Set(found.map(({ kind }) => kind))];
}

const refuse: Expectation = { kind: "refuse", because: "somebody must decide" };

describe("what is right", () => {
  it("is an upgrade, once", () => {
    expect(kinds([sight(2), sight(3), sight(3)], [0, 0])).toEqual([]);
  });

  it("is a refusal that writes nothing", () => {
    expect(kinds([sight(2), sight(2), sight(2)], [21, 21], refuse)).toEqual([]);
  });

  it("is a start that writes nothing", () => {
    const head = { state: "head", at: 3, other: 3 } as const;
    expect(kinds([sight(3), sight(3), sight(3)], [0, 0], { kind: "start" }, head)).toEqual([]);
  });
});

describe("each wrong answer is found", () => {
  const twice = sight(3, { journal: new Map([["002", 2]]) });
  const unrun = sight(2, { journal: new Map() });
  const changed = sight(2, { picture: "another" });

  it.each<readonly [Violation["kind"], ReturnType<typeof kinds>]>([
    ["bug", kinds([sight(2), sight(2), sight(2)], [70, 70], refuse)],
    ["neighbour-changed", kinds([sight(2), sight(3), sight(3, { neighbours: "less" })], [0, 0])],
    ["changed-though-refused", kinds([sight(2), changed, changed], [21, 21], refuse)],
    ["ran-twice", kinds([sight(2), twice, twice], [0, 0])],
    ["false-row", kinds([sight(1), unrun, unrun], [21, 21], refuse, { at: 1, other: 1 })],
    [
      "false-row",
      kinds(
        [sight(2), sight(3, { schema: states[2]! }), sight(3, { schema: states[2]! })],
        [25, 25],
      ),
    ],
    ["true-row-removed", kinds([sight(2), sight(1), sight(1)], [25, 25])],
    ["false-ready", kinds([sight(2), sight(2), sight(2)], [0, 0])],
    [
      "false-ready",
      kinds([sight(2), sight(3, { schema: states[2]! }), sight(3, { schema: states[2]! })], [0, 0]),
    ],
    ["restless", kinds([sight(2), sight(3), sight(3, { picture: "another" })], [0, 0])],
    ["restless", kinds([sight(2), sight(3), sight(3)], [0, 21])],
    [
      "wrote-for-nothing",
      kinds(
        [sight(3), sight(3, { picture: "another" }), sight(3)],
        [0, 0],
        { kind: "start" },
        { at: 3, other: 3 },
      ),
    ],
    ["should-have-refused", kinds([sight(2), sight(3), sight(3)], [0, 0], refuse)],
    ["false-alarm", kinds([sight(2), sight(2), sight(2)], [21, 21])],
  ])("%s", (kind, found) => {
    expect(found).toContain(kind);
  });
});
