import { describe, expect, it } from "vitest";
import type { SchemaDifference } from "../../src/core/difference.ts";
import { type Fact, withoutStorage } from "../../src/core/facts.ts";
import type { Repair } from "../../src/core/repair-piece.ts";
import { addLabels, columnParts, createDomain } from "../../src/core/repair-sql.ts";
import { repairOf } from "../../src/core/repair.ts";
import { fact, table } from "./model.ts";

type Given = {
  /** Expected, and not there. */
  readonly missing: readonly Fact[];
  readonly there?: readonly Fact[];
  readonly others?: readonly SchemaDifference[];
  readonly filled?: boolean;
  readonly lossOf?: (fact: Fact) => string | null;
};

function missing(of: Fact): SchemaDifference {
  return { kind: "missing", fact: of, revision: null, tolerable: false };
}

function repair({ missing: lost, there = [], others = [], filled = false, lossOf }: Given): Repair {
  return repairOf({
    differences: [...lost.map(missing), ...others],
    comments: [],
    expected: [...there, ...lost],
    live: there,
    namesInOrder: () => ["id", "a", "b"],
    isRole: (name) => name === "shop",
    mayHoldRows: () => filled,
    lossOf: lossOf ?? (() => null),
  });
}

/** Of each batch its statements; those that run alone are marked. */
function sqlOf({ batches }: Repair): readonly (readonly string[])[] {
  return batches.map(({ kind, statements }) =>
    statements.map(({ sql }) => (kind === "alone" ? `alone: ${sql}` : sql)),
  );
}

const t = "public.t";
const orders = table("orders", "id", "total");
const there = table("t", "id");

describe("the SQL of each kind", () => {
  it.each<[string, Fact, readonly string[]]>([
    ["a schema", fact("schema", "odd one"), ['CREATE SCHEMA "odd one"']],
    [
      "an extension",
      fact("extension", "citext", "", "SCHEMA public"),
      ['CREATE EXTENSION "citext" SCHEMA public'],
    ],
    [
      "an enum",
      fact("enum", "public.mood", "", "'a','it''s'"),
      ["CREATE TYPE public.mood AS ENUM ('a','it''s')"],
    ],
    [
      "a domain",
      fact(
        "domain",
        "public.d",
        "",
        "text DEFAULT ' x CHECK ('::text above CHECK ((VALUE > 'y CHECK ('::text))",
      ),
      [
        "CREATE DOMAIN public.d AS text DEFAULT ' x CHECK ('::text CONSTRAINT above CHECK ((VALUE > 'y CHECK ('::text))",
      ],
    ],
    [
      "a sequence",
      fact(
        "sequence",
        "public.s",
        "",
        "AS smallint START 5 INCREMENT -1 MIN -100 MAX 10 CACHE 1 CYCLE",
      ),
      [
        "CREATE SEQUENCE public.s AS smallint START WITH 5 INCREMENT BY -1 MINVALUE -100 MAXVALUE 10 CACHE 1 CYCLE",
      ],
    ],
    [
      "a column",
      fact("column", t, "a", "text COLLATE pg_catalog.\"C\" NOT NULL DEFAULT 'x NOT NULL'::text"),
      [
        `ALTER TABLE public.t ADD COLUMN "a" text COLLATE pg_catalog."C" DEFAULT 'x NOT NULL'::text NOT NULL`,
      ],
    ],
    [
      "an identity",
      fact(
        "column",
        t,
        "a",
        "bigint NOT NULL IDENTITY a (AS bigint START 10 INCREMENT 1 MIN 1 MAX 99 CACHE 1)",
      ),
      [
        'ALTER TABLE public.t ADD COLUMN "a" bigint GENERATED ALWAYS AS IDENTITY (START WITH 10 INCREMENT BY 1 MINVALUE 1 MAXVALUE 99 CACHE 1) NOT NULL',
      ],
    ],
    [
      "a generated column",
      fact("column", t, "a", "numeric GENERATED s (amount * (2)::numeric)"),
      [
        'ALTER TABLE public.t ADD COLUMN "a" numeric GENERATED ALWAYS AS ((amount * (2)::numeric)) STORED',
      ],
    ],
    [
      "a function",
      fact("function", "public.f()", "", "CREATE OR REPLACE FUNCTION public.f() …"),
      ["CREATE OR REPLACE FUNCTION public.f() …"],
    ],
    [
      "a trigger that is off",
      fact("trigger", t, "g", "CREATE TRIGGER g … ENABLED=D"),
      ["CREATE TRIGGER g …", 'ALTER TABLE public.t DISABLE TRIGGER "g"'],
    ],
    [
      "a policy",
      fact(
        "policy",
        t,
        "Own rows",
        "RESTRICTIVE FOR w TO anon,\"the role\" USING ((a = ') CHECK ('::text)) CHECK ((b > 0))",
      ),
      [
        `CREATE POLICY "Own rows" ON public.t AS RESTRICTIVE FOR UPDATE TO anon,"the role" USING ((a = ') CHECK ('::text)) WITH CHECK ((b > 0))`,
      ],
    ],
    [
      "a rule",
      fact("rule", t, "r", "CREATE RULE r AS ON DELETE TO public.t DO INSTEAD NOTHING;"),
      ["CREATE RULE r AS ON DELETE TO public.t DO INSTEAD NOTHING"],
    ],
    [
      "statistics",
      fact("statistics", "public.both", "", "CREATE STATISTICS public.both ON a, b FROM public.t"),
      ["CREATE STATISTICS public.both ON a, b FROM public.t"],
    ],
  ])("%s", (_, lost, wanted) => {
    const made = repair({ missing: [lost], there });
    expect(made.left).toEqual([]);
    expect(sqlOf(made).flat()).toEqual(wanted);
  });

  it("a table with its columns in the files' order, its row security and its key", () => {
    const made = repair({
      missing: [
        fact("table", t, "", "r UNLOGGED RLS FORCE RLS"),
        fact("column", t, "b", "text"),
        fact("column", t, "id", "integer NOT NULL"),
        fact("constraint", t, "t_pkey", "PRIMARY KEY (id)"),
        fact("grant", t, "shop", "INSERT, SELECT"),
        fact("grant", t, "gone", "SELECT"),
      ],
    });
    expect(sqlOf(made)).toEqual([
      [
        'CREATE UNLOGGED TABLE public.t (\n  "id" integer NOT NULL,\n  "b" text\n)',
        "ALTER TABLE public.t ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE public.t FORCE ROW LEVEL SECURITY",
        'ALTER TABLE public.t ADD CONSTRAINT "t_pkey" PRIMARY KEY (id)',
        'GRANT INSERT, SELECT ON TABLE public.t TO "shop"',
      ],
    ]);
    expect(made.needs).toMatchObject({ relations: [], schemas: ["public"] });
  });

  it("views in the order in which they stand on each other, with what makes them", () => {
    const view = (name: string, query: string): readonly Fact[] => [
      fact("view", `public.${name}`, "", "v WITH security_barrier=true"),
      fact("viewdef", `public.${name}`, "", query),
      fact("column", `public.${name}`, "id", "integer"),
    ];
    const made = repair({
      missing: [
        ...view("a", " SELECT b.id FROM public.b;"),
        ...view("b", " SELECT f.id FROM public.f() f;"),
        fact("function", "public.f()", "", "CREATE FUNCTION public.f()"),
      ],
    });
    expect(sqlOf(made)).toEqual([
      [
        "CREATE FUNCTION public.f()",
        "CREATE VIEW public.b WITH (security_barrier=true) AS\nSELECT f.id FROM public.f() f",
        "CREATE VIEW public.a WITH (security_barrier=true) AS\nSELECT b.id FROM public.b",
      ],
    ]);
  });
});

describe("on a table that is there", () => {
  it("writes go on: an index is built CONCURRENTLY, a constraint is validated apart", () => {
    const made = repair({
      missing: [
        fact("index", t, "i", "CREATE INDEX i ON public.t USING btree (id)"),
        fact("constraint", t, "c", "CHECK ((id > 0))"),
        fact("constraint", t, "f", "FOREIGN KEY (id) REFERENCES public.orders(id)"),
        fact(
          "constraint",
          "public.orders",
          "k",
          "UNIQUE NULLS NOT DISTINCT (id) INCLUDE (total) DEFERRABLE",
        ),
      ],
      there: [...there, ...orders],
    });
    expect(sqlOf(made)).toEqual([
      ['ALTER TABLE public.t ADD CONSTRAINT "c" CHECK ((id > 0)) NOT VALID'],
      ["alone: CREATE INDEX CONCURRENTLY i ON public.t USING btree (id)"],
      [
        'alone: CREATE UNIQUE INDEX CONCURRENTLY "k" ON public.orders (id) INCLUDE (total) NULLS NOT DISTINCT',
      ],
      [
        'ALTER TABLE public.orders ADD CONSTRAINT "k" UNIQUE USING INDEX "k" DEFERRABLE',
        'ALTER TABLE public.t ADD CONSTRAINT "f" FOREIGN KEY (id) REFERENCES public.orders(id) NOT VALID',
      ],
      ['ALTER TABLE public.t VALIDATE CONSTRAINT "c"'],
      ['ALTER TABLE public.t VALIDATE CONSTRAINT "f"'],
    ]);
    expect(made.needs).toMatchObject({
      relations: ["public.orders", "public.t"],
      referred: ["public.orders"],
      schemas: ["public"],
    });
  });

  it("a partitioned table's index is built on each partition, then attached; a constraint in one step, and it says so", () => {
    const parts = [
      fact("table", "public.p", "", "p PARTITION BY RANGE (id)"),
      fact("partition", "public.p1", "", "r FOR VALUES FROM (1) TO (2) INHERITS public.p"),
    ];
    const made = repair({
      missing: [
        fact("index", "public.p", "i", "CREATE INDEX i ON ONLY public.p USING btree (id)"),
        fact("constraint", "public.p", "c", "CHECK ((id > 0))"),
      ],
      there: parts,
    });
    expect(sqlOf(made)).toEqual([
      [
        "CREATE INDEX i ON ONLY public.p USING btree (id)",
        'ALTER TABLE public.p ADD CONSTRAINT "c" CHECK ((id > 0))',
      ],
      ['alone: CREATE INDEX CONCURRENTLY "p1_i" ON public.p1 USING btree (id)'],
      ['ALTER INDEX public."i" ATTACH PARTITION public."p1_i"'],
    ]);
    expect(made.batches[0]!.statements[1]!.says).toContain("in one step, which locks the table");
  });

  it("what is there as a part of what it should be gets the rest", () => {
    const changed = (wanted: Fact, actual: string): SchemaDifference => ({
      kind: "changed",
      fact: wanted,
      actual: { ...wanted, definition: actual },
      revision: null,
      tolerable: false,
    });
    const others = [
      changed(fact("enum", "public.mood", "", "'a','b','c','d'"), "'b','d'"),
      changed(fact("column", t, "id", "integer DEFAULT 5"), "integer"),
      changed(fact("constraint", t, "c", "CHECK ((id > 0))"), "CHECK ((id > 0)) NOT VALID"),
      changed(fact("table", t, "", "r RLS"), "r"),
    ];
    expect(sqlOf(repair({ missing: [], there, others }))).toEqual([
      [
        "ALTER TYPE public.mood ADD VALUE 'a' BEFORE 'b'",
        "ALTER TYPE public.mood ADD VALUE 'c' AFTER 'b'",
      ],
      [
        "ALTER TABLE public.t ENABLE ROW LEVEL SECURITY",
        'ALTER TABLE ONLY public.t ALTER COLUMN "id" SET DEFAULT 5',
      ],
      ['ALTER TABLE public.t VALIDATE CONSTRAINT "c"'],
    ]);
    for (const [wanted, actual] of [
      ["integer NOT NULL", "integer"],
      ["integer", "bigint"],
      ["integer DEFAULT 5", "integer DEFAULT 6"],
      ["integer", "integer DEFAULT 6"],
    ] as const) {
      const { batches, left } = repair({
        missing: [],
        there,
        others: [changed(fact("column", t, "id", wanted), actual)],
      });
      expect([batches, left]).toEqual([
        [],
        [{ what: "column t.id", why: expect.stringContaining("is another") }],
      ]);
    }
  });

  it("a sequence goes on after the numbers that are there", () => {
    const made = repair({
      missing: [
        fact(
          "sequence",
          "public.s",
          "",
          "AS integer START 1 INCREMENT 1 MIN 1 MAX 9 CACHE 1 OWNED BY public.t.id",
        ),
      ],
      there: [
        fact("table", t, "", "r"),
        fact("column", t, "id", "integer NOT NULL DEFAULT nextval('public.s'::regclass)"),
      ],
    });
    expect(sqlOf(made)[0]!.slice(1)).toEqual([
      `SELECT pg_catalog.setval('public.s', (SELECT max("id") FROM public.t))`,
      "ALTER SEQUENCE public.s OWNED BY public.t.id",
    ]);
  });
});

it("a sequence that is there gets its owner after the column that is not", () => {
  const options = "AS integer START 1 INCREMENT 1 MIN 1 MAX 9 CACHE 1";
  const wanted = fact("sequence", "public.s", "", `${options} OWNED BY public.t.a`);
  const made = repair({
    missing: [fact("column", t, "a", "integer")],
    there,
    others: [
      {
        kind: "changed",
        fact: wanted,
        actual: { ...wanted, definition: options },
        revision: null,
        tolerable: false,
      },
    ],
  });
  expect(sqlOf(made)).toEqual([
    ['ALTER TABLE public.t ADD COLUMN "a" integer', "ALTER SEQUENCE public.s OWNED BY public.t.a"],
  ]);
});

describe("what is left for a person", () => {
  const column = fact("column", t, "a", "integer NOT NULL");

  it("takes what stands on it along, and nothing else", () => {
    const made = repair({
      missing: [
        column,
        fact("index", t, "on_a", "CREATE INDEX on_a ON public.t USING btree (a)"),
        fact("index", t, "on_id", "CREATE INDEX on_id ON public.t USING btree (id)"),
        fact("view", "public.v", "", "v"),
        fact("viewdef", "public.v", "", " SELECT t.a FROM public.t;"),
      ],
      there,
      filled: true,
    });
    expect(sqlOf(made)).toEqual([
      ["alone: CREATE INDEX CONCURRENTLY on_id ON public.t USING btree (id)"],
    ]);
    expect(made.left.map(({ what }) => what)).toEqual(["column t.a", "index on_a on t", "view v"]);
    expect(made.left[1]!.why).toBe("it needs column t.a, which is left");
  });

  it("of a table its parts are not named", () => {
    const made = repair({
      missing: [
        ...orders,
        fact("constraint", "public.orders", "k", "PRIMARY KEY (id)"),
        fact("constraint", t, "f", "FOREIGN KEY (id) REFERENCES public.orders(id)"),
      ],
      there,
      lossOf: ({ kind }) => (kind === "table" ? "rows were in it" : null),
    });
    expect(made.batches).toEqual([]);
    expect(made.left.map(({ what }) => what)).toEqual(["table orders", "constraint f on t"]);
  });

  it.each([
    fact("aggregate", "public.total(integer)", "", "integer n int4pl"),
    fact("range", "public.span", "", "double precision"),
    fact("ftable", "public.far", "", "f SERVER other"),
    fact("eventtrigger", "watch", "", "ddl_command_end O"),
    fact("table", "public.typed", "", "r OF public.pair"),
    fact("index", t, "i", "CREATE INDEX i ON ONLY public.t USING btree (id) INVALID"),
    fact("constraint", t, "f", "FOREIGN KEY (id) REFERENCES public.t(id) TRIGGERS DISABLED"),
    fact("column", t, "a", "<varies>"),
  ])("one that is not written: $kind $definition", (lost) => {
    const made = repair({ missing: [lost], there });
    expect([made.batches.length, made.left.length]).toEqual([0, 1]);
  });

  it("what is too much or in the way", () => {
    const extra = fact("constraint", t, "mine", "CHECK ((id > 0))");
    const made = repair({
      missing: [],
      there,
      others: [
        {
          kind: "extra",
          fact: extra,
          revision: null,
          why: "it refuses",
          warns: false,
          tolerable: false,
        },
        {
          kind: "extra",
          fact: fact("table", "public.o", "", "r"),
          revision: null,
          why: "",
          warns: false,
          tolerable: true,
        },
        { kind: "in-the-way", fact: extra, revision: "next", fails: true, tolerable: false },
      ],
    });
    expect([made.batches, made.left.length]).toEqual([[], 2]);
  });
});

describe("definitions", () => {
  it("of statistics read alike whichever column was added last", () => {
    const on = (columns: string): Fact =>
      withoutStorage(
        fact(
          "statistics",
          "public.s",
          "",
          `CREATE STATISTICS public.s (ndistinct) ON ${columns} FROM public.t`,
        ),
      );
    expect(on('b, "A b", a')).toEqual(on('"A b", a, b'));
    expect(on("(a + b), a").definition).toContain("ON (a + b), a FROM");
  });

  it("are taken apart where they stand outside of quotes", () => {
    expect(columnParts('public."a NOT NULL"[] NOT NULL')).toMatchObject({
      type: 'public."a NOT NULL"[]',
      isNotNull: true,
    });
    expect(columnParts("character varying(20) DEFAULT 'a GENERATED s b'::text")).toMatchObject({
      type: "character varying(20)",
      default: "'a GENERATED s b'::text",
      generated: null,
    });
  });

  it("with labels in another order, or that are not wanted, are left", () => {
    const mood = (labels: string): Fact => fact("enum", "public.mood", "", labels);
    expect(addLabels(mood("'a','b'"), mood("'b','a'"))).toBeNull();
    expect(addLabels(mood("'a','b'"), mood("'a','c'"))).toBeNull();
    expect(addLabels(mood("'a,b',E'c\\\\d'"), mood("'a,b'"))).toEqual([
      "ALTER TYPE public.mood ADD VALUE E'c\\\\d' AFTER 'a,b'",
    ]);
    expect(
      createDomain(fact("domain", "public.d", "", "text c CHECK ((VALUE > 'a')) NOT VALID")),
    ).toBeNull();
  });
});
