import { CannotJudge } from "../core/outcome.ts";
import type { Database } from "./database.ts";
import { cannotGoOn } from "./errors.ts";
import { readOthersAtWork } from "./other-sessions.sql.ts";
import { describeSession, upgradePrefix } from "./own-sessions.ts";
import type { Waiting } from "./waiting.ts";

type Other = {
  readonly pid: number;
  readonly applicationName: string | null;
  readonly clientAddress: string | null;
  /** ISO 8601 */
  readonly since: string | null;
  /** The strongest lock on a table, and that table; null where an upgrade holds none. */
  readonly mode: string | null;
  readonly relation: string | null;
  readonly work: string;
};

const pollInterval = 500;
const logInterval = 10_000;

/**
 * For whoever has just got the lock. A run that was killed has lost it, and its statement, or its child, may still be at
 * work: nobody goes on beside it. Waits for what is at work now, not for what begins later: that is the application's own.
 * Throws CannotJudge `temporary` after the timeout, naming what is at work; or the signal's reason.
 */
export async function waitForOthersAtWork(
  db: Database,
  {
    clock,
    sleep,
    signal,
    log,
    timeout,
  }: Waiting & { /** Milliseconds. */ readonly timeout: number },
): Promise<void> {
  const started = clock();
  let logged: number | null = null;
  let others = await readOthers(db);
  while (others.length > 0) {
    const now = clock();
    if (now - started >= timeout) throw stillAtWork(others);
    if (logged === null || now - logged >= logInterval) {
      logged = now;
      log({
        level: "info",
        event: "fence.waiting",
        msg: `waiting: this database is being changed by ${others.map(describe).join(" and ")}`,
        waitedMs: Math.round(now - started),
      });
    }
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
  try {
    return await db.query<Other>(readOthersAtWork);
  } catch (error) {
    throw cannotGoOn(error, "looking for others at work");
  }
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
