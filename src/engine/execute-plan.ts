import { ancestors } from "../core/history.ts";
import type { Knowledge } from "../core/knowledge.ts";
import type { Server } from "../core/observation.ts";
import { CannotJudge } from "../core/outcome.ts";
import { nameHeads } from "../core/words.ts";
import type { Database } from "../database/database.ts";
import { waitForOthersAtWork } from "../database/fence.ts";
import { isShortOfSessions } from "../database/lock.ts";
import type { Settings } from "../settings/settings.ts";
import { conclude, concludeFailure, noteRows, verifyFailed } from "./result.ts";
import type { Ending } from "./run-record.ts";
import type { Project } from "./project.ts";
import { type Assessment, assessWhenFree } from "./assess.ts";
import { openSession } from "./session.ts";
import { describeStep, planActions } from "./events.ts";
import { takeStep } from "./steps.ts";
import { proveVersionTable } from "./upgrade.ts";
import type { Context } from "./context.ts";
import type { Step } from "../core/step.ts";

/** A plan that comes again, or goes on changing, will not end. */
const mostRounds = 3;

/** Milliseconds. Those that wait hear of it within a second, unless their machine is busy. */
const longestWaitForRoom = 30_000;

export type ExecutionOptions = {
  readonly project: Project;
  readonly settings: Settings;
  /** Its signal says that we are told to stop, or have lost the lock. */
  readonly context: Context;
  /** On the context's clock, for waiting for others. */
  readonly deadline: number;
  /** Those that wait for the lock give their sessions back. Never rejects. */
  readonly askForRoom: () => Promise<void>;
};

/** What happens under the lock: look → decide again → stamp / upgrade → look. The last look is the answer. */
export async function executePlan(
  first: Assessment,
  { project, settings, context, deadline, askForRoom }: ExecutionOptions,
): Promise<Ending> {
  const { now, sleep, log, signal } = context;
  const onWaiting = (): void => void askForRoom();
  const database = await openSession(settings, context, { toWrite: true, onWaiting });
  try {
    await makeRoom();
    const timeout = Math.max(0, deadline - now());
    await waitForOthersAtWork(database, { timeout, clock: now, sleep, signal, log });
    return await rounds();
  } finally {
    await database.close();
  }

  /**
   * One round, usually. Another follows where an upgrade has made something provable that was not
   * before: a plain index that is missing, and that its revision can then make.
   */
  async function rounds(): Promise<Ending> {
    let last: readonly Step[] = [];
    let hasUpgraded = false;
    for (let round = 1; ; round++) {
      const assessment = await lookAgain().catch((error: unknown) => {
        if (!hasUpgraded || !(error instanceof CannotJudge) || error.outcome !== "config")
          throw error;
        return error;
      });
      // It was sound before the upgrade: what does not fit now, the upgrade has made elsewhere.
      if (assessment instanceof CannotJudge)
        return verifyFailed(assessment.message, assessment.next, context);
      const { plan } = assessment;
      if (plan.kind !== "act")
        return conclude(assessment, last.length > 0 ? "something" : "nothing", context);
      // Whatever made the schema look older, it was not the upgrade that has just ended well.
      if (hasUpgraded && goesBack(assessment.knowledge, plan.steps))
        return verifyFailed(
          `after the upgrade the rows say ${assessment.verdict.kind === "broken-history" ? "nothing" : nameHeads(assessment.verdict.recorded)}, and the schema that was looked at (${assessment.observation.home.schema}) is an earlier one; the rows stay as they are`,
          [
            "does the upgrade work in another schema or another database? See its search_path and address (Alembic: env.py)",
          ],
          context,
        );
      if (round > mostRounds || JSON.stringify(plan.steps) === JSON.stringify(last))
        return verifyFailed(
          `${plan.steps.map(describeStep).join("; ")} is still to be done`,
          [
            "does the upgrade work on this very database? Another one may just have been changed: see its address and settings (Alembic: env.py)",
          ],
          context,
        );
      const failure = await takeSteps(assessment, plan.steps);
      if (failure !== null) return concludeFailure(failure, await lookAgain(), context);
      last = plan.steps;
      hasUpgraded ||= plan.steps.some(({ kind }) => kind === "upgrade");
    }
  }

  /** A child, or our own upgrade, needs one more session. */
  async function makeRoom(): Promise<void> {
    if (!(await isShortOfSessions(database))) return;
    log({
      level: "info",
      event: "room.wanted",
      msg: "the server has hardly a session left: those that wait for the lock give theirs back",
    });
    await askForRoom();
    const until = now() + longestWaitForRoom;
    while (now() < until && (await isShortOfSessions(database))) await sleep(100, signal);
  }

  async function takeSteps(
    { observation, knowledge }: Assessment,
    steps: readonly Step[],
  ): Promise<Ending | null> {
    const started = now();
    const tools = { database, project: { ...project, knowledge }, settings, context, askForRoom };
    try {
      const replaced = steps.flatMap((step) => (step.kind === "stamp" ? step.from : []));
      if (replaced.length > 0) {
        const failure = await proveVersionTable(unknownTo(knowledge, replaced), observation, tools);
        // Whoever only stamps needs no program that works.
        if (failure !== null && steps.some(({ kind }) => kind === "upgrade")) return failure;
      }
      for (const step of steps) {
        signal.throwIfAborted();
        log({ level: "info", event: `${step.kind}.start`, msg: describeStep(step) });
        const failure = await takeStep(step, observation, tools);
        signal.throwIfAborted();
        if (failure !== null) return failure;
        context.record.actions.push(...planActions([step]));
      }
      return null;
    } finally {
      context.record.actedMs += Math.round(now() - started);
    }
  }

  async function lookAgain(): Promise<Assessment> {
    const assessment = await assessWhenFree(database, project, settings, context, deadline);
    refuseAnotherServer(database, first.observation.server, assessment.observation.server);
    noteRows(assessment, context);
    return assessment;
  }
}

/** Rows that no file has: the program says that it cannot find them, and so which table it reads. */
function unknownTo({ history }: Knowledge, rows: readonly string[]): readonly string[] {
  return rows.filter((id) => !history.revisions.has(id));
}

/** Whether a stamp would take back what the rows say. */
function goesBack({ history }: Knowledge, steps: readonly Step[]): boolean {
  return steps.some((step) => {
    if (step.kind !== "stamp") return false;
    const kept = ancestors(history, step.to);
    return [...ancestors(history, step.from)].some((id) => !kept.has(id));
  });
}

/** The lock holds on one server only. */
export function refuseAnotherServer(
  { place }: Database,
  before: Pick<Server, "startedAt">,
  now: Pick<Server, "startedAt">,
): void {
  if (before.startedAt === now.startedAt) return;
  throw new CannotJudge(
    "temporary",
    `the server that answers now (${place}) started at ${now.startedAt}, the one that gave the lock at ${before.startedAt}: a restart, a failover, or two servers behind one address`,
    ["run it again: it looks at the database anew and finishes what is left"],
  );
}
