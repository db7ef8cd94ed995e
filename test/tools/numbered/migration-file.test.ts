import { describe, expect, test } from "vitest";
import type { Migration } from "../../../src/core/migration.ts";
import { describeFault } from "../../../src/core/words.ts";
import { readFileName } from "../../../src/tools/numbered/list-files.ts";
import { readMigrationFile } from "../../../src/tools/numbered/migration-file.ts";
import { isUnwritten, nextFiles } from "../../../src/tools/numbered/template.ts";

async function read(source: string | Buffer) {
  const bytes = typeof source === "string" ? Buffer.from(source) : source;
  return await readMigrationFile({ id: "001", name: "a", file: "m/001_a.sql" }, bytes, {
    isUnwritten,
    whyOutside: () => null,
  });
}

async function migrationOf(source: string): Promise<Migration> {
  const file = await read(source);
  if (file.kind === "unreadable") throw new Error(file.faults.map(describeFault).join("\n"));
  return file.migration;
}

async function sketchOf(source: string) {
  const file = await read(source);
  return file.kind === "migration" ? file.sketch : null;
}

async function faultsIn(source: string | Buffer): Promise<readonly string[]> {
  const file = await read(source);
  return file.kind === "unreadable" ? file.faults.map(describeFault) : [];
}

describe("file names", () => {
  test.each([
    ["001_create_users.sql", "001", "create_users"],
    ["20240131120000_a.sql", "20240131120000", "a"],
    ["001-a-b.sql", "001", "a-b"],
    ["001.a.sql", "001", "a"],
    ["001 a.sql", "001", "a"],
    ["1.sql", "1", ""],
    ["001_a.SQL", "001", "a"],
    ["001_a.up.sql", "001", "a"],
    ["001.up.sql", "001", ""],
    ["001_up.sql", "001", "up"],
    ["001_größe_✓.sql", "001", "größe_✓"],
    ["2024-01-31_a.sql", "2024-01-31", "a"],
    ["2024-01-31.sql", "2024-01-31", ""],
    ["2024-01-31-120000_a.up.sql", "2024-01-31-120000", "a"],
    ["2024-01-31-120000-0000_a.sql", "2024-01-31-120000-0000", "a"],
    ["2024_01_31_120000_a.sql", "2024_01_31_120000", "a"],
    ["2024_01_31_000001_a.sql", "2024_01_31_000001", "a"],
    ["2024-01-31T12-00-00_a.sql", "2024-01-31T12-00-00", "a"],
    ["2024-01-31T120000Z-a.sql", "2024-01-31T120000Z", "a"],
    ["2024.01.31T12.00.00.a.sql", "2024.01.31T12.00.00", "a"],
    ["2024-01-31-01-a.sql", "2024-01-31-01", "a"],
    ["2024-01-31_2fa.sql", "2024-01-31", "2fa"],
    ["2024-01-31-120000-00001_a.sql", "2024-01-31-120000", "00001_a"],
    ["2024-01-31-2-b.sql", "2024-01-31", "2-b"],
    ["2024-01-31a.sql", "2024", "01-31a"],
    ["2024-13-31_a.sql", "2024", "13-31_a"],
    ["2024_01_plan.sql", "2024", "01_plan"],
  ])("%s", (file, id, name) => {
    expect(readFileName(file)).toEqual({ id, name });
  });

  test.each([
    "001_a.down.sql",
    "2024-01-31_a.down.sql",
    "001.DOWN.sql",
    "2fa.sql",
    "seed.sql",
    "V1__a.sql",
    "_001.sql",
    "001_a.sql.bak",
    "001",
    "١_a.sql",
  ])("%s is none", (file) => expect(readFileName(file)).toBeNull());
});

describe("a transaction of the file's own", () => {
  const made = ["CREATE TABLE a ()", "INSERT INTO a DEFAULT VALUES"];
  const work = made.join(";\n");

  test.each([
    ["as most write it", `BEGIN;\n${work};\nCOMMIT;\n`],
    ["in another spelling", `start transaction;${work};end work`],
    [
      "with what is so anyway",
      `BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE; ${work}; COMMIT AND NO CHAIN;`,
    ],
    [
      "behind comments",
      `-- Purpose: a\n/* BEGIN; */ BEGIN TRANSACTION;\n${work};\n-- done\nCOMMIT; -- so`,
    ],
  ])("is what the runner gives it: %s", async (_, source) => {
    const { statements, outside } = await migrationOf(source);
    expect(statements.map(({ text }) => text)).toEqual(made);
    expect(outside).toBeNull();
  });

  test("begins behind a SET for the session, which stays", async () => {
    const source = `SET lock_timeout = '5s';\nSET search_path TO app;\nRESET x.y;\nBEGIN;\n${work};\nCOMMIT;`;
    const { statements } = await migrationOf(source);
    expect(statements.map(({ text, line }) => [line, text])).toEqual([
      [1, "SET lock_timeout = '5s'"],
      [2, "SET search_path TO app"],
      [3, "RESET x.y"],
      [5, made[0]],
      [6, made[1]],
    ]);
  });

  test("leaves the sketch and the header", async () => {
    const source = `-- Purpose: a\nBEGIN;\nCREATE TABLE a (b int);\nCOMMIT;`;
    expect(await sketchOf(source)).toEqual(await sketchOf("CREATE TABLE a (b int)"));
    expect((await migrationOf(source)).header).toEqual(
      (await migrationOf("-- Purpose: a\nSELECT 1")).header,
    );
  });

  test.each([
    ["another level", `BEGIN ISOLATION LEVEL SERIALIZABLE; ${work}; COMMIT`],
    ["that reads only", `START TRANSACTION READ ONLY; ${work}; COMMIT`],
    ["that can be deferred", `BEGIN DEFERRABLE; ${work}; COMMIT`],
    ["that is taken back", `BEGIN; ${work}; ROLLBACK`],
    ["that is prepared", `BEGIN; ${work}; PREPARE TRANSACTION 'a'`],
    ["that begins another", `BEGIN; ${work}; COMMIT AND CHAIN`],
    ["that does not end", `BEGIN; ${work}`],
    ["that does not begin", `${work}; COMMIT`],
    ["two of them", `BEGIN; ${work}; COMMIT; BEGIN; ${work}; COMMIT`],
    ["a part of the file", `BEGIN; ${work}; COMMIT; SELECT 1`],
    ["behind other work", `SELECT 1; BEGIN; ${work}; COMMIT`],
    ["behind a SET that does nothing there", `SET LOCAL lock_timeout = 1; BEGIN; ${work}; COMMIT`],
    [
      "behind SET TRANSACTION",
      `SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; BEGIN; ${work}; COMMIT`,
    ],
    ["with a savepoint", `BEGIN; SAVEPOINT s; ${work}; COMMIT`],
  ])("is a fault: %s", async (_, source) => {
    const faults = await faultsIn(source);
    expect(faults.length).toBeGreaterThan(0);
    for (const fault of faults)
      expect(fault).toContain("preflight runs every file in a transaction of its own");
  });

  test.each([
    [
      "CREATE INDEX CONCURRENTLY ON a (b)",
      "CREATE INDEX CONCURRENTLY cannot run inside a transaction",
    ],
    ["ALTER TYPE e ADD VALUE 'x'; INSERT INTO a VALUES ('x')", "it uses the value 'x'"],
  ])("cannot hold %s", async (statement, why) => {
    const [fault, ...others] = await faultsIn(`BEGIN;\n${statement};\nCOMMIT`);
    expect(others).toEqual([]);
    expect(fault).toContain("m/001_a.sql:1:1: it begins a transaction, and line 2 allows none");
    expect(fault).toContain(why);
  });
});

describe("a file without a statement", () => {
  test.each(["", "\n", "-- nothing to do here\n", "-- later\n;\n", "/* none */", "BEGIN; COMMIT;"])(
    "does nothing: %j",
    async (text) => {
      expect(await faultsIn(text)).toEqual([]);
      expect((await migrationOf(text)).statements).toEqual([]);
    },
  );

  test.each([
    ["as it was written", (text: string) => text],
    ["with other line ends", (text: string) => text.replaceAll("\n", "\r\n")],
    ["with a line cut off", (text: string) => text.trimEnd()],
  ])("is still to be written where `preflight new` made it, %s", async (_, change) => {
    const [file] = nextFiles("add_email", [], new Date());
    expect(await faultsIn(change(file?.text ?? ""))).toEqual([
      expect.stringContaining("m/001_a.sql: it is still as preflight new wrote it"),
    ]);
    expect(await faultsIn(`${file?.text}-- A placeholder\n`)).toEqual([]);
  });
});

describe("faults", () => {
  const control = "preflight runs every file in a transaction of its own";

  test.each([
    ["no SQL", "SELECT 1;\n  SELEC", ['m/001_a.sql:2:3: syntax error at or near "SELEC"']],
    [
      "an include",
      "SELECT 1;\n\\i other.sql\n",
      ["m/001_a.sql:2:1: \\i is a command of psql, not SQL. Put the statements of that file here"],
    ],
    ["psql's copy", "\\copy t FROM 'a.csv'", ["m/001_a.sql:1:1: \\copy is a command of psql"]],
    ["another database", " \\connect b", ["m/001_a.sql:1:2: \\connect is a command of psql"]],
    ["pg_dump's first line", "\\restrict aBc\nSELECT 1;", ["m/001_a.sql:1:1: \\restrict is a"]],
    ["psql's semicolon", "SELECT 1 \\gexec\n", ["m/001_a.sql:1:10: \\gexec is a command of psql"]],
    [
      "rows for a COPY",
      "SELECT 1;\nCOPY t FROM stdin;\n1\ta\n\\.\n",
      ["m/001_a.sql:2:1: COPY ... F"],
    ],
    [
      "rows with quotes",
      "COPY t FROM stdin;\nit's\n\\.\nSELECT 1;",
      ["m/001_a.sql:1:1: COPY ... F"],
    ],
    ["no rows", "COPY t FROM stdin;\n\\.\n", ["m/001_a.sql:1:1: COPY ... FROM stdin"]],
    [
      "a COPY at the end",
      "COPY t (a) FROM STDIN WITH CSV",
      ["m/001_a.sql:1:1: COPY ... FROM stdin"],
    ],
    [
      "another encoding",
      "SET client_encoding = 'LATIN1'; SET client_encoding TO 'UTF-8'; RESET client_encoding",
      ["m/001_a.sql:1:1: SET client_encoding"],
    ],
    ["a COPY to nobody", "COPY (SELECT 1) TO stdout", ["m/001_a.sql:1:1: COPY ... TO stdout"]],
    [
      "a transaction, and more than one fault",
      "-- a\nBEGIN;\nCOPY t TO STDOUT;\r\n  COMMIT AND\n CHAIN;",
      [
        `m/001_a.sql:2:1: BEGIN: ${control}`,
        "m/001_a.sql:3:1: COPY ... TO stdout",
        `m/001_a.sql:4:3: COMMIT AND CHAIN: ${control}`,
      ],
    ],
    ["UTF-16", Buffer.from("\uFEFFSELECT 1", "utf16le"), ["m/001_a.sql:1:1: it is UTF-16"]],
    ["Latin 1", Buffer.from("SELECT 1;\n-- \xe4", "latin1"), ["m/001_a.sql:2:4: it is not UTF-8"]],
    ["a NUL", "SELECT '\0'", ["m/001_a.sql:1:9: a NUL character"]],
    ["an endless sum", `SELECT 1${"+1".repeat(1e5)}`, ["m/001_a.sql:1:1: PostgreSQL's parser ran"]],
  ] as const)("%s", async (_, source, expected) => {
    const faults = await faultsIn(source);
    expect(faults).toEqual(expected.map((start) => expect.stringContaining(start)));
  });

  test.each([
    "BEGIN WORK",
    "START TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "END",
    "COMMIT",
    "ROLLBACK",
    "ABORT",
    "SAVEPOINT a",
    "ROLLBACK TO a",
    "RELEASE a",
    "PREPARE TRANSACTION 'a'",
    "COMMIT PREPARED 'a'",
    "ROLLBACK PREPARED 'a'",
  ])("%s is transaction control", async (statement) => {
    expect(await faultsIn(`SELECT 1; ${statement}`)).toEqual([
      expect.stringContaining(`m/001_a.sql:1:11: ${statement}: ${control}`),
    ]);
  });

  test.each([
    "COPY t FROM '/srv/a.csv'",
    "COPY t FROM PROGRAM 'cat'",
    "COPY t TO '/srv/a.csv'",
    "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$BEGIN NULL; END$$",
    "CREATE PROCEDURE f() LANGUAGE plpgsql AS $$BEGIN COMMIT; END$$",
    "SELECT '\n\\i a.sql\n'",
  ])("%s is none", async (statement) => expect(await faultsIn(statement)).toEqual([]));

  test.each([
    ["dbmate", "-- migrate:up\nCREATE TABLE a ();\n\n-- migrate:down\nDROP TABLE a;\n", 4],
    ["goose", "-- +goose Up\nCREATE TABLE a ();\n  -- +goose Down\nDROP TABLE a;\n", 3],
    ["sql-migrate", "-- +migrate Up\nCREATE TABLE a ();\n-- +migrate Down\nDROP TABLE a;", 3],
    ["node-pg-migrate", "-- Up Migration\r\nSELECT 1;\r\n-- Down Migration\r\nSELECT 2;", 3],
    ["node-pg-migrate", "SELECT 1;\n---- down  migration\nSELECT 2;", 2],
  ])("both directions in one file, as of %s", async (tool, source, line) => {
    expect(await faultsIn(source)).toEqual([
      expect.stringMatching(
        `^m/001_a\\.sql:${line}:\\d: from here on it undoes what it did: it is a file of ${tool},`,
      ),
    ]);
  });

  test("values that goose would put in", async () => {
    const source = "-- +goose Up\n-- +goose ENVSUB ON\nINSERT INTO a VALUES ('${REGION}');";
    expect(await faultsIn(source)).toEqual([
      expect.stringMatching(/^m\/001_a\.sql:2:1: from here on goose puts in variables/),
    ]);
  });

  test.each([
    "-- migrate:up\nSELECT 1;\n-- migrate:down\n",
    "-- +goose Up\nSELECT 1;",
    "-- how to go down: migration by hand\nSELECT 1;",
    "SELECT '\n-- migrate:down\n'; SELECT 1;",
    "SELECT 1 -- no -- migrate:down\n; SELECT 2",
  ])("%j has one direction", async (source) => expect(await faultsIn(source)).toEqual([]));
});

describe("a migration", () => {
  test("its statements and what they are", async () => {
    const source =
      "-- Purpose: a\n\n/* b */ CREATE TABLE a (id int); -- c\r\nVACUUM a;\nDELETE FROM a";
    expect(await migrationOf(source)).toEqual({
      id: "001",
      name: "a",
      file: "m/001_a.sql",
      checksum: expect.stringMatching(/^[0-9a-f]{16}$/),
      header: [{ label: "Purpose", text: "a" }],
      statements: [
        { text: "CREATE TABLE a (id int)", line: 3, isAlone: false, isDdl: true },
        { text: "VACUUM a", line: 4, isAlone: true, isDdl: false },
        { text: "DELETE FROM a", line: 5, isAlone: false, isDdl: false },
      ],
      recorded: null,
      outside: { line: 4, why: "VACUUM cannot run inside a transaction block" },
    });
  });

  test("the checksum is that of the text, not of its line ends and mark", async () => {
    const { checksum } = await migrationOf("SELECT 1;\nSELECT 2;\n");
    expect((await migrationOf("\uFEFFSELECT 1;\r\nSELECT 2;\r\n")).checksum).toBe(checksum);
    expect((await migrationOf("SELECT 1;\nSELECT 2;")).checksum).not.toBe(checksum);
  });

  test.each([
    ["ALTER TABLE a ADD b int", true],
    ["CREATE INDEX ON a (b)", true],
    ["DROP VIEW a", true],
    ["ALTER TABLE a RENAME TO b", true],
    ["CREATE TRIGGER a BEFORE INSERT ON b EXECUTE FUNCTION c()", true],
    ["COMMENT ON TABLE a IS 'b'", true],
    ["TRUNCATE a", true],
    ["LOCK TABLE a", true],
    ["REFRESH MATERIALIZED VIEW a", true],
    ["CREATE TABLE a AS SELECT 1", true],
    ["DO $$BEGIN\nALTER TABLE a ADD b int; END$$", true],
    ["DO $$BEGIN UPDATE a SET dropped = true; END$$", false],
    ["SELECT 1", false],
    ["WITH a AS (SELECT 1) INSERT INTO b SELECT * FROM a", false],
    ["UPDATE a SET b = 1", false],
    ["MERGE INTO a USING b ON true WHEN MATCHED THEN DO NOTHING", false],
    ["SET search_path = a", false],
    ["ANALYZE a", false],
    ["CREATE INDEX CONCURRENTLY ON a (b)", false],
    ["ALTER TABLE a DETACH PARTITION b CONCURRENTLY", false],
  ])("%s: schema %s", async (statement, isDdl) => {
    expect((await migrationOf(statement)).statements).toMatchObject([{ isDdl }]);
  });
});

describe("the header", () => {
  test.each([
    [
      "entries, one of several lines",
      "-- Purpose: keep the price\n--   at order time\n-- Breaking Changes: none\n-- Rollback:\n--   DROP TABLE a;\n--\n--   DROP TYPE b;\n",
      [
        ["Purpose", "keep the price\nat order time"],
        ["Breaking Changes", "none"],
        ["Rollback", "DROP TABLE a;\n\nDROP TYPE b;"],
      ],
    ],
    [
      "a block",
      "/**\n * Purpose: keep\n * it\n * Rollback: drop it\n */\n",
      [
        ["Purpose", "keep\nit"],
        ["Rollback", "drop it"],
      ],
    ],
    [
      "ornaments and empty lines end a text",
      "-- ======\n-- Migration: 1\n-- ======\n-- no part of it\n\n--Author :  Ünal\r\n--    and others\r\n\r\n-- Makes the table\n",
      [
        ["Migration", "1"],
        ["Author", "Ünal\nand others"],
      ],
    ],
    ["brackets do not", "-- Rollback: DELETE (\n-- );\n", [["Rollback", "DELETE (\n);"]]],
    ["control characters", "-- Purpose: a\u0001\fb\n", [["Purpose", "a\u0001\fb"]]],
    ["other alphabets", "-- Änderung der Tabelle: ä\n", [["Änderung der Tabelle", "ä"]]],
    ["a colon in the text", "-- Purpose: a: b\n", [["Purpose", "a: b"]]],
    [
      "addresses",
      "-- License: see\n-- https://example.org/a\n",
      [["License", "see\nhttps://example.org/a"]],
    ],
    ["only an address", "-- https://example.org/a: b\n", []],
    ["a sentence", "-- This does more than one thing: it adds\n-- At 12:30 it does: b\n", []],
    ["nothing after the label", "-- Purpose:\n-- Rollback: a\n", [["Rollback", "a"]]],
    [
      "marks of tools",
      "-- vim: set ft=sql:\n-- noqa: disable=all\n-- Purpose: a\n-- migrate:up\n-- +goose Up\n-- sqlfluff:dialect:postgres\n",
      [["Purpose", "a"]],
    ],
    ["none", "", []],
  ])("%s", async (_, comments, expected) => {
    const { header } = await migrationOf(`${comments}SELECT 1; -- After: it\n-- Rollback: no`);
    expect(header).toEqual(expected.map(([label, text]) => ({ label, text })));
  });
});

describe("the sketch", () => {
  const t = { schema: null, name: "t" };

  test.each([
    [
      'CREATE TABLE App."T" (Id int, "B c" text, CHECK (id > 0), LIKE other)',
      [{ kind: "create-table", table: { schema: "app", name: "T" }, columns: ["id", "B c"] }],
    ],
    [
      "CREATE TABLE t AS SELECT a, b.c, d AS e, f(g), 1, * FROM b",
      [{ kind: "create-table", table: t, columns: ["a", "c", "e"] }],
    ],
    [
      "CREATE TABLE t (x) AS SELECT a, b AS y FROM c",
      [{ kind: "create-table", table: t, columns: ["x", "y"] }],
    ],
    ["SELECT a INTO t FROM b", [{ kind: "create-table", table: t, columns: ["a"] }]],
    ["CREATE TABLE t PARTITION OF u DEFAULT", [{ kind: "create-table", table: t, columns: [] }]],
    ["CREATE TEMP TABLE t (a int)", []],
    ["CREATE MATERIALIZED VIEW t AS SELECT 1 AS a", []],
    ["CREATE VIEW t AS SELECT 1 AS a", []],
    [
      "DROP TABLE IF EXISTS t, s.u CASCADE",
      [
        { kind: "drop-table", table: t },
        { kind: "drop-table", table: { schema: "s", name: "u" } },
      ],
    ],
    ["DROP VIEW t", []],
    [
      "ALTER TABLE ONLY t ADD a int, ADD COLUMN IF NOT EXISTS b int, DROP c, ALTER d SET NOT NULL",
      [
        { kind: "add-column", table: t, column: "a" },
        { kind: "add-column", table: t, column: "b" },
        { kind: "drop-column", table: t, column: "c" },
      ],
    ],
    ["ALTER TYPE t ADD ATTRIBUTE a int", []],
    ["ALTER TABLE t RENAME a TO b", [{ kind: "rename-column", table: t, column: "a", to: "b" }]],
    ["ALTER VIEW t RENAME a TO b", []],
    ["ALTER TABLE t RENAME TO u", [{ kind: "rename-table", table: t, to: "u" }]],
    ["ALTER TABLE t RENAME CONSTRAINT a TO b", []],
    [
      "ALTER TABLE t SET SCHEMA s",
      [
        { kind: "drop-table", table: t },
        { kind: "create-table", table: { schema: "s", name: "t" }, columns: [] },
      ],
    ],
    ["SELECT 1", []],
  ])("%s", async (source, expected) => expect(await sketchOf(source)).toEqual(expected));
});
