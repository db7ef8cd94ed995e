import { type Assumption, checkAssumption } from "../core/assume.ts";
import { tracesToAsk } from "../core/data-migrations.ts";
import { diagnose } from "../core/diagnose.ts";
import { tableNames } from "../core/elsewhere.ts";
import { type Knowledge, scopeOf } from "../core/knowledge.ts";
import { missingFiles } from "../core/missing-files.ts";
import type { Home, Observation, VersionTable } from "../core/observation.ts";
import { Busy, CannotJudge } from "../core/outcome.ts";
import { planStamp, planUndo, type Request } from "../core/plan-by-hand.ts";
import { planRepair, tablesToAsk } from "../core/plan-repair.ts";
import { isPassedOver, planFor } from "../core/plan.ts";
import { lackOfReading } from "../core/privileges.ts";
import { progressAsSpelled, tableAsSpelled } from "../core/spelling.ts";
import type { Plan, PlanBasis } from "../core/step.ts";
import { extrasInDoubt, restsOnAbsence, type Verdict, withEvaluated } from "../core/verdict.ts";
import { journalKey, versionTableOf } from "../core/version-table.ts";
import {
  faultOfHome,
  faultOfProgramsPath,
  faultOfTwoHomes,
  isSomethingThere,
  namedHome,
  otherHome,
} from "../core/which-home.ts";
import { faultOfVersionTable } from "../core/which-version-table.ts";
import { lookForRows } from "../database/data-rows.ts";
import type { Database } from "../database/database.ts";
import { readJournal } from "../database/journal.ts";
import { isLockHeld, lockKey } from "../database/lock.ts";
import { look, lookAtExtras, lookElsewhere } from "../database/look.ts";
import { isUpgradeAtWork } from "../database/other-sessions.ts";
import { rolesAmong, tablesWithRows } from "../database/repair.ts";
import { unlessAborted } from "../database/waiting.ts";
import type { Context } from "./context.ts";
import { askProgramsPath, hasProgramsPath } from "./program.ts";
import type { RunScope } from "./scope.ts";

/** One look, and what follows from it. */
export type Assessment = {
  /** As it reads for this database's home. */
  readonly knowledge: Knowledge;
  readonly observation: Observation;
  readonly verdict: Verdict;
  readonly plan: Plan;
  /** `--assume`, checked; null: not given. */
  readonly assumption: Assumption | null;
  /** It was given, and changes nothing. */
  readonly isPassedOver: boolean;
};

const pause = 500;

/**
 * The first look of a run. It may meet a migration of another instance that has done a half of its work. Whoever would
 * wait for its lock can wait for a look that counts.
 */
export async function assessFirst(scope: RunScope): Promise<Assessment> {
  const { database, project, settings, context } = scope;
  const deadline = context.now() + settings.lockTimeout;
  let wasFree = false;
  for (;;) {
    const assessment = await assessWhenFree(scope, deadline);
    if (assessment.plan.kind !== "refuse" || context.now() >= deadline) return assessment;
    const key = lockKey(versionTableOf(assessment.observation, project.versionTable));
    const isFree = !(await isLockHeld(database, key)) && !(await isUpgradeAtWork(database));
    // A refusal counts where nobody was at work before the look, nor after it.
    if (isFree && wasFree) return assessment;
    wasFree = isFree;
    if (isFree) continue;
    const msg = `waiting: somebody else is at work on this database; it is ${assessment.verdict.kind} now`;
    context.log({ level: "info", event: "look.waiting", msg });
    await context.sleep(pause, context.signal);
  }
}

/** Waits while somebody else has locked what is to be read. */
export async function assessWhenFree(scope: RunScope, deadline: number): Promise<Assessment> {
  const { context } = scope;
  for (;;) {
    try {
      return await assess(scope);
    } catch (error) {
      if (!(error instanceof Busy) || context.now() >= deadline) throw error;
      context.log({ level: "info", event: "look.waiting", msg: `waiting: ${error.message}` });
    }
    await context.sleep(pause, context.signal);
  }
}

/**
 * look → diagnose → plan. Reads in one round trip, and asks again where the verdict would rest on something being absent, or
 * on data migrations that no version row tells of; decides on plain values, writes nothing.
 */
export async function assess(scope: RunScope): Promise<Assessment> {
  const { project, settings, context } = scope;
  const { ledger, versionTable } = project;
  const request = { schema: settings.schema, options: settings.database?.options ?? null, ledger };
  const own = await lookAt(namedHome(request), scope);
  sayNewerServer(own, context.log);
  throwIf(lackOfReading(own, versionTable.name) ?? faultOfHome(request, own));
  const seen = await atProgramsHome(own, scope);
  const knowledge = project.knowledgeAt(seen.home);
  const asked = await diagnoseWithQuestions(knowledge, seen, scope);
  const { verdict } = asked;
  const observation = await withWhatIsAsked(asked, knowledge, scope);
  throwIf(faultOfProgramsPath(knowledge, observation, verdict));
  throwIf(faultOfTwoHomes(observation, verdict, settings.database?.source ?? "our own address"));
  if (observation.elsewhere !== null) {
    const isNamed = settings.versionTable !== null;
    const isHere = verdict.kind === "unversioned";
    throwIf(faultOfVersionTable(knowledge, observation, versionTable, isNamed, isHere));
  }
  const { assume } = settings.policy;
  const assumption = assume === null ? null : checkAssumption(assume, knowledge, observation);
  const situation = { knowledge, observation, assumption };
  const plan = planAsAsked(scope.request, verdict, situation, scope);
  throwIf(missingFiles(knowledge, observation, plan));
  const passedOver = isPassedOver(plan, verdict, settings.policy, situation);
  return { knowledge, observation, verdict, plan, assumption, isPassedOver: passedOver };
}

function planAsAsked(
  request: Request,
  verdict: Verdict,
  situation: PlanBasis,
  { project, settings }: RunScope,
): Plan {
  const { policy } = settings;
  const { versionTable } = project;
  switch (request.kind) {
    case "start":
      return planFor(verdict, policy, situation);
    case "stamp":
      return planStamp(request, verdict, { ...situation, policy, versionTable });
    case "undo":
      return planUndo(request, verdict, { ...situation, policy, versionTable });
    case "repair":
      return planRepair(request, verdict, { ...situation, policy, versionTable });
  }
}

/** What the request needs besides. */
async function withWhatIsAsked(
  { observation, verdict }: Pick<Assessment, "observation" | "verdict">,
  knowledge: Knowledge,
  scope: RunScope,
): Promise<Observation> {
  const { request, database, project, settings, context } = scope;
  switch (request.kind) {
    case "undo":
      return await withJournal(observation, scope);
    case "repair": {
      const { versionTable } = project;
      const { policy } = settings;
      const basis = { knowledge, observation, assumption: null, policy, versionTable };
      const tables = tablesToAsk(request, verdict, basis);
      const roles = scopeOf(project.ledger)?.rights ?? [];
      const asking = tablesWithRows(database, tables);
      const filled = await unlessAborted(asking, context.signal);
      const receivers = await unlessAborted(rolesAmong(database, roles), context.signal);
      return { ...observation, filled, receivers };
    }
    default:
      return observation;
  }
}

/** What this image does not know, the journal may tell. */
function hasUnknownRows(verdict: Verdict): boolean {
  return verdict.kind === "ahead" || (verdict.kind === "unknown" && verdict.unknownRows.length > 0);
}

async function withJournal(
  seen: Observation,
  { database, project, context }: RunScope,
): Promise<Observation> {
  const key = journalKey(project.found.tool, seen, project.versionTable);
  const read = await unlessAborted(readJournal(database, key), context.signal);
  return { ...seen, journal: typeof read === "string" ? null : read };
}

/** It gives words alone: whoever cannot have it goes on without. */
async function withJournalIfReadable(seen: Observation, scope: RunScope): Promise<Observation> {
  try {
    return await withJournal(seen, scope);
  } catch (error) {
    if (!(error instanceof CannotJudge)) throw error;
    const msg = `what the journal may tell is not known: ${error.message}`;
    scope.context.log({ level: "info", event: "journal.unread", msg });
    return seen;
  }
}

async function lookAt(
  home: string | null,
  { database, project, context }: RunScope,
): Promise<Observation> {
  const { ledger, versionTable } = project;
  const looking = look(database, { versionTable, home, scope: scopeOf(ledger) });
  // It can hang behind a lock for longer than a container may take to stop.
  const seen = await unlessAborted(looking, context.signal);
  const spell = (table: VersionTable): VersionTable => tableAsSpelled(project.knowledge, table);
  return {
    ...seen,
    versionTable: seen.versionTable && spell(seen.versionTable),
    otherVersionTables: seen.otherVersionTables.map(spell),
    progress: progressAsSpelled(project.knowledge.history, seen.versionTable, seen.progress),
  };
}

/** Where the history is not healthy at our own home, the program's address is asked too; it is the one that upgrades. */
async function atProgramsHome(own: Observation, scope: RunScope): Promise<Observation> {
  const { project, settings, context } = scope;
  if (!hasProgramsPath(project, settings)) return own;
  if (!restsOnAbsence(diagnose(project.knowledgeAt(own.home), own))) return own;
  const program = await askProgramsPath(own, settings, context);
  const seen = { ...own, home: { ...own.home, program } };
  const other = otherHome(own.home, program);
  if (other === null) return seen;
  const there = await lookAt(other, scope);
  const home: Home = { ...there.home, by: "program", program };
  return isSomethingThere(diagnose(project.knowledgeAt(home), there)) ? { ...there, home } : seen;
}

/**
 * What the look has seen is enough for a healthy database. Otherwise more is asked: what extras may do, where else objects may be, and
 * which rows show.
 */
async function diagnoseWithQuestions(
  knowledge: Knowledge,
  seen: Observation,
  scope: RunScope,
): Promise<Pick<Assessment, "observation" | "verdict">> {
  const { database } = scope;
  const { signal } = scope.context;
  const glance = diagnose(knowledge, seen);
  if (!restsOnAbsence(glance)) return { observation: seen, verdict: glance };
  const closer = await withExtrasLookedAt(database, glance, seen, signal);
  const first = closer === seen ? glance : diagnose(knowledge, closer);
  if (!restsOnAbsence(first)) return { observation: closer, verdict: first };
  const asking = lookElsewhere(database, tableNames(knowledge));
  const everywhere = { ...closer, elsewhere: await unlessAborted(asking, signal) };
  const second = diagnose(knowledge, everywhere);
  const { history, ledger } = knowledge;
  if (hasUnknownRows(second)) {
    const observation = await withJournalIfReadable(everywhere, scope);
    return { observation, verdict: diagnose(knowledge, observation) };
  }
  const traces = tracesToAsk(ledger, history, second);
  if (ledger === null || traces.length === 0) return { observation: everywhere, verdict: second };
  const rows = await unlessAborted(lookForRows(database, traces, ledger.salt), signal);
  const observation = { ...everywhere, rows };
  return { observation, verdict: diagnose(knowledge, observation) };
}

async function withExtrasLookedAt(
  database: Database,
  verdict: Verdict,
  seen: Observation,
  signal: AbortSignal,
): Promise<Observation> {
  const doubtful = extrasInDoubt(verdict);
  if (doubtful.length === 0) return seen;
  const evaluated = await unlessAborted(lookAtExtras(database, doubtful), signal);
  return { ...seen, facts: withEvaluated(seen.facts, doubtful, evaluated) };
}

function throwIf(fault: CannotJudge | null): void {
  if (fault !== null) throw fault;
}

const newestTested = 18;

function sayNewerServer({ server }: Observation, log: Context["log"]): void {
  const major = Math.floor(server.version / 10_000);
  if (major <= newestTested) return;
  log({
    level: "debug",
    event: "server.untested",
    msg: `the server is PostgreSQL ${major}; this version was tested with ${newestTested} and older ones`,
  });
}
