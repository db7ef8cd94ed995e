import { describe, expect, it } from "vitest";
import { commitInParts } from "../../src/core/data-migrations.ts";
import { diagnose } from "../../src/core/diagnose.ts";
import { combine } from "../../src/core/knowledge.ts";
import type { Progress } from "../../src/core/migration.ts";
import { planFor } from "../../src/core/plan.ts";
import {
  databaseAt,
  fact,
  historyOf,
  knowledgeOf,
  type ModelRevision,
  observe,
  revision,
  table,
} from "./model.ts";

/** base → (rows, in parts) → after; beside it a branch. */
const revisions: readonly ModelRevision[] = [
  revision("base", [], table("orders", "total")),
  revision("fill", ["base"], [], { data: "writes", isAtomic: false }),
  revision("after", ["fill"], table("notes", "text")),
  revision("beside", ["base"], table("beside", "text")),
];

const index = fact("index", "public.orders", "by_total", "CREATE INDEX by_total ON public.orders");

function noted(version: string): Progress {
  const rest = { done: 0, of: 1, line: 1, statement: "", error: null } as const;
  return { version, checksum: "", state: "started", ...rest };
}

type Given = {
  readonly rows: readonly string[];
  readonly schemaOf?: readonly string[];
  readonly noted?: readonly string[];
  readonly resume?: boolean;
  readonly all?: readonly ModelRevision[];
};

function judge({ rows, schemaOf = rows, noted: ids = ["fill"], resume = false, all }: Given) {
  const model = all ?? revisions;
  const knowledge = knowledgeOf(model);
  const observation = observe(databaseAt(model, schemaOf, rows), { progress: ids.map(noted) });
  const verdict = diagnose(knowledge, observation);
  const policy = {
    stamp: "proven",
    drift: "fail",
    ahead: "compatible",
    unverified: "start",
    assume: null,
    allowOutOfOrder: false,
    resume,
  } as const;
  const situation = { knowledge, observation, assumption: null };
  return { verdict, plan: planFor(verdict, policy, situation) };
}

describe("a revision that was noted as begun", () => {
  it("is partial while it is not recorded and what it follows is: it may have written rows", () => {
    const { verdict, plan } = judge({ rows: ["base"] });
    expect(verdict).toMatchObject({
      kind: "partial",
      left: { kind: "begun", revision: "fill", pending: ["fill", "after", "beside"] },
    });
    expect(plan).toMatchObject({ kind: "refuse", outcome: "partial" });
    const text = JSON.stringify(plan);
    expect(text).toContain("versions/fill.py");
    expect(text).toContain("preflight run --resume");
    expect(text).toContain("preflight stamp fill");
  });

  it("is recorded beside the other heads where a person completes it", () => {
    const { plan } = judge({ rows: ["beside"] });
    expect(JSON.stringify(plan)).toContain("preflight stamp beside fill");
  });

  it("runs again, and all that follows, when a person says so", () => {
    const { plan } = judge({ rows: ["base"], resume: true });
    expect(plan).toEqual({
      kind: "act",
      steps: [{ kind: "upgrade", revisions: ["fill", "after", "beside"] }],
    });
  });

  it("is partial where it is the first of all and nothing is recorded yet", () => {
    const first = [revision("fill", [], [], { data: "writes", isAtomic: false })];
    expect(judge({ rows: [], all: first }).verdict.kind).toBe("partial");
  });

  it.each<[string, Given, string]>([
    ["is harmless before its parents are recorded", { rows: [] }, "fresh"],
    ["is harmless once it is recorded", { rows: ["fill"] }, "behind"],
    ["is harmless at head", { rows: ["after", "beside"] }, "current"],
    ["of another image is harmless", { rows: ["base"], noted: ["newer"] }, "behind"],
    ["beside a row that nobody knows says nothing", { rows: ["base", "newer"] }, "ahead"],
  ])("%s", (_, given, kind) => {
    const schemaOf = given.rows.filter((row) => row !== "newer");
    const all = kind === "ahead" ? revisions.slice(0, 2) : revisions;
    expect(judge({ ...given, schemaOf, all }).verdict.kind).toBe(kind);
  });

  it("shows its middle where the schema shows one: then it cannot simply run again", () => {
    const half: readonly ModelRevision[] = [
      revision("base", [], table("orders", "total")),
      revision("fill", ["base"], [index, ...table("more", "text")], {
        data: "writes",
        isAtomic: false,
      }),
    ];
    const knowledge = knowledgeOf(half);
    const database = databaseAt(half, ["base"]);
    const facts = new Map([...database.facts, ["index", index] as const]);
    const verdict = diagnose(
      knowledge,
      observe({ ...database, facts }, { progress: [noted("fill")] }),
    );
    expect(verdict).toMatchObject({ kind: "partial", left: { kind: "half-done" } });
  });
});

describe("what is noted", () => {
  const all = ["base", "fill", "after", "beside"];

  it("is what commits in parts and touches rows, as the ledger knows", () => {
    expect(commitInParts(knowledgeOf(revisions), all)).toEqual(["fill"]);
    const index = [revision("base", []), revision("fill", ["base"], [], { isAtomic: false })];
    expect(commitInParts(knowledgeOf(index), ["base", "fill"])).toEqual([]);
  });

  it("is nothing where no ledger knows: it runs as the tool itself would run it", () => {
    expect(commitInParts(combine(historyOf(revisions), null), all)).toEqual([]);
    const stale = { ...knowledgeOf(revisions), status: "stale" } as const;
    expect(commitInParts(stale, all)).toEqual([]);
  });
});
