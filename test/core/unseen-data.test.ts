import { describe, expect, it } from "vitest";
import { tracesToAsk } from "../../src/core/data-migrations.ts";
import { diagnose } from "../../src/core/diagnose.ts";
import { combine } from "../../src/core/knowledge.ts";
import { decodeLedger, encodeLedger } from "../../src/core/ledger-text.ts";
import { openLedger } from "../../src/core/ledger.ts";
import type { RowAnswer } from "../../src/core/observation.ts";
import { planFor } from "../../src/core/plan.ts";
import type { Trace } from "../../src/core/traces.ts";
import { writeLedger } from "../../src/core/write-ledger.ts";
import { databaseAt, historyOf, observe, policy, replayOf, revision, table } from "./model.ts";

/** roles → (rows of roles and rights) → users → (changes users) → notes → (deletes the roles) */
const revisions = [
  revision("roles", [], table("roles", "id")),
  revision("fill", ["roles"], [], { data: "writes" }),
  revision("users", ["fill"], table("users", "id")),
  revision("names", ["users"], [], { data: "writes" }),
  revision("notes", ["names"], table("notes", "id")),
  revision("forget", ["notes"], table("memory", "id"), { data: "writes" }),
  revision("last", ["forget"], table("t", "id")),
];
const history = historyOf(revisions);

const rolesRows: Trace = {
  kind: "rows",
  table: "<home>.roles",
  columns: ["id"],
  hashes: ["a", "b"],
};
const rightsRows: Trace = {
  kind: "rows",
  table: "<home>.rights",
  columns: ["role", "right"],
  hashes: ["c"],
};
const isNew = (home: string): string => `(kind = 'new'::${home}.kind)`;
const names: Trace = {
  kind: "idle",
  unless: [
    { table: "<home>.users", where: isNew("<home>") },
    { table: "app.people", where: null },
  ],
  besides: false,
};

/** What the rows show of each state. */
function tracesAt(head: string): ReadonlyMap<string, readonly Trace[]> {
  const at = ["roles", "fill", "users", "names", "notes", "forget", "last"].indexOf(head);
  return new Map<string, readonly Trace[]>([
    ...(at >= 1 && at < 5 ? [["fill", [rolesRows, rightsRows]] as const] : []),
    ...(at >= 3 ? [["names", [names]] as const] : []),
  ]);
}

const replay = replayOf(revisions);
const ledger = writeLedger(
  history,
  {
    ...replay,
    snapshots: replay.snapshots.map((snapshot) => ({
      ...snapshot,
      traces: tracesAt(snapshot.heads[0]!),
    })),
  },
  null,
  [],
);
const knowledge = combine(history, ledger);

const roles = (...found: readonly string[]): RowAnswer => ({
  kind: "rows",
  table: "public.roles",
  columns: ["id"],
  found,
});
const rights = (...found: readonly string[]): RowAnswer => ({
  kind: "rows",
  table: "public.rights",
  columns: ["role", "right"],
  found,
});
const empty = (table: string, isEmpty: boolean, where: string | null = null): RowAnswer => ({
  kind: "emptiness",
  table,
  where,
  isEmpty,
});
const denied: RowAnswer = {
  kind: "unreadable",
  table: "public.roles",
  why: "permission denied for table roles",
};
const newUsers = (areThere: boolean): RowAnswer =>
  empty("public.users", !areThere, isNew("public"));
const emptyUsers = [newUsers(false), empty("app.people", true)];

function judge(
  at: string,
  answers: readonly RowAnswer[] | null,
  rows: readonly string[] = [],
  assume: string | null = null,
) {
  const { facts } = databaseAt(revisions, [at]);
  const observation = observe({ rows, facts }, { rows: answers });
  const verdict = diagnose(knowledge, observation);
  const assumption =
    assume === null
      ? null
      : ({
          kind: "holds",
          revision: assume,
          heads: [assume],
          checked: { tables: 0, columns: 0 },
        } as const);
  return { verdict, plan: planFor(verdict, policy, { knowledge, observation, assumption }) };
}

describe("without version rows, data migrations below the proven state", () => {
  it.each<[string, string, readonly RowAnswer[] | null, readonly string[]]>([
    ["nobody asked", "notes", null, ["fill", "names"]],
    ["nothing is there", "notes", [], ["fill", "names"]],
    [
      "all rows are there, and none that would be changed",
      "notes",
      [roles("a", "b"), rights("c"), ...emptyUsers],
      [],
    ],
    ["one of two rows is gone", "notes", [roles("a"), rights("c"), ...emptyUsers], ["fill"]],
    [
      "one of two tables has its rows",
      "notes",
      [roles("a", "b"), rights(), ...emptyUsers],
      ["fill"],
    ],
    [
      "the rows are of other columns",
      "notes",
      [roles("a", "b"), { ...rights("c"), columns: ["right", "role"] } as RowAnswer, ...emptyUsers],
      ["fill"],
    ],
    ["a table cannot be read", "notes", [denied, rights("c"), ...emptyUsers], ["fill"]],
    [
      "one table is not empty",
      "notes",
      [roles("a", "b"), rights("c"), newUsers(false), empty("app.people", false)],
      ["names"],
    ],
    [
      "one table has rows that would be changed",
      "notes",
      [roles("a", "b"), rights("c"), newUsers(true), empty("app.people", true)],
      ["names"],
    ],
    [
      "it was asked for other rows",
      "notes",
      [
        roles("a", "b"),
        rights("c"),
        empty("public.users", true, "(kind IS NULL)"),
        empty("app.people", true),
      ],
      ["names"],
    ],
    [
      "one table was not asked about",
      "notes",
      [roles("a", "b"), rights("c"), empty("app.people", true)],
      ["names"],
    ],
    [
      "a later revision took the rows away",
      "last",
      [roles("a", "b"), rights("c"), ...emptyUsers],
      ["fill", "forget"],
    ],
  ])("%s", (_, at, answers, unseen) => {
    const { verdict, plan } = judge(at, answers);
    expect(verdict).toMatchObject({ kind: "unversioned", identified: { kind: "proven" } });
    const found = verdict.kind === "unversioned" ? verdict.unseen : [];
    expect(found.map(({ revision: id }) => id)).toEqual(unseen);
    expect(plan).toMatchObject(
      unseen.length === 0
        ? { kind: "act", steps: [{ kind: "stamp", to: [at] }, { kind: "upgrade" }] }
        : { kind: "refuse", outcome: "unproven" },
    );
  });

  it("are not those that did nothing when they were replayed", () => {
    const made = [
      revision("base", [], table("users", "id")),
      revision("comment", ["base"], [], { data: "unknown" }),
      revision("notes", ["comment"], table("notes", "id")),
    ];
    const chain = historyOf(made);
    const known = combine(chain, writeLedger(chain, replayOf(made), null, []));
    const { facts } = databaseAt(made, ["notes"]);
    const verdict = diagnose(known, observe({ rows: [], facts }, { rows: [] }));
    expect(known.ledger?.revisions.get("comment")?.data).toBe("unknown");
    expect(verdict).toMatchObject({ identified: { kind: "proven", heads: ["notes"] }, unseen: [] });
  });

  it("are named with what is not there and what a person can do", () => {
    const { plan } = judge("notes", [roles("a"), rights("c"), ...emptyUsers]);
    expect(plan).toMatchObject({
      reason: expect.stringContaining(
        "fill (versions/fill.py: 1 of its 2 rows in roles not there)",
      ),
      next: [
        "if they ran, or their rows were deleted on purpose: --assume notes",
        "if they did not run: run what versions/fill.py does to rows first, then start again",
      ],
    });
    const { plan: changed } = judge("notes", [
      roles("a", "b"),
      rights("c"),
      newUsers(true),
      empty("app.people", false),
    ]);
    expect(changed).toMatchObject({
      reason: expect.stringContaining(
        "names (versions/names.py: users has rows that it would change: (kind = 'new'::public.kind), app.people has rows that it may have had to change)",
      ),
    });
    const unreadable = judge("notes", [denied, rights("c"), ...emptyUsers]).plan;
    expect(unreadable).toMatchObject({
      reason: expect.stringContaining("permission denied for table roles"),
      next: [
        expect.stringContaining("let role shop read public.roles"),
        expect.anything(),
        expect.anything(),
      ],
    });
  });

  it("are taken on a person's word", () => {
    expect(judge("notes", [], [], "notes").plan).toMatchObject({
      kind: "act",
      steps: [{ kind: "stamp", to: ["notes"], because: "assumed" }, { kind: "upgrade" }],
    });
  });

  it("are not asked about where there are rows", () => {
    expect(judge("notes", null, ["notes"]).plan).toMatchObject({ kind: "act" });
    expect(tracesToAsk(knowledge.ledger, history, judge("notes", null, ["notes"]).verdict)).toEqual(
      [],
    );
  });
});

describe("states that differ by a data migration alone", () => {
  it.each<[string, string, readonly RowAnswer[], unknown]>([
    [
      "its rows are there",
      "fill",
      [roles("a", "b"), rights("c")],
      { kind: "proven", heads: ["fill"], by: "data" },
    ],
    ["a part of its rows is there", "fill", [roles("a"), rights("c")], { kind: "ambiguous" }],
    ["its rows are absent", "roles", [roles(), rights()], { kind: "ambiguous" }],
    [
      "it has nothing to do",
      "users",
      [roles("a", "b"), rights("c"), ...emptyUsers],
      { kind: "proven", heads: ["names"], by: "no-ops" },
    ],
    [
      "it may have had something to do",
      "users",
      [roles("a", "b"), rights("c")],
      { kind: "ambiguous" },
    ],
  ])("%s", (_, at, answers, identified) => {
    expect(judge(at, answers).verdict).toMatchObject({ identified });
  });

  it("stay ambiguous where it does more than change rows", () => {
    const made = [
      revision("base", [], table("users", "id")),
      revision("grant", ["base"], [], { data: "writes" }),
    ];
    const chain = historyOf(made);
    const { snapshots, ...baked } = replayOf(made);
    const identified = (besides: boolean) => {
      const traces = (heads: readonly string[]) =>
        new Map(
          heads[0] === "grant" ? [["grant", [{ kind: "idle", unless: [], besides } as const]]] : [],
        );
      const noted = snapshots.map((each) => ({ ...each, traces: traces(each.heads) }));
      const ledger = writeLedger(chain, { ...baked, snapshots: noted }, null, []);
      const { facts } = databaseAt(made, ["base"]);
      const verdict = diagnose(combine(chain, ledger), observe({ rows: [], facts }, { rows: [] }));
      return verdict.kind === "unversioned" ? verdict.identified : null;
    };
    expect(identified(false)).toMatchObject({ kind: "proven", heads: ["grant"], by: "no-ops" });
    expect(identified(true)).toMatchObject({ kind: "ambiguous" });
  });

  it("are asked about all of them", () => {
    const { verdict } = judge("roles", null);
    expect(tracesToAsk(knowledge.ledger, history, verdict)).toEqual([
      { ...rolesRows, table: "public.roles" },
      { ...rightsRows, table: "public.rights" },
    ]);
  });
});

describe("rows that say more than the schema, which is that of an earlier state", () => {
  const made = [
    revision("base", [], table("roles", "id")),
    revision("seed", ["base"], table("users", "id"), { data: "writes" }),
  ];
  const chain = historyOf(made);
  const seeded = replayOf(made);
  const snapshots = seeded.snapshots.map((snapshot) => ({
    ...snapshot,
    traces: new Map(snapshot.heads[0] === "seed" ? [["seed", [rolesRows]]] : []),
  }));
  const known = combine(chain, writeLedger(chain, { ...seeded, snapshots }, null, []));
  const seen = (answers: readonly RowAnswer[] | null) => {
    const { facts } = databaseAt(made, ["base"]);
    return observe({ rows: ["seed"], facts }, { rows: answers });
  };

  it.each<[string, readonly RowAnswer[], boolean]>([
    ["its rows are absent", [roles()], true],
    ["its rows cannot be read", [denied], true],
    ["one of its rows is there", [roles("b")], false],
    ["all of them are there", [roles("a", "b")], false],
  ])("what would run again is not taken back where it ran: %s", (_, answers, isTakenBack) => {
    const observation = seen(answers);
    const plan = planFor(diagnose(known, observation), policy, {
      knowledge: known,
      observation,
      assumption: null,
    });
    expect(plan).toMatchObject(
      isTakenBack
        ? { kind: "act", steps: [{ kind: "stamp", from: ["seed"], to: ["base"] }, {}] }
        : { kind: "refuse", outcome: "unproven", reason: expect.stringContaining("seed") },
    );
  });

  it("are a reason to ask for what would run again", () => {
    const verdict = diagnose(known, seen(null));
    expect(tracesToAsk(known.ledger, chain, verdict)).toEqual([
      { ...rolesRows, table: "public.roles" },
    ]);
  });
});

describe("the ledger's text", () => {
  it("is relative to the home", () => {
    const { states } = openLedger(ledger, '"The app"');
    expect(states.map(({ traces }) => traces.get("names"))).toContainEqual([
      {
        kind: "idle",
        unless: [
          { table: '"The app".users', where: isNew('"The app"') },
          { table: "app.people", where: null },
        ],
        besides: false,
      },
    ]);
  });

  it("says of each state what has changed in what the rows show, and reads it back", () => {
    const text = encodeLedger(ledger);
    const of = (head: string): string | undefined =>
      text.split("\n").find((line) => line.startsWith(`{"heads":["${head}"]`));
    expect(of("fill")).toContain(
      '"traces":{"fill":[{"table":"<home>.roles","key":["id"],"rows":["a","b"]},{"table":"<home>.rights","key":["role","right"],"rows":["c"]}]}',
    );
    expect(of("users")).not.toContain("traces");
    expect(of("names")).toContain(
      `"traces":{"names":[{"idle":[{"table":"<home>.users","where":"${isNew("<home>")}"},"app.people"]}]}`,
    );
    expect(of("forget")).toContain('"traces":{"fill":[]}');
    const decoded = decodeLedger(text);
    expect(decoded.kind === "ledger" && encodeLedger(decoded.ledger)).toBe(text);
    expect(text).toMatch(/"salt":"[0-9a-f]{16}"/);
  });

  it.each([
    "[]",
    '{"fill":{}}',
    '{"fill":[{"table":"t","key":[1],"rows":[]}]}',
    '{"fill":[{"idle":"t"}]}',
    '{"fill":[{"idle":[{"table":"t"}]}]}',
  ])("is truncated with traces like %s", (traces) => {
    const text = encodeLedger(ledger).replace('"traces":{"fill":[]}', `"traces":${traces}`);
    expect(decodeLedger(text).kind).toBe(traces === "[]" ? "ledger" : "truncated");
  });
});
