import { describe, expect, it } from "vitest";
import { diagnose } from "../../src/core/diagnose.ts";
import { type JournalEntry, sameRows } from "../../src/core/journal.ts";
import { combine } from "../../src/core/knowledge.ts";
import type { Ledger } from "../../src/core/ledger.ts";
import { planStamp, planUndo } from "../../src/core/plan-by-hand.ts";
import { planFor } from "../../src/core/plan.ts";
import type { Plan } from "../../src/core/step.ts";
import { writeLedger } from "../../src/core/write-ledger.ts";
import { alembic } from "../../src/tools/alembic/alembic.ts";
import {
  databaseAt,
  fact,
  historyOf,
  knowledgeOf,
  observe,
  policy,
  replayOf,
  revision,
  table,
} from "./model.ts";

/** base → (rows) → after, and a branch from base. */
const revisions = [
  revision("base1", [], table("orders", "total")),
  revision("fill", ["base1"], [], { data: "writes" }),
  revision("after", ["fill"], table("notes", "text")),
  revision("beside", ["base1"], table("beside", "text")),
];
const knowledge = knowledgeOf(revisions);
const versionTable = alembic.versionTable.usual;
const key = { tool: "alembic", versionTable: "public.alembic_version", home: "public" };

function ledgerOf(some: typeof revisions): Ledger {
  return writeLedger(historyOf(some), replayOf(some), null, []);
}

function refusalOf(plan: Plan): readonly string[] {
  return plan.kind === "refuse" ? plan.next : [];
}

/** A database whose schema is at one state, and whose rows say another. */
type Given = { readonly schema: readonly string[]; readonly rows: readonly string[] };

function stampAt({ schema, rows }: Given, to: readonly string[], force = false): Plan {
  const observation = observe(databaseAt(revisions, schema, rows));
  const basis = { knowledge, observation, assumption: null, policy, versionTable };
  const request = { kind: "stamp", revisions: to, force } as const;
  return planStamp(request, diagnose(knowledge, observation), basis);
}

function undoAt(
  { schema, rows }: Given,
  journal: readonly JournalEntry[] | null,
  entry: number | null = null,
  force = false,
): Plan {
  const observation = observe(databaseAt(revisions, schema, rows), { journal });
  const basis = { knowledge, observation, assumption: null, policy, versionTable };
  return planUndo({ kind: "undo", entry, force }, diagnose(knowledge, observation), basis);
}

function entry(number: number, rest: Partial<JournalEntry> = {}): JournalEntry {
  return {
    ...key,
    entry: number,
    kind: "stamp",
    state: "done",
    beganAt: "2026-01-01T00:00:00Z",
    endedAt: "2026-01-01T00:00:01Z",
    rowsBefore: [],
    rowsAfter: ["after"],
    evidence: { verdict: "unversioned", what: [], because: "proven", proven: [], tolerated: [] },
    ledger: null,
    undoes: null,
    runId: "test",
    role: "shop",
    image: null,
    program: "0",
    ...rest,
  };
}

describe("preflight stamp", () => {
  it("records what the schema does not contradict", () => {
    expect(stampAt({ schema: ["after"], rows: [] }, ["after"])).toMatchObject({
      kind: "act",
      steps: [{ kind: "stamp", from: [], to: ["after"], because: "asked" }],
      inSpiteOf: [],
    });
  });

  it("takes several heads, and leaves out what one of them includes", () => {
    expect(
      stampAt({ schema: ["after", "beside"], rows: [] }, ["beside", "base1", "after"]),
    ).toMatchObject({ kind: "act", steps: [{ to: ["after", "beside"] }] });
  });

  it("has nothing to do where the rows say so already", () => {
    expect(stampAt({ schema: ["after"], rows: ["after"] }, ["after"])).toEqual({ kind: "start" });
  });

  it.each([
    {
      why: "the schema is another state's",
      given: { schema: ["after"], rows: [] },
      to: ["base1"],
      says: "the schema is exactly that of after",
    },
    {
      why: "something of it is missing",
      given: { schema: ["base1"], rows: [] },
      to: ["after"],
      says: "table notes, with 1 column, is missing: revision after adds it",
    },
    {
      why: "the rows say that a data migration ran, which would be pending",
      given: { schema: ["fill"], rows: ["fill"] },
      to: ["base1"],
      says: "would run data migrations again that have run, by the rows: fill",
    },
    {
      why: "a newer image was here",
      given: { schema: ["after", "beside"], rows: ["newer"] },
      to: ["after", "beside"],
      says: "a newer image has brought this database to newer",
    },
    {
      why: "there are tables, and it says that nothing ran",
      given: { schema: ["after"], rows: ["after"] },
      to: ["base"],
      says: "the next run would run data migrations again that have run, by the rows: fill",
    },
  ])("wants --force where $why", ({ given, to, says }) => {
    const plan = stampAt(given, to);
    expect(plan).toMatchObject({
      kind: "refuse",
      cause: "stamp-contradicted",
      outcome: "unproven",
    });
    expect(JSON.stringify(plan)).toContain(says);
    const forced = stampAt(given, to, true);
    expect(forced).toMatchObject({ kind: "act" });
    expect(JSON.stringify(forced)).toContain(says);
  });

  it("wants --force also where a start would let the difference pass", () => {
    const without = databaseAt(revisions, ["after", "beside"], []);
    const facts = new Map([...without.facts].filter(([, { name }]) => name !== "total"));
    const observation = observe({ ...without, facts });
    const basis = { knowledge, observation, assumption: null, versionTable };
    const request = { kind: "stamp", revisions: ["after", "beside"], force: false } as const;
    for (const drift of ["fail", "warn"] as const)
      expect(
        planStamp(request, diagnose(knowledge, observation), {
          ...basis,
          policy: { ...policy, drift },
        }),
      ).toMatchObject({ cause: "stamp-contradicted" });
  });

  it("takes back a data migration of which the schema shows that it did not run", () => {
    const filled = revision("filled", ["base1"], [fact("column", "public.orders", "x", "text")], {
      data: "writes",
    });
    const two = [revisions[0]!, filled];
    const known = knowledgeOf(two);
    const observation = observe(databaseAt(two, ["base1"], ["filled"]));
    const basis = { knowledge: known, observation, assumption: null, policy, versionTable };
    const request = { kind: "stamp", revisions: ["base1"], force: false } as const;
    expect(planStamp(request, diagnose(known, observation), basis)).toMatchObject({
      kind: "act",
      steps: [{ kind: "stamp", from: ["filled"], to: ["base1"] }],
    });
  });

  it("wants --force to take back one that may have run all the same", () => {
    const column = [fact("column", "public.orders", "x", "text")];
    const parts = revision("parts", ["base1"], column, { data: "writes", isAtomic: false });
    const two = [revisions[0]!, parts];
    const known = knowledgeOf(two);
    const observation = observe(databaseAt(two, ["base1"], ["parts"]));
    const basis = { knowledge: known, observation, assumption: null, policy, versionTable };
    const verdict = diagnose(known, observation);
    const request = { kind: "stamp", revisions: ["base1"], force: false } as const;
    expect(planStamp(request, verdict, basis)).toMatchObject({ cause: "stamp-contradicted" });
    const [way] = refusalOf(planFor(verdict, policy, basis));
    expect(way).toContain("preflight stamp base1 --force, then start again");
  });

  it("is refused on another application's version table, whatever is forced", () => {
    const observation = observe(databaseAt(revisions, [], []));
    const unreadable = { ...observation.versionTable!, unreadable: "shape", rows: null } as const;
    const seen = { ...observation, versionTable: unreadable };
    const basis = { knowledge, observation: seen, assumption: null, policy, versionTable };
    const request = { kind: "stamp", revisions: ["after"], force: true } as const;
    const verdict = diagnose(knowledge, seen);
    expect(planStamp(request, verdict, basis)).toMatchObject({ cause: "table-of-others" });
  });

  it("says what the next run would meet where no difference speaks against it", () => {
    const seen = observe(databaseAt(revisions, ["after", "beside"], []));
    const observation = { ...seen, versionTable: { ...seen.versionTable!, isDirty: true } };
    const basis = { knowledge, observation, assumption: null, policy, versionTable };
    const request = { kind: "stamp", revisions: ["after", "beside"], force: false } as const;
    const plan = planStamp(request, diagnose(knowledge, observation), basis);
    expect(plan).toMatchObject({ cause: "stamp-contradicted" });
    expect(JSON.stringify(plan)).toContain("the next run would refuse");
  });

  it("makes the table where there is none, also for no rows", () => {
    const observation = { ...observe(databaseAt(revisions, [], [])), versionTable: null };
    const basis = { knowledge, observation, assumption: null, policy, versionTable };
    const request = { kind: "stamp", revisions: ["base"], force: false } as const;
    const verdict = diagnose(knowledge, observation);
    expect(planStamp(request, verdict, basis)).toMatchObject({
      steps: [{ kind: "stamp", to: [] }],
    });
  });

  it("says of an id whose file is gone that the ledger remembers it", () => {
    const rest = revisions.slice(0, 3);
    const known = combine(historyOf(rest), ledgerOf(revisions));
    const observation = observe(databaseAt(rest, ["after"], []));
    const basis = { knowledge: known, observation, assumption: null, policy, versionTable };
    const request = { kind: "stamp", revisions: ["beside"], force: true } as const;
    expect(() => planStamp(request, diagnose(known, observation), basis)).toThrow(
      "the file of revision beside is no longer in this image",
    );
  });

  it("knows only whole ids of files that are here", () => {
    const given = { schema: ["after"], rows: [] };
    expect(() => stampAt(given, ["aft"])).toThrow("no migration file has the revision aft");
    expect(() => stampAt(given, ["head"])).toThrow("no migration file has the revision head");
  });

  it("is checked against the ledger, or refused as missing input", () => {
    const observation = observe(databaseAt(revisions, ["after"], []));
    const without = { ...knowledge, ledger: null, status: "absent" } as const;
    const basis = { knowledge: without, observation, assumption: null, policy, versionTable };
    const request = { kind: "stamp", revisions: ["after"], force: true } as const;
    expect(() => planStamp(request, diagnose(without, observation), basis)).toThrow(
      "there is no ledger",
    );
    const stale = combine(historyOf(revisions), ledgerOf(revisions.slice(0, 2)));
    const old = { ...basis, knowledge: stale };
    expect(() => planStamp(request, diagnose(stale, observation), old)).toThrow(
      "the ledger is older than the files",
    );
    const none = { kind: "stamp", revisions: ["base"], force: true } as const;
    const rows = observe(databaseAt(revisions, [], ["base1"]));
    const seen = { ...basis, observation: rows };
    expect(planStamp(none, diagnose(without, rows), seen)).toMatchObject({ steps: [{ to: [] }] });
  });
});

describe("preflight undo", () => {
  const stamped = { schema: ["after"], rows: ["after"] };

  it("puts back the rows that the newest stamp has replaced", () => {
    expect(undoAt(stamped, [entry(1, { rowsAfter: ["base1"] }), entry(2)])).toMatchObject({
      kind: "act",
      steps: [{ kind: "undo", entry: 2, from: ["after"], to: [] }],
    });
  });

  it("leaves alone what is another history's, another home's, or undone", () => {
    const others = [
      entry(2, { home: "tenant" }),
      entry(3, { versionTable: "public.other" }),
      entry(4, { tool: "sql" }),
    ];
    expect(undoAt(stamped, [entry(1), ...others])).toMatchObject({ steps: [{ entry: 1 }] });
    const undone = [
      entry(1),
      entry(2, { rowsBefore: ["after"] }),
      entry(3, { kind: "undo", undoes: 2 }),
    ];
    expect(undoAt(stamped, undone)).toMatchObject({ steps: [{ entry: 1 }] });
    expect(() => undoAt(stamped, undone, 2)).toThrow("taken back already, by entry 3");
    expect(() => undoAt(stamped, undone, 3)).toThrow("entry 3 took a stamp back itself");
    expect(() => undoAt(stamped, undone, 9)).toThrow("no entry 9");
    expect(() => undoAt(stamped, others)).toThrow("no stamp of public.alembic_version");
    expect(() => undoAt(stamped, null)).toThrow("there is no journal here");
  });

  it.each([
    { why: "with it", journal: [entry(1), entry(2, { kind: "upgrade", rowsBefore: ["base1"] })] },
    {
      why: "whose rows are the same",
      journal: [entry(1), entry(2, { kind: "upgrade", rowsBefore: ["after"] })],
    },
    {
      why: "failed, and has moved the rows",
      journal: [entry(1), entry(2, { kind: "upgrade", state: "failed", rowsBefore: ["base1"] })],
    },
    {
      why: "begun and not seen to end",
      journal: [entry(1), entry(2, { kind: "upgrade", state: "begun", rowsAfter: null })],
    },
  ])("does not take back a stamp after an upgrade ($why)", ({ journal }) => {
    for (const asked of [null, 1])
      expect(undoAt(stamped, journal, asked, true)).toMatchObject({
        kind: "refuse",
        cause: "undo-past-upgrade",
        next: [
          "restore a backup from before 2026-01-01T00:00:00Z",
          expect.stringContaining("alembic downgrade"),
        ],
      });
  });

  it("passes over an upgrade that failed and left the rows alone", () => {
    const failed = entry(2, { kind: "upgrade", state: "failed", rowsBefore: ["after"] });
    expect(undoAt(stamped, [entry(1), failed])).toMatchObject({ steps: [{ entry: 1 }] });
    expect(undoAt(stamped, [entry(1), failed], 2)).toMatchObject({ cause: "undo-past-upgrade" });
  });

  it("takes back stamps alone: a wider column stays", () => {
    const widened = entry(2, { kind: "widen", rowsBefore: ["after"] });
    expect(undoAt(stamped, [entry(1), widened])).toMatchObject({ steps: [{ entry: 1 }] });
    expect(() => undoAt(stamped, [entry(1), widened], 2)).toThrow("there is nothing to take back");
  });

  it("is in the way of an older stamp's undo only where the upgrade came after it", () => {
    const upgraded = entry(1, { kind: "upgrade", rowsAfter: ["base1"] });
    expect(undoAt(stamped, [upgraded, entry(2)])).toMatchObject({ steps: [{ entry: 2 }] });
  });

  it("is refused where the rows are no longer those that it left", () => {
    const moved = { schema: ["after", "beside"], rows: ["after", "beside"] };
    expect(undoAt(moved, [entry(1)], null, true)).toMatchObject({
      kind: "refuse",
      cause: "undo-moved",
      reason:
        "entry 1 left after, and the version rows are after, beside now: something else has written them",
    });
  });

  it("wants --force where the schema contradicts the rows of before", () => {
    const mended = [entry(1, { rowsBefore: ["base1"] })];
    expect(undoAt(stamped, mended)).toMatchObject({
      kind: "refuse",
      cause: "undo-contradicted",
      reason: expect.stringContaining("the schema is exactly that of after"),
    });
    expect(undoAt(stamped, mended, null, true)).toMatchObject({
      kind: "act",
      steps: [{ kind: "undo", entry: 1, to: ["base1"] }],
    });
  });
});

it("compares rows as often as they stand there", () => {
  expect(sameRows(["a", "b"], ["b", "a"])).toBe(true);
  expect(sameRows(["a", "a"], ["a"])).toBe(false);
  expect(sameRows([null], ["null"])).toBe(false);
});

describe("a row that this image does not have", () => {
  /** Less than half of what the image needs is here. */
  const strange = { schema: ["base1"], rows: ["newer"] };
  function verdictWith(journal: readonly JournalEntry[] | null, { schema, rows }: Given = strange) {
    return diagnose(knowledge, observe(databaseAt(revisions, schema, rows), { journal }));
  }
  const led = [
    entry(1, { kind: "upgrade", rowsBefore: ["after", "beside"], rowsAfter: ["next"] }),
    entry(2, { kind: "upgrade", rowsBefore: ["next"], rowsAfter: ["newer"], image: "1.5" }),
  ];

  it("is this history's where entries lead to it from rows that are known; what is missing stays missing", () => {
    const verdict = verdictWith(led);
    expect(verdict).toMatchObject({ kind: "ahead", broughtBy: { entry: 2, image: "1.5" } });
    expect(verdict.kind === "ahead" && verdict.lacking.length).toBeGreaterThan(0);
  });

  it("was brought by the entry that wrote it, also one that failed later, and not by one that kept it", () => {
    const failed = { ...led[1]!, state: "failed" } as const;
    const kept = entry(3, { rowsBefore: ["newer"], rowsAfter: ["newer", "another"] });
    expect(verdictWith([led[0]!, failed, kept])).toMatchObject({ broughtBy: { entry: 2 } });
  });

  it.each([
    { why: "nobody asked", journal: null },
    { why: "there are no entries", journal: [] },
    { why: "the way begins nowhere that is known", journal: led.slice(1) },
    {
      why: "it began with an empty table, as another application's would",
      journal: [entry(1, { rowsBefore: [], rowsAfter: ["newer"] })],
    },
    { why: "they are another home's", journal: led.map((each) => ({ ...each, home: "tenant" })) },
    { why: "there is a gap", journal: [led[0]!, { ...led[1]!, rowsBefore: ["nearly"] }] },
    {
      why: "a NULL was beside what is known",
      journal: [entry(1, { rowsBefore: ["after", null], rowsAfter: ["newer"] })],
    },
    {
      why: "the last one did not end",
      journal: [led[0]!, { ...led[1]!, state: "begun", rowsAfter: null } as const],
    },
  ])("stays unknown where $why", ({ journal }) => {
    expect(verdictWith(journal)).toMatchObject({ kind: "unknown" });
  });
});
