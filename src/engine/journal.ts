import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { gather } from "../core/gather.ts";
import { type JournalKey, journalTable } from "../core/journal.ts";
import { scopeOf } from "../core/knowledge.ts";
import { CannotJudge } from "../core/outcome.ts";
import type { Step } from "../core/step.ts";
import { differencesOf, provenHeads } from "../core/verdict.ts";
import { journalKey, versionTableOf } from "../core/version-table.ts";
import { describeDifference } from "../core/words.ts";
import type { NewEntry } from "../database/journal.sql.ts";
import { beginEntry, closeEntry, ensureJournal, faultOfJournal } from "../database/journal.ts";
import { lookRows } from "../database/look.ts";
import { version } from "../version.ts";
import type { Assessment } from "./assess.ts";
import type { Ending } from "./context.ts";
import { whatItMakes } from "./repair.ts";
import type { RunScope, StepScope } from "./scope.ts";

/** A journal that can be written to: what all entries of a run have in common. */
export type Journal = JournalKey & Pick<NewEntry, "ledger" | "runId" | "image" | "program">;

/** Before anything is written: with `--journal require` nothing is written without one. Throws CannotJudge `permission`. */
export async function requireJournal(assessment: Assessment, scope: RunScope): Promise<void> {
  if (scope.settings.journal !== "require") return;
  const fault = faultOfPlace(assessment, scope) ?? (await faultOfJournal(scope.database));
  if (fault !== null) throw required(fault);
}

/** What migrations make in a schema of that name must find there what it would without us. */
function faultOfPlace(
  { observation, knowledge }: Assessment,
  { project }: RunScope,
): string | null {
  const { schema } = journalTable;
  const theirs = [
    observation.home.schema,
    versionTableOf(observation, project.versionTable).schema,
    ...(scopeOf(knowledge.ledger)?.named ?? []),
  ];
  return theirs.includes(schema) ? `schema ${schema} is the application's own` : null;
}

/** Throws CannotJudge where a journal is required. */
export function goOnWithout(fault: string, { settings, context }: RunScope): void {
  if (settings.journal === "require") throw required(fault);
  const msg = `what is written now goes into no journal: ${fault}`;
  context.log({ level: "info", event: "journal.none", msg });
}

/** Made where it is missing and the role may. Null: there is none, and the run goes on without. Throws CannotJudge. */
export async function openJournal(
  assessment: Assessment,
  scope: StepScope,
): Promise<Journal | null> {
  const { observation } = assessment;
  const { database, project, settings, context } = scope;
  if (settings.journal === "off") return null;
  const fault =
    faultOfPlace(assessment, scope) ?? (await faultOfJournal(database)) ?? (await faultOfMaking());
  if (fault !== null) {
    goOnWithout(fault, scope);
    return null;
  }
  const bytes = project.ledger === null ? null : await readFile(project.ledgerPath);
  return {
    ...journalKey(project.found.tool, observation, project.versionTable),
    ledger: bytes && createHash("sha256").update(bytes).digest("hex"),
    runId: context.runId,
    image: settings.imageVersion,
    program: version,
  };

  /** Something in the database, such as an event trigger, may forbid what the role may. */
  async function faultOfMaking(): Promise<string | null> {
    try {
      await ensureJournal(database);
      return null;
    } catch (error) {
      if (!(error instanceof CannotJudge)) throw error;
      return error.message;
    }
  }
}

function required(fault: string): CannotJudge {
  return new CannotJudge(
    "permission",
    `--journal require: ${fault}, and nothing is written without one`,
    [
      `as a superuser or the database's owner: CREATE SCHEMA ${journalTable.schema} AUTHORIZATION ROLE`,
      "or do without: --journal on (PREFLIGHT_JOURNAL)",
    ],
  );
}

/** @param rowsAfter null: the end will tell */
export function entryOf(
  step: Step,
  { verdict, observation, knowledge }: Assessment,
  journal: Journal,
  rowsAfter: readonly (string | null)[] | null,
): NewEntry {
  const tolerated = differencesOf(verdict).filter(({ tolerable }) => tolerable);
  const proven = provenHeads(verdict);
  return {
    ...journal,
    kind: step.kind,
    state: rowsAfter === null ? "begun" : "done",
    rowsBefore: observation.versionTable?.stored ?? [],
    rowsAfter,
    undoes: step.kind === "undo" ? step.entry : null,
    evidence: {
      verdict: verdict.kind,
      what: whatOf(step),
      because: step.kind === "stamp" ? step.because : null,
      proven: proven && [...proven],
      tolerated: gather(tolerated).map((each) => describeDifference(each, knowledge.history)),
    },
  };
}

function whatOf(step: Step): readonly string[] {
  switch (step.kind) {
    case "stamp":
    case "undo":
      return step.to;
    case "upgrade":
      return step.revisions;
    case "repair":
      return whatItMakes(step);
    case "widen":
      return [];
  }
}

/** An upgrade with its entry, which says that it began before it does, and how it ended. */
export async function journaled(
  entry: NewEntry | null,
  scope: StepScope,
  work: () => Promise<Ending | null>,
): Promise<Ending | null> {
  const number = entry && (await begin(entry, scope));
  if (entry === null || number === null) return await work();
  let state: "done" | "failed" = "failed";
  try {
    const failure = await work();
    if (failure === null) state = "done";
    return failure;
  } finally {
    // Told to stop, or without the lock: what stands there now may be another run's.
    if (!scope.context.signal.aborted) await close(number, state, entry, scope);
  }
}

/** The rows are those of now: a stamp may have come before it. Null: there is no entry. */
async function begin(entry: NewEntry, scope: StepScope): Promise<number | null> {
  try {
    return await beginEntry(scope.database, { ...entry, rowsBefore: await rowsNow(entry, scope) });
  } catch (error) {
    if (!(error instanceof CannotJudge)) throw error;
    goOnWithout(error.message, scope);
    return null;
  }
}

async function rowsNow(
  { home }: JournalKey,
  { database, project }: RunScope,
): Promise<readonly (string | null)[]> {
  const { versionTable } = await lookRows(database, { versionTable: project.versionTable, home });
  return versionTable?.stored ?? [];
}

async function close(
  number: number,
  state: "done" | "failed",
  key: JournalKey,
  scope: RunScope,
): Promise<void> {
  const { database, context } = scope;
  try {
    await closeEntry(database, number, state, await rowsNow(key, scope));
  } catch (error) {
    if (!(error instanceof CannotJudge)) throw error;
    const msg = `how it ended is not in the journal (entry ${number}): ${error.message}`;
    context.log({ level: "warn", event: "journal.unwritten", msg });
  }
}
