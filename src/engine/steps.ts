import { rowsFor } from "../core/claim.ts";
import type { Knowledge } from "../core/knowledge.ts";
import type { VersionRow } from "../core/migration.ts";
import type { Observation } from "../core/observation.ts";
import { widthFor } from "../core/plan.ts";
import { toStored } from "../core/spelling.ts";
import type { Step } from "../core/step.ts";
import { renumberedRows } from "../core/unknown-rows.ts";
import { versionTableOf } from "../core/version-table.ts";
import { stamp } from "../database/stamp.ts";
import { rowOf } from "./apply-files.ts";
import type { Assessment } from "./assess.ts";
import type { Ending } from "./context.ts";
import { describeStep, planActions } from "./events.ts";
import type { StepScope } from "./scope.ts";
import { proveVersionTable, upgrade } from "./upgrade.ts";

/** One after the other. @returns how one of them failed; null: all are done */
export async function takeSteps(
  steps: readonly Step[],
  { observation, knowledge }: Assessment,
  under: StepScope,
): Promise<Ending | null> {
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
    for (const step of steps) {
      signal.throwIfAborted();
      log({
        level: "info",
        event: `${step.kind}.start`,
        msg: describeStep(step, knowledge.history),
      });
      const failure = await takeStep(step, observation, scope);
      signal.throwIfAborted();
      if (failure !== null) return failure;
      record.actions.push(...planActions([step]));
    }
    return null;
  } finally {
    record.actedMs += Math.round(now() - started);
  }
}

/** Rows that no file has: the program says that it cannot find them, and so which table it reads. */
function unknownTo({ history }: Knowledge, rows: readonly string[]): readonly string[] {
  return rows.filter((id) => !history.revisions.has(id));
}

async function takeStep(
  step: Step,
  observation: Observation,
  scope: StepScope,
): Promise<Ending | null> {
  if (step.kind === "upgrade") return await upgrade(step.revisions, observation, scope);
  const { database, project, context } = scope;
  const { history } = project.knowledge;
  const { versionTable } = observation;
  const present = (versionTable?.rows ?? []).filter((row) => row !== null);
  // What stands there under another number gets its own.
  const renumbered = renumberedRows(project.knowledge, versionTable);
  const past = present.filter((row) => !renumbered.has(row));
  const rows = step.kind === "stamp" ? rowsFor(history, step.to, past) : present;
  await stamp(database, {
    layout: history.tool.versionTable,
    table: versionTableOf(observation, project.versionTable),
    exists: versionTable !== null,
    basis: versionTable?.stored ?? [],
    rows: toStored(rows, versionTable),
    files: await versionRows(rows.filter((row) => !present.includes(row))),
    runId: context.runId,
    width: widthFor(history),
  });
  context.log({
    level: "info",
    event: `${step.kind}.done`,
    msg: `${describeStep(step, history)}: done`,
  });
  return null;

  async function versionRows(ids: readonly string[]): Promise<ReadonlyMap<string, VersionRow>> {
    const { upgrade: how } = project.found;
    if (how.kind === "command")
      return new Map(ids.map((id) => [id, rowOfRevision(id, project.knowledge)]));
    return new Map((await how.load(ids)).map((migration) => [migration.id, rowOf(migration)]));
  }
}

/** Where a program applies them, the file itself is not read. */
function rowOfRevision(id: string, { history, digests }: Knowledge): VersionRow {
  const { file = "", hash = "" } = history.revisions.get(id) ?? {};
  return { version: id, name: file, checksum: digests.get(id) ?? hash, statements: null };
}
