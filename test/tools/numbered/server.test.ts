import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { parseSql } from "../../../src/pgsql/parse.ts";
import { readStatements } from "../../../src/tools/numbered/migration-file.ts";
import { startServer, type TestServer } from "../../support/postgres.ts";

let server: TestServer;
let url: string;

beforeAll(async () => {
  // Nothing must try to reach the publishers of the subscriptions, which do not exist.
  server = await startServer({ settings: ["max_logical_replication_workers = 0"] });
});

afterAll(async () => await server.stop());

async function read(script: string) {
  const parsed = await parseSql(script);
  if (parsed.kind === "rejected") throw new Error(parsed.why);
  return await readStatements(parsed.statements);
}

/** The SQLSTATE; null: PostgreSQL takes it. */
async function fault(script: string): Promise<string | null> {
  return await server.sql(url, script).then(
    () => null,
    (error: { code: string }) => error.code,
  );
}

describe("in a transaction block", () => {
  beforeAll(async () => {
    url = await server.createDatabase();
    await server.sql(
      url,
      `CREATE SCHEMA s;
       CREATE TABLE t (id int PRIMARY KEY, a int);
       CREATE INDEX i ON t (a);
       CLUSTER t USING i;
       CREATE TABLE parted (id int) PARTITION BY LIST (id);
       CREATE TABLE part PARTITION OF parted FOR VALUES IN (1);
       CREATE MATERIALIZED VIEW m AS SELECT 1 AS a;
       CREATE UNIQUE INDEX ON m (a);
       CREATE SUBSCRIPTION off CONNECTION 'port=1' PUBLICATION p WITH (connect = false, slot_name = 'x');
       CREATE SUBSCRIPTION live CONNECTION 'port=1' PUBLICATION p, r WITH (connect = false, slot_name = 'y');
       ALTER SUBSCRIPTION live ENABLE;
       CREATE SUBSCRIPTION loose CONNECTION 'port=1' PUBLICATION p WITH (connect = false);
       ALTER SUBSCRIPTION loose SET (slot_name = NONE)`,
    );
  });

  test.each([
    "CREATE INDEX CONCURRENTLY ON t (a)",
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS j ON t (a)",
    "DROP INDEX CONCURRENTLY i",
    "REINDEX INDEX CONCURRENTLY i",
    "REINDEX TABLE CONCURRENTLY t",
    "REINDEX (CONCURRENTLY) TABLE t",
    "REINDEX (VERBOSE, CONCURRENTLY true) TABLE t",
    "REINDEX SCHEMA s",
    "REINDEX DATABASE",
    "REINDEX SYSTEM",
    "VACUUM",
    "VACUUM FULL t",
    "VACUUM (ANALYZE) t",
    "CLUSTER",
    "CLUSTER (VERBOSE)",
    "ALTER TABLE parted DETACH PARTITION part CONCURRENTLY",
    "CREATE DATABASE d",
    "DROP DATABASE IF EXISTS d",
    "ALTER DATABASE postgres SET TABLESPACE pg_default",
    "CREATE TABLESPACE x LOCATION '/nowhere'",
    "DROP TABLESPACE IF EXISTS x",
    "ALTER SYSTEM SET work_mem = '4MB'",
    "ALTER SYSTEM RESET work_mem",
    "DISCARD ALL",
    "CREATE SUBSCRIPTION n CONNECTION 'port=1' PUBLICATION p",
    "CREATE SUBSCRIPTION n CONNECTION 'port=1' PUBLICATION p WITH (connect = on, enabled = false)",
    "CREATE SUBSCRIPTION n CONNECTION 'port=1' PUBLICATION p WITH (create_slot)",
    "ALTER SUBSCRIPTION live REFRESH PUBLICATION",
    "ALTER SUBSCRIPTION live SET PUBLICATION q",
    "ALTER SUBSCRIPTION live ADD PUBLICATION q",
    "ALTER SUBSCRIPTION live DROP PUBLICATION p WITH (refresh = true)",
    "ALTER SUBSCRIPTION off SET (failover = true)",
    "ALTER SUBSCRIPTION off SET (two_phase = false)",
    "DROP SUBSCRIPTION off",
  ])("PostgreSQL refuses %s", async (statement) => {
    expect(await fault(`BEGIN; ${statement}; ROLLBACK`)).toBe("25001");
    const { statements, outside } = await read(`SELECT 1;\n${statement}`);
    expect(statements).toMatchObject([{ isAlone: false }, { isAlone: true, isDdl: false }]);
    expect(outside).toMatchObject({ line: 2, why: expect.stringMatching(/ cannot run inside a /) });
  });

  test.each([
    "CREATE INDEX ON t (a)",
    "DROP INDEX i",
    "REINDEX INDEX i",
    "REINDEX TABLE t",
    "REINDEX (CONCURRENTLY false) TABLE t",
    "REINDEX (CONCURRENTLY 0) TABLE t",
    "REINDEX (CONCURRENTLY off, VERBOSE) TABLE t",
    "ANALYZE",
    "ANALYZE t",
    "CLUSTER t",
    "CLUSTER t USING i",
    "ALTER TABLE parted DETACH PARTITION part",
    "ALTER DATABASE postgres CONNECTION LIMIT 10",
    "ALTER DATABASE postgres SET work_mem = '4MB'",
    "ALTER TABLE t SET TABLESPACE pg_default",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY m",
    "DISCARD PLANS",
    "DISCARD TEMP",
    "CREATE SUBSCRIPTION n CONNECTION 'port=1' PUBLICATION p WITH (connect = false)",
    "ALTER SUBSCRIPTION live SET PUBLICATION q WITH (refresh = false)",
    "ALTER SUBSCRIPTION live ADD PUBLICATION q WITH (refresh = 0)",
    "ALTER SUBSCRIPTION live SET (synchronous_commit = off)",
    "ALTER SUBSCRIPTION live DISABLE",
    "CREATE TYPE e AS ENUM ('a'); ALTER TYPE e ADD VALUE 'b'",
    "TRUNCATE t",
    "CHECKPOINT",
    "CREATE EXTENSION IF NOT EXISTS plpgsql",
    "DO 'BEGIN NULL; /* COMMIT */ END'",
    "LOCK TABLE t",
  ])("PostgreSQL takes %s", async (statement) => {
    expect(await fault(`BEGIN; ${statement}; ROLLBACK`)).toBeNull();
    const { statements, outside } = await read(statement);
    expect(statements.filter(({ isAlone }) => isAlone)).toEqual([]);
    expect(outside).toBeNull();
  });

  test.each([
    ["DO $$BEGIN UPDATE t SET a = 1; COMMIT; END$$", true],
    ["DO $$BEGIN FOR i IN 1..2 LOOP IF i > 1 THEN ROLLBACK; END IF; END LOOP; END$$", true],
    ["DO LANGUAGE plpgsql 'BEGIN RAISE NOTICE ''COMMIT''; END'", false],
    ["DO $$DECLARE commit int; BEGIN commit := 1; /* ROLLBACK; */ END$$", false],
  ])("a block that commits: %s", async (statement, isAlone) => {
    expect(await fault(`BEGIN; ${statement}; ROLLBACK`)).toBe(isAlone ? "2D000" : null);
    expect(await fault(statement)).toBeNull();
    expect(await read(statement)).toMatchObject({ statements: [{ isAlone }] });
  });
});

describe("a value that the file itself adds to an enum", () => {
  beforeEach(async () => {
    url = await server.createDatabase();
    await server.sql(
      url,
      "CREATE TYPE mood AS ENUM ('ok'); CREATE TABLE t (m mood, ms mood[], word text)",
    );
  });

  const add = "ALTER TYPE mood ADD VALUE 'new'";

  test.each([
    [`${add}; INSERT INTO t VALUES ('new')`],
    [`${add};\nSELECT 'new'::public.mood`],
    [`${add}; UPDATE t SET m = mood 'new' WHERE m <> 'ok'`],
    [`${add}; ALTER TABLE t ALTER m SET DEFAULT 'new'`],
    [`${add}; CREATE INDEX ON t (word) WHERE m = 'new'`],
    [`${add}; CREATE VIEW v AS SELECT 1 FROM t WHERE m IN ('ok', 'new')`],
    [`${add}; INSERT INTO t (ms) VALUES ('{ok, "new"}')`],
    [`${add}; SELECT ARRAY['new']::mood[]`],
    [`${add}; DO $$BEGIN PERFORM 'new'::mood; END$$`],
    [`${add}; CREATE FUNCTION f() RETURNS mood LANGUAGE sql AS $$SELECT 'new'::mood$$`],
    [`${add}; CREATE FUNCTION f() RETURNS mood LANGUAGE sql RETURN 'new'::mood`],
    ["ALTER TYPE mood ADD VALUE 'it''s'; DO $$BEGIN PERFORM 'it''s'::mood; END$$"],
    ["ALTER TYPE public.mood ADD VALUE IF NOT EXISTS 'a' BEFORE 'ok'; SELECT 1; SELECT mood 'a'"],
  ])("used at once: %s", async (script) => {
    expect(await fault(`BEGIN; ${script}; ROLLBACK`)).toBe("55P04");
    const { statements, outside } = await read(script);
    expect(outside).toMatchObject({ why: expect.stringContaining("is committed") });
    for (const { text } of statements) expect(await fault(text)).toBeNull();
  });

  test.each([
    [add],
    [`SELECT mood 'ok'; ${add}; INSERT INTO t VALUES ('ok')`],
    [`${add}; ALTER TABLE t ADD new int, ADD CHECK (new > 0); INSERT INTO t (new) VALUES (1)`],
    [`${add}; COMMENT ON TABLE t IS 'new'`],
    [`${add}; INSERT INTO t (word) VALUES ('{"a": "new"}'), ('{newer}'), ('a new word')`],
    ["CREATE TYPE w AS ENUM (); ALTER TYPE w ADD VALUE 'new'; SELECT 'new'::w"],
    [
      "CREATE TYPE public.w AS ENUM ('a'); ALTER TYPE w ADD VALUE 'b'; CREATE TABLE x (w w DEFAULT 'b')",
    ],
    ["ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'; INSERT INTO t VALUES ('fine')"],
  ])("not used, or as new as its type: %s", async (script) => {
    expect(await fault(`BEGIN; ${script}; ROLLBACK`)).toBeNull();
    expect((await read(script)).outside).toBeNull();
  });
});
