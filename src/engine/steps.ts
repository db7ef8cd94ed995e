import { rowsFor } from "../core/claim.ts";
import type { Knowledge } from "../core/knowledge.ts";
import type { VersionRow } from "../core/migration.ts";
import { widthFor } from "../core/plan.ts";
import { toStored } from "../core/spelling.ts";
import type { Step } from "../core/step.ts";
import { renumberedRows } from "../core/unknown-rows.ts";
import { versionTableOf } from "../core/version-table.ts";
import { describeStep } from "../core/words.ts";
import { stamp, type StampOptions } from "../database/stamp.ts";
import { rowOf } from "./apply-files.ts";
import type { Assessment } from "./assess.ts";
import type { Ending } from "./context.ts";
import { planActions } from "./events.ts";
import { entryOf, goOnWithout, type Journal, journaled, openJournal } from "./journal.ts";
import type { Project } from "./project.ts";
import { applyRepair } from "./repair.ts";
import type { StepScope } from "./scope.ts";
import { type Journaling, proveVersionTable, upgrade } from "./upgrade.ts";

/** One after the other. @returns how one of them failed; null: all are done */
export async function takeSteps(
  steps: readonly Step[],
  assessment: Assessment,
  under: StepScope,
): Promise<Ending | null> {
  const { observation, knowledge } = assessment;
  const { context } = under;
  const { now, log, signal, record } = context;
  const started = now();
  const scope = { ...under, project: { ...under.project, knowledge } };
  try {
    const replaced = steps.flatMap((step) => (step.kind === "stamp" ? step.from : []));
    if (replaced.length > 0) {
      const failure = await proveVersionTable(unknownTo(knowledge, replaced), observation, scope);
      // Whoever only stamps needs no program that works.
      if (failure !== null && steps.some(({ kind }) => kind === "upgrade")) return failure;
    }
    // Only when there is something to write: a program that leads elsewhere is found before that.
    const journal = onlyOnce(async () => await openJournal(assessment, scope));
    for (const step of steps) {
      signal.throwIfAborted();
      log({
        level: "info",
        event: `${step.kind}.start`,
        msg: describeStep(step, knowledge.history),
      });
      const failure = await takeStep(step, assessment, journal, scope);
      signal.throwIfAborted();
      if (failure !== null) return failure;
      record.actions.push(...planActions([step]));
    }
    return null;
  } finally {
    record.actedMs += Math.round(now() - started);
  }
}

function onlyOnce<T>(ask: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | null = null;
  return () => (asked ??= ask());
}

/** Rows that no file has: the program says that it cannot find them, and so which table it reads. */
function unknownTo({ history }: Knowledge, rows: readonly string[]): readonly string[] {
  return rows.filter((id) => !history.revisions.has(id));
}

async function takeStep(
  step: Step,
  assessment: Assessment,
  openOnce: () => Promise<Journal | null>,
  scope: StepScope,
): Promise<Ending | null> {
  const { observation } = assessment;
  const journaling: Journaling = async (work) => {
    const journal = await openOnce();
    return await journaled(journal && entryOf(step, assessment, journal, null), scope, work);
  };
  if (step.kind === "upgrade") return await upgrade(step.revisions, observation, scope, journaling);
  if (step.kind === "repair") return await journaling(() => applyRepair(step, scope));
  const { database, project, context } = scope;
  const { history } = project.knowledge;
  const { rows, files } = await rowsAfter(step, assessment, scope);
  const journal = await openOnce();
  const { entry } = await stamp(database, {
    layout: history.tool.versionTable,
    table: versionTableOf(observation, project.versionTable),
    exists: observation.versionTable !== null,
    basis: observation.versionTable?.stored ?? [],
    rows,
    files,
    entry: journal && entryOf(step, assessment, journal, rows),
    onNoEntry: (fault) => goOnWithout(fault, scope),
    runId: context.runId,
    // What stood there had room.
    width: step.kind === "undo" ? 0 : widthFor(history),
  });
  const where =
    entry === null
      ? ""
      : ` (entry ${entry} of the journal${step.kind === "stamp" ? `: preflight undo ${entry} takes it back` : ""})`;
  context.log({
    level: "info",
    event: `${step.kind}.done`,
    msg: `${describeStep(step, history)}: done${where}`,
  });
  return null;
}

/** What a step that writes rows leaves in the version table, and what each new row holds. */
async function rowsAfter(
  step: Exclude<Step, { readonly kind: "upgrade" | "repair" }>,
  { observation }: Assessment,
  { project }: StepScope,
): Promise<Pick<StampOptions, "rows" | "files">> {
  const { history } = project.knowledge;
  const { versionTable } = observation;
  const present = (versionTable?.rows ?? []).filter((row) => row !== null);
  switch (step.kind) {
    case "widen":
      return { rows: distinct(toStored(present, versionTable)), files: new Map() };
    case "undo": {
      const kept = observation.journal?.find(({ entry }) => entry === step.entry);
      return { rows: kept?.rowsBefore ?? [], files: { keptBy: step.entry } };
    }
    case "stamp": {
      // What stands there under another number gets its own.
      const renumbered = renumberedRows(project.knowledge, versionTable);
      const past = present.filter((row) => !renumbered.has(row));
      const rows = rowsFor(history, step.to, past);
      const fresh = rows.filter((row) => !present.includes(row));
      const stored = distinct(toStored(rows, versionTable));
      return { rows: stored, files: await versionRows(fresh, project) };
    }
  }
}

/** A table without a key may have several of a row: one is left. */
function distinct(rows: readonly string[]): readonly string[] {
  return [...new Set(rows)];
}

async function versionRows(
  ids: readonly string[],
  { found, knowledge }: Project,
): Promise<ReadonlyMap<string, VersionRow>> {
  if (found.upgrade.kind === "command")
    return new Map(ids.map((id) => [id, rowOfRevision(id, knowledge)]));
  return new Map(
    (await found.upgrade.load(ids)).map((migration) => [migration.id, rowOf(migration)]),
  );
}

/** Where a program applies them, the file itself is not read. */
function rowOfRevision(id: string, { history, digests }: Knowledge): VersionRow {
  const { file = "", hash = "" } = history.revisions.get(id) ?? {};
  return { version: id, name: file, checksum: digests.get(id) ?? hash, statements: null };
}
