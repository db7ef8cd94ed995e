import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LogEvent } from "../../src/report/log.ts";
import { eventually } from "../support/databases.ts";
import { startServer, type TestServer } from "../support/postgres.ts";
import { applyFile, fileOf, open, realTime, refusalOf } from "./support.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
}, 60_000);
afterAll(() => server?.stop());

const bonds = "CREATE TABLE bonds (id int)";
const build = "CREATE INDEX CONCURRENTLY bonds_id ON bonds (id)";

async function prepared(sql = "SELECT 1"): Promise<string> {
  const url = await server.createDatabase();
  await server.sql(url, sql);
  return url;
}

async function values(url: string, sql: string): Promise<unknown[]> {
  return (await server.sql(url, sql)).map((row) => Object.values(row)[0]);
}

function versions(url: string): Promise<unknown[]> {
  return values(url, "SELECT version FROM public.preflight_migrations");
}

function progress(url: string): ReturnType<TestServer["sql"]> {
  return server.sql(
    url,
    `SELECT version, checksum, done, "of", line, statement, state, error FROM preflight_progress`,
  );
}

function indexes(url: string): Promise<unknown[]> {
  return values(
    url,
    `SELECT c.relname || CASE WHEN i.indisvalid THEN '' ELSE ' (INVALID)' END
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     WHERE i.indrelid = to_regclass('public.bonds') ORDER BY 1`,
  );
}

/** Waits until the server is at this statement. */
function reached(url: string, statement: string): Promise<void> {
  const sql = `SELECT count(*)::int FROM pg_stat_activity
    WHERE state = 'active' AND application_name = 'preflight/test' AND query = $q$${statement}$q$`;
  return eventually(async () => (await values(url, sql))[0] === 1, statement);
}

const terminate = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE application_name = 'preflight/test' AND datname = current_database()`;

test("our own rows are written also where the file wants a read-only session", async () => {
  const url = await prepared(bonds);
  const readOnly = "SET default_transaction_read_only = on";
  const file = fileOf([readOnly, "VACUUM bonds", "VACUUM bonds"]);
  expect(await applyFile(server, url, file)).toMatchObject({ kind: "applied" });
});

test("a version row at the end, and no trace of the way there", async () => {
  const url = await prepared();
  const copy = "INSERT INTO seen SELECT done, state, statement FROM preflight_progress";
  const file = fileOf([
    "CREATE TABLE seen (done int, state text, statement text)",
    bonds,
    copy,
    build,
    copy,
    "VACUUM bonds",
  ]);
  expect(await applyFile(server, url, file)).toMatchObject({ kind: "applied" });
  expect(await versions(url)).toEqual(["007"]);
  expect(await progress(url)).toEqual([]);
  expect(await indexes(url)).toEqual(["bonds_id"]);
  expect(await server.sql(url, "SELECT * FROM seen")).toEqual([
    { done: 2, state: "pending", statement: copy },
    { done: 4, state: "pending", statement: copy },
  ]);
});

describe("a statement that fails", () => {
  test("in its own transaction: what came before it stands, and the row says so", async () => {
    const url = await prepared();
    const file = fileOf([bonds, build, "INSERT INTO bonds\nSELECT missing", "SELECT 1"]);
    expect(await applyFile(server, url, file)).toMatchObject({
      kind: "failed",
      index: 2,
      line: 4,
      column: 8,
      code: "42703",
      standing: 2,
    });
    expect(await progress(url)).toEqual([
      {
        version: "007",
        checksum: file.checksum,
        done: 2,
        of: 4,
        line: 3,
        statement: "INSERT INTO bonds SELECT missing",
        state: "failed",
        error: '42703: column "missing" does not exist',
      },
    ]);
    expect(await versions(url)).toEqual([]);
  });

  test("as the first one: nothing stands, and there is no row", async () => {
    const url = await prepared();
    expect(await applyFile(server, url, fileOf(["SELECT missing", build]))).toMatchObject({
      kind: "failed",
      standing: 0,
    });
    expect(await progress(url)).toEqual([]);
  });

  test("alone: the row says so, even of the first one, which may have left something", async () => {
    const url = await prepared(`${bonds}; INSERT INTO bonds VALUES (1), (1)`);
    const unique = build.replace("INDEX", "UNIQUE INDEX");
    expect(await applyFile(server, url, fileOf([unique, "SELECT 1"]))).toMatchObject({
      kind: "failed",
      at: "statement",
      code: "23505",
      standing: 0,
    });
    expect(await indexes(url)).toEqual(["bonds_id (INVALID)"]);
    expect(await progress(url)).toMatchObject([
      { done: 0, state: "failed", error: expect.stringMatching(/^23505: could not create unique/) },
    ]);
  });

  test("at the commit", async () => {
    const url = await prepared(
      `${bonds}; ALTER TABLE bonds ADD PRIMARY KEY (id);
       CREATE TABLE coupons (bond int REFERENCES bonds DEFERRABLE INITIALLY DEFERRED)`,
    );
    const file = fileOf([build, "INSERT INTO coupons VALUES (1)"]);
    expect(await applyFile(server, url, file)).toMatchObject({
      kind: "failed",
      at: "commit",
      code: "23503",
      standing: 1,
    });
    expect(await progress(url)).toMatchObject([{ done: 1, state: "failed" }]);
  });

  test("that ended its transaction is never counted as done", async () => {
    const url = await prepared();
    const refusal = await refusalOf(applyFile(server, url, fileOf([bonds, "COMMIT", build])));
    expect(refusal.outcome).toBe("partial");
    expect(await progress(url)).toMatchObject([{ done: 1, state: "pending" }]);
  });
});

describe("going on", () => {
  test("at the statement where it stopped, with the file's settings", async () => {
    const url = await prepared("CREATE SCHEMA shop; GRANT ALL ON SCHEMA shop TO pg_monitor");
    const path = "SELECT pg_catalog.set_config('search_path', 'shop', false)";
    const half = [path, "SET ROLE pg_monitor", "SET LOCAL work_mem = '1MB'", bonds, build];
    const file = fileOf([...half, "INSERT INTO bonds VALUES (1 / 0)"]);
    expect(await applyFile(server, url, file)).toMatchObject({ kind: "failed", standing: 5 });

    const mended = fileOf([...half, "INSERT INTO bonds VALUES (1)", "RESET ROLE"]);
    const seen: number[] = [];
    expect(
      await applyFile(server, url, mended, {
        resumeAt: 5,
        onStatement: (index) => seen.push(index),
      }),
    ).toMatchObject({ kind: "applied" });
    expect(seen).toEqual([5, 6]);
    expect(await values(url, "SELECT id FROM shop.bonds")).toEqual([1]);
    expect(await versions(url)).toEqual(["007"]);
    expect(await progress(url)).toEqual([]);
  });

  test("where a setting cannot be made again", async () => {
    const url = await prepared();
    const file = fileOf(["SET ROLE nobody_any_more", bonds, build]);
    expect(await applyFile(server, url, file, { resumeAt: 2 })).toMatchObject({
      kind: "failed",
      index: 0,
      standing: 2,
    });
  });
});

describe("locks and limits", () => {
  test("PostgreSQL: a lock_timeout leaves an INVALID index behind", async () => {
    const url = await prepared(bonds);
    const other = await open(url);
    await other.query("BEGIN; INSERT INTO bonds VALUES (1)");
    await expect(
      server.sql(url, `SET lock_timeout = 50`).then(() => withTimeout()),
    ).rejects.toThrow("lock timeout");
    expect(await indexes(url)).toEqual(["bonds_id (INVALID)"]);
    await other.close();

    async function withTimeout(): Promise<void> {
      const db = await open(url);
      await db.query("SET lock_timeout = 50");
      await db.query(build).finally(() => db.close());
    }
  });

  test("what runs alone waits without a limit: neither ours nor the role's", async () => {
    const url = await prepared(`${bonds}; CREATE TABLE said (id serial, what text)`);
    const name = new URL(url).pathname.slice(1);
    for (const limit of ["lock_timeout", "statement_timeout"])
      await server.sql(url, `ALTER DATABASE "${name}" SET ${limit} = '150ms'`);
    const say = `INSERT INTO said (what) SELECT current_setting('lock_timeout') || ' ' || current_setting('statement_timeout')`;
    const other = await open(url);
    await other.query("SET statement_timeout = 0; BEGIN; INSERT INTO bonds VALUES (1)");
    const end = applyFile(server, url, fileOf([say, build, say]), { ddlLockTimeout: 50 });
    await reached(url, build);
    await new Promise((resolve) => {
      setTimeout(resolve, 300);
    });
    await other.query("COMMIT");
    expect(await end).toMatchObject({ kind: "applied" });
    expect(await indexes(url)).toEqual(["bonds_id"]);
    expect(await values(url, "SELECT what FROM said ORDER BY id")).toEqual([
      "150ms 150ms",
      "150ms 150ms",
    ]);
    await other.close();
  });

  test("a file's own limit is its author's word, also for what runs alone", async () => {
    const url = await prepared(bonds);
    const other = await open(url);
    await other.query("BEGIN; INSERT INTO bonds VALUES (1)");
    const file = fileOf(["SET lock_timeout = '50ms'", build]);
    expect(await applyFile(server, url, file)).toMatchObject({ kind: "failed", code: "55P03" });
    await other.close();
  });

  test("DDL has ours, unless the file has set its own", async () => {
    const url = await prepared("CREATE TABLE said (id serial, what text)");
    const ddl = (table: string): string =>
      `CREATE TABLE ${table} AS SELECT current_setting('lock_timeout') AS what`;
    const dml = "INSERT INTO said (what) VALUES (current_setting('lock_timeout'))";
    const file = fileOf([ddl("a"), dml, "SET lock_timeout = 0", ddl("b"), "VACUUM a"]);
    expect(await applyFile(server, url, file)).toMatchObject({ kind: "applied" });
    expect(await values(url, "SELECT what FROM a")).toEqual(["5s"]);
    expect(await values(url, "SELECT what FROM said")).toEqual(["0"]);
    expect(await values(url, "SELECT what FROM b")).toEqual(["0"]);
  });

  test("others in the way: one statement is tried again, and then given up", async () => {
    const url = await prepared(`CREATE TABLE count (n int)`);
    const file = fileOf([bonds, "INSERT INTO count VALUES (1)", "DROP TABLE busy", build]);
    await server.sql(url, "CREATE TABLE busy ()");
    const other = await open(url);
    await other.query("BEGIN; LOCK TABLE busy");
    const events: LogEvent[] = [];
    const options = { ...realTime(events), ddlLockTimeout: 20, sleep: async () => {} };
    const refusal = await refusalOf(applyFile(server, url, file, options));
    expect(refusal).toMatchObject({
      outcome: "temporary",
      message:
        "applying migrations/007_bonds.sql (line 3) failed: canceling statement due to lock timeout (55P03), again and again; its first 2 of 4 statements stand",
    });
    expect(events).toHaveLength(3);
    expect(await progress(url)).toMatchObject([{ done: 2, state: "pending", error: null }]);
    await other.close();
    expect(await applyFile(server, url, file, { resumeAt: 2 })).toMatchObject({ kind: "applied" });
    expect(await values(url, "SELECT n FROM count")).toEqual([1]);
  });

  test("a deadlock of what runs alone is not tried again", async () => {
    const url = await prepared(bonds);
    const raise = "DO $$ BEGIN RAISE deadlock_detected; END $$";
    const { statements } = fileOf([bonds.replace("bonds", "b"), raise]);
    const file = fileOf([], {
      statements: statements.map((one, index) => ({ ...one, isAlone: index === 1 })),
      outside: { line: 2, why: "so that it is tested" },
    });
    expect(await applyFile(server, url, file)).toMatchObject({ kind: "failed", code: "40P01" });
    expect(await progress(url)).toMatchObject([{ done: 1, state: "failed" }]);
  });
});

describe("an interruption", () => {
  const file = fileOf(["SELECT 1", build, "SELECT 2"]);

  test("a stop during a statement that runs alone: it has failed, and says so", async () => {
    const url = await prepared(bonds);
    const writer = await open(url, { applicationName: "writer" });
    await writer.query("BEGIN; INSERT INTO bonds VALUES (1)");
    const stop = new AbortController();
    const end = applyFile(server, url, file, { signal: stop.signal });
    await eventually(async () => (await indexes(url)).length === 1, "the index is begun");
    stop.abort();
    expect(await end).toMatchObject({ kind: "stopped", by: "signal", index: 1, standing: 1 });
    expect(await progress(url)).toMatchObject([
      { done: 1, state: "failed", error: "57014: stopped by preflight" },
    ]);
    expect(await indexes(url)).toEqual(["bonds_id (INVALID)"]);
    await writer.close();
  });

  test("a stop in a statement that has a transaction, and before one that has not", async () => {
    const url = await prepared(bonds);
    const sleep = "SELECT pg_sleep(600)";
    const stop = new AbortController();
    const end = applyFile(server, url, fileOf(["SELECT 1", sleep, build]), { signal: stop.signal });
    await reached(url, sleep);
    stop.abort();
    expect(await end).toMatchObject({ kind: "stopped", by: "signal", index: 1, standing: 1 });
    expect(await progress(url)).toMatchObject([{ done: 1, state: "pending" }]);
    expect(
      await applyFile(server, url, file, { resumeAt: 1, signal: AbortSignal.abort() }),
    ).toMatchObject({ kind: "stopped", index: 1, standing: 1 });
    expect(await progress(url)).toMatchObject([{ done: 1, state: "pending" }]);
    expect(await indexes(url)).toEqual([]);
  });

  test("a lost connection during a statement that runs alone: its end is not known", async () => {
    const url = await prepared(bonds);
    const writer = await open(url, { applicationName: "writer" });
    await writer.query("BEGIN; INSERT INTO bonds VALUES (1)");
    const refusal = refusalOf(applyFile(server, url, file));
    await reached(url, build);
    await server.sql(url, terminate);
    expect(await refusal).toMatchObject({
      outcome: "temporary",
      message:
        "applying migrations/007_bonds.sql (line 2) failed: the connection to the server was lost (LOST); its first 1 of 3 statements stand, and whether statement 2 was done is not known",
    });
    expect(await progress(url)).toMatchObject([
      { done: 1, of: 3, line: 2, statement: build, state: "started", error: null },
    ]);
    await writer.close();
  });
});
