import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { beat } from "../../src/database/lock.sql.ts";
import {
  acquireLock,
  type AcquireOptions,
  isLockHeld,
  isShortOfSessions,
  type Lock,
  lockKey,
  tryLock,
} from "../../src/database/lock.ts";
import { isUpgradeAtWork } from "../../src/database/other-sessions.ts";
import { cancelBackends, upgradeName } from "../../src/database/own-sessions.ts";
import type { LogEvent } from "../../src/report/log.ts";
import { eventually } from "../support/databases.ts";
import { startServer, type TestServer } from "../support/postgres.ts";
import { connectionTo, open, realTime, refusalOf } from "./support.ts";

let server: TestServer;
let url: string;
beforeAll(async () => {
  server = await startServer();
  url = await server.createDatabase();
}, 60_000);
afterAll(() => server?.stop());

// A test that fails keeps its lock, and shall not take the others along.
afterEach(async () => {
  await server.sql(
    server.url,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${new URL(url).pathname.slice(1)}'`,
  );
});

const key = lockKey({ schema: "public", name: "alembic_version" });

async function acquire(db: Database, options: Partial<AcquireOptions> = {}): Promise<Lock> {
  const lock = await acquireLock(db, { ...realTime(), key, timeout: 5000, ...options });
  if (lock === null) throw new Error("left the queue");
  return lock;
}

async function lossOf(lock: Lock): Promise<void> {
  while (!lock.lost.aborted) await sleep(10);
}

async function locksHeld(): Promise<number> {
  const [row] = await server.sql(
    url,
    "SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory'",
  );
  return Number(row?.["n"]);
}

async function untilFree(): Promise<void> {
  while ((await locksHeld()) > 0) await sleep(20);
}

describe("the published keys", () => {
  const document = readFileSync("docs/locking.md", "utf8");
  const vectors = [...document.matchAll(/^\| `(.+)` \| `(.+)` \| `(-?\d+)` \|$/gm)].map(
    ([, schema = "", name = "", published = ""]) => ({ schema, name, published }),
  );
  const blocks = [...document.matchAll(/^```(bash|sql)\n([^]*?)^```$/gm)];
  const block = (language: string): string =>
    blocks.find(([, of, text = ""]) => of === language && text.includes("preflight/v1"))?.[2] ?? "";

  test("are those of the document, which has enough of them", () => {
    expect(vectors.length).toBeGreaterThanOrEqual(4);
    for (const { schema, name, published } of vectors)
      expect(lockKey({ schema, name }).toString(), `${schema}.${name}`).toBe(published);
  });

  test("come out of the document's shell lines too", () => {
    const script = block("bash");
    expect(script).toContain("public.alembic_version");
    for (const { schema, name, published } of vectors) {
      const quoted = `'${`${schema}.${name}`.replaceAll("'", "'\\''")}'`;
      const out = execFileSync("bash", ["-c", script.replace("'public.alembic_version'", quoted)]);
      expect(out.toString().trim(), `${schema}.${name}`).toBe(published);
    }
  });

  test("come out of the document's SQL too", async () => {
    const [statement = ""] = block("sql").split(";");
    expect(statement).toContain("public.alembic_version");
    for (const { schema, name, published } of vectors) {
      const quoted = `'${`${schema}.${name}`.replaceAll("'", "''")}'`;
      const [row] = await server.sql(url, statement.replace("'public.alembic_version'", quoted));
      expect(String(row?.["key"]), `${schema}.${name}`).toBe(published);
    }
  });

  test("taken by hand as the document says, it is the lock", async () => {
    const db = await open(url);
    const hands = blocks.find(([, of, text = ""]) => of === "sql" && text.includes("try_advisory"));
    const [text = ""] = (hands?.[2] ?? "").split("-- ");
    await db.query(text);
    const other = await open(url);
    const holder = await tryLock(other, key);
    await Promise.all([db.close(), other.close()]);
    expect(holder).toMatchObject({ pid: db.backendPid });
  });
});

describe("the lock", () => {
  test("is held by one at a time and freed by release", async () => {
    const [one, two] = [await open(url), await open(url)];
    const lock = await acquire(one);
    expect(await locksHeld()).toBe(1);
    expect(await tryLock(two, key)).toMatchObject({
      pid: one.backendPid,
      applicationName: "preflight/test",
      clientAddress: "127.0.0.1",
      state: "idle in transaction",
    });
    expect(await tryLock(two, key + 1n)).toBeNull();
    await two.query("ROLLBACK");
    expect(await lock.release()).toBe(true);
    expect(lock.lost.aborted).toBe(false);
    expect(await locksHeld()).toBe(0);
    const next = await acquire(two);
    expect(await next.release()).toBe(true);
    await Promise.all([one.close(), two.close()]);
  });

  test("holds back neither vacuum nor CREATE INDEX CONCURRENTLY, and survives the role's timeouts", async () => {
    const strict = await server.createDatabase();
    const name = new URL(strict).pathname.slice(1);
    for (const setting of [
      "idle_in_transaction_session_timeout",
      "statement_timeout",
      "lock_timeout",
    ]) {
      await server.sql(strict, `ALTER DATABASE "${name}" SET ${setting} = '300ms'`);
    }
    const [{ version }] = (await server.sql(
      strict,
      "SELECT current_setting('server_version_num')::int AS version",
    )) as [{ version: number }];
    if (version >= 170_000)
      await server.sql(strict, `ALTER DATABASE "${name}" SET transaction_timeout = '300ms'`);
    const db = await open(strict);
    const lock = await acquire(db);
    const [row] = await server.sql(
      strict,
      `SELECT backend_xid, backend_xmin FROM pg_stat_activity WHERE pid = ${db.backendPid}`,
    );
    expect(row).toEqual({ backend_xid: null, backend_xmin: null });
    await server.sql(strict, "CREATE TABLE t (x int)");
    await server.sql(strict, "CREATE INDEX CONCURRENTLY ON t (x)");
    await sleep(700);
    expect(await lock.release()).toBe(true);
    await db.close();
  });

  test("waits, tells who holds it, and gets it", async () => {
    const [one, two] = [await open(url), await open(url)];
    const lock = await acquire(one);
    const events: LogEvent[] = [];
    const waiting = acquire(two, realTime(events));
    const waits = (): LogEvent[] => events.filter(({ event }) => event === "lock.waiting");
    await eventually(async () => waits().length > 0, "it waits");
    await lock.release();
    const second = await waiting;
    const said = waits();
    // Once more where the holder is met in the middle of its heartbeat.
    expect([1, 2]).toContain(said.length);
    for (const { msg } of said)
      expect(msg).toMatch(
        new RegExp(
          `held by process ${one.backendPid} \\(application preflight/test.*, role postgres, `,
        ),
      );
    await second.release();
    await Promise.all([one.close(), two.close()]);
  });

  test("says anew who holds it when that changes, and every ten seconds", async () => {
    const [one, two, three] = [await open(url), await open(url), await open(url)];
    const events: LogEvent[] = [];
    let now = 0;
    const first = await acquire(one);
    let second: Lock | null = null;
    let polls = 0;
    const waiting = acquireLock(three, {
      ...realTime(events),
      key,
      timeout: 3_600_000,
      // A second each, on its own clock.
      clock: () => now,
      sleep: async (ms, signal) =>
        await realTime().sleep(Math.min(ms, ms > 5000 ? ms : 20), signal),
      betweenPolls: async () => {
        now += 1000;
        polls += 1;
        if (polls === 23) {
          await first.release();
          second = await acquire(two);
        }
        return polls === 25 ? "leave" : "stay";
      },
    });
    expect(await waiting).toBeNull();
    const said = events.filter(({ event }) => event === "lock.waiting");
    expect(said.map(({ pid, waitedMs }) => [pid, waitedMs])).toEqual([
      [one.backendPid, 1000],
      [one.backendPid, 11_000],
      [one.backendPid, 21_000],
      [two.backendPid, 24_000],
    ]);
    await (second as Lock | null)?.release();
    await Promise.all([one.close(), two.close(), three.close()]);
  });

  test("leaves no setting behind in its session, obtained or not", async () => {
    const [one, two] = [await open(url), await open(url)];
    const settings = "SELECT json_object_agg(name, setting ORDER BY name) AS all FROM pg_settings";
    const before = await one.query(settings);
    const lock = await acquire(one);
    const inside = await one.query("SHOW tcp_keepalives_idle");
    expect(inside).toEqual([{ tcp_keepalives_idle: "10" }]);
    const beside = await two.query(settings);
    expect(await tryLock(two, key)).not.toBeNull();
    expect(await two.query(settings)).toEqual(beside);
    await lock.release();
    expect(await one.query(settings)).toEqual(before);
    await Promise.all([one.close(), two.close()]);
  });

  test("is not obtained in time: temporary, naming the holder", async () => {
    const [one, two] = [await open(url), await open(url)];
    const lock = await acquire(one);
    const refusal = await refusalOf(acquire(two, { timeout: 300 }));
    expect(refusal.outcome).toBe("temporary");
    expect(refusal.message).toContain(
      `the lock was not obtained within 300ms: held by process ${one.backendPid}`,
    );
    expect(await two.query("SELECT 1 AS one")).toEqual([{ one: 1 }]);
    await lock.release();
    await Promise.all([one.close(), two.close()]);
  });

  test("the queue can be left between polls, and by the signal", async () => {
    const [one, two] = [await open(url), await open(url)];
    const lock = await acquire(one);
    let polls = 0;
    const left = await acquireLock(two, {
      ...realTime(),
      key,
      timeout: 60_000,
      betweenPolls: async () => {
        polls += 1;
        return polls === 2 ? "leave" : "stay";
      },
    });
    expect([left, polls]).toEqual([null, 2]);
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error("stopped by the test")), 100);
    const stopped = acquireLock(two, { ...realTime(), key, timeout: 60_000, signal: stop.signal });
    await expect(stopped).rejects.toThrow(/stopped by the test|aborted/);
    await lock.release();
    await Promise.all([one.close(), two.close()]);
  });

  test("where its holder asks for room, whoever waits comes again with another session", async () => {
    const [one, two] = [await open(url), await open(url)];
    const lock = await acquire(one);
    let three: Database | null = null;
    const waiting = acquire(two, {
      timeout: 60_000,
      comeAgain: async () => {
        await two.close();
        await lock.release();
        three = await open(url);
        return three;
      },
    });
    await sleep(300);
    expect(three, "nobody has asked yet").toBe(null);
    await lock.askForSlots();
    const next = await waiting;
    expect(three).not.toBe(null);
    expect(await locksHeld(), "whoever has seen the wish has it too, at once").toBe(2);
    expect(await next.release()).toBe(true);
    expect(await locksHeld(), "the wish ends with the lock").toBe(0);
    await Promise.all([one, two, three as Database | null].map(async (db) => await db?.close()));
  });

  // CREATE INDEX CONCURRENTLY waits for the end of a transaction that it has seen with a snapshot, and the lock's ends last.
  test("its heartbeat never stands in the way of an index that is built concurrently", async () => {
    const db = await open(url);
    const lock = await acquire(db);
    await server.sql(url, "CREATE TABLE beaten (n int); INSERT INTO beaten VALUES (1)");
    let isBuilding = true;
    const beating = (async () => {
      while (isBuilding) await db.query(beat);
    })();
    for (let round = 0; round < 20; round++) {
      await server.sql(url, "CREATE INDEX CONCURRENTLY beaten_n ON beaten (n)");
      await server.sql(url, "DROP INDEX CONCURRENTLY beaten_n");
    }
    isBuilding = false;
    await beating;
    expect(await lock.release()).toBe(true);
    await db.close();
  });

  test("a role's and a database's own limit say that sessions are short", async () => {
    const db = await open(url);
    expect(await isShortOfSessions(db)).toBe(false);
    const name = decodeURIComponent(new URL(url).pathname.slice(1));
    await server.sql(url, `ALTER DATABASE "${name}" CONNECTION LIMIT 3`);
    expect(await isShortOfSessions(db)).toBe(true);
    await server.sql(url, `ALTER DATABASE "${name}" CONNECTION LIMIT -1`);
    await server.sql(url, "ALTER ROLE postgres CONNECTION LIMIT 3");
    expect(await isShortOfSessions(db)).toBe(true);
    await server.sql(url, "ALTER ROLE postgres CONNECTION LIMIT -1");
    expect(await isShortOfSessions(db)).toBe(false);
    await db.close();
  });

  test("is freed, and known to be lost, when its server process is terminated", async () => {
    const db = await open(url);
    const events: LogEvent[] = [];
    const lock = await acquire(db, realTime(events));
    await server.sql(url, `SELECT pg_terminate_backend(${db.backendPid})`);
    await lossOf(lock);
    expect(lock.lost.reason).toMatchObject({ outcome: "temporary" });
    expect(events.at(-1)).toMatchObject({ level: "warn", event: "lock.lost" });
    expect(await lock.release()).toBe(false);
    await untilFree();
    await db.close();
  });

  test("is freed when the client goes away without a word", async () => {
    const db = await open(url);
    const lock = await acquire(db);
    void lock;
    await db.close();
    await untilFree();
  });

  test("the heartbeat notices that the transaction is gone", async () => {
    const db = await open(url);
    // Beats come at once, so that the test need not wait for them.
    const soon = {
      ...realTime(),
      sleep: (ms: number, signal: AbortSignal) =>
        realTime().sleep(Math.min(ms, ms > 5000 ? ms : 50), signal),
    };
    const lock = await acquire(db, soon);
    await sleep(200);
    expect(lock.lost.aborted).toBe(false);
    await db.query("ROLLBACK");
    await lossOf(lock);
    expect(String(lock.lost.reason)).toContain(
      "the lock was lost: the server process that answers does not hold it",
    );
    expect(await lock.release()).toBe(false);
    await db.close();
  });

  test("a release that finds it gone says so, and why (fault 28)", async () => {
    const db = await open(url);
    const events: LogEvent[] = [];
    const lock = await acquire(db, realTime(events));
    await db.query("ROLLBACK");
    expect(await lock.release()).toBe(false);
    expect(lock.lost.reason).toMatchObject({ outcome: "temporary" });
    expect(events.at(-1)).toMatchObject({ level: "warn", event: "lock.lost" });
    await db.close();
  });

  test("is known to be lost when its connection stalls, and everything ends (fault 24)", async () => {
    const db = await open(url);
    const lock = await acquire(db);
    const backend = Number((await db.query("SELECT pg_backend_pid() AS pid"))[0]?.["pid"]);
    process.kill(backend, "SIGSTOP");
    try {
      await lossOf(lock);
      expect(String(lock.lost.reason)).toContain("its connection does not answer");
      expect(await lock.release()).toBe(false);
      await db.close();
    } finally {
      process.kill(backend, "SIGCONT");
    }
    await untilFree();
  });

  test("a try that is not answered ends with the time for it, and with the signal", async () => {
    const db = await open(url);
    process.kill(db.backendPid, "SIGSTOP");
    try {
      const soon = (ms: number, signal: AbortSignal): Promise<void> =>
        realTime().sleep(Math.min(ms, 300), signal);
      const refusal = await refusalOf(acquire(db, { sleep: soon, timeout: 0 }));
      expect(refusal).toMatchObject({ outcome: "temporary" });
      expect(refusal.message).toContain("the server does not answer");
      const stop = new AbortController();
      const stopped = acquire(db, { signal: stop.signal });
      stop.abort(new Error("stopped by the test"));
      await expect(stopped).rejects.toThrow(/stopped by the test|aborted/);
    } finally {
      process.kill(db.backendPid, "SIGCONT");
      await db.close();
    }
  });
});

test("what a role's search path puts before PostgreSQL's own says nothing of locks, sessions and work", async () => {
  const trapped = await server.createDatabase();
  await server.sql(
    trapped,
    `CREATE SCHEMA trap;
     CREATE FUNCTION trap.lie(name, name) RETURNS bool LANGUAGE sql AS 'SELECT false';
     CREATE FUNCTION trap.lie(text, text) RETURNS bool LANGUAGE sql AS 'SELECT false';
     CREATE OPERATOR trap.!~ (FUNCTION = trap.lie, LEFTARG = name, RIGHTARG = name);
     CREATE OPERATOR trap.= (FUNCTION = trap.lie, LEFTARG = name, RIGHTARG = name);
     CREATE OPERATOR trap.= (FUNCTION = trap.lie, LEFTARG = text, RIGHTARG = text);
     CREATE TABLE public.goods (id int)`,
  );
  const options = "-c search_path=trap,pg_catalog,public";
  const [holder, asker, working] = await Promise.all([
    open(trapped),
    open(connectionTo(trapped, { options })),
    open(connectionTo(trapped), { applicationName: upgradeName("trapped") }),
  ]);
  await working.query("BEGIN; LOCK TABLE public.goods");
  const lock = await acquire(holder);
  expect(await isLockHeld(asker, key)).toBe(true);
  expect(await tryLock(asker, key)).toMatchObject({ pid: holder.backendPid });
  expect(await isUpgradeAtWork(asker)).toBe(true);
  expect(await cancelBackends(asker, upgradeName("trapped"))).toBe(1);
  expect(await asker.query("SHOW search_path")).toEqual([
    { search_path: "trap,pg_catalog,public" },
  ]);
  await lock.release();
  await Promise.all([holder, asker, working].map(async (db) => await db.close()));
});

test("a run's other server processes can be cancelled, and no others", async () => {
  const [db, other] = [await open(url), await open(url)];
  const child = await open(connectionTo(url), { applicationName: "preflight/test/child" });
  const slow = child.query("SELECT pg_sleep(30)").catch((error: unknown) => error);
  const still = other.query("SELECT pg_sleep(0.5), 1 AS one");
  await sleep(100);
  expect(await cancelBackends(db, "preflight/test/child")).toBe(1);
  expect(await slow).toMatchObject({ code: "57014" });
  expect(await cancelBackends(db, "preflight/test/child", "terminate")).toBe(1);
  await child.lost;
  expect(await still).toMatchObject([{ one: 1 }]);
  expect(await cancelBackends(db, "preflight/test/child")).toBe(0);
  await Promise.all([db.close(), other.close(), child.close()]);
});
