import { claimsAll } from "../core/claim.ts";
import { Busy } from "../core/outcome.ts";
import { lackOfActing } from "../core/rights-to-act.ts";
import { versionTableOf } from "../core/version-table.ts";
import type { Database } from "../database/database.ts";
import { unlessAborted } from "../database/in-time.ts";
import { acquireLock, type Lock, lockKey } from "../database/lock.ts";
import { lookRows, lookStart } from "../database/look.ts";
import type { Settings } from "../settings/settings.ts";
import { conclude } from "./result.ts";
import type { Ending } from "./run-record.ts";
import type { Project } from "./project.ts";
import { type Assessment, assess } from "./assess.ts";
import { openSession } from "./session.ts";
import { refuseAnotherServer, executePlan } from "./execute-plan.ts";
import type { Context } from "./context.ts";

/**
 * Milliseconds, and as much again at random: longer than it takes to look, so that most are away. Twice as long each time: where
 * there are many more replicas than sessions, those that come back for a moment take them all, and the server's time with them.
 */
const firstAway = 1000;
const longestAway = 4000;

/**
 * Takes the lock and does what is to be done under it, once. Whoever waits for the lock leaves as soon as the database is
 * at head, and needs no second connection for that.
 * @param opened over which `first` was seen: it holds the lock from now on, and does nothing else meanwhile
 */
export async function execute(
  first: Assessment,
  opened: Database,
  project: Project,
  settings: Settings,
  context: Context,
): Promise<Ending> {
  refuseWithoutRights(first, project);
  const deadline = context.now() + settings.lockTimeout;
  let connection = opened;
  let awayFor = firstAway;
  let lastSeen = first;
  try {
    const lock = await waitForLock();
    if (lock === null) return conclude(lastSeen, "nothing", context);
    return await executeUnder(lock);
  } finally {
    await connection.close();
  }

  async function executeUnder(lock: Lock): Promise<Ending> {
    let ending: Ending;
    try {
      const { askForRoom } = lock;
      const signal = AbortSignal.any([context.signal, lock.lost]);
      const underLock = { ...context, signal };
      ending = await executePlan(first, {
        project,
        settings,
        context: underLock,
        deadline,
        askForRoom,
      });
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

  /** null: somebody else has brought the database to head meanwhile. */
  async function waitForLock(): Promise<Lock | null> {
    const started = context.now();
    try {
      return await acquireLock(connection, {
        key: lockKey(versionTableOf(first.observation, project.versionTable)),
        timeout: settings.lockTimeout,
        signal: context.signal,
        clock: context.now,
        sleep: context.sleep,
        random: context.random,
        log: context.log,
        betweenPolls: async () => ((await isDone().catch(unlessBusy)) ? "leave" : "stay"),
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

  /**
   * The version rows are cheap to poll; the whole schema is looked at once they have moved to head, or beyond it: the
   * holder may be of a newer image.
   */
  async function isDone(): Promise<boolean> {
    const { home } = first.observation;
    const looking = lookRows(connection, { versionTable: project.versionTable, home: home.schema });
    const { versionTable } = await unlessAborted(looking, context.signal);
    const rows = (versionTable?.rows ?? []).filter((row) => row !== null);
    const { history } = project.knowledge;
    const before = first.observation.versionTable?.rows ?? [];
    const hasMoved = rows.join("\0") !== before.join("\0");
    const isBeyond = rows.some((row) => !history.revisions.has(row) && !before.includes(row));
    if (!hasMoved || !(isBeyond || claimsAll(history, rows))) return false;
    lastSeen = await assess(connection, project, settings, context);
    return lastSeen.plan.kind === "start";
  }
}

/** Found out before anything is done. */
export function refuseWithoutRights(
  { observation, plan, knowledge }: Assessment,
  { versionTable }: Project,
): void {
  const steps = plan.kind === "act" ? plan.steps : [];
  const lack = lackOfActing({ observation, knowledge, versionTable, steps });
  if (lack !== null) throw lack;
}

/** The holder of the lock is at work on what we would look at. */
function unlessBusy(error: unknown): false {
  if (error instanceof Busy) return false;
  throw error;
}
