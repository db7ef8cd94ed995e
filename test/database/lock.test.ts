import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cancelBackends } from "../../src/database/backends.ts";
import { acquireLock, isShortOfSessions, lockKey, tryLock } from "../../src/database/lock.ts";
import type { AcquireOptions, Lock } from "../../src/database/lock.ts";
import type { Database } from "../../src/database/database.ts";
import type { LogEvent } from "../../src/database/waiting.ts";
import { startServer } from "../support/postgres.ts";
import type { TestServer } from "../support/postgres.ts";
import { connectionTo, open, realTime, refusalOf } from "./support.ts";

let server: TestServer;
let url: string;
beforeAll(async () => {
  server = await startServer();
  url = await server.createDatabase();
}, 60_000);
afterAll(() => server?.stop());

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

async function untilFree(): Promise<number> {
  const started = performance.now();
  while ((await locksHeld()) > 0) await sleep(20);
  return performance.now() - started;
}

test("the published keys", () => {
  // The first 8 bytes of sha256sum, for example: printf 'preflight/v1\0public.alembic_version' | sha256sum
  expect(key.toString()).toBe("-991245897924791514");
  expect(lockKey({ schema: "Odd schema", name: 'x"é' }).toString()).toBe("-8195964694465594956");
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
    await sleep(600);
    await lock.release();
    const second = await waiting;
    expect(events.filter(({ event }) => event === "lock.waiting")).toHaveLength(1);
    expect(events[0]?.msg).toContain(
      `held by process ${one.backendPid} (application preflight/test`,
    );
    await second.release();
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
    await lock.askForRoom();
    const next = await waiting;
    expect(three).not.toBe(null);
    expect(await locksHeld(), "the wish ends with the lock").toBe(1);
    expect(await next.release()).toBe(true);
    await Promise.all([one, two, three as Database | null].map(async (db) => await db?.close()));
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
    expect(await untilFree()).toBeLessThan(2000);
    await db.close();
  });

  test("is freed when the client goes away without a word", async () => {
    const db = await open(url);
    const lock = await acquire(db);
    void lock;
    await db.close();
    expect(await untilFree()).toBeLessThan(2000);
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
    await sleep(300);
    expect(lock.lost.aborted).toBe(true);
    expect(String(lock.lost.reason)).toContain(
      "the lock was lost: the server process that answers does not hold it",
    );
    expect(await lock.release()).toBe(false);
    await db.close();
  });

  test("a release after the transaction is gone says so", async () => {
    const db = await open(url);
    const lock = await acquire(db);
    await db.query("ROLLBACK");
    expect(await lock.release()).toBe(false);
    await db.close();
  });
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
