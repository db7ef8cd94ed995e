import { describe, expect, it } from "vitest";
import { assumable, checkAssumption } from "../../src/core/assume.ts";
import { diagnose } from "../../src/core/diagnose.ts";
import type { Fact } from "../../src/core/facts.ts";
import { combine, type Knowledge } from "../../src/core/knowledge.ts";
import type { Observation, RowAnswer } from "../../src/core/observation.ts";
import { planFor } from "../../src/core/plan.ts";
import type { Plan, Policy } from "../../src/core/step.ts";
import { writeLedger } from "../../src/core/write-ledger.ts";
import {
  answersOf,
  databaseAt,
  fact,
  historyOf,
  knowledgeOf,
  type ModelRevision,
  observe,
  policy as defaults,
  replayOf,
  revision,
  table,
} from "./model.ts";

/** customers → orders → (data) → status, with an index of orders on the way. */
const shop = [
  revision("customers", [], table("customers", "email")),
  revision(
    "orders",
    ["customers"],
    [
      ...table("orders", "total"),
      fact("index", "public.orders", "by_total", "CREATE INDEX by_total ON public.orders (total)"),
      fact("constraint", "public.orders", "orders_check", "CHECK (total > 0)"),
    ],
  ),
  revision("fill", ["orders"], [], { data: "writes" }),
  revision(
    "status",
    ["fill"],
    [
      fact("column", "public.orders", "status", "text NOT NULL DEFAULT 'new'::text"),
      fact("column", "public.orders", "note", "text"),
    ],
  ),
];

function leftInvalid(name: string, what = "INDEX", only = ""): Fact {
  const definition = `CREATE ${what} ${name}${only} public.orders USING btree (total) INVALID`;
  return fact("index", "public.orders", name, definition);
}

/** An index with a name as long as can be, and a partition, whose indexes are no facts. */
const long = [
  ...shop,
  revision(
    "long",
    ["status"],
    [fact("index", "public.orders", "i".repeat(63), "CREATE UNIQUE INDEX i ON public.orders")],
  ),
  revision("part", ["long"], [fact("partition", "public.orders_1", "", "r FOR VALUES IN (1)")]),
];

type Given = {
  readonly at: string | null;
  readonly rows?: readonly (string | null)[];
  readonly without?: (fact: Fact) => boolean;
  readonly plus?: readonly Fact[];
  readonly policy?: Partial<Policy>;
  readonly revisions?: readonly ModelRevision[];
  readonly seen?: Partial<Observation>;
};

function judge({ at, rows, without, plus = [], policy, revisions = shop, seen }: Given) {
  const knowledge = knowledgeOf(revisions);
  const heads = at === null ? [] : [at];
  const database = databaseAt(revisions, heads);
  const facts = [...database.facts.values()].filter((each) => without?.(each) !== true);
  const observation = withRows(
    observe(
      { rows: heads, facts: new Map([...facts, ...plus].map((each, key) => [String(key), each])) },
      seen,
    ),
    rows,
  );
  return { ...decide(knowledge, observation, { ...defaults, ...policy }), knowledge, observation };
}

function withRows(observation: Observation, rows: Given["rows"]): Observation {
  const { versionTable } = observation;
  return rows === undefined || versionTable === null
    ? observation
    : { ...observation, versionTable: { ...versionTable, rows } };
}

function decide(knowledge: Knowledge, observation: Observation, policy: Policy) {
  const verdict = diagnose(knowledge, observation);
  const assumption =
    policy.assume === null ? null : checkAssumption(policy.assume, knowledge, observation);
  const plan = planFor(verdict, policy, { knowledge, observation, assumption });
  return { verdict: verdict.kind, plan: summarise(plan), detail: plan, evidence: verdict };
}

function summarise(plan: Plan): string {
  switch (plan.kind) {
    case "start":
      return "start";
    case "refuse":
      return plan.outcome;
    case "act":
      return plan.steps
        .map((step) => {
          switch (step.kind) {
            case "stamp":
              return `stamp ${step.to.join("+") || "base"}`;
            case "undo":
              return `undo ${step.entry}`;
            case "repair":
              return `repair ${step.to.join("+")}`;
            case "widen":
              return `widen ${step.to}`;
            case "upgrade":
              return `upgrade ${step.revisions.length}`;
          }
        })
        .join(", ");
  }
}

const named =
  (...names: readonly string[]) =>
  (each: Fact): boolean =>
    names.includes(each.name === "" ? each.object : each.name);

describe("rows that this history knows", () => {
  it.each<[string, Given, string, string]>([
    ["at head", { at: "status" }, "current", "start"],
    ["behind", { at: "orders" }, "behind", "upgrade 2"],
    [
      "a table of somebody's, with all that hangs on it",
      {
        at: "status",
        plus: [
          ...table("notes", "said"),
          fact("column", "public.notes", "id", "integer NOT NULL"),
          fact("constraint", "public.notes", "notes_pkey", "PRIMARY KEY (id)"),
          fact("trigger", "public.notes", "touch", "CREATE TRIGGER"),
        ],
      },
      "drifted",
      "start",
    ],
    [
      "an index of somebody's",
      {
        at: "status",
        plus: [
          fact("index", "public.orders", "i", "CREATE INDEX i ON public.orders USING btree (id)"),
        ],
      },
      "drifted",
      "start",
    ],
    [
      "a unique index of somebody's",
      {
        at: "status",
        plus: [
          fact(
            "index",
            "public.orders",
            "i",
            "CREATE UNIQUE INDEX i ON public.orders USING btree (id)",
          ),
        ],
      },
      "drifted",
      "drift",
    ],
    [
      "a unique index of somebody's, on his own table",
      {
        at: "status",
        plus: [
          fact(
            "index",
            "public.notes",
            "i",
            "CREATE UNIQUE INDEX i ON public.notes USING btree (id)",
          ),
        ],
      },
      "drifted",
      "start",
    ],
    [
      "a nullable column of somebody's",
      { at: "status", plus: [fact("column", "public.orders", "extra", "text")] },
      "drifted",
      "start",
    ],
    [
      "a column that must be given",
      { at: "status", plus: [fact("column", "public.orders", "extra", "text NOT NULL")] },
      "drifted",
      "drift",
    ],
    [
      "a column that must be there and has a default",
      {
        at: "status",
        plus: [fact("column", "public.orders", "extra", "text NOT NULL DEFAULT ''::text")],
      },
      "drifted",
      "start",
    ],
    [
      "an identity column",
      {
        at: "status",
        plus: [fact("column", "public.orders", "extra", "bigint NOT NULL IDENTITY a (AS bigint)")],
      },
      "drifted",
      "start",
    ],
    [
      "a constraint of somebody's",
      { at: "status", plus: [fact("constraint", "public.orders", "other", "CHECK (true)")] },
      "drifted",
      "drift",
    ],
    [
      "a trigger of somebody's",
      { at: "status", plus: [fact("trigger", "public.orders", "touch", "CREATE TRIGGER")] },
      "drifted",
      "drift",
    ],
    [
      "a policy of somebody's",
      { at: "status", plus: [fact("policy", "public.orders", "mine", "PERMISSIVE")] },
      "drifted",
      "drift",
    ],
    [
      "a rule of somebody's",
      { at: "status", plus: [fact("rule", "public.orders", "r", "CREATE RULE")] },
      "drifted",
      "drift",
    ],
    [
      "row security switched on",
      {
        at: "status",
        without: named("public.orders"),
        plus: [fact("table", "public.orders", "", "r RLS")],
      },
      "drifted",
      "drift",
    ],
    [
      "a function, a view, a type, a sequence",
      {
        at: "status",
        plus: [
          fact("function", "public.f()", "", "x"),
          fact("view", "public.v", "", "v"),
          fact("enum", "public.e", "", "'a'"),
          fact("sequence", "public.s", "", "x"),
        ],
      },
      "drifted",
      "start",
    ],
    ["a plain index missing", { at: "status", without: named("by_total") }, "drifted", "start"],
    [
      "a plain index missing while behind",
      { at: "orders", without: named("by_total") },
      "behind",
      "upgrade 2",
    ],
    ["a constraint missing", { at: "status", without: named("orders_check") }, "drifted", "drift"],
    [
      "drift as a warning",
      { at: "status", without: named("orders_check"), policy: { drift: "warn" } },
      "drifted",
      "start",
    ],
    [
      "drift as a warning while behind",
      { at: "orders", without: named("orders_check"), policy: { drift: "warn" } },
      "drifted",
      "upgrade 2",
    ],
    [
      "a harmless extra while behind",
      { at: "orders", plus: table("notes", "said") },
      "behind",
      "upgrade 2",
    ],
    [
      "what a pending revision makes",
      { at: "orders", plus: [fact("column", "public.orders", "note", "varchar(5)")] },
      "drifted",
      "drift",
    ],
    [
      "half of a pending revision",
      { at: "fill", plus: [fact("column", "public.orders", "note", "text")] },
      "partial",
      "partial",
    ],
    [
      "half of a revision that the rows claim is drift",
      { at: "status", without: named("note") },
      "drifted",
      "drift",
    ],
    [
      "an extension and an event trigger of the platform's, while behind",
      {
        at: "orders",
        plus: [
          fact("extension", "pg_stat_statements", "", "SCHEMA public"),
          fact("eventtrigger", "watch", "", "ddl_command_end O"),
        ],
      },
      "behind",
      "upgrade 2",
    ],
    [
      "an extension made beforehand",
      { at: "status", plus: [fact("extension", "citext", "", "SCHEMA public")] },
      "current",
      "start",
    ],
    [
      "recorded beside its ancestor",
      { at: "status", rows: ["orders", "status"] },
      "overlapping",
      "stamp status",
    ],
    ["recorded twice", { at: "status", rows: ["status", "status"] }, "overlapping", "stamp status"],
    [
      "recorded beside its ancestor, and behind",
      { at: "orders", rows: ["customers", "orders"] },
      "overlapping",
      "stamp orders, upgrade 2",
    ],
    [
      "rows ahead of the schema, across no data migration",
      { at: "fill", rows: ["status"] },
      "mismatched",
      "unproven",
    ],
    [
      "rows behind the schema, across a data migration",
      { at: "status", rows: ["orders"] },
      "mismatched",
      "unproven",
    ],
    [
      "rows behind the schema, across none",
      { at: "orders", rows: ["customers"], revisions: shop.slice(0, 2) },
      "mismatched",
      "stamp orders",
    ],
    [
      "rows behind a schema that a data migration makes ambiguous",
      { at: "orders", rows: ["customers"] },
      "mismatched",
      "unproven",
    ],
    [
      "rows at head, the database is empty",
      { at: null, rows: ["status"] },
      "mismatched",
      "stamp base, upgrade 4",
    ],
    [
      "the same, and stamping is forbidden",
      { at: null, rows: ["status"], policy: { stamp: "never" } },
      "mismatched",
      "unproven",
    ],
    [
      "an index left INVALID",
      { at: "status", without: named("by_total"), plus: [leftInvalid("by_total")] },
      "partial",
      "partial",
    ],
    [
      "an index left INVALID that a pending revision makes",
      {
        at: "status",
        plus: [leftInvalid("late")],
        revisions: [
          ...shop,
          revision("late", ["status"], [fact("index", "public.orders", "late")]),
        ],
      },
      "partial",
      "partial",
    ],
    [
      "an index left INVALID that no revision makes",
      { at: "status", plus: [leftInvalid("late")] },
      "drifted",
      "start",
    ],
    [
      "the same, and it is unique",
      { at: "status", plus: [leftInvalid("late", "UNIQUE INDEX")] },
      "drifted",
      "drift",
    ],
    [
      "what a failed REINDEX left of an index",
      { at: "status", plus: [leftInvalid("by_total_ccnew", "UNIQUE INDEX")] },
      "drifted",
      "start",
    ],
    [
      "the same of one whose name was too long for the suffix",
      {
        at: "part",
        revisions: long,
        plus: [leftInvalid(`${"i".repeat(57)}_ccold`, "UNIQUE INDEX")],
      },
      "drifted",
      "start",
    ],
    [
      "the same of a partition's index, which follows its parent's",
      {
        at: "part",
        revisions: long,
        plus: [
          { ...leftInvalid("orders_1_pkey_ccold", "UNIQUE INDEX"), object: "public.orders_1" },
        ],
      },
      "drifted",
      "start",
    ],
    [
      "an INVALID index that the revision makes so",
      {
        at: "only",
        plus: [],
        revisions: [
          ...shop,
          revision("only", ["status"], [leftInvalid("only", "INDEX", " ON ONLY")]),
        ],
      },
      "current",
      "start",
    ],
    [
      "an index still being built",
      {
        at: "status",
        plus: [fact("index", "public.orders", "late", "CREATE INDEX late INVALID")],
        seen: { buildingIndexes: ["public.late"] },
      },
      "drifted",
      "start",
    ],
  ])("%s", (_, given, verdict, plan) => {
    expect(judge(given)).toMatchObject({ verdict, plan });
  });
});

describe("no rows", () => {
  it.each<[string, Given, string, string]>([
    ["an empty database", { at: null, rows: [] }, "fresh", "upgrade 4"],
    [
      "only an extension and a schema",
      {
        at: null,
        rows: [],
        plus: [fact("extension", "citext", "", "SCHEMA public"), fact("schema", "audit")],
      },
      "fresh",
      "upgrade 4",
    ],
    [
      "exactly a revision's schema",
      { at: "customers", rows: [] },
      "unversioned",
      "stamp customers, upgrade 3",
    ],
    [
      "head's schema, and nothing shows that the data migration below it ran",
      { at: "status", rows: [] },
      "unversioned",
      "unproven",
    ],
    [
      "the same and a person's word for it",
      { at: "status", rows: [], policy: { assume: "status" } },
      "unversioned",
      "stamp status",
    ],
    [
      "a schema of two revisions with a data migration between",
      { at: "orders", rows: [] },
      "unversioned",
      "unproven",
    ],
    [
      "the same and a person's word",
      { at: "orders", rows: [], policy: { assume: "orders" } },
      "unversioned",
      "stamp orders, upgrade 2",
    ],
    [
      "a person's word that the schema contradicts",
      { at: "orders", rows: [], policy: { assume: "status" } },
      "unversioned",
      "unproven",
    ],
    [
      "a harmless extra",
      { at: "customers", rows: [], plus: table("notes", "said") },
      "unversioned",
      "stamp customers, upgrade 3",
    ],
    [
      "an extra that is not harmless",
      {
        at: "customers",
        rows: [],
        plus: [fact("constraint", "public.customers", "c", "CHECK (true)")],
      },
      "unversioned",
      "unproven",
    ],
    [
      "a table of a later revision",
      { at: "customers", rows: [], plus: [fact("table", "public.orders", "", "r")] },
      "partial",
      "partial",
    ],
    [
      "something missing",
      { at: "status", rows: [], without: named("email") },
      "unversioned",
      "unproven",
    ],
    [
      "another application's tables",
      { at: null, rows: [], plus: table("wp_posts", "id") },
      "unknown",
      "unproven",
    ],
    [
      "another application's tables, and a person's word",
      { at: null, rows: [], plus: table("wp_posts", "id"), policy: { assume: "base" } },
      "unknown",
      "stamp base, upgrade 4",
    ],
  ])("%s", (_, given, verdict, plan) => {
    expect(judge(given)).toMatchObject({ verdict, plan });
  });

  it("is narrowed by revisions that do nothing, to the latest of them", () => {
    const revisions = [
      shop[0]!,
      revision("nothing", ["customers"]),
      revision("more", ["nothing"], table("t", "a")),
    ];
    expect(judge({ at: "customers", rows: [], revisions })).toMatchObject({
      plan: "stamp nothing, upgrade 1",
      evidence: { identified: { kind: "proven", by: "no-ops" } },
    });
  });

  it("is narrowed by soft facts", () => {
    const comment = fact("comment", "public.customers", "email", "where to write");
    const revisions = [
      shop[0]!,
      revision("data", ["customers"], [], { data: "writes", leavesRows: true }),
      revision("said", ["data"], [comment]),
    ];
    const seen = { rows: answersOf(revisions, databaseAt(revisions, ["said"])) };
    expect(judge({ at: "said", rows: [], revisions, seen })).toMatchObject({
      plan: "stamp said",
      evidence: { identified: { kind: "proven", by: "soft-facts" } },
    });
  });

  it("is not proven by a revert that leads back to the same schema across a data migration", () => {
    const column = fact("column", "public.customers", "nick", "text");
    const revisions = [
      shop[0]!,
      revision("add", ["customers"], [column]),
      revision("fill", ["add"], [], { data: "reads" }),
      revision("drop", ["fill"], [], { drops: [column] }),
    ];
    expect(judge({ at: "customers", rows: [], revisions })).toMatchObject({ plan: "unproven" });
    expect(judge({ at: "drop", rows: [], revisions })).toMatchObject({ plan: "unproven" });
  });
});

describe("no rows, and a view's text that this server spells in another way", () => {
  const text = (query: string): readonly Fact[] => [fact("viewdef", "public.seen", "", query)];
  const redefined = [
    revision(
      "view",
      [],
      [...table("users", "id"), fact("view", "public.seen", "", "v"), ...text("1")],
    ),
    revision("redefine", ["view"], text("2"), { drops: text("1") }),
    revision("later", ["redefine"], table("later", "id")),
  ];
  it.each<[string, number, readonly string[], string, string]>([
    ["on the ledger's major", 150_000, ["view"], "proven", "view"],
    ["on another one, the same way of spelling", 140_000, ["view"], "proven", "view"],
    ["on one with another way", 160_000, ["view"], "ambiguous", "view redefine"],
    ["on one with another way, and more tells it", 160_000, ["later"], "proven", "later"],
  ])("%s", (_, version, at, kind, heads) => {
    const seen = databaseAt(redefined, at, []);
    const { server } = observe(seen);
    const observation = observe(seen, { server: { ...server, version } });
    const verdict = diagnose(knowledgeOf(redefined), observation);
    expect(verdict).toMatchObject({ kind: "unversioned", identified: { kind } });
    if (verdict.kind !== "unversioned") return;
    const { identified } = verdict;
    const named =
      identified.kind === "ambiguous"
        ? identified.candidates.flat()
        : "heads" in identified && identified.heads;
    expect(named).toEqual(heads.split(" "));
  });
});

describe("a revision that says IF NOT EXISTS", () => {
  const fuel = fact("column", "public.cars", "fuel", "text");
  const first = [...table("cars", "plate"), fuel, ...table("trips", "car")];
  const second = [...table("portals", "id"), fact("column", "public.trips", "km", "text")];
  const lenient = (rest: Partial<ModelRevision> = {}): readonly ModelRevision[] => [
    revision("first", [], first, { saysIfNotExists: true, ...rest }),
    revision("second", ["first"], second, { saysIfNotExists: true, ...rest }),
  ];
  const cars = table("cars", "plate");

  it("is not half-done where a part of what it makes is there; a person says that it shall run", () => {
    const given = { at: null, rows: [], plus: cars, revisions: lenient() };
    const { verdict, plan, detail } = judge(given);
    expect({ verdict, plan }).toEqual({ verdict: "unversioned", plan: "unproven" });
    expect(JSON.stringify(detail)).toContain(
      "--assume base; the migrations then run from the first one",
    );
    expect(judge({ ...given, policy: { assume: "base" } }).plan).toMatch(/upgrade 2$/);
  });

  it("goes on where something of what it will make is there", () => {
    const given = { at: "first", plus: table("portals", "id"), revisions: lenient() };
    expect(judge(given)).toMatchObject({ verdict: "behind", plan: "upgrade 1" });
  });

  it("that writes rows is not offered to run again over what is there", () => {
    const revisions = lenient({ data: "writes" });
    const { knowledge, observation } = judge({ at: null, rows: [], plus: cars, revisions });
    expect(assumable(knowledge, observation)).toEqual([]);
  });

  it("may have written rows too, and then is not run over what is there", () => {
    for (const isAtomic of [true, false]) {
      const revisions = lenient({ data: "writes", isAtomic });
      const plan = (given: Given): string => judge({ ...given, revisions }).plan;
      expect(plan({ at: null, rows: [], plus: cars })).toBe("partial");
      expect(plan({ at: "first", plus: table("portals", "id") })).toBe("partial");
      // All that it makes is there: rows that are older than the schema.
      expect(plan({ at: "second", rows: ["first"] })).toBe("unproven");
      const besides = fact("view", "public.seen", "", "v");
      expect(plan({ at: "second", rows: ["first"], plus: [besides] })).toBe("unproven");
    }
  });

  it("shows that what lies before it may have run, where that writes rows", () => {
    const [one, two] = lenient();
    const fill = revision("fill", ["first"], [], { data: "writes" });
    const revisions = [one!, fill, { ...two!, needs: ["fill"] }];
    expect(judge({ at: "second", rows: ["first"], revisions }).plan).toBe("unproven");
    const plus = table("portals", "id");
    expect(judge({ at: "first", plus, revisions })).toMatchObject({
      verdict: "drifted",
      plan: "drift",
    });
    const { knowledge, observation } = judge({ at: "second", rows: [], revisions });
    expect(assumable(knowledge, observation)).not.toContain("base");
  });

  it("otherwise what is there is in the way", () => {
    const revisions = lenient({ saysIfNotExists: false });
    expect(judge({ at: null, rows: [], plus: cars, revisions })).toMatchObject({ plan: "partial" });
    const inTheWay = judge({ at: "first", plus: table("portals", "id"), revisions });
    expect(inTheWay).toMatchObject({ plan: "partial" });
    // Whoever follows the first advice must not lose rows.
    expect(inTheWay.detail).toMatchObject({
      next: [expect.stringMatching(/^do by hand/), expect.stringMatching(/nobody needs.*undo/)],
    });
  });
});

describe("rows that no file has", () => {
  const limit = fact("constraint", "public.prices", "limit", "CHECK (amount < 5)");
  it.each<[string, Given, string, string]>([
    [
      "exactly an earlier state",
      { at: "customers", rows: ["lost"] },
      "missing-file",
      "stamp customers, upgrade 3",
    ],
    [
      "an earlier state, ambiguous",
      { at: "orders", rows: ["lost"] },
      "ahead",
      "ahead-incompatible",
    ],
    [
      "earlier states that only data tells apart, with all that the head has, and more",
      {
        at: "limit",
        rows: ["lost"],
        revisions: [
          revision("prices", [], table("prices", "amount")),
          revision("limit", ["prices"], [limit]),
          revision("fill", ["limit"], [], { data: "writes" }),
          revision("lift", ["fill"], [], { drops: [limit], data: "writes" }),
        ],
      },
      "missing-file",
      "unproven",
    ],
    [
      "exactly head's state: a newer image may have run data migrations",
      { at: "status", rows: ["newer"] },
      "ahead",
      "start",
    ],
    [
      "more than head's state",
      { at: "status", rows: ["newer"], plus: table("t", "a") },
      "ahead",
      "start",
    ],
    [
      "head's state without something",
      { at: "status", rows: ["newer"], without: named("email") },
      "ahead",
      "ahead-incompatible",
    ],
    [
      "the same, allowed",
      { at: "status", rows: ["newer"], without: named("email"), policy: { ahead: "allow" } },
      "ahead",
      "start",
    ],
    [
      "compatible, refused",
      { at: "status", rows: ["newer"], policy: { ahead: "refuse" } },
      "ahead",
      "ahead-incompatible",
    ],
    [
      "an earlier state and something that nobody knows",
      { at: "customers", rows: ["lost"], plus: table("t", "a") },
      "unknown",
      "unproven",
    ],
    [
      "nothing of this history",
      { at: null, rows: ["lost"], plus: table("wp_posts", "id") },
      "unknown",
      "unproven",
    ],
    ["no table at all", { at: null, rows: ["lost"] }, "unknown", "unproven"],
    [
      "the word head",
      { at: "customers", rows: ["head"] },
      "missing-file",
      "stamp customers, upgrade 3",
    ],
    [
      "a prefix of an id",
      { at: "customers", rows: ["custom"] },
      "missing-file",
      "stamp customers, upgrade 3",
    ],
    ["NULL", { at: "customers", rows: [null] }, "missing-file", "stamp customers, upgrade 3"],
    ["one known and one not", { at: "status", rows: ["newer", "status"] }, "ahead", "start"],
  ])("%s", (_, given, verdict, plan) => {
    expect(judge(given)).toMatchObject({ verdict, plan });
  });
});

describe("a version column that is too narrow", () => {
  const long = "a_revision_whose_id_is_longer_than_alembic_allows";
  const revisions = [shop[0]!, revision(long, ["customers"], table("t", "a"))];

  it("is widened before the upgrade that would write the id", () => {
    expect(judge({ at: "customers", revisions }).plan).toBe(`widen ${long.length}, upgrade 1`);
  });

  it("is made wide enough by a stamp", () => {
    expect(judge({ at: "customers", rows: [], revisions }).plan).toBe("stamp customers, upgrade 1");
  });

  it("is left alone when the long id is recorded already", () => {
    expect(judge({ at: long, revisions }).plan).toBe("start");
  });
});

describe("the words", () => {
  it("name what is missing and the revision that adds it", () => {
    const { detail } = judge({ at: "status", without: named("note") });
    expect(detail).toMatchObject({
      reason: expect.stringContaining("column orders.note is missing: revision status adds it"),
    });
  });

  it("name the revision that something stands in the way of", () => {
    const { detail } = judge({
      at: "orders",
      plus: [fact("column", "public.orders", "note", "varchar(5)")],
    });
    expect(detail).toMatchObject({
      reason: expect.stringContaining(
        "column orders.note is there already: revision status, which is pending",
      ),
    });
  });

  // PostgreSQL has one space of names for relations and indexes, and one for types.
  it.each<readonly [what: string, extra: Fact, isInTheWay: boolean]>([
    ["a view of a pending table's name", fact("view", "public.orders", "", "v"), true],
    ["a sequence of a pending table's name", fact("sequence", "public.orders"), true],
    ["an enum of a pending table's name", fact("enum", "public.orders", "", "'a'"), true],
    ["a table of a pending index's name", fact("table", "public.by_total", "", "r"), true],
    [
      "another table's index of a pending table's name",
      fact(
        "index",
        "public.customers",
        "orders",
        "CREATE INDEX orders ON public.customers (email)",
      ),
      true,
    ],
    ["an enum of a pending index's name", fact("enum", "public.by_total", "", "'a'"), false],
    ["a view of that name in another schema", fact("view", "other.orders", "", "v"), false],
    ["a function of that name", fact("function", "public.orders()", "", "f"), false],
  ])("%s: in the way or not", (_, extra, isInTheWay) => {
    const { plan, detail } = judge({ at: "customers", plus: [extra] });
    expect(plan).toBe(isInTheWay ? "drift" : "upgrade 3");
    if (isInTheWay)
      expect(detail).toMatchObject({
        reason: expect.stringContaining("is there already: revision orders, which is pending"),
      });
  });

  it.each([
    ["UNIQUE (total)", true],
    ["PRIMARY KEY (id)", true],
    ["CHECK ((total > 0))", false],
  ])("an index of a pending constraint's name: %s", (definition, isInTheWay) => {
    const made = fact("constraint", "public.orders", "once", definition);
    const index = fact("index", "public.orders", "once", "CREATE INDEX once ON public.orders (id)");
    const revisions = [...shop, revision("once", ["status"], [made])];
    const { plan } = judge({ at: "status", plus: [index], revisions });
    expect(plan).toBe(isInTheWay ? "drift" : "upgrade 1");
  });

  it("give a command that can be copied, whatever an index is called", () => {
    const odd = fact("index", "public.orders", 'By "Day"', "CREATE INDEX x");
    const revisions = [...shop, revision("odd", ["status"], [odd])];
    const left = { ...odd, definition: `${odd.definition} INVALID` };
    expect(judge({ at: "status", plus: [left], revisions }).detail).toMatchObject({
      next: expect.arrayContaining([
        'DROP INDEX CONCURRENTLY public."By ""Day"""; then start again',
      ]),
    });
  });

  it("name both commands when a data migration lies between", () => {
    const { detail } = judge({ at: "status", rows: ["orders"] });
    expect(detail).toMatchObject({
      next: [
        "if they did run: --assume status, or preflight stamp status, then start again",
        expect.stringContaining("if they did not run: carry them out by hand first, then --assume"),
      ],
    });
  });
});

describe("branches side by side, without version rows", () => {
  const column = (name: string): Fact => fact("column", "public.t", name, "integer");
  const revisions = [
    revision("r0", [], [...table("t", "id"), column("old")]),
    revision("e1", ["r0"], [column("e1")]),
    revision("e2", ["e1"], [column("e2")]),
    revision("c1", ["r0"], [], { drops: [column("old")] }),
    revision("c2", ["c1"], [column("c2")]),
  ];
  const knowledge = knowledgeOf(revisions);

  it.each([[["c1", "e1"]], [["c1", "e2"]], [["c2", "e1"]], [["c2", "e2"]], [["e2"]], [["c1"]]])(
    "%s is known, whether a bake passed through it or not",
    (heads) => {
      const { facts } = databaseAt(revisions, heads);
      const verdict = diagnose(knowledge, observe({ rows: [], facts }));
      expect(verdict).toMatchObject({ kind: "unversioned", identified: { kind: "proven", heads } });
    },
  );

  it.each<[string, string | null, boolean, ModelRevision, string]>([
    [
      "an empty table has nothing to change, whatever columns it has got",
      null,
      true,
      revisions[1]!,
      "proven",
    ],
    ["a table with rows may", null, false, revisions[1]!, "ambiguous"],
    ["a condition may mean another column", "(old = 1)", true, revisions[1]!, "ambiguous"],
    [
      "a table may have been made anew",
      null,
      true,
      revision("e1", ["r0"], [fact("table", "public.t", "", "p"), column("e1")], {
        drops: [fact("table", "public.t", "", "r")],
      }),
      "ambiguous",
    ],
  ])("beside another branch, of a data migration: %s", (_, where, isEmpty, expand, kind) => {
    const made = [revisions[0]!, revision("data", ["r0"], [], { data: "writes" }), expand];
    const history = historyOf(made);
    const replay = replayOf(made);
    const trace = { kind: "idle", unless: [{ table: "<home>.t", where }], besides: false } as const;
    const snapshots = replay.snapshots
      // As a bake passes through them: one branch to its end, then the other one.
      .filter(({ heads }) => heads.length === 1)
      .map((each) =>
        each.heads[0] === "data" ? { ...each, traces: new Map([["data", [trace]]]) } : each,
      );
    const ledger = writeLedger(history, { ...replay, snapshots }, null, []);
    const { facts } = databaseAt(made, ["e1"]);
    const rows: readonly RowAnswer[] = [{ kind: "emptiness", table: "public.t", where, isEmpty }];
    const verdict = diagnose(combine(history, ledger), observe({ rows: [], facts }, { rows }));
    expect(verdict).toMatchObject({ kind: "unversioned", identified: { kind } });
  });

  it("and what is of no set of heads is not", () => {
    const { facts } = databaseAt(revisions, ["c1", "e1"]);
    const less = new Map([...facts].filter(([, each]) => each.name !== "id"));
    const verdict = diagnose(knowledge, observe({ rows: [], facts: less }));
    expect(verdict).toMatchObject({ kind: "unversioned", identified: { kind: "nearest" } });
  });
});

describe("what a dump may leave behind", () => {
  const comment = (text: string): Fact => fact("comment", "public.orders", "", text);
  const withComment = (data: ModelRevision["data"]): readonly ModelRevision[] => [
    ...shop.slice(0, 2),
    revision("told", ["orders"], [comment("every order")], { data }),
  ];

  it.each<[string, Given, unknown]>([
    [
      "a comment that is absent does not show that the rows beside it were not written",
      { at: "orders", rows: [], revisions: withComment("writes") },
      { kind: "unversioned", identified: { kind: "ambiguous", dataMigrations: ["told"] } },
    ],
    [
      "where nothing was written, the comment decides",
      { at: "orders", rows: [], revisions: withComment("none") },
      { kind: "unversioned", identified: { kind: "proven", heads: ["orders"], by: "soft-facts" } },
    ],
    [
      "a comment that is there shows that they were",
      { at: "told", rows: [], revisions: withComment("writes") },
      { kind: "unversioned", identified: { kind: "proven", heads: ["told"], by: "soft-facts" } },
    ],
  ])("%s", (_, given, verdict) => {
    expect(judge(given).evidence).toMatchObject(verdict as object);
  });
});

describe("a revision that does nothing but grant, without version rows", () => {
  const grants = [fact("grant", "public.orders", "reader", "SELECT")];
  const revisions = [...shop, revision("grants", ["status"], grants, { data: "unknown" })];

  it("has run where all of it is there", () => {
    const { evidence } = judge({ at: "grants", rows: [], revisions });
    expect(evidence).toMatchObject({ identified: { kind: "proven", heads: ["grants"] } });
  });

  it("may have run where it is not", () => {
    const { evidence } = judge({ at: "grants", rows: [], revisions, without: named("reader") });
    expect(evidence).toMatchObject({ identified: { kind: "ambiguous" } });
  });
});

describe("what comes and goes by hand does not tell whether rows were changed beside it", () => {
  const fast = fact(
    "index",
    "public.orders",
    "fast",
    "CREATE INDEX fast ON public.orders USING btree (id)",
  );
  const check = fact("constraint", "public.orders", "positive", "CHECK ((id > 0))");
  const more = table("more", "id");
  const adding = (
    added: Fact,
    data: ModelRevision["data"] = "writes",
  ): readonly ModelRevision[] => [
    ...shop.slice(0, 2),
    revision("fill", ["orders"], [added], { data }),
  ];
  const dropping: readonly ModelRevision[] = [
    ...shop.slice(0, 2),
    revision("index", ["orders"], [fast]),
    revision("fill", ["index"], [], { drops: [fast], data: "writes" }),
  ];
  const pending = [...adding(fast), revision("later", ["fill"], more)];
  const gone = named("fast");

  it.each<[string, Given, string, string]>([
    [
      "a plain index that is gone",
      { at: "fill", revisions: adding(fast), without: gone },
      "drifted",
      "start",
    ],
    [
      "the same, and a revision is pending",
      { at: "fill", revisions: pending, without: gone },
      "behind",
      "upgrade 1",
    ],
    [
      "the same without version rows",
      { at: "fill", revisions: adding(fast), without: gone, rows: [] },
      "unversioned",
      "unproven",
    ],
    [
      "one that was dropped, and is there again",
      { at: "fill", revisions: dropping, plus: [fast] },
      "drifted",
      "start",
    ],
    [
      "a constraint that is gone",
      { at: "fill", revisions: adding(check), without: named("positive") },
      "mismatched",
      "unproven",
    ],
    [
      "an index without rows: it is made again",
      { at: "fill", revisions: adding(fast, "none"), without: gone },
      "mismatched",
      "stamp orders, upgrade 1",
    ],
    [
      "a table beside the rows: it did not run",
      { at: "orders", revisions: adding(more[0]!), rows: ["fill"] },
      "mismatched",
      "stamp orders, upgrade 1",
    ],
  ])("%s", (_, given, verdict, plan) => {
    expect(judge(given)).toMatchObject({ verdict, plan });
  });

  it("nor does what a pending revision would take as it finds it: rows may have been written after it", () => {
    const revisions = [
      ...shop.slice(0, 2),
      revision("index", ["orders"], [fast], { saysIfNotExists: true }),
      revision("fill", ["index"], [], { data: "writes" }),
    ];
    expect(judge({ at: "fill", revisions, rows: ["orders"] })).toMatchObject({
      verdict: "mismatched",
      plan: "unproven",
    });
    expect(judge({ at: "index", revisions: revisions.slice(0, 3), rows: ["orders"] }).plan).toBe(
      "stamp index",
    );
  });

  it("and is there: it tells", () => {
    const { evidence } = judge({ at: "fill", revisions: adding(fast), rows: [] });
    expect(evidence).toMatchObject({ identified: { kind: "proven", heads: ["fill"] } });
  });
});

describe("rows at head over a schema that is exactly an earlier state's, with data in between", () => {
  const view = fact("view", "public.totals", "", "v");
  const over = (dropped: Fact, told: readonly Fact[]): readonly ModelRevision[] => [
    ...shop.slice(0, 2),
    ...(dropped === view ? [revision("view", ["orders"], [view])] : []),
    revision("fill", [dropped === view ? "view" : "orders"], told, { data: "writes" }),
    revision("less", ["fill"], [], { drops: [dropped] }),
  ];
  const email = table("customers", "email")[1]!;
  const told = [fact("comment", "public.orders", "", "filled")];

  it.each<[string, Given, string, string]>([
    [
      "a column that is dropped",
      { at: "orders", revisions: over(email, []) },
      "mismatched",
      "unproven",
    ],
    [
      "a view, which somebody may need",
      { at: "view", revisions: over(view, []) },
      "drifted",
      "start",
    ],
    [
      "a view, and a comment that is missing",
      { at: "view", revisions: over(view, told) },
      "mismatched",
      "unproven",
    ],
  ])("%s", (_, given, verdict, plan) => {
    expect(judge({ ...given, rows: ["less"] })).toMatchObject({ verdict, plan });
  });
});

describe("what is each deployment's own", () => {
  const grant = (role: string, what = "INSERT, SELECT"): Fact =>
    fact("grant", "public.orders", role, what);
  const own = [
    fact("publication", "outgoing", "", "INSERT"),
    fact("owner", "public.orders", "", "keeper"),
    grant("reader"),
  ];
  const revisions = [...shop, revision("own", ["status"], own)];
  const ours = fact("owner", "public.orders", "", "shop");
  const mine = [...revisions, revision("mine", ["own"], [ours], { drops: [own[1]!] })];
  /** As the look tells that we have the privileges of a role. */
  const weAre = (role: string): Fact => fact("grant", "", role, "");
  const givenAway = (...plus: readonly Fact[]): Pick<Given, "without" | "plus"> => ({
    without: ({ kind }) => kind === "owner",
    plus: [
      fact("owner", "public.orders", "", "stranger"),
      grant("stranger", "DELETE, INSERT, SELECT, TRUNCATE, UPDATE"),
      ...plus,
    ],
  });

  it.each<[string, Given, string, string]>([
    ["all there", { at: "own" }, "current", "start"],
    ["a publication gone", { at: "own", without: named("outgoing") }, "drifted", "start"],
    ["another owner", { at: "own", without: ({ kind }) => kind === "owner" }, "drifted", "start"],
    ["another role's privileges gone", { at: "own", without: named("reader") }, "drifted", "start"],
    [
      "more privileges than were granted",
      { at: "own", without: named("reader"), plus: [grant("reader", "DELETE, INSERT, SELECT")] },
      "current",
      "start",
    ],
    [
      "fewer",
      { at: "own", without: named("reader"), plus: [grant("reader", "SELECT")] },
      "drifted",
      "start",
    ],
    [
      "our own role's privileges gone",
      {
        at: "ours",
        revisions: [...revisions, revision("ours", ["own"], [grant("shop")])],
        without: named("shop"),
      },
      "drifted",
      "drift",
    ],
    [
      "gone from a role whose privileges we have",
      { at: "own", without: named("reader"), plus: [weAre("reader")] },
      "drifted",
      "drift",
    ],
    [
      "gone from it, and we have them in another way",
      { at: "own", without: named("reader"), plus: [weAre("reader"), grant("shop")] },
      "drifted",
      "start",
    ],
    [
      "our own table given away",
      { at: "mine", revisions: mine, ...givenAway() },
      "drifted",
      "drift",
    ],
    [
      "that of a role which we are",
      { at: "own", ...givenAway(weAre("keeper")) },
      "drifted",
      "drift",
    ],
    [
      "given away, and we may read and write it",
      {
        at: "mine",
        revisions: mine,
        ...givenAway(grant("shop", "DELETE, INSERT, SELECT, UPDATE")),
      },
      "drifted",
      "start",
    ],
    [
      "given away, and we may only read it",
      { at: "mine", revisions: mine, ...givenAway(grant("shop", "SELECT")) },
      "drifted",
      "drift",
    ],
    [
      "no rows, and none of it there",
      { at: "own", rows: [], without: (each) => own.includes(each) },
      "unversioned",
      "unproven",
    ],
  ])("%s", (_, given, verdict, plan) => {
    expect(judge({ revisions, ...given })).toMatchObject({ verdict, plan });
  });
});
