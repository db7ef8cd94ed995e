import { rowsFor } from "../core/claim.ts";
import type { VersionRow } from "../core/migration.ts";
import type { Observation } from "../core/observation.ts";
import { widthFor } from "../core/plan.ts";
import { renumberedRows } from "../core/renumbered.ts";
import { versionTableOf } from "../core/version-table.ts";
import { stamp } from "../database/stamp.ts";
import type { Ending } from "./draft.ts";
import { rowOf } from "./migrate.ts";
import { describeStep } from "./say.ts";
import { upgrade } from "./upgrade.ts";
import type { Step } from "../core/step.ts";
import type { StepTools } from "./step-tools.ts";

/** @returns how it failed; null: done */
export async function takeStep(
  step: Step,
  observation: Observation,
  tools: StepTools,
): Promise<Ending | null> {
  if (step.kind === "upgrade") return await upgrade(step.revisions, observation, tools);
  const { database, image, world } = tools;
  const { history } = image.knowledge;
  const basis = observation.versionTable?.rows ?? [];
  const present = basis.filter((row) => row !== null);
  // What stands there under another number gets its own.
  const renumbered = renumberedRows(image.knowledge, observation.versionTable);
  const past = present.filter((row) => !renumbered.has(row));
  const rows = step.kind === "stamp" ? rowsFor(history, step.to, past) : present;
  await stamp(database, {
    tool: history.tool,
    table: versionTableOf(observation, image.versionTable),
    exists: observation.versionTable !== null,
    basis,
    rows,
    files: await versionRows(rows.filter((row) => !present.includes(row))),
    runId: world.runId,
    width: widthFor(history),
  });
  world.log({ level: "info", event: `${step.kind}.done`, msg: `${describeStep(step)}: done` });
  return null;

  async function versionRows(ids: readonly string[]): Promise<ReadonlyMap<string, VersionRow>> {
    const { upgrade: how } = image.found;
    if (how.kind === "command") return new Map();
    return new Map((await how.load(ids)).map((migration) => [migration.id, rowOf(migration)]));
  }
}
