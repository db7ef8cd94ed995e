import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRole, withUrl } from "../support/databases.ts";
import { drivers, envWith } from "../support/drivers.ts";
import { chainOf, execute, writeHistory } from "../support/histories.ts";
import { startServer } from "../support/postgres.ts";
import { expectLine, logOf, type Started, startProgram } from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { alembic, environment, type Shop } from "../support/shop.ts";

let shop: Shop;

beforeAll(async () => {
  shop = { server: await startServer(), python: await pythonEnvironment(), ledger: "" };
});

afterAll(async () => await shop?.server.stop());

const altering = [
  ...chainOf("one"),
  { id: "two", after: "one", upgrade: execute("ALTER TABLE t_0 ADD COLUMN note text") },
];
const telling = [
  ...chainOf("one"),
  {
    id: "two",
    after: "one",
    upgrade: `for name in ("lock_timeout", "statement_timeout"):
    print(name, "is", op.get_bind().exec_driver_sql("SHOW " + name).scalar())`,
  },
];

async function behind(): Promise<string> {
  const url = await shop.server.createDatabase();
  await alembic(shop, writeHistory(altering), url, "upgrade", "one");
  return url;
}

function start(cwd: string, url: string, env: Readonly<Record<string, string>> = {}): Started {
  return startProgram("binary", ["run"], { cwd, env: { ...environment(shop, url), ...env } });
}

/** Somebody who has read the table, said a secret, and does nothing any more. */
async function reporter(url: string) {
  const client = postgres(url, { max: 1, connection: { application_name: "reporting" } });
  const held = await client.reserve();
  const secret = "SELECT count(*) FROM t_0 -- of t_0\nWHERE id::text <> 's3cr3t-word'";
  await held.unsafe(`BEGIN; ${secret}`).simple();
  const [row] = await held`SELECT pg_backend_pid() AS pid`;
  await held.unsafe(secret).simple();
  return {
    pid: Number(row?.["pid"]),
    leave: async () => {
      await held.unsafe("ROLLBACK").simple();
      held.release();
      await client.end();
    },
  };
}

const noLimit = { PREFLIGHT_DDL_LOCK_TIMEOUT: "none" };

describe("an upgrade that waits for a lock: the log names who holds it", () => {
  test.each(drivers)("%s", async (driver) => {
    const url = await behind();
    const history = writeHistory(altering, { env: envWith() });
    const holder = await reporter(url);
    const run = start(history, url, { ...noLimit, DRIVER: driver });
    await run.says("upgrade.blocked").finally(holder.leave);
    const ended = await run.ended;
    expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0, recordedAfter: ["two"] });
    const said = logOf(ended);
    expect(said).toMatch(/waits since \d+s for a lock on public\.t_0, held by process \d+/);
    expect(said).toContain(`held by process ${holder.pid} (application reporting, from 127.0.0.1`);
    expect(said).toMatch(/role postgres, idle in transaction, its transaction is \d+s old/);
    expect(said).toContain("last statement: SELECT count(*) FROM t_0 WHERE id::text …");
    expect(ended.stderr).not.toContain("s3cr3t");
  });

  test("sql: our own files", async () => {
    const url = await shop.server.createDatabase();
    const cwd = mkdtempSync(path.join(tmpdir(), "preflight-files-"));
    mkdirSync(path.join(cwd, "migrations"));
    writeFileSync(path.join(cwd, "migrations/001_t.sql"), "CREATE TABLE t_0 (id int);\n");
    expect(expectLine(await start(cwd, url).ended)).toMatchObject({ exit: 0 });
    writeFileSync(path.join(cwd, "migrations/002_t.sql"), "ALTER TABLE t_0 ADD note text;\n");
    const holder = await reporter(url);
    const run = start(cwd, url, noLimit);
    await run.says("upgrade.blocked").finally(holder.leave);
    const ended = await run.ended;
    expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0 });
    expect(logOf(ended)).toContain(`held by process ${holder.pid} (application reporting`);
  });

  test("what the role may not see is said to be hidden", async () => {
    const { name, password } = await createRole(shop.server);
    const url = await behind();
    await shop.server.sql(
      url,
      `ALTER TABLE t_0 OWNER TO ${name}; ALTER TABLE alembic_version OWNER TO ${name}; GRANT CREATE ON SCHEMA public TO ${name}`,
    );
    const holder = await reporter(url);
    const run = start(writeHistory(altering), withUrl(url, { user: name, password }), noLimit);
    await run.says("upgrade.blocked").finally(holder.leave);
    const ended = await run.ended;
    expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0 });
    expect(logOf(ended)).toContain(
      `held by process ${holder.pid} (application reporting, role postgres, the rest is hidden from this role without pg_read_all_stats)`,
    );
  });

  test("also when the limit ends its wait, which passes", async () => {
    const url = await behind();
    const holder = await reporter(url);
    const run = start(writeHistory(altering), url);
    const ended = await run.ended.finally(holder.leave);
    expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 75, outcome: "temporary" });
    expect(expectLine(ended).reason).toContain("LockNotAvailable");
    expect(logOf(ended)).toContain(`held by process ${holder.pid}`);
  });
});

describe("--ddl-lock-timeout reaches the sessions of a program whose driver reads PGOPTIONS", () => {
  test.each([
    ["psycopg", {}, "5s", "0"],
    ["psycopg2", {}, "5s", "0"],
    ["psycopg", { PREFLIGHT_DDL_LOCK_TIMEOUT: "1500ms" }, "1500ms", "0"],
    ["psycopg", noLimit, "0", "0"],
    ["psycopg", { PGOPTIONS: "-c statement_timeout=99s" }, "5s", "99s"],
    ["psycopg", { PGOPTIONS: "-c lock_timeout=7s" }, "7s", "0"],
  ])("%s, %j: %s", async (driver, env, lock, statement) => {
    const url = await behind();
    const history = writeHistory(telling, { env: envWith() });
    const ended = await start(history, url, { ...env, DRIVER: driver }).ended;
    expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0 });
    expect(logOf(ended)).toContain(`lock_timeout is ${lock}\n`);
    expect(logOf(ended)).toContain(`statement_timeout is ${statement}\n`);
  });
});
