import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assumable, checkAssumption } from "../../src/core/assume.ts";
import { diagnose } from "../../src/core/diagnose.ts";
import { type Fact, factKey } from "../../src/core/facts.ts";
import type { History } from "../../src/core/history.ts";
import { combine, type Knowledge } from "../../src/core/knowledge.ts";
import type { Observation } from "../../src/core/observation.ts";
import { isPassedOver, planFor } from "../../src/core/plan.ts";
import type { Policy } from "../../src/core/step.ts";
import { writeLedger } from "../../src/core/write-ledger.ts";
import { alembic } from "../../src/tools/alembic/alembic.ts";
import { sql } from "../../src/tools/sql/sql.ts";
import {
  anyRevisions,
  databaseAt,
  fact,
  factsAfter,
  historyOf,
  knowledgeOf,
  type ModelRevision,
  observe,
  policy,
  replayOf,
  revision,
  table,
} from "./model.ts";

/** customers → orders → (data) → status. */
const shop = [
  revision("customers", [], table("customers", "email")),
  revision(
    "orders",
    ["customers"],
    [
      ...table("orders", "total"),
      fact("constraint", "public.orders", "orders_check", "CHECK (total > 0)"),
    ],
  ),
  revision("fill", ["orders"], [], { data: "writes" }),
  revision("status", ["fill"], [fact("column", "public.orders", "status", "text")]),
];

type Given = {
  readonly at: string | null;
  readonly rows: readonly string[];
  readonly lose?: string;
  readonly plus?: readonly Fact[];
  readonly knowledge?: Knowledge;
  readonly seen?: Partial<Observation>;
};

function observed({ at, rows, lose, plus = [], seen }: Given): Observation {
  const { facts } = databaseAt(shop, at === null ? [] : [at]);
  const kept = [...facts.values()].filter(({ name }) => name === "" || name !== lose);
  const all = new Map([...kept, ...plus].map((each) => [factKey(each), each]));
  return observe({ rows, facts: all }, seen);
}

function decide(given: Given, assume: string | null, by: Partial<Policy> = {}) {
  const { knowledge = knowledgeOf(shop) } = given;
  const observation = observed(given);
  const verdict = diagnose(knowledge, observation);
  const assumption = assume === null ? null : checkAssumption(assume, knowledge, observation);
  const situation = { knowledge, observation, assumption };
  const rules = { ...policy, ...by, assume };
  const plan = planFor(verdict, rules, situation);
  return { verdict, plan, passedOver: isPassedOver(plan, verdict, rules, situation) };
}

const noLedger = combine(historyOf(shop), null);
const stale = combine(
  historyOf(shop),
  writeLedger(historyOf(shop.slice(0, 2)), replayOf(shop.slice(0, 2)), null, []),
);
/** The newest file was deleted after the bake. */
const withoutNewest = combine(
  historyOf(shop.slice(0, 3)),
  writeLedger(historyOf(shop), replayOf(shop), null, []),
);
const numbered = ((): Knowledge => {
  const history: History = { ...historyOf(shop), tool: sql };
  return combine(history, writeLedger(history, replayOf(shop), null, []));
})();

describe("a person's word opens what nothing proves", () => {
  it.each<[string, Given, string, string, readonly string[]]>([
    ["ambiguous", { at: "orders", rows: [] }, "unversioned", "fill", ["orders", "fill"]],
    [
      "nearest, and what differs is drift afterwards",
      { at: "status", rows: [], lose: "orders_check" },
      "unversioned",
      "status",
      ["status --drift warn"],
    ],
    [
      "no ledger",
      { at: "orders", rows: [], knowledge: noLedger },
      "unversioned",
      "orders",
      ["orders", "fill"],
    ],
    [
      "a stale ledger",
      { at: "orders", rows: [], knowledge: stale },
      "unversioned",
      "orders",
      ["orders", "fill"],
    ],
    [
      "only a retired revision made it",
      { at: "status", rows: [], knowledge: withoutNewest },
      "unversioned",
      "fill",
      ["orders", "fill"],
    ],
    [
      "a data migration between, forwards",
      { at: "status", rows: ["orders"] },
      "mismatched",
      "status",
      ["status, or preflight stamp status"],
    ],
    [
      "a data migration between, backwards",
      { at: "orders", rows: ["status"], plus: [] },
      "mismatched",
      "orders",
      ["orders", "fill"],
    ],
    [
      "a deleted file, and two states that fit",
      { at: "orders", rows: ["status"], knowledge: withoutNewest },
      "missing-file",
      "orders",
      ["orders", "fill"],
    ],
    [
      "a row that nobody knows, no ledger",
      { at: "customers", rows: ["lost"], knowledge: noLedger },
      "unknown",
      "customers",
      ["customers"],
    ],
    [
      "a row that nobody knows, and an empty database",
      { at: null, rows: ["lost"] },
      "unknown",
      "base",
      ["base"],
    ],
    [
      "another application's tables",
      { at: null, rows: [], plus: table("wp_posts", "id") },
      "unknown",
      "base",
      ["base"],
    ],
    [
      "another tool's rows deny what the schema could be",
      {
        at: "status",
        rows: [],
        knowledge: numbered,
        seen: {
          neighbours: [
            { schema: "public", name: "schema_migrations", rows: ["customers"], isDirty: false },
          ],
        },
      },
      "unversioned",
      "status",
      ["status"],
    ],
  ])("%s", (_, given, verdict, word, ways) => {
    const silent = decide(given, null);
    expect(silent).toMatchObject({ verdict: { kind: verdict }, plan: { outcome: "unproven" } });
    const next = silent.plan.kind === "refuse" ? silent.plan.next.join("\n") : "";
    for (const way of ways) expect(next).toContain(`--assume ${way}`);

    const isDrift = ways.some((way) => way.endsWith("--drift warn"));
    const by = { drift: isDrift ? "warn" : "fail" } as const;
    const spoken = decide(given, word, by);
    expect(spoken).toMatchObject({ plan: { kind: "act" }, passedOver: false });
    expect(spoken.plan.kind === "act" ? spoken.plan.steps[0] : null).toMatchObject({
      kind: "stamp",
      to: word === "base" ? [] : [word],
      because: "assumed",
    });
    expect(decide(given, word, { ...by, stamp: "never" }).plan).toMatchObject({
      outcome: "unproven",
      reason: expect.stringMatching(/on your word .* --stamp never forbids/),
    });
  });

  it("but what differs from the word is drift, as it would be from version rows", () => {
    const given = { at: "status", rows: [], lose: "orders_check" };
    expect(decide(given, "status").plan).toMatchObject({
      outcome: "drift",
      reason: expect.stringContaining("on your word (--assume) the database is at status"),
      next: expect.arrayContaining([expect.stringContaining("--drift warn")]),
    });
  });

  it("but for one that the tables contradict: then nothing offers it", () => {
    const given = { at: "status", rows: [], lose: "email" };
    expect(decide(given, "status").plan).toMatchObject({
      outcome: "unproven",
      reason: expect.stringContaining("--assume status cannot be: it needs public.customers.email"),
    });
    expect(JSON.stringify(decide(given, null).plan)).not.toContain("--assume");
  });

  it("but where something else stands under the version table's name", () => {
    const { versionTable } = observe({ rows: [], facts: new Map() });
    const seen = {
      versionTable: { ...versionTable!, rows: null, unreadable: "shape" as const },
    };
    expect(decide({ at: null, rows: [], seen }, "base")).toMatchObject({
      plan: {
        outcome: "unproven",
        next: expect.arrayContaining([expect.stringContaining("--version-table")]),
      },
      passedOver: true,
    });
  });
});

describe("a person's word is passed over", () => {
  it.each<[string, Given, string, string]>([
    ["at head", { at: "status", rows: ["status"] }, "current", "start"],
    ["behind", { at: "customers", rows: ["customers"] }, "behind", "act"],
    ["empty", { at: null, rows: [] }, "fresh", "act"],
    ["proven without rows", { at: "customers", rows: [] }, "unversioned", "act"],
    [
      "two rows, one in the other",
      { at: "status", rows: ["orders", "status"] },
      "overlapping",
      "act",
    ],
    ["drifted", { at: "status", rows: ["status"], lose: "orders_check" }, "drifted", "refuse"],
    ["ahead", { at: "status", rows: ["newer"] }, "ahead", "start"],
    [
      "half-done",
      { at: "customers", rows: [], plus: [fact("table", "public.orders", "", "r")] },
      "partial",
      "refuse",
    ],
    [
      "no ledger, at head",
      { at: "status", rows: ["status"], knowledge: noLedger },
      "current",
      "start",
    ],
    [
      "out of order",
      { at: "status", rows: ["customers", "orders", "status"], knowledge: numbered },
      "behind",
      "refuse",
    ],
  ])("%s", (_, given, verdict, plan) => {
    expect(decide(given, "orders")).toMatchObject({
      verdict: { kind: verdict },
      plan: { kind: plan },
      passedOver: true,
    });
    expect(decide(given, null).passedOver).toBe(false);
  });
});

describe("--unverified refuse", () => {
  const refuse = { unverified: "refuse" } as const;

  it.each<[string, Given, string]>([
    [
      "absent, at head",
      { at: "status", rows: ["status"], knowledge: noLedger },
      "there is no ledger",
    ],
    [
      "absent, behind",
      { at: "orders", rows: ["orders"], knowledge: noLedger },
      "there is no ledger",
    ],
    ["absent, empty", { at: null, rows: [], knowledge: noLedger }, "there is no ledger"],
    [
      "stale, at head",
      { at: "status", rows: ["status"], knowledge: stale },
      "the ledger is stale: it lacks fill; status",
    ],
    [
      "absent, unproven",
      { at: "orders", rows: [], knowledge: noLedger },
      "Besides: there is no ledger, so no revision",
    ],
  ])("refuses a ledger that is %s", (_, given, reason) => {
    for (const word of [null, "orders"]) {
      const { plan } = decide(given, word, refuse);
      expect(plan).toMatchObject({ kind: "refuse", outcome: "unproven" });
      if (word === null) expect(plan).toMatchObject({ reason: expect.stringContaining(reason) });
      const next = plan.kind === "refuse" ? plan.next.join("\n") : "";
      expect(next).toContain("preflight bake");
      expect(next).toContain("preflight.ledger.json");
      expect(next).toContain("--unverified start");
      expect(next).not.toContain("--assume");
    }
  });

  it("leaves a verified ledger alone, and a refusal that says more", () => {
    expect(decide({ at: "status", rows: ["status"] }, null, refuse).plan).toEqual({
      kind: "start",
    });
    const invalid = fact("invalid", "public.orders", "by_day");
    const given = { at: "status", rows: ["status"], knowledge: noLedger, plus: [invalid] };
    expect(decide(given, null, refuse).plan).toMatchObject({ outcome: "partial" });
  });
});

describe("a word is offered", () => {
  it.each<[string, Given, readonly string[]]>([
    [
      "where nothing of what comes after it is there",
      { at: "orders", rows: [] },
      ["orders", "fill"],
    ],
    [
      "where nothing but a constraint is missing",
      { at: "status", rows: [], lose: "orders_check" },
      ["status"],
    ],
    [
      "not where the next revision would make a table again",
      { at: "status", rows: [], lose: "total" },
      [],
    ],
    [
      "not where a pending revision would add a column again",
      {
        at: "orders",
        rows: [],
        lose: "email",
        plus: [fact("column", "public.orders", "status", "text")],
      },
      [],
    ],
  ])("%s", (_, given, offered) => {
    expect(assumable(knowledgeOf(shop), observed(given))).toEqual(offered);
  });
});

describe("for any history and any damaged database", () => {
  it.each([alembic, sql])("$name: every word that a refusal offers holds", (tool) => {
    let offered = 0;
    fc.assert(
      fc.property(
        anyRevisions,
        fc.boolean(),
        fc.nat(),
        fc.option(fc.nat(), { nil: null }),
        fc.constantFrom([], ["lost"], ["r0"], ["r1", "r2"]),
        (made, isBaked, truth, loss, rows) => {
          const revisions = tool === sql ? inAChain(made) : made;
          const history: History = { ...historyOf(revisions), tool };
          const ledger = isBaked ? writeLedger(history, replayOf(revisions), null, []) : null;
          const knowledge = combine(history, ledger);
          const ids = revisions.map(({ id }) => id);
          const facts = new Map(
            factsAfter(revisions, new Set(ids.slice(0, truth % (ids.length + 1)))),
          );
          const lost =
            loss === null ? undefined : [...facts.keys()][loss % Math.max(1, facts.size)];
          if (lost !== undefined) facts.delete(lost);
          const observation = observe({ rows, facts });
          const verdict = diagnose(knowledge, observation);
          const silent = planFor(verdict, policy, { knowledge, observation, assumption: null });
          if (silent.kind !== "refuse" || silent.outcome !== "unproven") return;
          for (const way of silent.next)
            for (const [, word] of way.matchAll(/--assume (\w+)/g)) {
              offered++;
              const assumption = checkAssumption(word!, knowledge, observation);
              const situation = { knowledge, observation, assumption };
              const drift = way.includes("--drift warn") ? "warn" : "fail";
              const plan = planFor(verdict, { ...policy, drift }, situation);
              expect(plan, `${way}: ${silent.reason}`).toMatchObject({ kind: "act" });
            }
          for (const id of assumable(knowledge, observation))
            expect(checkAssumption(id, knowledge, observation).kind).toBe("holds");
        },
      ),
      { numRuns: 2_000 },
    );
    expect(offered).toBeGreaterThan(100);
  });
});

/** Numbered files have no branches. */
function inAChain(revisions: readonly ModelRevision[]): readonly ModelRevision[] {
  return revisions.map((each, at) => ({
    ...each,
    needs: revisions.slice(Math.max(0, at - 1), at).map(({ id }) => id),
  }));
}
