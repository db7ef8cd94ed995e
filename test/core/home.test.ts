import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { checkAssumption } from "../../src/core/assume.ts";
import { diagnose } from "../../src/core/diagnose.ts";
import { placesOf } from "../../src/core/elsewhere.ts";
import { type Fact, factKey } from "../../src/core/facts.ts";
import { assumedRelative, escapeFact, factAtHome, relativeFact } from "../../src/core/home.ts";
import { combine } from "../../src/core/knowledge.ts";
import { decodeLedger, encodeLedger } from "../../src/core/ledger-text.ts";
import { type Ledger, openLedger } from "../../src/core/ledger.ts";
import type { Elsewhere, Home, Observation, VersionTable } from "../../src/core/observation.ts";
import { planFor } from "../../src/core/plan.ts";
import { optionsWithPath, pathOfOptions, schemasOfPath } from "../../src/core/search-path.ts";
import type { Plan } from "../../src/core/step.ts";
import { faultOfHome, type HomeRequest } from "../../src/core/which-home.ts";
import { faultOfVersionTable } from "../../src/core/which-version-table.ts";
import { writeLedger } from "../../src/core/write-ledger.ts";
import { databaseAt, fact, historyOf, observe, policy, replayOf, revision } from "./model.ts";

/** A table that moves with the home. */
function table(name: string, ...columns: readonly string[]): readonly Fact[] {
  return [
    fact("table", `<home>.${name}`, "", "r"),
    ...columns.map((column) => fact("column", `<home>.${name}`, column, "text")),
  ];
}

const chain = [
  revision("one", [], table("customers", "id", "email")),
  revision("two", ["one"], table("orders", "id", "total")),
  revision("three", ["two"], [fact("column", "<home>.orders", "status", "text")]),
];
const history = historyOf(chain);
const ledger: Ledger = writeLedger(history, replayOf(chain), null, []);

describe("a fact relative to the home", () => {
  const names = fc.constantFrom("public", "app", '"My App"', "preflight_bake_home", "<home>", "x");
  const texts = fc.array(
    fc.oneof(names, fc.string({ maxLength: 5 }), fc.constantFrom(".", "'", "<")),
    {
      maxLength: 8,
    },
  );
  const facts = fc
    .tuple(texts, texts)
    .map(([object, definition]) => fact("view", object.join(""), "", definition.join("")));

  it("reads in another home as the server would print it there, whatever it looks like", () => {
    fc.assert(
      fc.property(facts, names, (seen, home) => {
        const relative = relativeFact(seen, "preflight_bake_home");
        const there = (text: string): string => text.replaceAll("preflight_bake_home", home);
        expect(factAtHome(relative, home)).toEqual({
          ...seen,
          object: there(seen.object),
          definition: there(seen.definition),
        });
        expect(factAtHome(escapeFact(seen), home)).toEqual(seen);
      }),
    );
  });

  test.each([
    ["nextval('public.users_id_seq'::regclass)", "nextval('<home>.users_id_seq'::regclass)"],
    ["SCHEMA public", "SCHEMA <home>"],
    ["REFERENCES public.users(id)", "REFERENCES <home>.users(id)"],
    ['a.public.b OR my_public.x OR "public".y', 'a.public.b OR my_public.x OR "public".y'],
  ])("%s is taken for %s where the history could not be moved", (text, relative) => {
    expect(assumedRelative(fact("view", "", "", text), "public").definition).toBe(relative);
  });
});

describe("a ledger read for a home", () => {
  it("has the facts of that schema", () => {
    const { facts } = openLedger(ledger, '"My App"');
    expect(facts.every(({ object }) => object.startsWith('"My App".'))).toBe(true);
  });

  it("of the first release counts where the home is public, and is absent elsewhere", () => {
    const decoded = decodeLedger(
      encodeLedger({ ...ledger, facts: ledger.facts.map((each) => factAtHome(each, "public")) })
        .replace('"v":2', '"v":1')
        .replace(/\n"home".*\n"kinds".*\n/, "\n"),
    );
    if (decoded.kind !== "ledger") throw new Error(decoded.why);
    expect(decoded.ledger).toMatchObject({ home: { kind: "unknown" }, versionTable: null });
    expect(combine(history, decoded.ledger).status).toBe("verified");
    const elsewhere = combine(history, decoded.ledger, undefined, {
      schema: "app",
      spelled: "app",
    });
    expect(elsewhere).toMatchObject({ status: "absent", ledger: null });
    // The next bake moves what is retired by then into its own words.
    const kept = chain.slice(0, 2);
    const again = writeLedger(historyOf(kept), replayOf(kept), decoded.ledger, []);
    const knowledge = combine(historyOf(kept), again);
    expect(diagnose(knowledge, at(["three"], "public"))).toMatchObject({
      kind: "missing-file",
      identified: { kind: "retired", heads: ["three"] },
    });
  });

  it.each([
    ["of the first release has no options of a foreign table's columns", "unknown", "current"],
    ["of a later one has them", "relative", "drifted"],
  ] as const)("%s", (_, kind, verdict) => {
    const column = (options: string): Fact =>
      fact("column", "public.remote", "a", `text${options}`);
    const made = [revision("remote", [], [fact("ftable", "public.remote", "", "f"), column("")])];
    const baked = { ...writeLedger(historyOf(made), replayOf(made), null, []), home: { kind } };
    const seen = databaseAt(made, ["remote"]);
    const facts = [...seen.facts.values()].map((each) =>
      each.kind === "column" ? column(" OPTIONS {column_name=b}") : each,
    );
    const observation = observe({
      ...seen,
      facts: new Map(facts.map((each) => [factKey(each), each])),
    });
    expect(diagnose(combine(historyOf(made), baked), observation).kind).toBe(verdict);
  });
});

type Seen = {
  readonly home?: Partial<Home>;
  readonly elsewhere?: readonly { readonly schema: string; readonly heads: readonly string[] }[];
  readonly source?: string;
  readonly others?: readonly VersionTable[];
  readonly rest?: Partial<Observation>;
};

/** A database with the state of some heads in its home, and of others elsewhere. */
function at(
  heads: readonly string[],
  schema: string,
  rows: readonly string[] = heads,
  { home = {}, elsewhere = [], source = "default", others = [], rest = {} }: Seen = {},
): Observation {
  const live = databaseAt(chain, heads, rows);
  const facts = [...live.facts.values()].map((each) => factAtHome(each, schema));
  const seen = observe({ rows, facts: new Map(facts.map((each, index) => [String(index), each])) });
  return {
    ...seen,
    home: { schema, spelled: schema, by: "path", createsIn: schema, program: null, ...home },
    versionTable: { ...seen.versionTable!, schema },
    elsewhere: {
      pathSource: source,
      tables: [{ schema, heads }, ...elsewhere].flatMap((each) =>
        tablesAt(each.schema, each.heads),
      ),
    },
    otherVersionTables: others,
    ...rest,
  };
}

function tablesAt(schema: string, heads: readonly string[]): Elsewhere["tables"] {
  const facts = [...databaseAt(chain, heads).facts.values()];
  return facts
    .filter(({ kind }) => kind === "table")
    .map(({ object }) => ({
      schema,
      name: object.replace("<home>.", ""),
      columns: facts
        .filter((each) => each.kind === "column" && each.object === object)
        .map(({ name }) => name),
    }));
}

function versionTable(
  schema: string,
  rows: readonly string[],
  name = "alembic_version",
): VersionTable {
  return { ...observe({ rows, facts: new Map() }).versionTable!, schema, name };
}

function judge(observation: Observation, assume: string | null = null) {
  const knowledge = combine(history, ledger, undefined, observation.home);
  const verdict = diagnose(knowledge, observation);
  const assumption = assume === null ? null : checkAssumption(assume, knowledge, observation);
  const plan = planFor(verdict, policy, { knowledge, observation, assumption });
  return { verdict: verdict.kind, plan: summarise(plan), detail: plan };
}

function summarise(plan: Plan): string {
  if (plan.kind !== "act") return plan.kind === "refuse" ? plan.outcome : plan.kind;
  return plan.steps
    .map((step) => (step.kind === "stamp" ? `stamp ${step.to.join() || "base"}` : step.kind))
    .join(", ");
}

const unclaimed: Seen = { elsewhere: [{ schema: "app", heads: ["three"] }] };
const claimed: Seen = { ...unclaimed, others: [versionTable("app", ["three"])] };

const unreadable: Seen = {
  ...unclaimed,
  others: [{ ...versionTable("app", []), rows: null, unreadable: "permission" }],
};

describe("what is absent at home and may be elsewhere", () => {
  test.each<readonly [string, Observation, string, string]>([
    ["nothing is anywhere", at([], "public"), "fresh", "upgrade"],
    [
      "its tables are in a schema that nobody claims",
      at([], "public", [], unclaimed),
      "unknown",
      "unproven",
    ],
    [
      "another home has them, and nobody chose this one",
      at([], "public", [], claimed),
      "unknown",
      "unproven",
    ],
    [
      "another home has them, and the role's path chose this one",
      at([], "b", [], { ...claimed, source: "user" }),
      "fresh",
      "upgrade",
    ],
    [
      "nobody claims them, and the role's path chose this one",
      at([], "b", [], { ...unclaimed, source: "user" }),
      "unknown",
      "unproven",
    ],
    [
      "a person named this one",
      at([], "b", [], { ...unclaimed, home: { by: "setting" } }),
      "fresh",
      "upgrade",
    ],
    [
      "another home's version table may not be read, and the role's path chose this one",
      at([], "b", [], { ...unreadable, source: "user" }),
      "fresh",
      "upgrade",
    ],
    [
      "the same, where something would be taken back",
      at([], "b", ["three"], { ...unreadable, source: "user" }),
      "mismatched",
      "unproven",
    ],
    [
      "a schema of the role's name chose it",
      at([], "shop", [], {
        ...claimed,
        rest: { role: { ...at([], "shop").role, hasUserInPath: true } },
      }),
      "fresh",
      "upgrade",
    ],
    [
      "the rows are ahead of an empty home, and nothing is anywhere",
      at([], "public", ["three"]),
      "mismatched",
      "stamp base, upgrade",
    ],
    [
      "the rows are ahead of an empty home, and the tables are elsewhere",
      at([], "public", ["three"], unclaimed),
      "mismatched",
      "unproven",
    ],
    [
      "the same in a home that a person named: nothing is taken back",
      at([], "public", ["three"], { ...unclaimed, home: { by: "setting" } }),
      "mismatched",
      "unproven",
    ],
    [
      "a tenant's tables were dropped, and another tenant has its own",
      at([], "b", ["three"], { ...claimed, source: "user" }),
      "mismatched",
      "stamp base, upgrade",
    ],
    [
      "an older state at home, a newer one elsewhere",
      at(["one"], "public", ["three"], unclaimed),
      "mismatched",
      "unproven",
    ],
    [
      "a row nobody knows, an older state at home, a newer one elsewhere",
      at(["one"], "public", ["zzz"], unclaimed),
      "missing-file",
      "unproven",
    ],
    [
      "rows behind their schema need nothing that is absent",
      at(["three"], "public", ["one"], unclaimed),
      "mismatched",
      "stamp three",
    ],
    [
      "healthy at home, a copy elsewhere",
      at(["three"], "app", ["three"], { elsewhere: [{ schema: "copy", heads: ["two"] }] }),
      "current",
      "start",
    ],
    [
      "behind at home, a copy elsewhere",
      at(["two"], "app", ["two"], { elsewhere: [{ schema: "copy", heads: ["three"] }] }),
      "behind",
      "upgrade",
    ],
  ])("%s", (_, observation, verdict, plan) => {
    expect(judge(observation)).toMatchObject({ verdict, plan });
  });

  it("names the other homes first, then this one", () => {
    const { detail } = judge(at([], "public", [], unclaimed));
    expect(detail).toMatchObject({
      next: [expect.stringContaining("--schema app"), expect.stringContaining("--schema public")],
    });
  });

  test.each([
    ["nobody chose the home", claimed, true],
    ["a person named it", { ...claimed, home: { by: "setting" as const } }, false],
    ["the role's path chose it", { ...claimed, source: "user" }, false],
    ["a person named it, and nobody claims the other", { ...unclaimed, source: "user" }, true],
  ])("of a drifted home another is named only where it may be meant: %s", (_, seen, isNamed) => {
    const healthy = at(["three"], "b", ["three"], seen);
    const column = healthy.facts.find(({ kind }) => kind === "column");
    const facts = healthy.facts.filter((fact) => fact !== column);
    const { verdict, detail } = judge({ ...healthy, facts });
    expect(verdict).toBe("drifted");
    expect(JSON.stringify(detail).includes("--schema app")).toBe(isNamed);
  });

  it("lets a person's word through", () => {
    expect(judge(at([], "public", ["three"], unclaimed), "base").plan).toBe("stamp base, upgrade");
  });

  it("counts no table that has less than half of the columns", () => {
    const observation = at([], "public");
    const tables = [{ schema: "app", name: "orders", columns: ["reference"] }];
    const other = { ...observation, elsewhere: { pathSource: "default", tables } };
    expect(placesOf(combine(history, ledger), other)).toEqual([]);
    expect(judge(other).verdict).toBe("fresh");
  });
});

describe("objects in a later schema of the path than the one where CREATE goes", () => {
  const split: Seen = { home: { by: "table", createsIn: "app" } };

  test("at head: start", () => {
    expect(judge(at(["three"], "public", ["three"], split)).plan).toBe("start");
  });

  test("something is pending: refuse", () => {
    const { plan, detail } = judge(at(["two"], "public", ["two"], split));
    expect(plan).toBe("unproven");
    expect(detail).toMatchObject({
      next: [expect.stringContaining("put public first"), expect.anything()],
    });
  });
});

describe("whose version table", () => {
  const knowledge = (observation: Observation) =>
    combine(history, ledger, undefined, observation.home);
  const fault = (observation: Observation, isNamed = false): string | null => {
    const asked = { schema: null, name: "alembic_version" };
    const known = knowledge(observation);
    const isHere = diagnose(known, observation).kind === "unversioned";
    return faultOfVersionTable(known, observation, asked, isNamed, isHere)?.message ?? null;
  };
  const ours = versionTable("public", ["two"], "shop_alembic_version");

  test.each<readonly [string, Observation, string | null]>([
    ["ours alone", at(["two"], "public"), null],
    [
      "a neighbour's rows, ours under another name",
      at(["two"], "public", ["zzz"], { others: [ours] }),
      "shop_alembic_version",
    ],
    [
      "no table of the usual name, ours under another",
      at(["two"], "public", [], { others: [ours] }),
      "shop_alembic_version",
    ],
    [
      "two for one home",
      at(["three"], "public", ["three"], { others: [ours] }),
      "so it is with public.alembic_version",
    ],
    [
      "a leftover here, the application there",
      at([], "public", ["one"], {
        elsewhere: [{ schema: "app", heads: ["three"] }],
        others: [versionTable("app", ["three"])],
      }),
      "app.alembic_version",
    ],
    [
      "the application here, a leftover there",
      at(["two"], "app", ["two"], { others: [versionTable("public", ["one"])] }),
      null,
    ],
    [
      "another tenant's, and a home that was chosen and is new",
      at([], "b", [], { ...claimed, source: "client" }),
      null,
    ],
    [
      "another home's, and nobody chose this one",
      at([], "public", [], claimed),
      "app.alembic_version",
    ],
    [
      "ahead in a chosen home, beside another tenant",
      at(["three"], "b", ["zzz"], { ...claimed, source: "user" }),
      null,
    ],
    [
      "ours in a schema that holds version tables alone",
      at(["two"], "public", [], { others: [versionTable("meta", ["two"])] }),
      "meta.alembic_version",
    ],
    [
      "behind here, beside what a dropped tenant left",
      at(["two"], "public", ["two"], { others: [versionTable("gone", ["two"])] }),
      null,
    ],
    [
      "tables here, no rows, and two others that are live",
      at(["two"], "public", [], {
        elsewhere: [
          { schema: "app", heads: ["three"] },
          { schema: "old", heads: ["one"] },
        ],
        others: [versionTable("app", ["three"]), versionTable("old", ["one"])],
      }),
      "app.alembic_version, old.alembic_version",
    ],
    [
      "rows that may not be read are no evidence",
      at(["two"], "public", ["zzz"], {
        others: [{ ...ours, rows: null, unreadable: "permission" }],
      }),
      null,
    ],
  ])("%s", (_, observation, says) => {
    if (says === null) expect(fault(observation)).toBeNull();
    else expect(fault(observation)).toContain(says);
  });

  it("is not asked where a person named it", () => {
    expect(fault(at(["two"], "public", ["zzz"], { others: [ours] }), true)).toBeNull();
  });
});

describe("a search_path that cannot be trusted", () => {
  const request: HomeRequest = { schema: null, options: null, ledger };
  const role = at([], "public").role;
  const withPath = (...searchPath: readonly string[]): Observation => {
    const seen = at([], "public");
    return { ...seen, role: { ...role, name: "shop", searchPath, hasUserInPath: true } };
  };

  test.each<readonly [string, Partial<HomeRequest>, Observation, string | null]>([
    ["the usual one", {}, withPath("shop", "public"), null],
    ["a first schema that is not there", {}, withPath("app", "public"), "no such schema"],
    ["named by a person", { schema: "app" }, withPath("app", "public"), null],
    [
      "made by the history",
      { ledger: { ...ledger, facts: [fact("schema", "app")] } },
      withPath("app", "public"),
      null,
    ],
    ["what the address asks for", { options: "-c search_path=public" }, withPath("public"), null],
    [
      "dropped on the way",
      { options: "-csearch_path=app" },
      withPath("shop", "public"),
      "drops start-up options",
    ],
    [
      "set by the program, from a variable",
      { ledger: { ...ledger, home: { kind: "program", schema: "app", isFixed: false } } },
      withPath("public"),
      "puts a schema of its choice first",
    ],
    [
      "set by the program, in so many words",
      { ledger: { ...ledger, home: { kind: "program", schema: "app", isFixed: true } } },
      withPath("public"),
      null,
    ],
  ])("%s", (_, asked, observation, says) => {
    const found = faultOfHome({ ...request, ...asked }, observation)?.message ?? null;
    if (says === null) expect(found).toBeNull();
    else expect(found).toContain(says);
  });

  test("a first schema that the role may not use", () => {
    const seen = withPath("app", "public");
    const schemas = { ...role.schemas, app: { canUse: false, canCreate: false } };
    const closed = { ...seen, role: { ...seen.role, schemas } };
    expect(faultOfHome(request, closed)).toMatchObject({
      outcome: "permission",
      next: ['GRANT USAGE ON SCHEMA "app" TO "shop"'],
    });
  });
});

describe("start-up options", () => {
  test.each([
    [null, null],
    ["-c geqo=off", null],
    ["-c search_path=app", "app"],
    ["-csearch_path=app,public -c geqo=off", "app,public"],
    ["--search_path=app", "app"],
    ["-c search_path=a -c search_path=b", "b"],
    [String.raw`-c search_path=app,\ public`, "app, public"],
  ])("%s asks for %s", (options, path) => {
    expect(pathOfOptions(options)).toBe(path);
  });

  it("are told of a path as they would be read", () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[A-Za-z \\"',-]{1,8}$/), { minLength: 1 }),
        (names) => {
          const wanted = [...new Set(names)];
          const asked = pathOfOptions(optionsWithPath("-c geqo=off", wanted));
          expect(schemasOfPath(asked ?? "")).toEqual(wanted);
        },
      ),
    );
  });
});

describe("a home that the program's own files name", () => {
  it.each([true, false])("has what stands there by that name, if it is fixed: %s", (isFixed) => {
    const tables = ["app.t", "other.t"].map((name) => fact("table", name, "", "r"));
    const made = [revision("one", [], tables)];
    const home = { kind: "program", schema: "app", isFixed } as const;
    const baked = writeLedger(historyOf(made), { ...replayOf(made), home }, null, []);
    const { facts, inHome } = openLedger(baked, "app");
    expect(facts.filter((_, position) => inHome[position]).map(({ object }) => object)).toEqual(
      isFixed ? ["app.t"] : [],
    );
  });
});
