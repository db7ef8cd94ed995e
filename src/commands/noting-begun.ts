import { commitInParts } from "../core/begun.ts";
import { claimOf } from "../core/claim.ts";
import type { Observation } from "../core/observation.ts";
import { CannotJudge } from "../core/outcome.ts";
import { versionTableOf } from "../core/version-table.ts";
import { forgetBegun, noteBegun } from "../database/begun.ts";
import { lookRows } from "../database/look.ts";
import type { Ending } from "./draft.ts";
import type { StepTools } from "./step-tools.ts";

/** A row stands while a revision that commits in parts may be at work: after a crash, the next look finds it. */
export async function notingBegun(
  revisions: readonly string[],
  observation: Observation,
  { database, image, world }: StepTools,
  work: () => Promise<Ending | null>,
): Promise<Ending | null> {
  const table = versionTableOf(observation, image.versionTable);
  const { history } = image.knowledge;
  const doubtful = commitInParts(image.knowledge, revisions);
  const before = observation.progress.map(({ version }) => version);
  if (doubtful.length + before.length === 0) return await work();
  const files = doubtful.flatMap((id) => history.revisions.get(id) ?? []);
  const isNoted = await noteBegun(database, table, files, world.runId);
  try {
    const failure = await work();
    if (failure === null) await forgetRecorded().catch(() => {});
    // What the program made meanwhile may have a place for it.
    else if (!isNoted) await noteBegun(database, table, files, world.runId);
    return failure;
  } catch (error) {
    const fresh = doubtful.filter((id) => !before.includes(id));
    if (neverBegan(error)) await forgetBegun(database, table, fresh).catch(() => {});
    throw error;
  }

  /** No such program, or told to stop before it. Where the lock was lost, the row may be another run's by now. */
  function neverBegan(error: unknown): boolean {
    return error instanceof CannotJudge
      ? error.outcome !== "temporary"
      : error === world.signal.reason;
  }

  /** A row that stays, because we were kept from it, is in nobody's way once its revision is recorded. */
  async function forgetRecorded(): Promise<void> {
    const { versionTable } = await lookRows(database, {
      versionTable: image.versionTable,
      home: observation.home.schema,
    });
    const rows = (versionTable?.rows ?? []).filter((row) => row !== null);
    const { applied } = claimOf(history, rows);
    const done = [...doubtful, ...before].filter((id) => applied.has(id));
    await forgetBegun(database, table, done);
  }
}
