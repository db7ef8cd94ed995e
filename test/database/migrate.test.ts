import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Migration } from "../../src/core/migration.ts";
import type { MigrationEnd } from "../../src/database/migrate-work.ts";
import { ensureVersionTable } from "../../src/database/migrate.ts";
import type { LogEvent } from "../../src/report/log.ts";
import { sql } from "../../src/tools/sql/sql.ts";
import { supabase } from "../../src/tools/supabase/supabase.ts";
import { eventually } from "../support/databases.ts";
import { startServer, type TestServer } from "../support/postgres.ts";
import { applyFile, fileOf, open, realTime, refusalOf, versionTable } from "./support.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
  for (const role of ["clerk", "builder LOGIN"])
    await server.sql(
      server.url,
      `DO $$ BEGIN CREATE ROLE ${role}; EXCEPTION WHEN duplicate_object THEN END $$`,
    );
  await server.sql(server.url, "GRANT clerk TO builder");
}, 60_000);
afterAll(() => server?.stop());

async function prepared(sql = "SELECT 1"): Promise<string> {
  const url = await server.createDatabase();
  await server.sql(url, sql);
  return url;
}

async function values(url: string, sql: string): Promise<unknown[]> {
  return (await server.sql(url, sql)).map((row) => Object.values(row)[0]);
}

async function tables(url: string): Promise<unknown[]> {
  return await values(
    url,
    `SELECT tablename FROM pg_tables
     WHERE schemaname = 'public' AND tablename NOT LIKE 'preflight%' ORDER BY 1`,
  );
}

function versions(url: string): Promise<unknown[]> {
  return values(url, "SELECT version FROM public.preflight_migrations");
}

describe("a file that can run in one transaction", () => {
  test("stands with its version row", async () => {
    const url = await prepared();
    const seen: number[] = [];
    const end = await applyFile(
      server,
      url,
      fileOf(["CREATE TABLE bonds (id int)", "INSERT INTO bonds VALUES (1)"]),
      { onStatement: (index) => seen.push(index) },
    );
    expect(end).toEqual({ kind: "applied", durationMs: expect.any(Number) });
    expect(seen).toEqual([0, 1]);
    expect(await server.sql(url, "SELECT * FROM preflight_migrations")).toEqual([
      {
        version: "007",
        name: "bonds",
        checksum: "0123456789abcdef",
        applied_at: expect.any(Date),
        run_id: "run-1",
        duration_ms: expect.stringMatching(/^\d+$/),
      },
    ]);
    expect(await values(url, "SELECT id FROM bonds")).toEqual([1]);
  });

  test("has a row as Supabase's own tool would write it", async () => {
    const url = await prepared();
    const table = { schema: "supabase_migrations", name: "schema_migrations" };
    const statements = ["create table bonds (note text default 'it''s \\ \"so\"')", "select 1"];
    await applyFile(server, url, fileOf(statements), {
      layout: supabase.versionTable,
      table,
      row: { version: "20240131120000", name: "bonds", checksum: "", statements },
    });
    expect(
      await values(url, "SELECT to_json(m) FROM supabase_migrations.schema_migrations m"),
    ).toEqual([{ version: "20240131120000", statements, name: "bonds" }]);
  });

  test("leaves nothing when a statement fails, and says what and where", async () => {
    const url = await prepared();
    const file = fileOf([
      "CREATE TABLE bonds (id int)",
      "SELECT 'ÄÖ🙂',\n  '🙂', missing\nFROM bonds",
      "CREATE TABLE never ()",
    ]);
    expect(await applyFile(server, url, file)).toEqual({
      kind: "failed",
      statement: file.statements[1],
      index: 1,
      at: "statement",
      code: "42703",
      message: 'column "missing" does not exist',
      detail: null,
      hint: null,
      where: null,
      line: 3,
      column: 8,
      standing: 0,
    });
    expect(await tables(url)).toEqual([]);
    expect(await versions(url)).toEqual([]);
  });

  test.each([
    {
      statement: "INSERT INTO kept\nVALUES (1)",
      failed: { code: "23505", detail: "Key (id)=(1) already exists.", line: 2, column: null },
    },
    {
      statement: "SELECT lenght('x')",
      failed: { code: "42883", hint: expect.stringContaining("cast"), line: 2, column: null },
    },
    {
      statement: "DO $$\nBEGIN\n  PERFORM 1 / 0;\nEND $$",
      failed: { code: "22012", where: expect.stringContaining("line 3 at PERFORM"), line: 2 },
    },
    { statement: "SELECT\n  nonsense,,", failed: { code: "42601", line: 3, column: 12 } },
    { statement: "DO $$ BEGIN COMMIT; END $$", failed: { code: "2D000", line: 2 } },
    { statement: "VACUUM kept", failed: { code: "25001", line: 2 } },
    { statement: "SET TRANSACTION READ ONLY", failed: { at: "commit", code: "25006", line: 2 } },
    {
      statement: "DROP TABLE preflight_migrations",
      failed: { at: "commit", code: "42P01", line: 2, column: null },
    },
  ])("what the server says of $statement", async ({ statement, failed }) => {
    const url = await prepared(
      "CREATE TABLE kept (id int PRIMARY KEY); INSERT INTO kept VALUES (1)",
    );
    const file = fileOf(["SET search_path = public", statement], { outside: null });
    expect(await applyFile(server, url, file)).toMatchObject({
      kind: "failed",
      index: 1,
      standing: 0,
      at: "statement",
      ...failed,
    });
    expect(await versions(url)).toEqual([]);
  });

  test("what is deferred until the commit counts, and runs with the file's settings", async () => {
    const url = await prepared(`
      CREATE SCHEMA shop; CREATE TABLE shop.parents (id int PRIMARY KEY);
      CREATE TABLE shop.children (parent int REFERENCES shop.parents DEFERRABLE INITIALLY DEFERRED);
      CREATE FUNCTION shop.check_parents() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM FROM parents; RETURN NULL; END';
      CREATE CONSTRAINT TRIGGER check_parents AFTER INSERT ON shop.children
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION shop.check_parents()`);
    const orphan = ["SET search_path = shop", "INSERT INTO children VALUES (1)", "SELECT 1"];
    expect(await applyFile(server, url, fileOf(orphan))).toMatchObject({
      kind: "failed",
      at: "commit",
      code: "23503",
      index: 2,
      line: 3,
      standing: 0,
    });
    expect(await versions(url)).toEqual([]);
    const family = [...orphan, "INSERT INTO parents VALUES (1)"];
    expect(await applyFile(server, url, fileOf(family))).toMatchObject({ kind: "applied" });
    expect(await values(url, "SELECT parent FROM shop.children")).toEqual([1]);
  });

  test("may choose its isolation level", async () => {
    const url = await prepared("CREATE TABLE seen (level text)");
    await applyFile(
      server,
      url,
      fileOf([
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "INSERT INTO seen VALUES (current_setting('transaction_isolation'))",
        "DROP TABLE IF EXISTS nothing",
      ]),
    );
    expect(await values(url, "SELECT level FROM seen")).toEqual(["serializable"]);
  });

  test.each([
    { texts: ["COMMIT", "CREATE TABLE b ()"] },
    { texts: ["COMMIT", "BEGIN", "CREATE TABLE b ()"] },
    { texts: ["COMMIT AND CHAIN", "CREATE TABLE b ()"] },
    { texts: ["ROLLBACK", "BEGIN"] },
  ])("that ends its transaction ($texts) is not recorded", async ({ texts }) => {
    const url = await prepared();
    const refusal = await refusalOf(
      applyFile(server, url, fileOf(["CREATE TABLE a ()", ...texts])),
    );
    expect(refusal).toMatchObject({
      outcome: "partial",
      message: expect.stringContaining("ended the transaction"),
    });
    expect(await versions(url)).toEqual([]);
  });

  test("that somebody else has recorded meanwhile is rolled back", async () => {
    const url = await prepared();
    await applyFile(server, url, fileOf(["CREATE TABLE a ()"]));
    const again = refusalOf(applyFile(server, url, fileOf(["CREATE TABLE b ()"])));
    expect(await again).toMatchObject({
      outcome: "temporary",
      message:
        "somebody else has recorded version 007 while migrations/007_bonds.sql was applied; nothing of it stands",
    });
    expect(await tables(url)).toEqual(["a"]);
  });
});

describe("others in the way", () => {
  /** The file, applied while another session is in a transaction. */
  async function besides(
    url: string,
    other: string,
    file: Migration,
    options: Parameters<typeof applyFile>[3] & { readonly onPause?: (count: number) => string },
  ): Promise<{ end: Promise<MigrationEnd>; pauses: number[]; events: LogEvent[] }> {
    const blocker = await open(url, { applicationName: "long report" });
    await blocker.query(`BEGIN; ${other}`);
    const pauses: number[] = [];
    const events: LogEvent[] = [];
    const end = applyFile(server, url, file, {
      ...realTime(events),
      ddlLockTimeout: 20,
      random: () => 0.5,
      sleep: async (milliseconds) => {
        pauses.push(milliseconds);
        const then = options.onPause?.(pauses.length);
        if (then !== undefined) await blocker.query(then);
      },
      ...options,
    });
    await end.catch(() => {});
    await blocker.close();
    return { end, pauses, events };
  }

  const file = fileOf(["SELECT 1", "ALTER TABLE bonds\n  ADD COLUMN price int"]);

  test("tried again, and given up after the third time", async () => {
    const url = await prepared("CREATE TABLE bonds (id int)");
    const { end, pauses, events } = await besides(url, "SELECT FROM bonds", file, {});
    const refusal = await refusalOf(end);
    expect(refusal).toMatchObject({ outcome: "temporary" });
    expect(refusal.message).toBe(
      "applying migrations/007_bonds.sql (line 2) failed: canceling statement due to lock timeout (55P03), again and again; nothing of it stands",
    );
    expect(refusal.next[0]).toMatch(
      /^this may be in its way: the oldest transaction of others, of process \d+ \(application long report, idle in transaction, for \d+s\)$/,
    );
    expect(pauses).toEqual([1000, 2000, 4000]);
    expect(events).toMatchObject([
      { level: "warn", event: "migrate.retry", code: "55P03", line: 2, attempt: 1, pauseMs: 1000 },
      { attempt: 2, msg: expect.stringContaining("application long report") },
      { attempt: 3 },
    ]);
    expect(await versions(url)).toEqual([]);
  });

  test("applied once they have gone", async () => {
    const url = await prepared("CREATE TABLE bonds (id int)");
    const { end, pauses } = await besides(url, "SELECT FROM bonds", file, {
      onPause: (count) => (count === 2 ? "COMMIT" : "SELECT 1"),
    });
    expect(await end).toMatchObject({ kind: "applied" });
    expect(pauses).toEqual([1000, 2000]);
  });

  test("a file's own NOWAIT counts the same", async () => {
    const url = await prepared("CREATE TABLE bonds (id int)");
    const nowait = fileOf(["LOCK TABLE bonds IN EXCLUSIVE MODE NOWAIT"]);
    const { end, pauses } = await besides(url, "LOCK TABLE bonds", nowait, {
      onPause: () => "COMMIT",
    });
    expect(await end).toMatchObject({ kind: "applied" });
    expect(pauses).toEqual([1000]);
  });

  test("a deadlock, and a row that has changed meanwhile", async () => {
    const url = await prepared(
      "CREATE TABLE a (n int); CREATE TABLE b (n int); INSERT INTO a VALUES (0); INSERT INTO b VALUES (0)",
    );
    const waits = "SELECT count(*)::int FROM pg_locks WHERE NOT granted";
    const cases = [
      // The other session waits for us while we wait for it; only we look for deadlocks.
      { held: "UPDATE b SET n = 1", wanted: "UPDATE a SET n = 2", code: "40P01" },
      { held: "UPDATE b SET n = 1", wanted: "COMMIT", code: "40001" },
    ];
    for (const { held, wanted, code } of cases) {
      const other = await open(url);
      await other.query(`SET deadlock_timeout = '1h'; BEGIN; ${held}`);
      const file = fileOf([
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "UPDATE a SET n = n + 10",
        "UPDATE b SET n = n + 10",
      ]);
      const events: LogEvent[] = [];
      let followed: Promise<unknown> | null = null;
      const end = applyFile(server, url, file, {
        ...realTime(events),
        row: { version: code, name: "n", checksum: "c", statements: null },
        random: () => -0.4,
        onStatement: (index) => {
          if (index !== 2 || followed !== null) return;
          followed = eventually(
            async () => (await values(url, waits))[0] === 1,
            "the file waits for the other session",
          ).then(() => other.query(wanted));
          void followed.then(() => other.query("COMMIT").catch(() => {}));
        },
      });
      expect(await end).toMatchObject({ kind: "applied" });
      expect(events).toMatchObject([{ event: "migrate.retry", code, attempt: 1 }]);
      await other.close();
    }
    expect(await versions(url)).toEqual(["40P01", "40001"]);
    expect(await values(url, "SELECT n FROM b")).toEqual([11]);
  });

  test.each([
    { texts: ["CREATE TABLE t ()", "SELECT 1"], said: "5s" },
    { texts: ["INSERT INTO said VALUES ('x')"], said: "0" },
    { texts: ["SET lock_timeout = '1min'", "CREATE TABLE t ()"], said: "1min" },
    { texts: ["SET LOCAL lock_timeout = '1min'", "CREATE TABLE t ()"], said: "1min" },
    { texts: ["CREATE TABLE t ()"], said: "0", ddlLockTimeout: null },
    { texts: ["CREATE TABLE t ()"], said: "1ms", ddlLockTimeout: 0.2 },
  ])("lock_timeout with $texts: $said", async ({ texts, said, ...options }) => {
    const url = await prepared("CREATE TABLE said (value text)");
    const say = "INSERT INTO said VALUES (current_setting('lock_timeout'))";
    await applyFile(server, url, fileOf([...texts, say]), options);
    expect((await values(url, "SELECT value FROM said")).at(-1)).toBe(said);
  });
});

describe("stopped", () => {
  const file = fileOf(["CREATE TABLE a AS SELECT 1 AS n FROM pg_sleep(600)"]);

  test("when the time is over, during a statement", async () => {
    const url = await prepared();
    expect(await applyFile(server, url, file, { timeout: 100 })).toEqual({
      kind: "stopped",
      by: "timeout",
      statement: file.statements[0],
      index: 0,
      standing: 0,
    });
    expect(await tables(url)).toEqual([]);
    expect(await versions(url)).toEqual([]);
  });

  test("by a signal: before, between, during, while waiting for others", async () => {
    const url = await prepared("CREATE TABLE t ()");
    expect(await applyFile(server, url, file, { signal: AbortSignal.abort() })).toMatchObject({
      kind: "stopped",
      by: "signal",
      index: 0,
    });

    const between = new AbortController();
    const onStatement = (index: number): void => (index === 1 ? between.abort() : undefined);
    const quick = fileOf(["SELECT 1", "SELECT 2", "SELECT 3"]);
    expect(
      await applyFile(server, url, quick, { signal: between.signal, onStatement }),
    ).toMatchObject({ kind: "stopped", by: "signal", index: 1 });

    const during = new AbortController();
    const end = applyFile(server, url, file, { signal: during.signal });
    await eventually(async () => (await values(url, sleepers)).length === 1, "it sleeps");
    during.abort(new Error("the lock was lost"));
    expect(await end).toMatchObject({ kind: "stopped", by: "signal", index: 0 });

    const waiting = new AbortController();
    const blocker = await open(url);
    await blocker.query("BEGIN; LOCK TABLE t");
    expect(
      await applyFile(server, url, fileOf(["DROP TABLE t"]), {
        ddlLockTimeout: 20,
        signal: waiting.signal,
        log: () => waiting.abort(),
      }),
    ).toMatchObject({ kind: "stopped", by: "signal", index: 0 });
    await blocker.close();
    expect(await versions(url)).toEqual([]);
  });

  test("also when cancels fail, or come too early", async () => {
    const url = await prepared();
    let asked = 0;
    const cancel = async (): Promise<void> => {
      asked += 1;
      if (asked === 1) throw new Error("no connection");
      if (asked > 2) await server.sql(url, `SELECT pg_cancel_backend(pid) FROM (${sleepers}) s`);
    };
    expect(await applyFile(server, url, file, { timeout: 50, cancel })).toMatchObject({
      kind: "stopped",
    });
    expect(asked).toBeGreaterThan(2);
  });
});

const sleepers = `SELECT pid FROM pg_stat_activity
  WHERE wait_event = 'PgSleep' AND datname = current_database()`;

describe("the world ends", () => {
  test("during a statement: nothing stands", async () => {
    const url = await prepared();
    const file = fileOf(["CREATE TABLE a ()", "SELECT pg_terminate_backend(pg_backend_pid())"]);
    const refusal = await refusalOf(applyFile(server, url, file));
    expect(refusal).toMatchObject({
      outcome: "temporary",
      message:
        "applying migrations/007_bonds.sql (line 2) failed: the connection to the server was lost (LOST); nothing of it stands",
    });
    expect(await tables(url)).toEqual([]);
    expect(await versions(url)).toEqual([]);
  });

  test("during the commit: nobody knows", async () => {
    const url = await prepared(`
      CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(600); RETURN NEW; END'`);
    await applyFile(server, url, fileOf(["SELECT 1"]), {
      row: { version: "001", name: "n", checksum: "c", statements: null },
    });
    await server.sql(
      url,
      "CREATE TRIGGER slow BEFORE INSERT ON preflight_migrations FOR EACH ROW EXECUTE FUNCTION slow()",
    );
    const refusal = refusalOf(applyFile(server, url, fileOf(["CREATE TABLE a ()"])));
    await eventually(async () => (await values(url, sleepers)).length === 1, "it commits");
    await server.sql(url, `SELECT pg_terminate_backend(pid) FROM (${sleepers}) s`);
    expect(await refusal).toMatchObject({
      outcome: "temporary",
      message:
        "committing migrations/007_bonds.sql (line 1) failed: the connection to the server was lost (LOST); whether it was committed is not known: the next start looks",
    });
  });

  test.each([
    { code: "53100", outcome: "temporary" },
    { code: "53200", outcome: "temporary" },
    { code: "25006", outcome: null },
    { code: "57014", outcome: null },
    { code: "42501", outcome: null },
  ])("as the server says $code: $outcome", async ({ code, outcome }) => {
    const url = await prepared();
    const file = fileOf([
      "CREATE TABLE a ()",
      `DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '${code}'; END $$`,
    ]);
    const end = applyFile(server, url, file);
    if (outcome === null) expect(await end).toMatchObject({ kind: "failed", code, index: 1 });
    else
      expect(await refusalOf(end)).toMatchObject({
        outcome,
        message: `applying migrations/007_bonds.sql (line 2) failed: no (${code}); nothing of it stands`,
      });
    expect(await tables(url)).toEqual([]);
  });

  test("a server that has become read-only", async () => {
    const url = await prepared();
    const name = new URL(url).pathname.slice(1);
    await server.sql(url, `ALTER DATABASE "${name}" SET default_transaction_read_only = on`);
    const file = fileOf(["DO $$ BEGIN RAISE read_only_sql_transaction; END $$"]);
    expect((await refusalOf(applyFile(server, url, file))).outcome).toBe("temporary");
  });
});

describe("the version table", () => {
  test("is made once, also by several at once, in a schema of its own", async () => {
    const url = await prepared();
    const table = { schema: 'Odd"s', name: "our versions" };
    const sessions = await Promise.all([1, 2, 3, 4].map(() => open(url)));
    await Promise.all(sessions.map((db) => ensureVersionTable(db, sql.versionTable, table)));
    await Promise.all(sessions.map((db) => db.close()));
    expect(await applyFile(server, url, fileOf(["SELECT 1"]), { table })).toMatchObject({
      kind: "applied",
    });
    expect(await values(url, `SELECT version FROM "Odd""s"."our versions"`)).toEqual(["007"]);
  });

  test("of Supabase gets the columns that an old one lacks", async () => {
    const url = await prepared(
      "CREATE SCHEMA supabase_migrations; CREATE TABLE supabase_migrations.schema_migrations (version text PRIMARY KEY)",
    );
    const db = await open(url);
    const table = { schema: "supabase_migrations", name: "schema_migrations" };
    await ensureVersionTable(db, supabase.versionTable, table);
    await db.close();
    expect(
      await values(
        url,
        `SELECT attname || ' ' || atttypid::regtype FROM pg_attribute
         WHERE attrelid = 'supabase_migrations.schema_migrations'::regclass AND attnum > 0 ORDER BY attnum`,
      ),
    ).toEqual(["version text", "statements text[]", "name text"]);
  });

  test("needs no right where it is, and says which where it is not", async () => {
    const url = await prepared("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    const file = fileOf(["SELECT 1"]);
    expect(await refusalOf(applyFile(server, url, file, { user: "builder" }))).toMatchObject({
      outcome: "permission",
      message: expect.stringContaining(
        "creating the version table public.preflight_migrations failed",
      ),
    });
    const db = await open(url);
    await ensureVersionTable(db, sql.versionTable, versionTable);
    await db.close();
    expect(await refusalOf(applyFile(server, url, file, { user: "builder" }))).toMatchObject({
      outcome: "permission",
      message: expect.stringContaining("committing migrations/007_bonds.sql (line 1) failed"),
    });
    await server.sql(url, "GRANT INSERT ON preflight_migrations TO builder");
    expect(await applyFile(server, url, file, { user: "builder" })).toMatchObject({
      kind: "applied",
    });
  });
});

/** What dumps and careful authors write at the top of a file. */
const settings = [
  ["SELECT pg_catalog.set_config('search_path', '', false)"],
  ["SET search_path = shop, public", "SET default_transaction_read_only = on"],
  ["SET standard_conforming_strings = off", "SET escape_string_warning = off"],
  ["SET ROLE clerk"],
  ["SET SESSION AUTHORIZATION clerk"],
  ["SET LOCAL ROLE clerk", "SET LOCAL search_path = shop"],
  ["SET row_security = off", "SET client_min_messages = error", "SET xmloption = content"],
  ["SET default_table_access_method = heap", "SET check_function_bodies = false"],
  ["SET client_encoding = 'LATIN1'"],
  ["SET application_name = 'mine'", "SET DateStyle = 'German'", "SET TimeZone = 'Asia/Tokyo'"],
  ["RESET ALL"],
  ["CREATE TEMP TABLE preflight_migrations (version text)", "PREPARE p AS SELECT 1", "LISTEN l"],
  ["SET search_path = shop, pg_catalog"],
  ["SET session_replication_role = replica", "SET synchronous_commit = off"],
];

describe.each(["in one transaction", "statement by statement"])("%s", (how) => {
  test.each(settings.map((texts) => [texts.join("; "), texts]))("%s", async (_name, texts) => {
    const url = await prepared(
      `CREATE SCHEMA shop; CREATE TABLE log (said text); GRANT ALL ON log TO clerk;
       CREATE FUNCTION shop.no(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
       CREATE OPERATOR shop.= (LEFTARG = text, RIGHTARG = text, FUNCTION = shop.no)`,
    );
    const outside = how === "in one transaction" ? null : { line: 1, why: "so that it is tested" };
    const file = fileOf([...texts, "INSERT INTO public.log VALUES ('back\\slash')", "SELECT 1"], {
      outside,
    });
    const row = { version: file.id, name: "grün's \\n", checksum: "0", statements: null };
    expect(await applyFile(server, url, file, { row })).toMatchObject({ kind: "applied" });
    expect(await values(url, "SELECT name FROM preflight_migrations")).toEqual([row.name]);
    if (outside !== null) expect(await values(url, "TABLE preflight_progress")).toEqual([]);
  });

  test("a file's own settings hold until its end", async () => {
    const url = await prepared("CREATE SCHEMA shop; CREATE TABLE shop.log (who text, path text)");
    await server.sql(url, "GRANT ALL ON SCHEMA shop TO clerk; GRANT ALL ON shop.log TO clerk");
    // Until PostgreSQL 14 everybody has it.
    await server.sql(url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    const say = "INSERT INTO log VALUES (current_user, current_setting('search_path'))";
    const file = fileOf(["SET search_path = shop", "SET ROLE clerk", say, "SELECT 1", say], {
      outside: how === "in one transaction" ? null : { line: 1, why: "so that it is tested" },
    });
    expect(await applyFile(server, url, file, { user: "builder" }).catch(String)).toContain(
      "permission denied for schema public",
    );
    await server.sql(url, "GRANT CREATE ON SCHEMA public TO builder");
    expect(await applyFile(server, url, file, { user: "builder" })).toMatchObject({
      kind: "applied",
    });
    expect(await server.sql(url, "SELECT * FROM shop.log")).toEqual([
      { who: "clerk", path: "shop" },
      { who: "clerk", path: "shop" },
    ]);
  });
});
