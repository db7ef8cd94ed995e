import { claimsAll } from "../core/claim.ts";
import { Busy } from "../core/outcome.ts";
import type { Step } from "../core/plan.ts";
import type { Database } from "../database/database.ts";
import { acquireLock, type Lock, lockKey } from "../database/lock.ts";
import { lookRows } from "../database/look.ts";
import type { Settings } from "../settings/settings.ts";
import { type Ending, ready } from "./draft.ts";
import type { Image } from "./image.ts";
import { type Judgement, judge } from "./judge.ts";
import { openDatabase } from "./open.ts";
import { refuseWithoutRights } from "./rights.ts";
import { describeStep, planActions, refuse, sayRefusal, sayStart } from "./say.ts";
import { takeStep } from "./step.ts";
import { versionTableOf } from "./version-table.ts";
import type { World } from "./world.ts";

/** A plan that comes again, or goes on changing, will not end. */
const mostRounds = 3;

/**
 * lock → look → decide again → stamp / upgrade → look: the last look is the answer.
 * Whoever waits for the lock leaves as soon as the database is at head.
 */
export async function act(
  first: Judgement,
  database: Database,
  image: Image,
  settings: Settings,
  world: World,
): Promise<Ending> {
  refuseWithoutRights(first, image);
  const lockDatabase = await openDatabase(settings, world);
  try {
    const lock = await waitForLock(lockDatabase);
    if (lock === null) return conclude(await lookAgain(), "nothing");
    try {
      return await workThrough(lock);
    } finally {
      await lock.release();
    }
  } finally {
    await lockDatabase.close();
  }

  /** null: somebody else has brought the database to head meanwhile. */
  async function waitForLock(connection: Database): Promise<Lock | null> {
    const started = world.now();
    try {
      return await acquireLock(connection, {
        key: lockKey(versionTableOf(first.observation, image)),
        timeout: settings.lockTimeout,
        signal: world.signal,
        clock: world.now,
        sleep: world.sleep,
        log: world.log,
        betweenPolls: async () => ((await isDone().catch(unlessBusy)) ? "leave" : "stay"),
      });
    } finally {
      world.draft.lockWaitMs = Math.round(world.now() - started);
    }
  }

  /** The holder of the lock is at work on what we would look at. */
  function unlessBusy(error: unknown): false {
    if (error instanceof Busy) return false;
    throw error;
  }

  /** The version rows are cheap to poll; the whole schema is looked at once they have moved to head. */
  async function isDone(): Promise<boolean> {
    const { versionTable } = await lookRows(database, { versionTable: image.versionTable });
    const rows = (versionTable?.rows ?? []).filter((row) => row !== null);
    const { history } = image.knowledge;
    const hasMoved = rows.join("\0") !== (first.observation.versionTable?.rows ?? []).join("\0");
    if (!hasMoved || !claimsAll(history, rows)) return false;
    return (await lookAgain()).plan.kind === "start";
  }

  /**
   * One round, usually. Another follows where an upgrade has made something provable that was not
   * before: a plain index that is missing, and that its revision can then make.
   */
  async function workThrough(lock: Lock): Promise<Ending> {
    let last: readonly Step[] = [];
    for (let round = 1; ; round++) {
      const judgement = await lookAgain();
      const { plan } = judgement;
      if (plan.kind !== "act")
        return conclude(judgement, last.length > 0 ? "something" : "nothing");
      if (round > mostRounds || JSON.stringify(plan.steps) === JSON.stringify(last))
        return verifyFailed(`${plan.steps.map(describeStep).join("; ")} is still to be done`, [
          "does the upgrade work on this very database? See its address and settings (Alembic: env.py)",
        ]);
      const failure = await takeSteps(judgement, plan.steps, lock);
      if (failure !== null) return await concludeFailure(failure);
      last = plan.steps;
    }
  }

  async function takeSteps(
    { observation }: Judgement,
    steps: readonly Step[],
    lock: Lock,
  ): Promise<Ending | null> {
    const started = world.now();
    const stop = AbortSignal.any([world.signal, lock.lost]);
    try {
      for (const step of steps) {
        stop.throwIfAborted();
        world.log({ level: "info", event: `${step.kind}.start`, msg: describeStep(step) });
        const failure = await takeStep(step, observation, {
          database,
          image,
          settings,
          world,
          stop,
        });
        stop.throwIfAborted();
        if (failure !== null) return failure;
        world.draft.actions.push(...planActions([step]));
      }
      return null;
    } finally {
      world.draft.actedMs += Math.round(world.now() - started);
    }
  }

  async function lookAgain(): Promise<Judgement> {
    const judgement = await judge(database, image, settings, world);
    const { verdict } = judgement;
    if (verdict.kind !== "broken-history") world.draft.recordedAfter = [...verdict.recorded];
    return judgement;
  }

  function conclude(judgement: Judgement, done: "nothing" | "something"): Ending {
    const { plan, verdict } = judgement;
    if (plan.kind === "refuse")
      return done === "nothing"
        ? refuse(plan, world)
        : verifyFailed(`${verdict.kind}: ${plan.reason}`, plan.next);
    sayStart(judgement, world);
    world.log({
      level: "info",
      event: "proved",
      msg:
        done === "nothing"
          ? "somebody else has done it: the database is at head"
          : "done and proved: the database is at head",
    });
    return ready;
  }

  /** Somebody else may have done the work meanwhile: a loser's failure is not a broken state. */
  async function concludeFailure(failure: Ending): Promise<Ending> {
    const { plan, verdict } = await lookAgain();
    if (plan.kind === "start") {
      const msg = `${failure.reason}; yet the database is at head`;
      world.log({ level: "warn", event: "upgrade.odd", msg });
      return ready;
    }
    let ending = failure;
    if (verdict.kind === "partial" && plan.kind === "act")
      ending = {
        ...failure,
        next: [...failure.next, "mend the cause, then go on from there: preflight run --resume"],
      };
    if (verdict.kind === "partial" && plan.kind === "refuse") {
      // Of an interrupted file the failure itself has said so.
      const left =
        verdict.left.kind === "interrupted"
          ? ""
          : `. It left the database half-way: ${plan.reason}`;
      ending = {
        ...failure,
        reason: `${failure.reason}${left}`,
        next: [...failure.next, ...plan.next],
      };
    }
    sayRefusal(ending, world.log);
    return ending;
  }

  function verifyFailed(reason: string, next: readonly string[]): Ending {
    const why = `everything was done, and the second look disagrees: ${reason}`;
    return refuse({ kind: "refuse", outcome: "verify-failed", reason: why, next }, world);
  }
}
