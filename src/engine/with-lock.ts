import { claimsAll } from "../core/claim.ts";
import { Busy } from "../core/outcome.ts";
import { tableAsSpelled } from "../core/spelling.ts";
import { versionTableOf } from "../core/version-table.ts";
import type { Database } from "../database/database.ts";
import { acquireLock, isShortOfSessions, type Lock, lockKey } from "../database/lock.ts";
import { lookRows, lookStart } from "../database/look.ts";
import { waitForOthersAtWork } from "../database/other-sessions.ts";
import { unlessAborted } from "../database/waiting.ts";
import { assess, type Assessment } from "./assess.ts";
import { type Ending, waitingOf } from "./context.ts";
import { conclude } from "./result.ts";
import type { RunScope, StepScope } from "./scope.ts";
import { openSession, refuseAnotherServer } from "./session.ts";

/** What the holder of the lock works with. */
export type UnderLock = StepScope & {
  /** On the context's clock, for waiting for others. */
  readonly deadline: number;
};

/** The work itself, over a session of its own. */
type Work = (first: Assessment, underLock: UnderLock) => Promise<Ending>;

/**
 * Milliseconds, and as much again at random: longer than it takes to look, so that most are away. Twice as long each time: where
 * there are many more replicas than sessions, those that come back for a moment take them all, and the server's time with them.
 */
const firstAway = 1000;
const longestAway = 4000;

/** What was seen first, and over which session. */
export type FirstLook = RunScope & { readonly first: Assessment };

/**
 * Takes the lock and does the work under it, once. Whoever waits for the lock leaves as soon as the database is at head, and
 * needs no second connection for that: the session of the first look holds the lock from now on, and does nothing else meanwhile.
 */
export async function withLock(waiting: FirstLook, work: Work): Promise<Ending> {
  const { first, project, settings, context } = waiting;
  const deadline = context.now() + settings.lockTimeout;
  let connection = waiting.database;
  let awayFor = firstAway;
  let lastSeen = first;
  try {
    const lock = await waitForLock();
    if (lock === null) return conclude(lastSeen, "nothing", context);
    return await workUnder(lock, waiting, deadline, work);
  } finally {
    await connection.close();
  }

  /** null: somebody else has brought the database to head meanwhile. */
  async function waitForLock(): Promise<Lock | null> {
    const started = context.now();
    try {
      return await acquireLock(connection, {
        ...waitingOf(context),
        key: lockKey(versionTableOf(first.observation, project.versionTable)),
        timeout: settings.lockTimeout,
        betweenPolls: async () => ((await isDone()) ? "leave" : "stay"),
        comeAgain,
      });
    } finally {
      context.record.lockWaitMs = Math.round(context.now() - started);
    }
  }

  async function comeAgain(): Promise<Database> {
    await connection.close();
    await context.sleep(awayFor * (1 + context.random()), context.signal);
    awayFor = Math.min(awayFor * 2, longestAway);
    const timeout = Math.max(0, deadline - context.now());
    connection = await openSession(settings, context, { toWrite: true, timeout });
    refuseAnotherServer(connection, first.observation.server, await lookStart(connection));
    return connection;
  }

  async function isDone(): Promise<boolean> {
    const seen = await lookWhenMoved({ ...waiting, database: connection }).catch(unlessBusy);
    lastSeen = seen ?? lastSeen;
    return seen?.plan.kind === "start";
  }
}

/**
 * The version rows are cheap to poll; the whole schema is looked at once they have moved to head, or beyond it: the
 * holder may be of a newer image. null: they have not.
 */
async function lookWhenMoved(waiting: FirstLook): Promise<Assessment | null> {
  const { first, database, project, context } = waiting;
  const { home } = first.observation;
  const looking = lookRows(database, { versionTable: project.versionTable, home: home.schema });
  const { versionTable } = await unlessAborted(looking, context.signal);
  const { knowledge } = project;
  const { history } = knowledge;
  const table = versionTable && tableAsSpelled(knowledge, versionTable);
  const rows = (table?.rows ?? []).filter((row) => row !== null);
  const before = first.observation.versionTable?.rows ?? [];
  const hasMoved = rows.join("\0") !== before.join("\0");
  const isBeyond = rows.some((row) => !history.revisions.has(row) && !before.includes(row));
  if (!hasMoved || !(isBeyond || claimsAll(history, rows))) return null;
  return await assess(waiting);
}

async function workUnder(
  lock: Lock,
  { first, request, project, settings, context }: FirstLook,
  deadline: number,
  work: Work,
): Promise<Ending> {
  let ending: Ending;
  try {
    const signal = AbortSignal.any([context.signal, lock.lost]);
    const { askForSlots } = lock;
    const own = { ...context, signal };
    const underLock = { request, project, settings, context: own, deadline, askForSlots };
    ending = await overSession(first, underLock, work);
  } catch (error) {
    // Nobody waits for a server that may say nothing any more.
    lock.abandon();
    // What was broken off because it was lost says nothing itself.
    throw lock.lost.aborted ? lock.lost.reason : error;
  }
  const wasHeld = await lock.release();
  if (wasHeld || ending.outcome !== "ready") return ending;
  throw lock.lost.reason;
}

/** The holder of the lock is at work on what we would look at. */
function unlessBusy(error: unknown): null {
  if (error instanceof Busy) return null;
  throw error;
}

/** Milliseconds. Those that wait hear of it within a second, unless their machine is busy. */
const longestWaitForSlots = 30_000;

/** The connection that holds the lock does nothing else: the work has a session of its own. */
async function overSession(
  first: Assessment,
  underLock: Omit<UnderLock, "database">,
  work: Work,
): Promise<Ending> {
  const { settings, context, deadline, askForSlots } = underLock;
  const onWaiting = (): void => void askForSlots();
  const database = await openSession(settings, context, { toWrite: true, onWaiting });
  const scope = { ...underLock, database };
  try {
    await waitForSlots(scope);
    const timeout = Math.max(0, deadline - context.now());
    await waitForOthersAtWork(database, { ...waitingOf(context), timeout });
    return await work(first, scope);
  } finally {
    await database.close();
  }
}

/** A child, or our own upgrade, needs one more session. */
async function waitForSlots({ database, context, askForSlots }: StepScope): Promise<void> {
  const { now, sleep, log, signal } = context;
  if (!(await isShortOfSessions(database))) return;
  log({
    level: "info",
    event: "sessions.short",
    msg: "the server has hardly a session left: those that wait for the lock give theirs back",
  });
  await askForSlots();
  const until = now() + longestWaitForSlots;
  while (now() < until && (await isShortOfSessions(database))) await sleep(100, signal);
}
