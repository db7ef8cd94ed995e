import { describe, expect, test } from "vitest";
import { auditSql } from "../../src/audit/audit-sql.ts";
import type { Finding } from "../../src/core/audit.ts";
import { parseSql } from "../../src/pgsql/parse.ts";
import { readStatements } from "../../src/tools/numbered/migration-file.ts";

const earlier = `
  CREATE TABLE orders (
    id bigint PRIMARY KEY,
    note varchar(20),
    total numeric(10,2) NOT NULL,
    placed timestamptz(3),
    tags text[],
    CONSTRAINT orders_note_set CHECK (note IS NOT NULL)
  );
  CREATE TABLE "Odd Name" (id int);
  CREATE TABLE app.customers (id int PRIMARY KEY);
  CREATE TABLE events (id bigint, at date) PARTITION BY RANGE (at);
  CREATE FUNCTION next_code() RETURNS text LANGUAGE sql AS 'SELECT 1::text';
  CREATE FUNCTION fixed() RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT 1::text';
  CREATE DOMAIN code AS text CHECK (value <> '');
  CREATE DOMAIN word AS text;
  CREATE MATERIALIZED VIEW sums AS SELECT 1 AS a;
`;

type Case = readonly [sql: string, ...expected: readonly string[]];

describe("heavy locks", () => {
  test.each<Case>([
    ["CREATE INDEX i ON orders (note)", "1 create-index"],
    ["CREATE UNIQUE INDEX ON public.orders (note)", "1 create-index"],
    ['CREATE INDEX i ON "Odd Name" (id)', "1 create-index"],
    ["CREATE INDEX i ON elsewhere (id)", "1 create-index"],
    ["CREATE INDEX i ON sums (a)", "1 create-index"],
    ["CREATE INDEX i ON events (at)", "1 create-index"],
    ["CREATE INDEX i ON ONLY orders (note)", "1 create-index"],
    ["CREATE INDEX i ON ONLY events (at)"],
    ["CREATE INDEX CONCURRENTLY i ON orders (note)"],
    ["CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON orders (note)", "1 create-index-if-not-exists"],
    ["CREATE TABLE t (a int);\nCREATE INDEX i ON t (a)"],
    ["CREATE TABLE public.t (a int);\nCREATE INDEX i ON t (a)"],
    ["CREATE TABLE app.t (a int);\nCREATE INDEX i ON other.t (a)", "2 create-index"],
    ["CREATE TABLE IF NOT EXISTS orders (a int);\nCREATE INDEX i ON orders (a)", "2 create-index"],
    ["CREATE TABLE IF NOT EXISTS t (a int);\nCREATE INDEX i ON t (a)"],
    ["CREATE TEMP TABLE orders (a int);\nCREATE INDEX i ON orders (a)"],
    ["CREATE TABLE t AS SELECT 1 AS a;\nCREATE INDEX i ON t (a)"],
    ["SELECT 1 AS a INTO t;\nCREATE INDEX i ON t (a)"],
    ["CREATE MATERIALIZED VIEW v AS SELECT 1 AS a;\nCREATE UNIQUE INDEX ON v (a)"],
    ["CREATE TABLE t (a int);\nALTER TABLE t RENAME TO u;\nCREATE INDEX i ON u (a)"],
    ["CREATE TABLE t (a int);\nALTER TABLE t SET SCHEMA app;\nCREATE INDEX i ON app.t (a)"],
    [
      "DROP TABLE orders;\nCREATE TABLE orders (a int);\nCREATE INDEX i ON orders (a)",
      "1 drop-table",
    ],

    ["REINDEX TABLE orders", "1 reindex"],
    ["REINDEX INDEX orders_pkey", "1 reindex"],
    ["REINDEX (CONCURRENTLY) TABLE orders"],
    ["REINDEX (CONCURRENTLY false) TABLE orders", "1 reindex"],
    ["REINDEX (CONCURRENTLY 0) TABLE orders", "1 reindex"],
    ["REINDEX TABLE CONCURRENTLY orders"],
    ["VACUUM FULL orders", "1 vacuum-full"],
    ["VACUUM (FULL, ANALYZE) orders", "1 vacuum-full"],
    ["VACUUM (FULL off) orders"],
    ["VACUUM (FULL 0) orders"],
    ["VACUUM ANALYZE orders"],
    ["CLUSTER orders USING orders_pkey", "1 cluster"],
    ["CREATE TABLE t (a int PRIMARY KEY);\nCLUSTER t USING t_pkey"],
    ["LOCK TABLE orders", "1 lock-table"],
    ["LOCK TABLE orders IN SHARE MODE", "1 lock-table"],
    ["LOCK TABLE orders IN ROW SHARE MODE"],
    ["REFRESH MATERIALIZED VIEW sums", "1 refresh-view"],
    ["REFRESH MATERIALIZED VIEW CONCURRENTLY sums"],
    ["CREATE MATERIALIZED VIEW v AS SELECT 1 WITH NO DATA;\nREFRESH MATERIALIZED VIEW v"],
    ["ALTER DOMAIN word ADD CHECK (value <> 'x')", "1 alter-domain"],
    ["ALTER DOMAIN word SET NOT NULL", "1 alter-domain"],
    ["ALTER DOMAIN word ADD CONSTRAINT c CHECK (value <> 'x') NOT VALID"],
    ["ALTER DOMAIN word SET DEFAULT 'x'"],
  ])("%s", async (sql, ...expected) => {
    expect(await found(sql)).toEqual(expected);
  });
});

describe("columns and constraints", () => {
  test.each<Case>([
    ["ALTER TABLE orders ADD COLUMN x int"],
    ["ALTER TABLE orders ADD COLUMN x int DEFAULT 3 NOT NULL"],
    ["ALTER TABLE orders ADD COLUMN x timestamptz NOT NULL DEFAULT now()"],
    ["ALTER TABLE orders ADD COLUMN x date DEFAULT CURRENT_DATE"],
    ["ALTER TABLE orders ADD COLUMN x text DEFAULT fixed()"],
    ["ALTER TABLE orders ADD COLUMN x text DEFAULT next_code()", "1 volatile-default"],
    ["ALTER TABLE orders ADD COLUMN x uuid DEFAULT gen_random_uuid()", "1 volatile-default"],
    [
      "ALTER TABLE orders ADD COLUMN x uuid DEFAULT public.uuid_generate_v4()",
      "1 volatile-default",
    ],
    ["ALTER TABLE orders ADD COLUMN x uuid DEFAULT uuid_generate_v5(uuid_ns_url(), 'a')"],
    ["ALTER TABLE orders ADD COLUMN x int DEFAULT (random() * 9)::int", "1 volatile-default"],
    ["ALTER TABLE orders ADD x text DEFAULT 'a' || clock_timestamp()", "1 volatile-default"],
    ["ALTER TABLE orders ADD COLUMN x bigint DEFAULT nextval('s')", "1 volatile-default"],
    ["ALTER TABLE orders ADD COLUMN x bigserial", "1 volatile-default"],
    ["ALTER TABLE orders ADD x int GENERATED ALWAYS AS IDENTITY", "1 volatile-default"],
    ["ALTER TABLE orders ADD COLUMN x code", "1 volatile-default"],
    ["ALTER TABLE orders ADD COLUMN x word"],
    ["ALTER TABLE orders ADD x int GENERATED ALWAYS AS (id + 1) STORED", "1 stored-column"],
    ["ALTER TABLE orders ADD x int GENERATED ALWAYS AS (id + 1) VIRTUAL"],
    ["ALTER TABLE orders ADD COLUMN x int NOT NULL", "1 required-column"],
    ["ALTER TABLE orders ADD COLUMN IF NOT EXISTS note text DEFAULT random()::text"],
    ["ALTER TABLE orders ADD COLUMN x int REFERENCES app.customers"],
    ["ALTER TABLE orders ADD x int DEFAULT 1 REFERENCES app.customers", "1 add-foreign-key"],
    ["ALTER TABLE orders ADD COLUMN x int CHECK (x > 0)", "1 add-check"],
    ["ALTER TABLE orders ADD COLUMN x int UNIQUE", "1 add-unique"],
    ["ALTER TABLE orders ALTER COLUMN note SET DEFAULT random()::text"],
    ["CREATE TABLE t (a int);\nALTER TABLE t ADD COLUMN x int NOT NULL CHECK (x > 0) UNIQUE"],
    ["ALTER FOREIGN TABLE orders ADD COLUMN x int NOT NULL"],

    ["ALTER TABLE orders ADD CHECK (id > 0)", "1 add-check"],
    ["ALTER TABLE IF EXISTS ONLY public.orders ADD CHECK (id > 0)", "1 add-check"],
    ["ALTER TABLE orders ADD CONSTRAINT c CHECK (id > 0) NOT VALID"],
    ["ALTER TABLE orders ADD CONSTRAINT c CHECK (id > 0) NOT ENFORCED"],
    ["ALTER TABLE orders ADD FOREIGN KEY (id) REFERENCES app.customers", "1 add-foreign-key"],
    ["ALTER TABLE orders ADD FOREIGN KEY (id) REFERENCES app.customers NOT VALID"],
    ["CREATE TABLE t (id int);\nALTER TABLE t ADD FOREIGN KEY (id) REFERENCES orders"],
    ["ALTER TABLE orders ADD UNIQUE (note)", "1 add-unique"],
    ["ALTER TABLE orders ADD CONSTRAINT u UNIQUE USING INDEX i"],
    ["ALTER TABLE orders ADD PRIMARY KEY (note)", "1 add-unique"],
    ["ALTER TABLE orders ADD PRIMARY KEY USING INDEX i"],
    ["ALTER TABLE orders ADD EXCLUDE (id WITH =)", "1 add-exclusion"],
    ["ALTER TABLE orders ADD CONSTRAINT n NOT NULL placed", "1 set-not-null"],
    ["ALTER TABLE orders ADD CONSTRAINT n NOT NULL placed NOT VALID"],

    ["ALTER TABLE orders ALTER COLUMN placed SET NOT NULL", "1 set-not-null"],
    ["ALTER TABLE elsewhere ALTER COLUMN a SET NOT NULL", "1 set-not-null"],
    ["ALTER TABLE orders ALTER COLUMN total SET NOT NULL"],
    ["ALTER TABLE orders ALTER COLUMN id SET NOT NULL"],
    ["ALTER TABLE orders ALTER COLUMN note SET NOT NULL"],
    [
      "ALTER TABLE orders RENAME CONSTRAINT orders_note_set TO n;\nALTER TABLE orders DROP CONSTRAINT n;\nALTER TABLE orders ALTER note SET NOT NULL",
      "3 set-not-null",
    ],
    [
      "ALTER TABLE orders DROP CONSTRAINT orders_note_set;\nALTER TABLE orders ALTER note SET NOT NULL",
      "2 set-not-null",
    ],
    ["ALTER TABLE orders ALTER COLUMN total DROP NOT NULL"],

    ["ALTER TABLE events ATTACH PARTITION orders FOR VALUES FROM ('1') TO ('2')"],
    ["ALTER TABLE events ATTACH PARTITION p FOR VALUES FROM ('1') TO ('2')", "1 attach-partition"],
    ["CREATE TABLE p (id int);\nALTER TABLE events ATTACH PARTITION p DEFAULT"],
    [
      "CREATE TABLE e (a int) PARTITION BY LIST (a);\nALTER TABLE e ATTACH PARTITION p DEFAULT",
      "2 attach-partition",
    ],
    ["ALTER INDEX i ATTACH PARTITION j"],
    ["ALTER TABLE orders SET UNLOGGED", "1 rewrite-table"],
    ["ALTER TABLE orders SET TABLESPACE fast", "1 rewrite-table"],
    ["ALTER TABLE orders SET (fillfactor = 70)"],
    ["ALTER TABLE orders ENABLE ROW LEVEL SECURITY"],
  ])("%s", async (sql, ...expected) => {
    expect(await found(sql)).toEqual(expected);
  });

  test("each action of an ALTER TABLE by its own line, where the tree has it", async () => {
    const sql = `-- ä
      ALTER TABLE orders
        ADD COLUMN x uuid DEFAULT gen_random_uuid(),
        ADD COLUMN y int,
        ADD CONSTRAINT c
          CHECK (id > 0),
        DROP COLUMN note`;
    expect(await found(sql)).toEqual(["2 drop-column", "3 volatile-default", "5 add-check"]);
    expect(await found("\uFEFFALTER TABLE orders ADD\nx serial")).toEqual(["2 volatile-default"]);
    expect(await found(sql.replaceAll("\n", "\r\n"))).toContain("5 add-check");
  });
});

describe("types", () => {
  test.each<Case>([
    ["note TYPE text"],
    ["note TYPE varchar(30)"],
    ["note TYPE varchar"],
    ["note TYPE text USING note::text"],
    ["note TYPE text USING lower(note)", "1 change-type"],
    ["note TYPE text USING note::char(5)::text", "1 change-type"],
    ["note TYPE varchar(10)", "1 narrow-type"],
    ["note TYPE char(30)", "1 change-type"],
    ["note TYPE char(10)", "1 narrow-type"],
    ["note TYPE jsonb USING note::jsonb", "1 change-type"],
    ["total TYPE numeric(12,2)"],
    ["total TYPE numeric"],
    ["total TYPE numeric(12,4)", "1 change-type"],
    ["total TYPE numeric(10,3)", "1 narrow-type"],
    ["total TYPE numeric(8,2)", "1 narrow-type"],
    ["total TYPE bigint", "1 narrow-type"],
    ["total TYPE float8", "1 change-type"],
    ["id TYPE numeric", "1 change-type"],
    ["id TYPE numeric(25,2)", "1 change-type"],
    ["id TYPE numeric(10,2)", "1 narrow-type"],
    ["id TYPE integer", "1 narrow-type"],
    ["id TYPE bigint"],
    ["placed TYPE timestamptz"],
    ["placed TYPE timestamptz(0)", "1 narrow-type"],
    ["placed TYPE timestamp", "1 change-type"],
    ["placed TYPE date", "1 narrow-type"],
    ["tags TYPE varchar(10)[]", "1 narrow-type"],
    ["tags TYPE varchar[]", "1 change-type"],
    ["tags TYPE text[]"],
    ["missing TYPE text", "1 change-type"],
  ])("ALTER COLUMN %s", async (action, ...expected) => {
    expect(await found(`ALTER TABLE orders ALTER COLUMN ${action}`)).toEqual(expected);
  });

  test("what the history did to the column since", async () => {
    const sql = (steps: string) =>
      `${steps};\nALTER TABLE orders ALTER COLUMN note TYPE varchar(25)`;
    expect(await found(sql("ALTER TABLE orders ALTER note TYPE varchar(30)"))).toEqual([
      "2 narrow-type",
    ]);
    expect(await found(sql("ALTER TABLE orders RENAME COLUMN id TO x"))).toEqual([
      "1 rename-column",
    ]);
    expect(await found(sql("ALTER TABLE orders RENAME COLUMN note TO x"))).toContain(
      "2 change-type",
    );
  });
});

describe("lost data", () => {
  test.each<Case>([
    ["DROP TABLE orders", "1 drop-table"],
    ["DROP TABLE IF EXISTS public.orders CASCADE", "1 drop-table"],
    ["DROP TABLE elsewhere, orders", "1 drop-table"],
    ["CREATE TABLE t (a int);\nDROP TABLE t"],
    ["DROP VIEW v"],
    ["DROP MATERIALIZED VIEW sums"],
    ["DROP VIEW v CASCADE", "1 drop-cascade"],
    ["DROP TYPE IF EXISTS mood CASCADE", "1 drop-cascade"],
    ["DROP TYPE mood"],
    ["DROP TRIGGER t ON orders CASCADE"],
    ["DROP SCHEMA app CASCADE", "1 drop-schema"],
    ["DROP SCHEMA app"],
    ["DROP OWNED BY nobody", "1 drop-owned"],
    ["ALTER TABLE orders DROP COLUMN note", "1 drop-column"],
    ["ALTER TABLE orders DROP COLUMN IF EXISTS note CASCADE", "1 drop-column"],
    ["ALTER TABLE orders ADD x int;\nALTER TABLE orders DROP COLUMN x"],
    ["ALTER TABLE orders DROP CONSTRAINT orders_pkey"],
    ["ALTER TABLE orders DROP CONSTRAINT orders_pkey CASCADE", "1 drop-cascade"],
    ["TRUNCATE orders", "1 truncate"],
    ["TRUNCATE t, orders CASCADE", "1 truncate"],
    ["CREATE TABLE t (a int);\nTRUNCATE t"],
    ["DELETE FROM orders", "1 delete-all"],
    ["DELETE FROM orders WHERE id = 1"],
    ["CREATE TEMP TABLE orders (a int);\nDELETE FROM orders"],
    ["UPDATE orders SET note = 'x'", "1 update-all"],
    ["UPDATE orders o SET note = c.id FROM app.customers c", "1 update-all"],
    ["UPDATE orders SET note = 'x' WHERE note IS NULL"],
    [
      "WITH gone AS (\n  DELETE FROM orders RETURNING *)\nSELECT count(*) FROM gone",
      "2 delete-all",
    ],
    ["INSERT INTO orders (id) VALUES (1)"],
    ["CREATE FUNCTION f() RETURNS void LANGUAGE sql BEGIN ATOMIC DELETE FROM orders; END"],
  ])("%s", async (sql, ...expected) => {
    expect(await found(sql)).toEqual(expected);
  });
});

describe("a lock that lasts until the transaction ends", () => {
  const add = "ALTER TABLE orders ADD CONSTRAINT c CHECK (id > 0) NOT VALID";
  const validate = "ALTER TABLE orders VALIDATE CONSTRAINT c";
  const outside = "CREATE INDEX CONCURRENTLY i ON app.customers (id)";

  test.each<Case>([
    [`${add};\n${validate}`, "2 validate-under-lock"],
    [`ALTER TABLE orders ADD x int;\n${validate}`, "2 validate-under-lock"],
    [`${add}, VALIDATE CONSTRAINT c`, "1 validate-under-lock"],
    [validate],
    [`ALTER TABLE app.customers ADD x int;\n${validate}`],
    [`ALTER TABLE orders ALTER note SET STATISTICS 100;\n${validate}`],
    [`${outside};\n${add};\n${validate}`, "2 not-repeatable"],
    [
      `ALTER TABLE elsewhere ADD FOREIGN KEY (a) REFERENCES orders NOT VALID;\n${validate}`,
      "2 validate-under-lock",
    ],
    [`CREATE TABLE t (a int REFERENCES orders);\n${validate}`, "2 validate-under-lock"],
    [
      "ALTER TABLE orders ADD x int;\nUPDATE orders SET x = 1 WHERE x IS NULL",
      "2 change-under-lock",
    ],
    ["ALTER TABLE orders ADD x int;\nUPDATE orders SET x = 1", "2 update-all"],
    ["ALTER TABLE orders ADD x int;\nDELETE FROM orders WHERE id = 3", "2 change-under-lock"],
    ["UPDATE orders SET note = 1 WHERE id = 1;\nALTER TABLE orders ADD x int"],
  ])("%s", async (sql, ...expected) => {
    expect(await found(sql)).toEqual(expected);
  });

  test("SET NOT NULL is free once a CHECK says so and is validated", async () => {
    const set = "ALTER TABLE orders ALTER COLUMN placed SET NOT NULL";
    const check = "ALTER TABLE orders ADD CONSTRAINT p CHECK (id > 0 AND placed IS NOT NULL)";
    const valid = "ALTER TABLE orders VALIDATE CONSTRAINT p";
    expect(await found(set, `${check} NOT VALID`)).toEqual(["1 set-not-null"]);
    expect(await found(`${valid};\n${set}`, `${check} NOT VALID`)).toEqual([]);
    expect(await found(set, check)).toEqual([]);
    expect(await found(set, `${check};ALTER TABLE orders DROP CONSTRAINT p`)).toEqual([
      "1 set-not-null",
    ]);
    const unnamed = check.replace("CONSTRAINT p ", "");
    const drop = "ALTER TABLE orders DROP CONSTRAINT orders_check";
    expect(await found(set, unnamed)).toEqual([]);
    expect(await found(set, `${unnamed};${drop}`)).toEqual(["1 set-not-null"]);
    const or = check.replace("AND", "OR");
    expect(await found(set, or)).toEqual(["1 set-not-null"]);
  });

  test("so it is on a table that no file makes", async () => {
    const sql = "ALTER TABLE elsewhere ALTER a SET NOT NULL";
    const check = "ALTER TABLE elsewhere ADD CONSTRAINT c CHECK (a IS NOT NULL)";
    expect(await found(sql, check)).toEqual([]);
  });
});

describe("other names", () => {
  test.each<Case>([
    ["ALTER TABLE orders RENAME TO purchases", "1 rename-table"],
    ["ALTER VIEW v RENAME TO w", "1 rename-table"],
    ["ALTER TABLE orders SET SCHEMA app", "1 rename-table"],
    ["ALTER TABLE orders RENAME COLUMN note TO remark", "1 rename-column"],
    ["ALTER TABLE orders RENAME CONSTRAINT a TO b"],
    ["ALTER INDEX i RENAME TO j"],
    ["ALTER SCHEMA app RENAME TO apps", "1 rename-schema"],
    ["ALTER TYPE mood RENAME VALUE 'a' TO 'b'", "1 rename-value"],
    ["ALTER TYPE mood ADD VALUE 'c'"],
    ["CREATE TABLE t (a int);\nALTER TABLE t RENAME a TO b;\nALTER TABLE t RENAME TO u"],
  ])("%s", async (sql, ...expected) => {
    expect(await found(sql)).toEqual(expected);
  });
});

describe("not safe to repeat", () => {
  const outside = "VACUUM";

  test.each<Case>([
    ["CREATE TABLE t (a int)", "2 not-repeatable"],
    ["CREATE TABLE IF NOT EXISTS t (a int)"],
    ["CREATE TEMP TABLE t (a int)"],
    ["DROP TABLE IF EXISTS t; CREATE TABLE t (a int)", "2 drop-table"],
    ["CREATE TABLE t AS SELECT 1", "2 not-repeatable"],
    ["SELECT 1 AS a INTO t", "2 not-repeatable"],
    ["SELECT 1"],
    ["CREATE EXTENSION citext", "2 not-repeatable"],
    ["CREATE EXTENSION IF NOT EXISTS citext"],
    ["CREATE SCHEMA s", "2 not-repeatable"],
    ["CREATE SEQUENCE s", "2 not-repeatable"],
    ["CREATE SEQUENCE IF NOT EXISTS s"],
    ["CREATE TYPE t AS ENUM ('a')", "2 not-repeatable"],
    ["DROP TYPE IF EXISTS s.t; CREATE TYPE s.t AS ENUM ('a')"],
    ["CREATE TYPE t AS (a int)", "2 not-repeatable"],
    ["CREATE DOMAIN d AS int", "2 not-repeatable"],
    ["CREATE VIEW v AS SELECT 1", "2 not-repeatable"],
    ["CREATE OR REPLACE VIEW v AS SELECT 1"],
    ["CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "2 not-repeatable"],
    ["CREATE TRIGGER t BEFORE INSERT ON orders EXECUTE FUNCTION f()", "2 not-repeatable"],
    [
      "DROP TRIGGER IF EXISTS t ON orders; CREATE TRIGGER t BEFORE INSERT ON orders EXECUTE FUNCTION f()",
    ],
    ["CREATE POLICY p ON orders", "2 not-repeatable"],
    ["CREATE ROLE r", "2 not-repeatable"],
    ["DROP VIEW v", "2 not-repeatable"],
    ["DROP VIEW IF EXISTS v"],
    ["DROP INDEX CONCURRENTLY i", "2 not-repeatable"],
    ["CREATE INDEX CONCURRENTLY i ON orders (id)"],
    ["ALTER TABLE orders ADD COLUMN x int", "2 not-repeatable"],
    ["ALTER TABLE orders ADD COLUMN IF NOT EXISTS x int"],
    ["ALTER TABLE orders ADD CONSTRAINT c CHECK (true) NOT VALID", "2 not-repeatable"],
    ["ALTER TABLE orders DROP CONSTRAINT IF EXISTS c, ADD CONSTRAINT c CHECK (true) NOT VALID"],
    ["ALTER TABLE orders ALTER note SET DEFAULT 'x'"],
    ["ALTER TABLE t RENAME TO u", "2 rename-table", "2 not-repeatable"],
    ["ALTER TYPE mood ADD VALUE 'x'", "2 not-repeatable"],
    ["ALTER TYPE mood ADD VALUE IF NOT EXISTS 'x'"],
    ["INSERT INTO orders (id) VALUES (1)", "2 not-repeatable"],
    ["INSERT INTO orders (id) VALUES (1) ON CONFLICT DO NOTHING"],
    ["INSERT INTO orders (id) SELECT 1 WHERE NOT EXISTS (SELECT FROM orders)"],
    ["INSERT INTO orders (id) SELECT id FROM app.customers", "2 not-repeatable"],
    ["UPDATE orders SET note = 'x' WHERE id = 1"],
  ])("outside of a transaction: %s", async (sql, ...expected) => {
    expect(await found(`${outside};\n${sql}`)).toEqual(expected);
  });

  test("in a transaction one note says it of the whole file", async () => {
    const sql =
      "CREATE TABLE t (a int);\nCREATE TABLE IF NOT EXISTS u (a int);\nINSERT INTO t VALUES (1)";
    const notes = (await audited([sql])).filter(({ rule }) => rule === "not-repeatable");
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatchObject({ level: "note", file: "001.sql", line: 1 });
    expect(notes[0]?.seen).toContain("2 statements would fail, or work twice");
    expect(await audited(["CREATE TABLE IF NOT EXISTS t (a int)"])).toEqual([]);
  });
});

test("a file that runs statement by statement is told apart, if it has several", async () => {
  const index = "CREATE INDEX CONCURRENTLY i ON orders (id)";
  const rules = async (sql: string) => (await audited([sql])).map(({ rule }) => rule);
  expect(await rules(`SET lock_timeout = 0;\n${index}`)).toEqual([]);
  const [note, ...others] = await audited([`SELECT 1;\n${index}`]);
  expect(others).toEqual([]);
  expect(note).toMatchObject({ level: "note", rule: "statement-by-statement", line: 2 });
});

test("what a DO block does is not looked at, and that is told", async () => {
  const [note] = await audited(["SELECT 1;\nDO $$ BEGIN DROP TABLE orders; END $$"]);
  expect(note).toMatchObject({ level: "note", rule: "not-examined", line: 2 });
});

test("findings stand in the order of the files and of their lines", async () => {
  const findings = await audited([
    "TRUNCATE a;\nDO '';\nDROP TABLE b",
    "ALTER TABLE a\n  DROP COLUMN b,\n  ADD CONSTRAINT c CHECK (true);\nTRUNCATE c",
  ]);
  expect(findings.map(({ file, line, rule }) => `${file}:${line} ${rule}`)).toEqual([
    "001.sql:1 truncate",
    "001.sql:2 not-examined",
    "001.sql:3 drop-table",
    "001.sql:3 not-repeatable",
    "002.sql:1 drop-column",
    "002.sql:1 not-repeatable",
    "002.sql:3 add-check",
    "002.sql:4 truncate",
  ]);
});

describe("remedies can be pasted", () => {
  test.each([
    [
      'CREATE UNIQUE INDEX IF NOT EXISTS "I" ON orders\n  (note)',
      'CREATE UNIQUE INDEX CONCURRENTLY "I" ON orders (note)',
    ],
    ["CREATE INDEX i ON orders (id) WHERE note = 'a  b'", "CREATE INDEX CONCURRENTLY …"],
    [
      'ALTER TABLE app."Order" ALTER COLUMN "user" SET NOT NULL',
      'ALTER TABLE app."Order" ADD CONSTRAINT "Order_user_check" CHECK ("user" IS NOT NULL) NOT VALID',
    ],
    ["ALTER TABLE orders ADD CONSTRAINT c CHECK (id > 0)", "write NOT VALID at its end"],
    [
      "ALTER TABLE orders ADD COLUMN x int DEFAULT 1 REFERENCES app.customers",
      "ALTER TABLE orders ADD CONSTRAINT orders_x_fkey FOREIGN KEY (x) REFERENCES app.customers NOT VALID",
    ],
    [
      "ALTER TABLE orders ADD UNIQUE (note, total)",
      "CREATE UNIQUE INDEX CONCURRENTLY orders_note_total_key ON orders (note, total)",
    ],
    ["CREATE INDEX i ON events (at)", "ON ONLY the partitioned table"],
    ["ALTER TABLE orders RENAME TO purchases", "CREATE VIEW orders AS SELECT * FROM purchases"],
    [
      "ALTER TABLE orders ADD x int;\nALTER TABLE orders ALTER x SET NOT NULL",
      "ADD COLUMN x … NOT NULL DEFAULT",
    ],
    ["DROP TYPE IF EXISTS app.mood CASCADE", "DROP TYPE IF EXISTS app.mood"],
  ])("%s", async (sql, remedy) => {
    const findings = (await audited([earlier, sql])).filter(({ file }) => file === "002.sql");
    expect(findings.map((finding) => finding.remedy).join("\n")).toContain(remedy);
  });
});

/** What is found in the last file after the usual ones, as `line rule`, without notes. */
async function found(sql: string, ...between: readonly string[]): Promise<readonly string[]> {
  const files = [earlier, ...between, sql];
  const last = `00${files.length}.sql`;
  return (await audited(files))
    .filter(({ file, level }) => file === last && level !== "note")
    .map(({ line, rule }) => `${line} ${rule}`);
}

async function audited(scripts: readonly string[]): Promise<readonly Finding[]> {
  const files = scripts.map(async (script, index) => {
    const parsed = await parseSql(script);
    if (parsed.kind === "rejected") throw new Error(`${parsed.why}: ${script}`);
    const { outside } = await readStatements(parsed.statements);
    return { file: `00${index + 1}.sql`, script, outside, statements: parsed.statements };
  });
  return auditSql(await Promise.all(files));
}
