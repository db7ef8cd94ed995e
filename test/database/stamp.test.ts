import { afterAll, beforeAll, expect, test } from "vitest";
import type { VersionRow } from "../../src/core/migration.ts";
import { stamp, type StampOptions } from "../../src/database/stamp.ts";
import { alembic } from "../../src/tools/alembic/alembic.ts";
import { startServer, type TestServer } from "../support/postgres.ts";
import { connectionTo, open, refusalOf } from "./support.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
  await server.sql(server.url, "DROP ROLE IF EXISTS writer; CREATE ROLE writer LOGIN");
}, 60_000);
afterAll(() => server?.stop());

const table = { schema: "public", name: "alembic_version" };
const createTable =
  "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))";
const long = "x".repeat(50);

async function prepared(sql: string): Promise<string> {
  const url = await server.createDatabase();
  if (sql !== "") await server.sql(url, sql);
  return url;
}

async function stampAs(
  url: string,
  options: Partial<StampOptions>,
  user = "postgres",
): Promise<ReturnType<typeof stamp>> {
  const db = await open(connectionTo(url, { user }));
  try {
    const result = await stamp(db, {
      layout: alembic.versionTable,
      table,
      files: new Map((options.rows ?? []).map((row) => [row ?? "", rowOf(row ?? "")])),
      entry: null,
      onNoEntry: () => {},
      runId: "test",
      exists: true,
      basis: [],
      rows: [],
      width: 0,
      ...options,
    });
    // The connection is left outside a transaction.
    expect(await db.query("SELECT now() = statement_timestamp() AS outside")).toEqual([
      { outside: true },
    ]);
    return result;
  } finally {
    await db.close();
  }
}

async function rows(url: string): Promise<unknown[]> {
  const found = await server.sql(
    url,
    `SELECT version_num AS v FROM public.alembic_version ORDER BY 1`,
  );
  return found.map(({ v }) => v);
}

async function shape(url: string): Promise<unknown> {
  return server.sql(
    url,
    `SELECT format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS filled, c.conname AS key
     FROM pg_attribute a LEFT JOIN pg_constraint c ON c.conrelid = a.attrelid AND c.contype = 'p'
     WHERE a.attrelid = 'public.alembic_version'::regclass AND a.attnum > 0`,
  );
}

test("creates the table as Alembic does, wide enough", async () => {
  const url = await prepared("");
  expect(await stampAs(url, { exists: false, rows: ["abc"] })).toEqual({
    before: [],
    created: true,
    widened: false,
    entry: null,
  });
  expect(await rows(url)).toEqual(["abc"]);
  expect(await shape(url)).toEqual([
    { type: "character varying(32)", filled: true, key: "alembic_version_pkc" },
  ]);

  const wide = await prepared("");
  await stampAs(wide, { exists: false, width: 40 });
  expect(await shape(wide)).toMatchObject([{ type: "character varying(40)" }]);
  expect(await rows(wide)).toEqual([]);
});

test("says what stood there, keeps what is wanted, widens where needed", async () => {
  const url = await prepared(`${createTable}; INSERT INTO alembic_version VALUES ('a'), ('b')`);
  expect(await stampAs(url, { basis: ["b", "a"], rows: ["a", long, "c'd\\"] })).toEqual({
    before: ["a", "b"],
    created: false,
    widened: true,
    entry: null,
  });
  expect(await rows(url)).toEqual(["a", "c'd\\", long]);
  expect(await shape(url)).toMatchObject([
    { type: "character varying(50)", key: "alembic_version_pkc" },
  ]);
  expect(await stampAs(url, { basis: ["a", "c'd\\", long], rows: [] })).toMatchObject({
    widened: false,
    entry: null,
  });
  expect(await rows(url)).toEqual([]);
});

test("widens only", async () => {
  const url = await prepared(`${createTable}; INSERT INTO alembic_version VALUES ('a')`);
  expect(await stampAs(url, { basis: ["a"], rows: ["a"], width: 60 })).toEqual({
    before: ["a"],
    created: false,
    widened: true,
    entry: null,
  });
  expect(await shape(url)).toMatchObject([{ type: "character varying(60)" }]);
  expect(await rows(url)).toEqual(["a"]);
});

test("a table without a key: NULL, duplicates, trailing spaces", async () => {
  const url = await prepared(
    "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('a'), ('a'), (NULL), ('b '), ('b')",
  );
  await stampAs(url, { basis: ["a", "a", null, "b ", "b"], rows: ["a", "b"] });
  expect(await rows(url)).toEqual(["a", "b"]);
});

test("rows that are not the basis any more: temporary, and nothing is written", async () => {
  const url = await prepared(`${createTable}; INSERT INTO alembic_version VALUES ('b')`);
  for (const basis of [[], ["a"], ["a", "b"], ["b", "b"], [null]]) {
    const refusal = await refusalOf(stampAs(url, { basis, rows: ["c"], width: 99 }));
    expect(refusal.outcome).toBe("temporary");
    expect(refusal.message).toContain("the version rows changed while deciding");
  }
  expect(await rows(url)).toEqual(["b"]);
  expect(await shape(url)).toMatchObject([{ type: "character varying(32)" }]);
});

test("a table that came or went meanwhile: temporary", async () => {
  const there = await prepared(`${createTable}; INSERT INTO alembic_version VALUES ('b')`);
  expect((await refusalOf(stampAs(there, { exists: false, rows: ["c"] }))).outcome).toBe(
    "temporary",
  );
  expect(await rows(there)).toEqual(["b"]);
  expect((await refusalOf(stampAs(await prepared(""), { rows: ["c"] }))).outcome).toBe("temporary");
});

test("two at once: one stamps, the other is told", async () => {
  const url = await prepared(`${createTable}; INSERT INTO alembic_version VALUES ('a')`);
  const both = await Promise.allSettled([
    stampAs(url, { basis: ["a"], rows: ["b"] }),
    stampAs(url, { basis: ["a"], rows: ["c"] }),
  ]);
  expect(both.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  expect(both.find((one) => one.status === "rejected")?.reason).toMatchObject({
    outcome: "temporary",
  });
});

test("a role without privileges: permission, and nothing is written", async () => {
  const filled = `${createTable}; INSERT INTO alembic_version VALUES ('a'); REVOKE CREATE ON SCHEMA public FROM PUBLIC;`;
  const url = await prepared(`${filled} GRANT SELECT ON alembic_version TO writer`);
  expect((await refusalOf(stampAs(url, { basis: ["a"], rows: ["b"] }, "writer"))).outcome).toBe(
    "permission",
  );
  await server.sql(url, "GRANT ALL ON alembic_version TO writer");
  expect(
    (await refusalOf(stampAs(url, { basis: ["a"], rows: ["b"], width: 99 }, "writer"))).outcome,
  ).toBe("permission");
  expect(await rows(url)).toEqual(["a"]);
  await stampAs(url, { basis: ["a"], rows: ["b"] }, "writer");
  expect(await rows(url)).toEqual(["b"]);
  const empty = await prepared("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
  expect((await refusalOf(stampAs(empty, { exists: false, rows: ["b"] }, "writer"))).outcome).toBe(
    "permission",
  );
});

test("a trigger that interferes: verify-failed, and nothing is kept", async () => {
  const url = await prepared(`${createTable}; INSERT INTO alembic_version VALUES ('a');
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER f BEFORE INSERT ON alembic_version FOR EACH ROW EXECUTE FUNCTION f()`);
  expect((await refusalOf(stampAs(url, { basis: ["a"], rows: ["b"] }))).outcome).toBe(
    "verify-failed",
  );
  expect(await rows(url)).toEqual(["a"]);
});

test("a schema and a name that need quotes; read-only by default; a view that depends on a narrow column", async () => {
  const odd = { schema: 'Odd"s', name: "Ver sion" };
  const url = await prepared(`CREATE SCHEMA "Odd""s"`);
  await server.sql(
    url,
    `ALTER DATABASE "${new URL(url).pathname.slice(1)}" SET default_transaction_read_only = on`,
  );
  await stampAs(url, { table: odd, exists: false, rows: ["a"] });
  expect(await server.sql(url, 'SELECT version_num AS v FROM "Odd""s"."Ver sion"')).toEqual([
    { v: "a" },
  ]);

  const viewed = await prepared(
    `${createTable}; CREATE VIEW v AS SELECT version_num FROM alembic_version`,
  );
  expect((await refusalOf(stampAs(viewed, { rows: [long] }))).outcome).toBe("config");
});

function rowOf(version: string): VersionRow {
  return { version, name: "", checksum: "", statements: null };
}
