import { readFileSync, writeFileSync, mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { advisoryLocksIn, eventually, rowsOf, tablesOf } from "../support/databases.ts";
import { envWith } from "../support/drivers.ts";
import { chainOf, execute, writeHistory } from "../support/histories.ts";
import { type Bouncer, type BouncerOptions, startBouncer } from "../support/pgbouncer.ts";
import { startServer } from "../support/postgres.ts";
import {
  type Ended,
  expectLine,
  logOf,
  type Program,
  runProgram,
  startProgram,
} from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { alembic, environment, makeDatabase, makeImage, type Shop } from "../support/shop.ts";

let shop: Shop;
const bouncers: Bouncer[] = [];

beforeAll(async () => {
  shop = { server: await startServer(), python: await pythonEnvironment(), ledger: "" };
});
afterEach(async () => {
  for (const bouncer of bouncers.splice(0)) await bouncer.stop();
});
afterAll(async () => await shop?.server.stop());

async function poolerOf(mode: BouncerOptions["mode"], more: Partial<BouncerOptions> = {}) {
  const size = mode === "session" ? 4 : 2;
  const bouncer = await startBouncer(shop.server, { mode, size, ...more });
  bouncers.push(bouncer);
  return bouncer;
}

async function run(
  program: Program,
  cwd: string,
  url: string,
  args: readonly string[] = ["run"],
): Promise<Ended> {
  return await runProgram(program, args, { cwd, env: environment(shop, url) });
}

/** A directory of numbered files, as the tool `sql` finds them. */
function files(...texts: readonly string[]): string {
  const cwd = mkdtempSync(path.join(tmpdir(), "preflight-files-"));
  mkdirSync(path.join(cwd, "migrations"));
  for (const [index, text] of texts.entries())
    writeFileSync(path.join(cwd, "migrations", `00${index + 1}_step.sql`), text);
  return cwd;
}

const images = {
  sql: () => {
    const cwd = makeImage(shop, { name: "", example: "tickets", ledger: "none" });
    return files(
      ...[1, 2, 3, 4, 5].map((number) => readFileSync(path.join(cwd, fileNumber(number)), "utf8")),
    );
  },
  alembic: () => makeImage(shop, { name: "", ledger: "none" }),
  supabase: () => makeImage(shop, { name: "", example: "notes", ledger: "none" }),
} as const;

const names = ["", "create_people", "create_tickets", "fill_names", "add_status", "closed_tickets"];

function fileNumber(number: number): string {
  return `migrations/00${number}_${names[number]}.sql`;
}

async function fresh(tool: keyof typeof images): Promise<string> {
  return await makeDatabase(shop, {
    at: null,
    ...(tool === "supabase" && { example: "notes" as const }),
  });
}

/**
 * What every server connection of the pool holds, seen through the pool itself: as many transactions as it has
 * connections are open at once.
 */
async function sessionsOfPool(url: string, size: number): Promise<readonly string[]> {
  const clients = Array.from({ length: size }, () =>
    postgres(url, { max: 1, fetch_types: false, prepare: false, onnotice: () => {} }),
  );
  const seen: string[] = [];
  try {
    for (const client of clients) {
      const rows: unknown = await client.unsafe(`BEGIN; ${wholeSession}`).simple();
      seen.push(JSON.stringify((rows as readonly unknown[][]).at(-1)?.[0]));
    }
    for (const client of clients) await client.unsafe("ROLLBACK").simple();
    return seen;
  } finally {
    await Promise.all(clients.map((client) => client.end({ timeout: 1 })));
  }
}

const wholeSession = `
SELECT current_user::text, session_user::text,
       (SELECT count(*)::int FROM pg_catalog.pg_class WHERE relnamespace = pg_catalog.pg_my_temp_schema()) AS temporary,
       (SELECT count(*)::int FROM pg_catalog.pg_prepared_statements) AS prepared,
       (SELECT count(*)::int FROM pg_catalog.pg_listening_channels()) AS listening,
       (SELECT count(*)::int FROM pg_catalog.pg_cursors WHERE is_holdable) AS cursors,
       (SELECT count(*)::int FROM pg_catalog.pg_locks WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'advisory') AS locks,
       (SELECT json_object_agg(name, setting ORDER BY name) FROM pg_catalog.pg_settings
        WHERE name NOT LIKE 'plpgsql%' AND name <> 'application_name') AS settings`;

/** Nothing of a run is left: neither a lock nor a transaction, and every pooled session is as a new one. */
async function expectClean(url: string, bouncer: Bouncer, size: number): Promise<void> {
  await eventually(async () => (await advisoryLocksIn(shop.server, url)) === 0, "no lock is left");
  const database = new URL(url).pathname.slice(1);
  await eventually(async () => {
    const open = await shop.server.sql(
      shop.server.url,
      `SELECT pid FROM pg_stat_activity WHERE datname = '${database}' AND state <> 'idle'`,
    );
    return open.length === 0;
  }, "no transaction is open");
  const other = await shop.server.createDatabase();
  const [untouched] = await sessionsOfPool(bouncer.through(other), 1);
  for (const session of await sessionsOfPool(bouncer.through(url), size))
    expect(session).toBe(untouched);
}

describe.each(["session", "transaction"] as const)("%s pooling", (mode) => {
  const size = mode === "session" ? 4 : 2;

  test.each([
    ["sql", "binary"],
    ["sql", "module"],
    ["alembic", "binary"],
    ["alembic", "module"],
    ["supabase", "binary"],
    ["supabase", "module"],
  ] as const)(
    "%s, %s: upgraded, then healthy, and nothing is left (fault 26)",
    async (tool, program) => {
      const bouncer = await poolerOf(mode);
      const url = await fresh(tool);
      const cwd = images[tool]();
      const through = bouncer.through(url);
      const first = await run(program, cwd, through);
      expect(expectLine(first), first.stderr).toMatchObject({ exit: 0, verdict: "fresh" });
      const second = await run(program, cwd, through);
      expect(expectLine(second)).toMatchObject({ exit: 0, verdict: "current", actions: [] });
      const checked = await run(program, cwd, through, ["check"]);
      expect(expectLine(checked)).toMatchObject({ exit: 0, verdict: "current" });
      await expectClean(url, bouncer, size);
    },
  );

  test("four replicas at once: one migrates, all start, nothing is left (fault 26)", async () => {
    // Each replica in session mode keeps its connections: the pool must hold them all.
    const all = mode === "session" ? 12 : 3;
    const bouncer = await poolerOf(mode, { size: all });
    const cwd = files(
      "CREATE TABLE runs (at timestamptz NOT NULL DEFAULT clock_timestamp())",
      "SELECT pg_sleep(1); INSERT INTO runs DEFAULT VALUES",
    );
    const url = await shop.server.createDatabase();
    const programs = ["binary", "module", "binary", "module"] as const;
    const ended = await Promise.all(
      programs.map((program) => run(program, cwd, bouncer.through(url))),
    );
    for (const one of ended) expect(expectLine(one), one.stderr).toMatchObject({ exit: 0 });
    expect(await shop.server.sql(url, "SELECT FROM runs")).toHaveLength(1);
    await expectClean(url, bouncer, Math.min(all, 3));
  });
});

describe("where an upgrade's program works is seen through a pooler", () => {
  const history = (): string => writeHistory(chainOf("one", "two"), { env: envWith() });

  async function behind(cwd: string): Promise<string> {
    const url = await shop.server.createDatabase();
    await alembic(shop, cwd, url, "upgrade", "one");
    return url;
  }

  async function upgrade(
    cwd: string,
    judged: string,
    program: string,
    driver: string,
  ): Promise<Ended> {
    const env = {
      ...environment(shop, program),
      PREFLIGHT_DATABASE_URL: judged,
      DRIVER: driver,
    };
    return await runProgram("binary", ["run", "--verbose"], { cwd, env });
  }

  test.each([
    ["session", 4, "psycopg2", "arrives here"],
    ["transaction", 4, "psycopg2", "arrives here"],
    ["transaction", 4, "pg8000", "arrives here"],
    // No connection is left for the program while its table is held: what it says of itself counts.
    ["transaction", 2, "psycopg2", "arrives here"],
  ] as const)("%s, %i connections, %s: here", async (mode, size, driver, said) => {
    const bouncer = await poolerOf(mode, { size });
    const cwd = history();
    const url = await behind(cwd);
    const through = bouncer.through(url);
    const ended = await upgrade(cwd, through, through, driver);
    expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0, recordedAfter: ["two"] });
    expect(logOf(ended)).toContain(said);
    await expectClean(url, bouncer, 1);
  });

  test.each([
    ["session", 4, "psycopg2"],
    ["transaction", 4, "pg8000"],
    ["transaction", 2, "psycopg2"],
  ] as const)("%s, %i connections, %s: elsewhere", async (mode, size, driver) => {
    const bouncer = await poolerOf(mode, { size });
    const cwd = history();
    const [url, other] = [await behind(cwd), await behind(cwd)];
    const ended = await upgrade(cwd, bouncer.through(url), bouncer.through(other), driver);
    expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 78, actions: [] });
    expect(await rowsOf(shop.server, other)).toEqual(["one"]);
    await expectClean(url, bouncer, 1);
  });

  test.each(["session", "transaction"] as const)(
    "%s: a direct address for preflight, and the pooler's for the program, which takes no PGOPTIONS",
    async (mode) => {
      const bouncer = await poolerOf(mode);
      const cwd = history();
      const url = await behind(cwd);
      const ended = await upgrade(cwd, url, bouncer.through(url), "psycopg2");
      expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0, recordedAfter: ["two"] });
      expect(logOf(ended)).toContain("arrives here");
      expect(logOf(ended)).not.toContain("--ddl-lock-timeout");
    },
  );
});

describe("transaction pooling", () => {
  test("what a file does to its session ends with it, done or failed (fault 26)", async () => {
    const bouncer = await poolerOf("transaction");
    const url = await shop.server.createDatabase();
    const through = bouncer.through(url);
    const messy = [
      "CREATE SCHEMA shop; CREATE ROLE messy_role;",
      "SET search_path = shop; SET lock_timeout = '7s'; SET statement_timeout = '77s'; SET ROLE messy_role; RESET ROLE;",
      "CREATE TEMPORARY TABLE notes (id int); PREPARE question AS SELECT 1; LISTEN news;",
      "SELECT pg_advisory_lock(4712); CREATE TABLE inside (id int);",
    ].join("\n");
    const done = await run("binary", files(messy), through);
    expect(expectLine(done), done.stderr).toMatchObject({ exit: 0 });
    await expectClean(url, bouncer, 2);

    const broken = files(messy, `${messy.split("\n").slice(1).join("\n")} SELECT 1 / 0;`);
    const failed = await run("binary", broken, through);
    expect(expectLine(failed), failed.stderr).toMatchObject({ exit: 25, recordedAfter: ["001"] });
    await expectClean(url, bouncer, 2);
  });

  test("a file outside of a transaction is refused before anything is done, with the remedy (fault 26)", async () => {
    const bouncer = await poolerOf("transaction");
    const cwd = files(
      "CREATE TABLE people (id int)",
      "CREATE INDEX CONCURRENTLY people_id ON people (id)",
    );
    for (const settings of [[], ["server_round_robin = 1"]]) {
      const one = await poolerOf("transaction", { settings });
      const url = await shop.server.createDatabase();
      const line = expectLine(await run("binary", cwd, one.through(url)));
      expect(line).toMatchObject({ exit: 78, outcome: "config" });
      expect(line.reason).toContain("migrations/002_step.sql");
      expect(line.next.join(" ")).toContain("PREFLIGHT_DATABASE_URL");
      expect(await tablesOf(shop.server, url)).toEqual([]);
      await expectClean(url, one, 2);
    }
    const url = await shop.server.createDatabase();
    const direct = await runProgram("binary", ["run"], {
      cwd,
      env: {
        ...environment(shop, bouncer.through(url)),
        PREFLIGHT_DATABASE_URL: url,
      },
    });
    expect(expectLine(direct), direct.stderr).toMatchObject({ exit: 0 });
  });

  test("a stopped run cancels its own statement, and not that of whoever has its server process by now (fault 26)", async () => {
    const bouncer = await poolerOf("transaction", { size: 4 });
    const url = await shop.server.createDatabase();
    const through = bouncer.through(url);
    const client = (address: string) =>
      postgres(address, { max: 1, fetch_types: false, prepare: false, onnotice: () => {} });
    const keeper = client(url);
    const [bystander, ...blockers] = [client(through), client(through), client(through)] as const;
    const count = async (what: string): Promise<number> =>
      (await shop.server.sql(url, `SELECT FROM pg_stat_activity WHERE ${what}`)).length;
    await keeper`SELECT pg_advisory_lock(4711)`;
    const cwd = files("SELECT pg_advisory_xact_lock(4711)", "SELECT pg_sleep(600)");
    const run = startProgram("binary", ["run"], { cwd, env: environment(shop, through) });
    await eventually(
      async () => (await count("wait_event_type = 'Lock'")) === 1,
      "the first file waits at the gate",
    );
    // No connection is free, so that the next client takes over the run's as soon as its first file is done.
    for (const blocker of blockers) await blocker.unsafe("BEGIN").simple();
    const still = bystander.unsafe("SELECT pg_sleep(5), 1 AS one").simple();
    void still.catch(() => {});
    await eventually(
      async () => (await bouncer.show("POOLS")).some((pool) => Number(pool["cl_waiting"]) === 1),
      "the bystander waits for a connection",
    );
    await keeper`SELECT pg_advisory_unlock(4711)`;
    const active = (query: string): string => `query LIKE '${query}%' AND state = 'active'`;
    await eventually(
      async () => (await count(active("SELECT pg_sleep(5)"))) === 1,
      "the bystander has one",
    );
    for (const blocker of blockers) await blocker.unsafe("ROLLBACK").simple();
    const asleep = active("SELECT pg_sleep(600)");
    await eventually(async () => (await count(asleep)) === 1, "the second file runs on another");
    run.child.kill("SIGTERM");
    expect((await run.ended).exit).toBe(143);
    expect(await count(asleep)).toBe(0);
    expect((await still)[0]).toMatchObject({ one: 1 });
    await Promise.all([keeper, bystander, ...blockers].map((one) => one.end()));
    await eventually(async () => (await advisoryLocksIn(shop.server, url)) === 0, "no lock");
  });
});

describe("statement pooling", () => {
  test.each([
    ["sql", "binary"],
    ["alembic", "module"],
    ["supabase", "binary"],
  ] as const)(
    "%s, %s: looking works; acting is refused with the remedy, and nothing is written (fault 26)",
    async (tool, program) => {
      const bouncer = await poolerOf("statement");
      const url = await fresh(tool);
      const cwd = images[tool]();
      const through = bouncer.through(url);
      const before = await tablesOf(shop.server, url);
      expect(expectLine(await run(program, cwd, through, ["check"]))).toMatchObject({ exit: 0 });
      const line = expectLine(await run(program, cwd, through));
      expect(line).toMatchObject({ exit: 78, outcome: "config", verdict: "fresh" });
      expect(line.reason).toContain("transaction blocks not allowed in statement pooling mode");
      expect(line.next.join(" ")).toContain("PREFLIGHT_DATABASE_URL");
      expect(line.next.join(" ")).toContain("pool_mode");
      expect(await tablesOf(shop.server, url)).toEqual(before);
      expect(expectLine(await run(program, cwd, url))).toMatchObject({ exit: 0 });
      const healthy = expectLine(await run(program, cwd, through));
      expect(healthy).toMatchObject({ exit: 0, verdict: "current" });
      expect(await advisoryLocksIn(shop.server, url)).toBe(0);
    },
  );
});

test("a start-up parameter that the pooler does not know is a setting to be mended (fault 18)", async () => {
  const bouncer = await poolerOf("transaction");
  const url = await shop.server.createDatabase();
  const through = `${bouncer.through(url)}?options=-c%20geqo%3Doff`;
  const line = expectLine(await run("binary", images.sql(), through));
  expect(line).toMatchObject({ exit: 78, outcome: "config" });
  expect(line.reason).toContain("options");
});

test("stamped through transaction pooling, with a password: the rows are there and nothing is left (fault 26)", async () => {
  const { server } = shop;
  await server.sql(server.url, "CREATE ROLE migrator LOGIN SUPERUSER PASSWORD 'through-the-pool'");
  const bouncer = await poolerOf("transaction", { passwords: { migrator: "through-the-pool" } });
  const url = await server.createDatabase();
  const history = writeHistory([
    { id: "one", upgrade: execute("CREATE TABLE one (id int)") },
    { id: "two", after: "one", upgrade: execute("CREATE TABLE two (id int)") },
  ]);
  await alembic(shop, history, url, "upgrade", "one");
  await server.sql(url, "DROP TABLE alembic_version");
  const at = new URL(bouncer.through(url));
  at.username = "migrator";
  at.password = "through-the-pool";
  const line = expectLine(await run("binary", history, at.href, ["run", "--assume", "one"]));
  expect(line).toMatchObject({ exit: 0, recordedAfter: ["two"] });
  expect(line.actions.map(({ kind }) => kind)).toEqual(["stamp", "upgrade"]);
  expect(await rowsOf(server, url)).toEqual(["two"]);
  expect(await advisoryLocksIn(server, url)).toBe(0);
});
