import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { diagnose } from "../../src/core/diagnose.ts";
import { type Fact, factKey, placeKey, withoutStorage } from "../../src/core/facts.ts";
import { retiredPartitions } from "../../src/core/retention.ts";
import { extrasInDoubt, type Verdict, withEvaluated } from "../../src/core/verdict.ts";
import {
  databaseAt,
  fact,
  knowledgeOf,
  type ModelRevision,
  observe,
  revision,
  table,
} from "./model.ts";

/** What the schema is found to be, at the newest revision of these or at another one, after something was changed by hand. */
function diagnosed(
  revisions: readonly ModelRevision[],
  change: (facts: readonly Fact[]) => readonly Fact[],
  given: { readonly at?: string; readonly rows?: readonly string[] } = {},
): Verdict {
  const at = given.at ?? revisions.at(-1)!.id;
  const seen = databaseAt(revisions, [at], given.rows ?? [at]);
  const facts = change([...seen.facts.values()]);
  return diagnose(
    knowledgeOf(revisions),
    observe({ ...seen, facts: new Map(facts.map((each) => [factKey(each), each])) }),
  );
}

function provenOf(verdict: Verdict): unknown {
  return verdict.kind === "unversioned" && verdict.identified.kind === "proven"
    ? verdict.identified.heads
    : verdict;
}

describe("what was NOT VALID and is valid now", () => {
  const check = (validity: string): Fact =>
    fact("constraint", "public.orders", "positive", `CHECK ((total > 0))${validity}`);
  const column = (validity: string): Fact =>
    fact("column", "public.orders", "note", `text NOT NULL${validity} DEFAULT 'x'::text`);
  const domain = (validity: string): Fact =>
    fact("domain", "public.known", "", `text known_check CHECK ((VALUE <> ''::text))${validity}`);
  const made = [
    revision("orders", [], table("orders", "total")),
    revision(
      "checks",
      ["orders"],
      [check(" NOT VALID"), column(" NOT VALID"), domain(" NOT VALID")],
    ),
    revision("later", ["checks"], table("later", "id")),
  ];
  const validatedLater = [
    ...made,
    revision("validate", ["later"], [check("")], { drops: [check(" NOT VALID")] }),
    revision("last", ["validate"], table("last", "id")),
  ];
  const validate = (facts: readonly Fact[]): readonly Fact[] =>
    facts.map((each) => ({ ...each, definition: each.definition.replace(" NOT VALID", "") }));

  it("is no drift", () => {
    expect(diagnosed(made, validate)).toMatchObject({ kind: "current" });
    expect(diagnosed(made, validate, { at: "checks" })).toMatchObject({ kind: "behind" });
  });

  it("is no drift either where a later revision validates it", () => {
    expect(diagnosed(validatedLater, validate, { at: "later" })).toMatchObject({ kind: "behind" });
  });

  it("is the same state without version rows", () => {
    expect(provenOf(diagnosed(made, validate, { rows: [] }))).toEqual(["later"]);
    expect(provenOf(diagnosed(validatedLater, validate, { at: "checks", rows: [] }))).toEqual([
      "checks",
    ]);
  });

  it("but what is valid must not become NOT VALID", () => {
    const weaken = (facts: readonly Fact[]): readonly Fact[] =>
      facts.map((each) => (each.name === "positive" ? check(" NOT VALID") : each));
    expect(diagnosed(validatedLater, weaken)).toMatchObject({ kind: "drifted" });
  });

  it("what stands in quotes says nothing of that", () => {
    const quoted = (text: string): readonly Fact[] => [
      ...table("t", "id"),
      fact("constraint", "public.t", "words", `CHECK ((c <> '${text}'::text))`),
    ];
    const revisions = [revision("quoted", [], quoted("is NOT VALID"))];
    expect(diagnosed(revisions, () => quoted("is"))).toMatchObject({ kind: "drifted" });
  });

  it("an index ON ONLY a parent becomes valid with its partitions'", () => {
    const index = (end: string): Fact =>
      fact(
        "index",
        "public.t",
        "by_id",
        `CREATE INDEX by_id ON ONLY public.t USING btree (id)${end}`,
      );
    const revisions = [revision("only", [], [...table("t", "id"), index(" INVALID")])];
    const attach = (facts: readonly Fact[]): readonly Fact[] =>
      facts.map((each) => (each.kind === "index" ? index("") : each));
    expect(diagnosed(revisions, attach)).toMatchObject({ kind: "current" });
  });

  it("nor anything else of it change", () => {
    const loosen = (facts: readonly Fact[]): readonly Fact[] =>
      facts.map((each) => ({
        ...each,
        definition: each.definition.replace("(total > 0)) NOT VALID", "(total > 1))"),
      }));
    expect(diagnosed(made, loosen)).toMatchObject({ kind: "drifted" });
  });
});

describe("a column of a type that is not the server's", () => {
  const made = [revision("t", [], table("t", "id"))];
  const column = fact("column", "public.t", "more", "public.known");
  it.each([
    ["may be of a domain that refuses rows, until the server was asked", undefined, false],
    ["is harmless where it is no such domain", [], true],
    ["is not where it is", ["domain public.known"], false],
  ] as const)("%s", (_, evaluates, tolerable) => {
    const verdict = diagnosed(made, (facts) => [
      ...facts,
      { ...column, ...(evaluates && { evaluates }) },
    ]);
    expect(verdict).toMatchObject({ kind: "drifted", differences: [{ tolerable }] });
  });
});

describe("what a revision made and a later one took away, and is there again", () => {
  const column = fact("column", "public.t", "size", "integer GENERATED s (1 / id)");
  const made = [
    revision("t", [], table("t", "id")),
    revision("size", ["t"], [column]),
    revision("away", ["size"], [], { drops: [column] }),
    revision("later", ["away"], table("later", "id")),
  ];
  it.each([
    [[], "starts"],
    [["int4div(integer,integer)"], "is drift"],
  ] as const)(
    "is an extra like any other, and is looked at once: it evaluates %j",
    (evaluates, answer) => {
      const seen = databaseAt(made, ["later"]);
      const facts = new Map([...seen.facts, [factKey(column), column]]);
      const observation = observe({ ...seen, facts });
      const knowledge = knowledgeOf(made);
      const doubtful = extrasInDoubt(diagnose(knowledge, observation));
      expect(doubtful).toEqual([column]);
      const answers = new Map([[placeKey(column), evaluates]]);
      const closer = { ...observation, facts: withEvaluated(observation.facts, doubtful, answers) };
      const verdict = diagnose(knowledge, closer);
      expect(extrasInDoubt(verdict)).toEqual([]);
      expect(verdict).toMatchObject({
        kind: "drifted",
        differences: [{ tolerable: answer === "starts" }],
      });
    },
  );
});

describe("an index's storage parameters", () => {
  const index = (rest: string): Fact =>
    fact("index", "public.t", "i", `CREATE INDEX i ON public.t USING btree (a)${rest}`);
  it.each([
    [" WITH (fillfactor='70')", ""],
    [" INCLUDE (b) WITH (fillfactor='70', deduplicate_items=off)", " INCLUDE (b)"],
    [" WITH (fillfactor='70') WHERE (a > 1) INVALID", " WHERE (a > 1) INVALID"],
    [" WITH (fillfactor='70') REPLICA IDENTITY", ""],
    [" WHERE (a = ' WITH (x)'::text)", " WHERE (a = ' WITH (x)'::text)"],
  ])("do not count: %s", (spelled, left) => {
    expect(withoutStorage(index(spelled))).toEqual(index(left));
  });
});

it("the order of a view's options does not count", () => {
  const view = (options: string): Fact => fact("view", "public.v", "", `v${options}`);
  const sorted = view(" WITH check_option=local,security_barrier=true");
  expect(withoutStorage(view(" WITH security_barrier=true,check_option=local"))).toEqual(sorted);
  expect(withoutStorage(view(""))).toEqual(view(""));
});

describe("partitions that have served", () => {
  const partition = (name: string, bounds: string, parent = "public.events"): Fact =>
    fact("partition", `public.${name}`, "", `r FOR VALUES ${bounds} INHERITS ${parent}`);
  const month = (name: string, from: string, to: string): readonly Fact[] => [
    partition(name, `FROM ('${from}') TO ('${to}')`),
    fact("column", `public.${name}`, "at", "date NOT NULL"),
  ];
  const made = [
    revision(
      "events",
      [],
      [
        fact("table", "public.events", "", "p PARTITION BY RANGE (at)"),
        fact("column", "public.events", "at", "date NOT NULL"),
        ...month("january", "2026-01-01", "2026-02-01"),
        ...month("february", "2026-02-01", "2026-03-01"),
      ],
    ),
    revision("later", ["events"], [fact("column", "public.events", "kind", "text")]),
  ];
  const without =
    (...names: readonly string[]) =>
    (facts: readonly Fact[]): readonly Fact[] =>
      facts.filter(({ object }) => !names.includes(object.replace("public.", "")));

  it("are no drift, and the state is known without version rows", () => {
    expect(diagnosed(made, without("january"))).toMatchObject({ kind: "current" });
    expect(diagnosed(made, without("january"), { at: "events" })).toMatchObject({ kind: "behind" });
    expect(provenOf(diagnosed(made, without("january"), { rows: [] }))).toEqual(["later"]);
  });

  it("take along what was granted on them, and who owned them", () => {
    const rights = [
      fact("grant", "public.january", "shop", "SELECT"),
      fact("owner", "public.january", "", "shop"),
    ];
    const granted = [...made, revision("granted", ["later"], rights)];
    expect(diagnosed(granted, without("january"))).toMatchObject({ kind: "current" });
  });

  it("may be kept as tables, with whatever hangs on them", () => {
    const detach = (facts: readonly Fact[]): readonly Fact[] => [
      ...without("january")(facts),
      fact("table", "public.january", "", "r"),
      fact("column", "public.january", "at", "date NOT NULL"),
      fact("constraint", "public.january", "january_pkey", "PRIMARY KEY (at)"),
    ];
    const verdict = diagnosed(made, detach);
    expect(verdict).toMatchObject({ kind: "drifted", differences: [{ tolerable: true }] });
  });

  it("are missing where no later one is there", () => {
    expect(diagnosed(made, without("february"))).toMatchObject({ kind: "drifted" });
    expect(diagnosed(made, without("january", "february"))).toMatchObject({ kind: "drifted" });
  });

  it("do not decide between two states that differ by nothing else", () => {
    const old = revision("old", ["later"], month("december", "2025-12-01", "2026-01-01"));
    expect(diagnosed([...made, old], without("december"), { rows: [] })).toMatchObject({
      identified: { kind: "ambiguous", candidates: [["later"], ["old"]] },
    });
  });

  it.each<[string, string, string, boolean]>([
    ["numbers", "FROM (0) TO (10)", "FROM (10) TO (20)", true],
    ["numbers, not as texts", "FROM (10) TO (100)", "FROM (9) TO (10)", false],
    ["numbers below nothing", "FROM ('-20') TO ('-10')", "FROM ('-10') TO (0)", true],
    ["the lowest", "FROM (MINVALUE) TO (5)", "FROM (5) TO (MAXVALUE)", true],
    ["the highest", "FROM (5) TO (MAXVALUE)", "FROM (MINVALUE) TO (5)", false],
    ["a gap between", "FROM (0) TO (10)", "FROM (50) TO (60)", true],
    ["above", "FROM (50) TO (60)", "FROM (0) TO (10)", false],
    [
      "moments",
      "FROM ('2026-01-01 00:00:00+00') TO ('2026-01-01 01:00:00+00')",
      "FROM ('2026-01-01 01:00:00.5+00') TO ('2027-01-01 00:00:00+00')",
      true,
    ],
    ["several columns", "FROM (1, 'a') TO (1, 'b')", "FROM (2, 'a') TO (3, 'a')", true],
    [
      "several columns, and a text decides",
      "FROM (1, 'a') TO (1, 'b')",
      "FROM (1, 'c') TO (1, 'd')",
      false,
    ],
    ["texts, whose order is the collation's", "FROM ('a') TO ('b')", "FROM ('c') TO ('d')", false],
    [
      "a far year",
      "FROM ('9999-01-01') TO ('10001-01-01')",
      "FROM ('10001-01-01') TO ('10002-01-01')",
      true,
    ],
    [
      "far years",
      "FROM ('10001-01-01') TO ('10002-01-01')",
      "FROM ('10003-01-01') TO ('10004-01-01')",
      false,
    ],
    ["a list", "IN (1)", "IN (2)", false],
    ["a hash", "WITH (modulus 2, remainder 0)", "WITH (modulus 2, remainder 1)", false],
    ["the default", "DEFAULT", "FROM (0) TO (10)", false],
  ])("%s", (_, gone, there, isRetired) => {
    const [old, young] = [partition("old", gone), partition("young", there)];
    expect([...retiredPartitions([old, young], [young])]).toEqual(isRetired ? ["public.old"] : []);
    expect([...retiredPartitions([old, young], [old, young])]).toEqual([]);
  });

  it("take their own partitions along, and no other table's", () => {
    const old = partition("old", "FROM (0) TO (10) PARTITION BY LIST (k)");
    const part = partition("part", "IN (1)", "public.old");
    const young = partition("young", "FROM (10) TO (20)");
    const stranger = partition("stranger", "FROM (0) TO (5)", "public.other");
    expect([...retiredPartitions([old, part, young, stranger], [young])]).toEqual([
      "public.old",
      "public.part",
    ]);
  });

  it("are those that lie below one that is there, whatever the numbers", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: -50, max: 50 }), { minLength: 2 }),
        fc.nat(),
        (starts, pick) => {
          const bound = (value: number): string => (value < 0 ? `'${value}'` : `${value}`);
          const all = starts
            .sort((one, other) => one - other)
            .map((start) =>
              partition(`p${start + 50}`, `FROM (${bound(start)}) TO (${bound(start + 1)})`),
            );
          const kept = all.filter((_, at) => (pick >> (at % 20)) % 2 === 1);
          const highest = all.lastIndexOf(kept.at(-1)!);
          const retired = all.slice(0, Math.max(0, highest)).filter((each) => !kept.includes(each));
          expect(retiredPartitions(all, kept)).toEqual(
            new Set(retired.map(({ object }) => object)),
          );
        },
      ),
    );
  });
});
