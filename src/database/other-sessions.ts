import { firstWords } from "../core/first-words.ts";
import { CannotJudge } from "../core/outcome.ts";
import type { Database } from "./database.ts";
import { throwCannotGoOn } from "./errors.ts";
import { readBlockers, readOthersAtWork } from "./other-sessions.sql.ts";
import { upgradePrefix } from "./own-sessions.ts";
import { isNewsTo, type Waiting } from "./waiting.ts";

type Other = {
  readonly pid: number;
  readonly applicationName: string | null;
  readonly clientAddress: string | null;
  readonly role: string | null;
  /** ISO 8601 */
  readonly since: string | null;
  /** The strongest lock on a table, and that table; null where an upgrade holds none. */
  readonly mode: string | null;
  readonly relation: string | null;
  readonly work: string;
};

const pollInterval = 500;

/**
 * For whoever has just got the lock. A run that was killed has lost it, and its statement, or its child, may still be at
 * work: nobody goes on beside it. Waits for what is at work now, not for what begins later: that is the application's own.
 * Throws CannotJudge `temporary` after the timeout, naming what is at work; or the signal's reason.
 */
export async function waitForOthersAtWork(
  db: Database,
  options: Waiting & { /** Milliseconds. */ readonly timeout: number },
): Promise<void> {
  const { clock, sleep, signal, log, timeout } = options;
  const started = clock();
  const isNews = isNewsTo(clock);
  let others = await readOthers(db);
  while (others.length > 0) {
    const now = clock();
    if (now - started >= timeout) throw stillAtWork(others);
    if (isNews("others at work"))
      log({
        level: "info",
        event: "database.busy",
        msg: `waiting: this database is being changed by ${others.map(describe).join(" and ")}`,
        waitedMs: Math.round(now - started),
      });
    await sleep(pollInterval, signal);
    const known = new Set(others.map(identify));
    others = (await readOthers(db)).filter((other) => known.has(identify(other)));
  }
}

/** Whether an upgrade is at work: one whose run was killed holds no lock any more. Throws CannotJudge. */
export async function isUpgradeAtWork(db: Database): Promise<boolean> {
  const others = await readOthers(db);
  return others.some(({ applicationName }) => applicationName?.startsWith(upgradePrefix));
}

async function readOthers(db: Database): Promise<readonly Other[]> {
  const asked = db.query<Other>(readOthersAtWork);
  return await asked.catch(throwCannotGoOn("looking for others at work"));
}

function identify({ pid, work }: Other): string {
  return `${pid} ${work}`;
}

function stillAtWork(others: readonly Other[]): CannotJudge {
  return new CannotJudge(
    "temporary",
    `somebody else is still changing this database: ${others.map(describe).join(" and ")}`,
    [
      "wait until that has ended, or give it more time with --lock-timeout",
      ...others.map(
        ({ pid }) => `if it is left over from a dead run: SELECT pg_terminate_backend(${pid})`,
      ),
    ],
  );
}

function describe({ since, mode, relation, ...session }: Other): string {
  return describeSession(session, [
    since && `since ${since}`,
    mode && `holds ${mode} on ${relation}`,
  ]);
}

// Who is in the way of an upgrade

/** A session that waits for a lock, and one of those that are in its way; null is what this role may not see. */
export type Blocked = {
  readonly waiter: number;
  /** Seconds. */
  readonly waited: number | null;
  /** The table, where the lock is a table's. */
  readonly relation: string | null;
  /** 0: a prepared transaction's. */
  readonly pid: number;
  readonly role: string | null;
  readonly applicationName: string | null;
  readonly clientAddress: string | null;
  readonly state: string | null;
  /** Of its transaction, in seconds. */
  readonly age: number | null;
  readonly query: string | null;
};

/** @param began how many milliseconds ago the upgrade did. Rejects with the driver's error. */
export async function readBlocked(
  db: Database,
  applicationName: string,
  began: number,
): Promise<readonly Blocked[]> {
  return await db.query<Blocked>(readBlockers(applicationName, began / 1000));
}

export function describeBlocked(blocked: Blocked): string {
  const { waiter, waited, relation, pid } = blocked;
  const since = waited === null ? "" : ` since ${waited}s`;
  const what = relation === null ? "a lock" : `a lock on ${relation}`;
  return `the upgrade (process ${waiter}) waits${since} for ${what}, held by ${pid === 0 ? "a prepared transaction (see pg_prepared_xacts)" : describeHolder(blocked)}`;
}

function describeHolder(blocked: Blocked): string {
  const { pid, role, applicationName, clientAddress, state, age, query } = blocked;
  const words = firstWords(query);
  return describeSession({ pid, applicationName, clientAddress, role }, [
    state,
    age === null ? null : `its transaction is ${age}s old`,
    words && `${state === "active" ? "statement" : "last statement"}: ${words}`,
    state === null ? "the rest is hidden from this role without pg_read_all_stats" : null,
  ]);
}

// Any session, in words

type Session = {
  readonly pid: number;
  readonly applicationName: string | null;
  readonly clientAddress?: string | null;
  readonly role?: string | null;
};

/** `process 42 (application psql, from 10.0.0.7, idle)`; the server keeps to itself what a role may not see. */
export function describeSession(
  { pid, applicationName, clientAddress, role }: Session,
  more: readonly (string | null)[],
): string {
  const details = [
    applicationName && `application ${applicationName}`,
    clientAddress && `from ${clientAddress}`,
    role && `role ${role}`,
    ...more,
  ].filter(Boolean);
  return `process ${pid}${details.length > 0 ? ` (${details.join(", ")})` : ""}`;
}
