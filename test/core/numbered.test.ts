import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { claimOf, recordedOf, rowsFor } from "../../src/core/claim.ts";
import { diagnose } from "../../src/core/diagnose.ts";
import { factKey } from "../../src/core/facts.ts";
import type { History } from "../../src/core/history.ts";
import { combine, type Knowledge } from "../../src/core/knowledge.ts";
import type { Progress } from "../../src/core/migration.ts";
import type { Observation } from "../../src/core/observation.ts";
import { planFor } from "../../src/core/plan.ts";
import type { Policy } from "../../src/core/step.ts";
import { faultOfVersionTable } from "../../src/core/which-version-table.ts";
import { writeLedger } from "../../src/core/write-ledger.ts";
import { sql } from "../../src/tools/sql/sql.ts";
import {
  answersOf,
  anyRevisions,
  carryOut,
  fact,
  factsAfter,
  historyOf,
  type ModelDatabase,
  type ModelRevision,
  observe,
  policy,
  replayOf,
  revision,
  table,
} from "./model.ts";

const index = fact("index", "public.orders", "at", "CREATE INDEX at ON orders USING btree (id)");
const files: readonly ModelRevision[] = [
  revision("001", [], table("customers", "id")),
  revision("002", ["001"], table("orders", "id")),
  revision("003", ["002"], [], { data: "writes", leavesRows: true }),
  revision("004", ["003"], [fact("column", "public.orders", "total", "numeric"), index]),
  revision("005", ["004"], table("refunds", "id")),
];

describe("rows that name every applied file", () => {
  const { history } = numbered(files);

  it.each([
    { rows: [], heads: [], skipped: [], unknownRows: [], withoutFile: [] },
    { rows: ["001", "002"], heads: ["002"], skipped: [], unknownRows: [], withoutFile: [] },
    { rows: ["001", "004"], heads: ["004"], skipped: ["002", "003"] },
    { rows: ["001", "002", "0010"], unknownRows: ["0010"], withoutFile: [] },
    { rows: ["0", "001", "3"], heads: ["001"], unknownRows: ["3"], withoutFile: ["0"] },
    { rows: ["100", "99", "x"], heads: [], unknownRows: ["99", "100", "x"] },
  ])("$rows", ({ rows, ...expected }) => {
    expect(claimOf(history, rows)).toMatchObject(expected);
  });

  it("are shown by the newest, by number and not by text", () => {
    expect(recordedOf(history, ["9", "10", "010"])).toEqual(["10"]);
    expect(recordedOf(history, [])).toEqual([]);
  });

  it("keep the past of squashed files when a version is recorded", () => {
    expect(rowsFor(history, ["002"], ["000", "001", "005", "7"])).toEqual(["000", "001", "002"]);
    expect(rowsFor(history, [], ["001"])).toEqual([]);
  });
});

describe("verdicts", () => {
  const all = ["001", "002", "003", "004", "005"];
  const cases: readonly {
    readonly name: string;
    readonly applied: readonly string[];
    readonly rows: readonly string[];
    readonly rest?: Partial<Observation>;
    readonly policy?: Partial<Policy>;
    readonly lose?: ReturnType<typeof fact>;
    readonly verdict: string;
    readonly plan: unknown;
  }[] = [
    { name: "at head", applied: all, rows: all, verdict: "current", plan: { kind: "start" } },
    {
      name: "behind",
      applied: ["001", "002"],
      rows: ["001", "002"],
      verdict: "behind",
      plan: { kind: "act", steps: [{ kind: "upgrade", revisions: ["003", "004", "005"] }] },
    },
    {
      name: "made by hand",
      applied: ["001", "002", "003", "004"],
      rows: [],
      rest: { rows: answersOf(files, { ran: new Map([["003", 1]]) }) },
      verdict: "unversioned",
      plan: {
        kind: "act",
        steps: [
          { kind: "stamp", from: [], to: ["004"], because: "proven" },
          { kind: "upgrade", revisions: ["005"] },
        ],
      },
    },
    {
      name: "made by hand, without the rows of a data migration",
      applied: ["001", "002", "003", "004"],
      rows: [],
      rest: { rows: answersOf(files, { ran: new Map() }) },
      verdict: "unversioned",
      plan: { kind: "refuse", outcome: "unproven" },
    },
    {
      name: "made by hand, and its rows decide between what the schema could be",
      applied: ["001", "002", "003"],
      rows: [],
      rest: { rows: answersOf(files, { ran: new Map([["003", 1]]) }) },
      verdict: "unversioned",
      plan: { kind: "act", steps: [{ kind: "stamp", to: ["003"] }, { kind: "upgrade" }] },
    },
    {
      name: "made by hand, and a data migration lies between what the schema could be",
      applied: ["001", "002"],
      rows: [],
      verdict: "unversioned",
      plan: { kind: "refuse", outcome: "unproven" },
    },
    {
      name: "the same, and another tool's rows decide",
      applied: ["001", "002", "003"],
      rows: [],
      rest: { neighbours: [neighbour(["1", "2", "3"])] },
      verdict: "unversioned",
      plan: {
        kind: "act",
        steps: [
          { kind: "stamp", from: [], to: ["003"], because: "proven" },
          { kind: "upgrade", revisions: ["004", "005"] },
        ],
      },
    },
    {
      name: "another tool's rows are evidence, never proof",
      applied: ["001", "002", "003", "004"],
      rows: [],
      rest: { neighbours: [neighbour(["1", "2", "3", "4", "5"])] },
      verdict: "unversioned",
      plan: { kind: "act", steps: [{ kind: "stamp", to: ["004"] }, { kind: "upgrade" }] },
    },
    {
      name: "another tool says dirty",
      applied: ["001", "002", "003", "004"],
      rows: [],
      rest: { neighbours: [{ ...neighbour(["5"]), isDirty: true }] },
      verdict: "partial",
      plan: { kind: "refuse", outcome: "partial" },
    },
    {
      name: "made by hand, a column there and its index not",
      applied: ["001", "002", "003", "004"],
      rows: [],
      lose: index,
      verdict: "partial",
      plan: { kind: "refuse", outcome: "partial" },
    },
    {
      name: "a file below the newest was not applied",
      applied: ["001", "002", "004", "005"],
      rows: ["001", "002", "004", "005"],
      verdict: "behind",
      plan: { kind: "refuse", outcome: "unproven" },
    },
    {
      name: "the same, allowed",
      applied: ["001", "002", "004", "005"],
      rows: ["001", "002", "004", "005"],
      policy: { allowOutOfOrder: true },
      verdict: "behind",
      plan: { kind: "act", steps: [{ kind: "upgrade", revisions: ["003"] }] },
    },
    {
      name: "a file below the newest was applied, and its row is missing",
      applied: all,
      rows: ["001", "002", "003", "005"],
      verdict: "mismatched",
      plan: { kind: "act", steps: [{ kind: "stamp", from: ["005"], to: ["005"] }] },
    },
    {
      name: "a row too many",
      applied: ["001", "002", "003", "004"],
      rows: all,
      verdict: "mismatched",
      plan: {
        kind: "act",
        steps: [
          { kind: "stamp", from: ["005"], to: ["004"] },
          { kind: "upgrade", revisions: ["005"] },
        ],
      },
    },
    {
      name: "a newer image was here",
      applied: all,
      rows: [...all, "006"],
      verdict: "ahead",
      plan: { kind: "start" },
    },
    {
      name: "an older row without a file is the past",
      applied: all,
      rows: ["000", ...all],
      verdict: "current",
      plan: { kind: "start" },
    },
    {
      name: "a migration outside of a transaction did not end",
      applied: ["001", "002", "003", "004"],
      rows: ["001", "002", "003", "004"],
      rest: { progress: [progress("005", "started")] },
      verdict: "partial",
      plan: {
        kind: "refuse",
        outcome: "partial",
        reason: expect.stringMatching(/005.*2 of its 5.*statement 3 of 5 \(line 9\): CREATE INDEX/),
      },
    },
    {
      name: "several did not end: the one that can go on is named, and the others",
      applied: ["001", "002", "003"],
      rows: ["001", "002", "003"],
      rest: {
        progress: [
          progress("099", "failed"),
          { ...progress("004", "failed"), checksum: "older" },
          progress("005", "started"),
        ],
      },
      verdict: "partial",
      plan: {
        kind: "refuse",
        outcome: "partial",
        reason: expect.stringMatching(
          /005.* stopped half-way.*Besides, 099; 004 did not end either/,
        ),
      },
    },
    {
      name: "the same, and it shall go on",
      applied: ["001", "002", "003", "004"],
      rows: ["001", "002", "003", "004"],
      rest: { progress: [progress("005", "failed")] },
      policy: { resume: true },
      verdict: "partial",
      plan: { kind: "act", steps: [{ kind: "upgrade", revisions: ["005"] }] },
    },
    {
      name: "the same, and the file is another one by now",
      applied: ["001", "002", "003", "004"],
      rows: ["001", "002", "003", "004"],
      rest: { progress: [{ ...progress("005", "failed"), checksum: "older" }] },
      policy: { resume: true },
      verdict: "partial",
      plan: { kind: "refuse", outcome: "partial" },
    },
  ];

  it.each(cases)("$name", ({ applied, rows, rest, lose, verdict, plan, policy: other }) => {
    const knowledge = numbered(files);
    const facts = new Map(factsAfter(files, new Set(applied)));
    if (lose !== undefined) facts.delete(factKey(lose));
    const judged = judge(knowledge, observe({ rows, facts }, rest), { ...policy, ...other });
    expect(judged.verdict.kind).toBe(verdict);
    expect(judged.plan).toMatchObject(plan as object);
  });
});

describe("rows say more than Alembic's", () => {
  const kept = table("kept", "id");
  const [seeds, view] = [
    revision("003", ["002"], [], { data: "writes" }),
    fact("view", "public.v"),
  ];

  it("a renamed file does not hide that a data migration before it never ran", () => {
    const before = [files[0]!, files[1]!, revision("003", ["002"], kept)];
    const after = [
      files[0]!,
      files[1]!,
      revision("004", ["002"], [], { data: "writes" }),
      revision("005", ["004"], kept),
    ];
    const facts = factsAfter(after, new Set(["001", "002", "005"]));
    const judged = judge(rebaked(before, after), observe({ rows: ["001", "002", "003"], facts }));
    expect(judged).toMatchObject({
      verdict: { kind: "missing-file", dataMigrations: ["004"] },
      plan: { outcome: "unproven" },
    });
  });

  it("a newer image was here, and a file of this one never ran", () => {
    const known = [files[0]!, files[1]!, seeds];
    const facts = new Map(factsAfter(known, new Set(["001", "002"])));
    facts.set(factKey(view), view);
    const judged = judge(numbered(known), observe({ rows: ["001", "002", "004"], facts }));
    expect(judged).toMatchObject({
      verdict: { kind: "ahead", lacking: [], notRun: ["003"] },
      plan: { outcome: "ahead-incompatible", reason: expect.stringContaining("003") },
    });
  });

  it("a newer image was here, and all that a file of this one does is there without a row", () => {
    const known = [files[0]!, files[1]!, revision("003", ["002"], kept)];
    const facts = factsAfter(known, new Set(["001", "002", "003"]));
    const judged = judge(numbered(known), observe({ rows: ["001", "002", "004"], facts }));
    expect(judged).toMatchObject({
      verdict: { kind: "ahead", lacking: [], unrecorded: ["003"], notRun: [] },
      plan: { kind: "start" },
    });
  });

  it("a newer image was here, and what a file of this one drops is still there", () => {
    const known = [
      files[0]!,
      revision("002", ["001"], kept),
      revision("003", ["002"], [], { data: "writes" }),
      revision("004", ["003"], [], { drops: [kept[1]!] }),
    ];
    const facts = factsAfter(known, new Set(["001", "002", "003"]));
    const judged = judge(numbered(known), observe({ rows: ["001", "002", "003", "9999"], facts }));
    expect(judged).toMatchObject({
      verdict: { kind: "ahead", lacking: [], notRun: ["004"] },
      plan: { outcome: "ahead-incompatible" },
    });
  });

  it("a squash: exactly an earlier state, under numbers that no file has", () => {
    const known = [files[0]!, files[1]!, revision("003", ["002"], kept)];
    const at = (rows: readonly string[], applied: readonly string[], all = known) =>
      judge(numbered(all), observe({ rows, facts: factsAfter(all, new Set(applied)) })).plan;
    expect(at(["100", "101"], ["001", "002"])).toMatchObject({
      steps: [
        { kind: "stamp", to: ["002"] },
        { kind: "upgrade", revisions: ["003"] },
      ],
    });
    // Nobody saw that the rows which the second one writes are there.
    const withData = [known[0]!, revision("002", ["001"], [], { data: "writes" }), known[2]!];
    const seen = [
      ...withData.slice(0, 2),
      revision("003", ["002"], kept),
      revision("004", ["003"], table("late", "id")),
    ];
    expect(at(["100", "101"], ["001", "002", "003"], seen)).toMatchObject({ outcome: "unproven" });
  });

  describe("the same text under another number", () => {
    const known = [
      files[0]!,
      revision("002", ["001"], kept),
      revision("003", ["002"], table("late", "id")),
    ];
    const texts = new Map([
      ["001", "a"],
      ["002", "b"],
      ["003", "c"],
    ]);
    const at = (
      rows: Readonly<Record<string, string>>,
      applied: readonly string[],
      digests = texts,
    ) => {
      const full = numbered(known);
      const revisions = new Map(
        [...full.history.revisions].map(([id, each]) => [id, { ...each, isEmpty: false }]),
      );
      const knowledge = { ...full, history: { ...full.history, revisions }, digests };
      const observation = observe({
        rows: Object.keys(rows),
        facts: factsAfter(known, new Set(applied)),
      });
      const versionTable = { ...observation.versionTable!, digests: new Map(Object.entries(rows)) };
      return judge(knowledge, { ...observation, versionTable });
    };

    it("is that file: the row gets its number", () => {
      const judged = at({ "001": "a", "2026": "b" }, ["001", "002"]);
      expect(judged).toMatchObject({
        verdict: { kind: "missing-file", gone: ["2026"] },
        plan: {
          steps: [
            { kind: "stamp", to: ["002"] },
            { kind: "upgrade", revisions: ["003"] },
          ],
        },
      });
      expect(at({ "0009": "a", "2026": "b", "003": "c" }, ["001", "002", "003"])).toMatchObject({
        verdict: { kind: "missing-file", gone: ["2026", "0009"] },
        plan: { steps: [{ kind: "stamp", to: ["003"] }] },
      });
    });

    it("is nobody's where two rows have it, the schema is another one, or the text is", () => {
      const start = { kind: "start" };
      expect(at({ "001": "a", "2026": "b", "2027": "b" }, ["001", "002", "003"])).toMatchObject({
        plan: start,
      });
      expect(at({ "001": "a", "2026": "c" }, ["001", "002"]).verdict).not.toMatchObject({
        gone: ["2026"],
        identified: { heads: ["003"] },
      });
      expect(at({ "001": "a", "2026": "x" }, ["001", "002", "003"])).toMatchObject({
        verdict: { kind: "ahead" },
        plan: start,
      });
    });
  });

  it("a newer image dropped what this one's newest file made: its rows are not taken back", () => {
    const known = [files[0]!, files[1]!, revision("003", ["002"], kept)];
    const facts = factsAfter(known, new Set(["001", "002"]));
    const judged = judge(numbered(known), observe({ rows: ["001", "002", "003", "004"], facts }));
    expect(judged).toMatchObject({
      verdict: { kind: "ahead" },
      plan: { outcome: "ahead-incompatible" },
    });
  });

  it("an edited file is not run again, whatever its new text would show", () => {
    const known = [files[0]!, revision("002", ["001"], kept)];
    const knowledge = { ...numbered(known), digests: new Map([["002", "new"]]) };
    const observation = observe({
      rows: ["001", "002"],
      facts: factsAfter(known, new Set(["001"])),
    });
    const versionTable = { ...observation.versionTable!, digests: new Map([["002", "old"]]) };
    const judged = judge(knowledge, { ...observation, versionTable });
    expect(judged).toMatchObject({
      verdict: { kind: "mismatched" },
      plan: { outcome: "unproven" },
    });
  });

  it("an edited file that changes rows is proven by no schema", () => {
    const known = [files[0]!, files[1]!, seeds];
    const rows = ["001", "002", "003"];
    const knowledge = { ...numbered(known), digests: new Map([["003", "new"]]) };
    const observation = observe({ rows, facts: factsAfter(known, new Set(rows)) });
    const versionTable = { ...observation.versionTable!, digests: new Map([["003", "old"]]) };
    const judged = judge(knowledge, { ...observation, versionTable });
    expect(judged).toMatchObject({ verdict: { kind: "drifted" }, plan: { outcome: "drift" } });
  });

  it.each([
    { name: "in another schema", tables: [{ ...neighbour(["1", "2", "3"]), schema: "billing" }] },
    { name: "with numbers that are no files", tables: [neighbour(["1", "2", "3", "77"])] },
    { name: "with gaps", tables: [neighbour(["1", "3"])] },
    { name: "of two tools", tables: [neighbour(["2"]), neighbour(["3"])] },
  ])("another tool's rows decide nothing $name", ({ tables: neighbours }) => {
    const facts = factsAfter(files, new Set(["001", "002", "003"]));
    const judged = judge(numbered(files), observe({ rows: [], facts }, { neighbours }));
    expect(judged.plan).toMatchObject({ kind: "refuse", outcome: "unproven" });
  });

  it.each([
    { name: "with a gap where rows are changed", rows: ["1", "2", "4"] },
    { name: "with an older number alone", rows: ["2"] },
  ])("another tool's rows deny a stamp $name", ({ rows }) => {
    const facts = factsAfter(files, new Set(["001", "002", "003", "004"]));
    const observation = observe({ rows: [], facts }, { neighbours: [neighbour(rows)] });
    const judged = judge(numbered(files), observation);
    expect(judged.plan).toMatchObject({
      outcome: "unproven",
      reason: expect.stringContaining("public.schema_migrations has no row for 003"),
    });
  });

  it("a row of one of several whose file was renamed, and edited later, is no past: the file would run again", () => {
    const shared = [
      revision("001_b", []),
      revision("001_c", ["001_b"], [], { data: "writes" }),
      revision("002", ["001_c"], table("orders", "id")),
    ];
    const rows = ["001_a", "001_b", "002"];
    const facts = factsAfter(shared, new Set(["001_b", "002"]));
    const allowed = { ...policy, allowOutOfOrder: true };
    const { plan } = judge(numbered(shared), observe({ rows, facts }), allowed);
    expect(plan).toMatchObject({ kind: "refuse", outcome: "unproven" });
    expect(plan).toMatchObject({
      reason: expect.stringContaining("row 001_a may be of versions/001_c.py"),
      next: [
        expect.stringMatching(/^if 001_c is what ran: UPDATE .* SET version = '001_c'/),
        expect.stringMatching(/^if it was another file, which is gone: DELETE FROM /),
      ],
    });
  });

  // Of files that share a number, it does not say which ran.
  it.each([
    { name: "the schema is one state's", files: [] },
    { name: "the schema leaves several open", files: [revision("004", ["003"])] },
  ])(
    "another tool's newest number proves none of several below, where $name",
    ({ files: more }) => {
      const shared = [
        revision("001", [], table("customers", "id")),
        revision("002_a", ["001"], table("orders", "id")),
        revision("002_b", ["002_a"], [], { data: "writes" }),
        revision("003", ["002_b"], table("refunds", "id")),
        ...more,
      ];
      const facts = factsAfter(shared, new Set(shared.map(({ id }) => id)));
      const observation = observe({ rows: [], facts }, { neighbours: [neighbour(["3"])] });
      expect(judge(numbered(shared), observation).plan).toMatchObject({
        kind: "refuse",
        outcome: "unproven",
      });
    },
  );

  it("but what is below them; and that it is dirty counts", () => {
    const shared = [
      revision("001", [], table("customers", "id"), { data: "writes" }),
      revision("002_a", ["001"], table("orders", "id")),
      revision("002_b", ["002_a"], table("refunds", "id")),
    ];
    const facts = factsAfter(shared, new Set(["001", "002_a"]));
    const judgeBeside = (isDirty: boolean) =>
      judge(
        numbered(shared),
        observe({ rows: [], facts }, { neighbours: [{ ...neighbour(["2"]), isDirty }] }),
      );
    expect(judgeBeside(false).plan).toMatchObject({ steps: [{ to: ["002_a"] }, {}] });
    expect(judgeBeside(true).verdict.kind).toBe("partial");
  });

  it("what stopped half-way goes on alone; the next look decides about the rest", () => {
    const rows = ["001", "003"];
    const facts = factsAfter(files, new Set(rows));
    const observation = observe({ rows, facts }, { progress: [progress("004", "failed")] });
    const judged = judge(numbered(files), observation, { ...policy, resume: true });
    expect(judged.plan).toMatchObject({ steps: [{ kind: "upgrade", revisions: ["004"] }] });
  });
});

describe("a schema that was taken away and made again", () => {
  it("may hold other rows: which of the two it is, nobody knows", () => {
    const [first] = files;
    const again = [
      first!,
      revision("002", ["001"], [], { drops: table("customers", "id") }),
      revision("003", ["002"], table("customers", "id")),
    ];
    const facts = factsAfter(again, new Set(["001"]));
    const judged = judge(numbered(again), observe({ rows: [], facts }));
    expect(judged.plan).toMatchObject({
      outcome: "unproven",
      reason: expect.stringContaining("002"),
    });
  });
});

describe("a row of a file whose schema change is not there", () => {
  it.each([
    { name: "its rows are not there either: it runs again", isAtomic: true, plan: "act" },
    { name: "its rows may be there: nobody knows", isAtomic: false, plan: "refuse" },
  ])("that is applied in one transaction: $isAtomic; $name", ({ isAtomic, plan }) => {
    const column = fact("column", "public.customers", "name", "text");
    const both = [
      revision("001", [], table("customers", "id")),
      revision("002", ["001"], [column], { data: "writes", isAtomic }),
    ];
    const facts = factsAfter(both, new Set(["001"]));
    const judged = judge(numbered(both), observe({ rows: ["001", "002"], facts }));
    expect(judged).toMatchObject({ verdict: { kind: "mismatched" }, plan: { kind: plan } });
  });
});

describe("a file edited after it was applied", () => {
  const rows = ["001", "002", "003", "004", "005"];
  const facts = factsAfter(files, new Set(rows));
  const digests = new Map([["004", "new"]]);

  it.each([
    { name: "and the schema is what it makes now", lose: null, kind: "drifted", plan: "start" },
    {
      name: "and the schema lacks what it makes now",
      lose: index,
      kind: "drifted",
      plan: "refuse",
    },
  ])("$name", ({ lose, kind, plan }) => {
    const knowledge = { ...numbered(files), digests };
    const seen = new Map(facts);
    if (lose !== null) seen.delete(factKey(lose));
    const judged = judge(knowledge, edited(observe({ rows, facts: seen })));
    expect(judged).toMatchObject({ verdict: { kind }, plan: { kind: plan } });
    expect(judged.verdict).toMatchObject({
      differences: expect.arrayContaining([
        { kind: "edited", revision: "004", file: "versions/004.py", tolerable: plan === "start" },
      ]),
    });
  });

  it.each([
    {
      name: "the schema is of more files: another application's rows",
      from: rows,
      kind: "unknown",
    },
    { name: "the schema is what these files make: it is ours", from: ["001"], kind: "behind" },
  ])("as every recorded one was: $name", ({ from, kind }) => {
    const knowledge = { ...numbered(files), digests: new Map([["001", "new"]]) };
    const seen = observe({ rows: ["001"], facts: factsAfter(files, new Set(from)) });
    const versionTable = { ...seen.versionTable!, digests: new Map([["001", "another's"]]) };
    const { verdict, plan } = judge(knowledge, { ...seen, versionTable });
    expect(verdict.kind).toBe(kind);
    if (kind === "unknown") expect(plan).toMatchObject({ kind: "refuse", outcome: "unproven" });
    else expect(verdict).toMatchObject({ differences: [{ kind: "edited", revision: "001" }] });
  });

  it.each([
    { beside: "nothing else", others: [], texts: "another's", says: null },
    {
      beside: "tables of others",
      others: table("invoices", "id"),
      texts: "another's",
      says: "public.preflight_migrations says 001, with other texts than the files of this image have",
    },
    { beside: "tables of others", others: table("invoices", "id"), texts: "new", says: null },
    {
      beside: "tables of others",
      others: table("invoices", "id"),
      texts: "another's",
      isNamed: true,
      says: null,
    },
  ])("every recorded one has $texts texts, beside $beside, and nobody named the table", (given) => {
    const knowledge = { ...numbered(files), digests: new Map([["001", "new"]]) };
    const all = new Map(factsAfter(files, new Set(["001"])));
    for (const each of given.others) all.set(factKey(each), each);
    const seen = observe({ rows: ["001"], facts: all });
    const versionTable = {
      ...seen.versionTable!,
      name: "preflight_migrations",
      digests: new Map([["001", given.texts]]),
    };
    const observation = { ...seen, versionTable };
    const asked = { schema: null, name: "preflight_migrations" };
    const isNamed = given.isNamed === true;
    const found = faultOfVersionTable(knowledge, observation, asked, isNamed, true);
    if (given.says === null) expect(found).toBeNull();
    else expect(found?.message).toContain(given.says);
  });

  it("without a ledger nothing proves it", () => {
    const { history } = numbered(files);
    const knowledge = combine(history, null, { digests, programsPath: [] });
    const judged = judge(knowledge, edited(observe({ rows, facts })));
    expect(judged).toMatchObject({ verdict: { kind: "drifted" }, plan: { outcome: "drift" } });
  });

  function edited(observation: Observation): Observation {
    const versionTable = { ...observation.versionTable!, digests: new Map([["004", "old"]]) };
    return { ...observation, versionTable };
  }
});

describe("a platform's schemas", () => {
  it("are no evidence and no drift, but for what a migration makes there", () => {
    const trigger = fact("trigger", "auth.users", "greet", "AFTER INSERT");
    const ours = [revision("001", [], [...table("profiles", "id"), trigger])];
    const knowledge = { ...numbered(ours), platformSchemas: new Set(["auth"]) };
    const platform = [
      fact("table", "auth.users", "", "r"),
      fact("column", "auth.users", "id", "uuid NOT NULL"),
      fact("policy", "auth.users", "p", "ALL"),
    ].map((each) => [factKey(each), each] as const);

    const fresh = judge(knowledge, observe({ rows: [], facts: new Map(platform) }));
    expect(fresh.verdict.kind).toBe("fresh");
    const facts = new Map([...factsAfter(ours, new Set(["001"])), ...platform]);
    expect(judge(knowledge, observe({ rows: ["001"], facts })).verdict.kind).toBe("current");
    facts.delete(factKey(trigger));
    expect(judge(knowledge, observe({ rows: ["001"], facts })).verdict.kind).toBe("drifted");
  });
});

describe("schemas that were there before the first file", () => {
  const platformSchemas = new Set(["app"]);
  const users = [fact("table", "app.users", "", "r"), fact("column", "app.users", "id", "bigint")];
  const ours = [revision("001", [], users)];
  const facts = factsAfter(ours, new Set(["001"]));

  it("do not make a database fresh that has this history's tables", () => {
    const knowledge = { ...numbered(ours), platformSchemas };
    expect(judge(knowledge, observe({ rows: [], facts })).verdict.kind).toBe("unversioned");
  });

  it("do not hide what was done to this history's tables", () => {
    const knowledge = { ...numbered(ours), platformSchemas };
    const strange = fact("column", "app.users", "age", "integer NOT NULL");
    const seen = new Map([...facts, [factKey(strange), strange]]);
    const judged = judge(knowledge, observe({ rows: ["001"], facts: seen }));
    expect(judged).toMatchObject({ verdict: { kind: "drifted" }, plan: { outcome: "drift" } });
  });
});

describe("for any numbered files and any database", () => {
  const often = { numRuns: 2_000 };

  it("a plan, carried out, gives a database that may start", () => {
    fc.assert(
      fc.property(anyDatabase(), ({ revisions, database }) => {
        const knowledge = numbered(revisions);
        let state = database;
        for (let round = 1; round <= 3; round++) {
          const { plan, verdict } = judge(knowledge, observe(state));
          if (plan.kind !== "act") {
            if (round > 1) {
              expect(plan.kind).toBe("start");
              expect(["current", "drifted"]).toContain(verdict.kind);
            }
            return;
          }
          const after = carryOut(revisions, state, plan.steps, sql);
          expect(after, "a planned upgrade must not fail").not.toBeNull();
          state = after!;
        }
        expect.unreachable("three rounds must do");
      }),
      often,
    );
  });

  it("never stamps so that a data migration is skipped or repeated", () => {
    fc.assert(
      fc.property(anyDatabase(), ({ revisions, database, damaged }) => {
        if (damaged) return;
        const { plan } = judge(numbered(revisions), observe(database));
        if (plan.kind !== "act" || !plan.steps.some(({ kind }) => kind === "stamp")) return;
        const after = carryOut(revisions, database, plan.steps, sql);
        const wanted = revisions.filter(({ data }) => data !== "none").map(({ id }) => [id, 1]);
        expect(Object.fromEntries(after?.ran ?? [])).toEqual(Object.fromEntries(wanted));
      }),
      often,
    );
  });
});

function numbered(revisions: readonly ModelRevision[]): Knowledge {
  const history: History = { ...historyOf(revisions), tool: sql };
  return combine(history, writeLedger(history, replayOf(revisions), null, []));
}

/** Baked twice: what the first had and the second has not is retired. */
function rebaked(before: readonly ModelRevision[], after: readonly ModelRevision[]): Knowledge {
  const history: History = { ...historyOf(after), tool: sql };
  const previous = writeLedger({ ...historyOf(before), tool: sql }, replayOf(before), null, []);
  return combine(history, writeLedger(history, replayOf(after), previous, []));
}

function judge(knowledge: Knowledge, observation: Observation, by: Policy = policy) {
  const verdict = diagnose(knowledge, observation);
  return { verdict, plan: planFor(verdict, by, { knowledge, observation, assumption: null }) };
}

function neighbour(rows: readonly string[]): Observation["neighbours"][number] {
  return { schema: "public", name: "schema_migrations", rows, isDirty: false };
}

function progress(version: string, state: Progress["state"]): Progress {
  return {
    version,
    checksum: `hash of ${version}`,
    done: 2,
    of: 5,
    line: 9,
    statement: "CREATE INDEX CONCURRENTLY i ON t (a)",
    state,
    error: state === "failed" ? "23505 duplicate" : null,
  };
}

/** Files in a chain; the first few are applied, in truth; the rows say anything, and something may be lost. */
function anyDatabase(): fc.Arbitrary<{
  readonly revisions: readonly ModelRevision[];
  readonly database: ModelDatabase;
  readonly damaged: boolean;
}> {
  const chains = anyRevisions
    .filter((made) => made.every(({ needs }, at) => at === 0 || needs[0] === `r${at - 1}`))
    .filter((made) => made.every(({ needs }) => needs.length <= 1))
    .map((made) =>
      made.map((each, at) => ({ ...each, id: `00${at}`, needs: at === 0 ? [] : [`00${at - 1}`] })),
    );
  const rows = fc.oneof(
    fc.record({ kind: fc.constant("none" as const) }),
    fc.record({ kind: fc.constant("upTo" as const), pick: fc.nat() }),
    fc.record({ kind: fc.constant("some" as const), picks: fc.array(fc.nat(), { maxLength: 6 }) }),
  );
  return fc
    .tuple(chains, fc.nat(), rows, fc.option(fc.nat(), { nil: null }), fc.constantFrom([], ["900"]))
    .map(([revisions, truth, said, loss, unknownRows]) => {
      const ids = revisions.map(({ id }) => id);
      const applied = ids.slice(0, truth % (ids.length + 1));
      const facts = new Map(factsAfter(revisions, new Set(applied)));
      const victim = loss === null ? undefined : [...facts.keys()][loss % Math.max(1, facts.size)];
      if (victim !== undefined) facts.delete(victim);
      const claimed =
        said.kind === "none"
          ? []
          : said.kind === "upTo"
            ? ids.slice(0, said.pick % (ids.length + 1))
            : [...new Set(said.picks.map((pick) => ids[pick % ids.length]!))].sort();
      const touching = revisions.filter(({ id, data }) => applied.includes(id) && data !== "none");
      const ran = new Map(touching.map(({ id }) => [id, 1]));
      return {
        revisions,
        database: { rows: [...claimed, ...unknownRows], facts, ran },
        damaged: victim !== undefined,
      };
    });
}
