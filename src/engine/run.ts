import { ancestors } from "../core/history.ts";
import type { Knowledge } from "../core/knowledge.ts";
import { CannotJudge } from "../core/outcome.ts";
import { type Request, sayPlan } from "../core/plan-by-hand.ts";
import { lackOfActing } from "../core/privileges.ts";
import { refuse } from "../core/refusals.ts";
import { statusOf } from "../core/status.ts";
import type { Plan, Step } from "../core/step.ts";
import { isReadOnlyForRole } from "../database/look.ts";
import { repairScript } from "../report/repair-script.ts";
import { statusTable } from "../report/status-table.ts";
import type { Settings } from "../settings/settings.ts";
import { assessFirst, type Assessment, assessWhenFree } from "./assess.ts";
import { type Context, type Ending, ready } from "./context.ts";
import {
  endRefused,
  planActions,
  recordDiagnosis,
  refuseHistory,
  sayPlanned,
  sayRefusal,
  sayStart,
} from "./events.ts";
import { requireJournal } from "./journal.ts";
import { readProject } from "./project.ts";
import { proveRepair, refuseWithoutRepairRights, sayUnseen } from "./repair.ts";
import { conclude, concludeFailure, noteRows, stillToDo } from "./result.ts";
import type { RequestScope, RunScope } from "./scope.ts";
import { openSession, refuseAnotherServer } from "./session.ts";
import { takeSteps } from "./steps.ts";
import { requireUpgradeProgram } from "./upgrade.ts";
import { type FirstLook, type UnderLock, withLock } from "./with-lock.ts";

/*
 * The way of a run:
 *
 *   settings → history → ledger → connect → look → diagnose → plan ─┬─ start, refuse ──────────────────→ verdict line
 *                                                                   └─ lock → look → steps → look … ──→ verdict line
 */

const toStart: Request = { kind: "start" };

/** Look, decide, act, prove. */
export async function run(settings: Settings, context: Context): Promise<Ending> {
  return await decide(toStart, settings, context, lookToAct, async (look) => {
    await refuseWithoutRights(look);
    return await withLock(look, executePlan);
  });
}

/** The same way, where a person says what is to be written. */
export async function writeByHand(
  request: Request,
  settings: Settings,
  context: Context,
): Promise<Ending> {
  return await decide(request, settings, context, lookToAct, async (look) => {
    await refuseWithoutRights(look);
    return await withLock(look, writeAsAsked);
  });
}

/** What `repair --apply` would run, as a script. Writes nothing. */
export async function printRepair(
  request: Request,
  settings: Settings,
  context: Context,
): Promise<Ending> {
  return await decide(request, settings, context, lookOnly, async ({ first, project }) => {
    const steps = stepsOf(first.plan);
    context.record.actions = planActions(steps);
    const { observation, knowledge } = first;
    for (const step of steps) {
      if (step.kind !== "repair") continue;
      const place = { observation, history: knowledge.history, ledger: project.ledgerPath };
      const lines = repairScript(step, { ...place, lockTimeout: settings.ddlLockTimeout });
      for (const line of lines) context.print(line);
      if (step.left.length > 0)
        return endRefused(refuse("repair-left", step.to, step.left, knowledge.history), context);
    }
    return ready;
  });
}

/** The same look and plan. It has no way to write: it takes no lock, starts no child, stamps nothing. */
export async function check(settings: Settings, context: Context): Promise<Ending> {
  return await checkAfter(lookOnly, settings, context);
}

/** `check`, which has shown where every revision stands. */
export async function showStatus(settings: Settings, context: Context): Promise<Ending> {
  return await checkAfter(lookAndShow, settings, context);
}

async function checkAfter(
  lookFirst: typeof lookOnly,
  settings: Settings,
  context: Context,
): Promise<Ending> {
  return await decide(toStart, settings, context, lookFirst, async (look) => {
    await sayWhatRunWouldDo(look);
    if (!settings.exitCode) return ready;
    const reason = "run would stamp or upgrade this database";
    look.context.log({ level: "info", event: "pending", msg: `${reason} (--exit-code)` });
    return { outcome: "pending", reason, next: ["preflight run"] };
  });
}

/** `run` without its deeds: its role must be able to do them all the same. */
export async function rehearse(settings: Settings, context: Context): Promise<Ending> {
  return await decide(toStart, settings, context, lookOnly, async (look) => {
    await refuseWithoutRights(look);
    await sayWhatRunWouldDo(look);
    return ready;
  });
}

async function sayWhatRunWouldDo(look: FirstLook): Promise<void> {
  const steps = stepsOf(look.first.plan);
  await sayPlanned(steps, look);
  requireUpgradeProgram(steps, look);
  await requireJournal(look.first, look);
}

/** @param act what comes of a plan that has steps */
async function decide(
  request: Request,
  settings: Settings,
  context: Context,
  lookFirst: typeof lookOnly,
  act: (look: FirstLook) => Promise<Ending>,
): Promise<Ending> {
  const wantsSketch = request.kind === "repair";
  const reading = await readProject(settings, context, { isRewritten: false, wantsSketch });
  if (reading.kind === "broken") return refuseHistory(reading.faults, context);
  const look = await lookFirst({ request, project: reading.project, settings, context });
  const { first, database } = look;
  if (request.kind === "repair") sayUnseen(first.knowledge, context);
  try {
    switch (first.plan.kind) {
      case "start":
        if (request.kind === "start") sayStart(first, context);
        else sayNothingToWrite(request, context);
        return ready;
      case "refuse":
        return endRefused(first.plan, context);
      case "act":
        return await act(look);
    }
  } finally {
    await database.close();
  }
}

async function lookOnly(scope: RequestScope): Promise<FirstLook> {
  const database = await openSession(scope.settings, scope.context);
  return await lookOver({ ...scope, database });
}

async function lookAndShow(scope: RequestScope): Promise<FirstLook> {
  const look = await lookOnly(scope);
  const { verdict, plan } = look.first;
  const lines = statusTable(statusOf(verdict, plan, look.first), scope.settings.verbose);
  for (const line of lines) scope.context.print(line);
  return look;
}

/** A standby can be looked at. What is to be done there is asked anew of a server that can be written to. */
async function lookToAct(scope: RequestScope): Promise<FirstLook> {
  const { settings, context } = scope;
  const anyone = await lookOnly(scope);
  const { inRecovery, readOnly } = anyone.first.observation.server;
  if (anyone.first.plan.kind !== "act" || !(inRecovery || readOnly)) return anyone;
  if (!inRecovery && (await isReadOnlyForRole(anyone.database))) return anyone;
  await anyone.database.close();
  context.log({
    level: "info",
    event: "server.read-only",
    msg: `the database is ${anyone.first.verdict.kind}, and this server is ${inRecovery ? "a standby" : "read-only"}: one that can be written to is wanted`,
  });
  const database = await openSession(settings, context, { toWrite: true });
  return await lookOver({ ...scope, database });
}

async function lookOver(scope: RunScope): Promise<FirstLook> {
  try {
    const first = await assessFirst(scope);
    recordDiagnosis(first, scope);
    return { ...scope, first };
  } catch (error) {
    await scope.database.close();
    throw error;
  }
}

/** Found out before anything is done. */
async function refuseWithoutRights(look: FirstLook): Promise<void> {
  const { first, project } = look;
  const [step] = stepsOf(first.plan);
  if (step?.kind === "repair") {
    await refuseWithoutRepairRights(step, look);
    return await requireJournal(first, look);
  }
  const { observation, plan, knowledge } = first;
  const { versionTable } = project;
  const lack = lackOfActing({ observation, knowledge, versionTable, steps: stepsOf(plan) });
  if (lack !== null) throw lack;
  await requireJournal(look.first, look);
}

function stepsOf(plan: Plan): readonly Step[] {
  return plan.kind === "act" ? plan.steps : [];
}

// Under the lock

/** A plan that comes again, or goes on changing, will not end. */
const mostRounds = 3;

/**
 * Look → decide again → steps → look; the last look is the answer. One round, usually. Another follows where an upgrade has made
 * something provable that was not before: a plain index that is missing, and that its revision can then make.
 */
async function executePlan(first: Assessment, underLock: UnderLock): Promise<Ending> {
  const { database, context, deadline } = underLock;
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
      return endRefused(refuse("not-proved", assessment.message, assessment.next), context);
    const { plan } = assessment;
    if (plan.kind !== "act")
      return conclude(assessment, last.length > 0 ? "something" : "nothing", context);
    // Whatever made the schema look older, it was not the upgrade that has just ended well.
    if (hasUpgraded && goesBack(assessment.knowledge, plan.steps))
      return endRefused(refuse("upgraded-elsewhere", assessment), context);
    if (round > mostRounds || JSON.stringify(plan.steps) === JSON.stringify(last))
      return stillToDo(plan.steps, assessment, context);
    const failure = await takeSteps(plan.steps, assessment, underLock);
    if (failure !== null) return concludeFailure(failure, await lookAgain(), context);
    last = plan.steps;
    hasUpgraded ||= plan.steps.some(({ kind }) => kind === "upgrade");
  }

  async function lookAgain(): Promise<Assessment> {
    const assessment = await assessWhenFree(underLock, deadline);
    refuseAnotherServer(database, first.observation.server, assessment.observation.server);
    noteRows(assessment, context);
    return assessment;
  }
}

/** What a person asked for, once; then what the next run would find and do. */
async function writeAsAsked(_first: Assessment, underLock: UnderLock): Promise<Ending> {
  const { context, deadline, request } = underLock;
  const assessment = await assessWhenFree(underLock, deadline);
  const { plan, knowledge } = assessment;
  if (plan.kind === "refuse") return endRefused(plan, context);
  if (plan.kind === "start") {
    sayNothingToWrite(request, context);
    return ready;
  }
  for (const why of plan.inSpiteOf ?? [])
    context.log({ level: "warn", event: "forced", msg: `IN SPITE OF THIS (--force): ${why}` });
  const failure = await takeSteps(plan.steps, assessment, underLock);
  if (failure !== null) {
    sayRefusal(failure, context.log);
    return failure;
  }
  const [step] = plan.steps;
  const ending = step?.kind === "repair" ? await proveRepair(step, underLock) : ready;
  context.log({ level: "info", event: "next.run", msg: await sayNext() });
  return ending;

  /** What was asked for is done, whatever the next run would meet. */
  async function sayNext(): Promise<string> {
    try {
      const after = await assessWhenFree({ ...underLock, request: toStart }, deadline);
      noteRows(after, context);
      return sayPlan(after.plan, knowledge.history);
    } catch (error) {
      if (!(error instanceof CannotJudge)) throw error;
      return `what the next run would do is not known: ${error.message}`;
    }
  }
}

function sayNothingToWrite({ kind }: Request, { log }: Context): void {
  const msg =
    kind === "repair"
      ? "nothing was written: nothing is missing"
      : "nothing was written: the rows say so already";
  log({ level: "info", event: kind === "repair" ? "schema.same" : "rows.same", msg });
}

/** Whether a stamp would take back what the rows say. */
function goesBack({ history }: Knowledge, steps: readonly Step[]): boolean {
  return steps.some((step) => {
    if (step.kind !== "stamp") return false;
    const kept = ancestors(history, step.to);
    return [...ancestors(history, step.from)].some((id) => !kept.has(id));
  });
}
