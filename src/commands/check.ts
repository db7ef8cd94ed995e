import { describePlace } from "../settings/place.ts";
import type { Settings } from "../settings/settings.ts";
import { refuseWithoutRights } from "../engine/execute.ts";
import { type Ending, ready } from "../engine/run-record.ts";
import { type Project, readProject } from "../engine/project.ts";
import { type Assessment, assessFirst } from "../engine/assess.ts";
import { openSession } from "../engine/session.ts";
import {
  recordDiagnosis,
  planActions,
  refuse,
  refuseHistory,
  sayHeaders,
  sayPlan,
  sayStart,
} from "../engine/events.ts";
import type { Context } from "../engine/context.ts";
import type { Step } from "../core/step.ts";

/** The same look and plan as `run`. It has no way to write: it opens no lock, starts no child, stamps nothing. */
export async function check(settings: Settings, context: Context): Promise<Ending> {
  return await lookAndPlan(settings, context, () => {});
}

/** `run` without its deeds: its role must be able to do them all the same. */
export async function rehearse(settings: Settings, context: Context): Promise<Ending> {
  return await lookAndPlan(settings, context, refuseWithoutRights);
}

/** @param beforeActing throws what `run` would end with before its first deed */
async function lookAndPlan(
  settings: Settings,
  context: Context,
  beforeActing: (assessment: Assessment, project: Project) => void,
): Promise<Ending> {
  const reading = await readProject(settings, context);
  if (reading.kind === "broken") return refuseHistory(reading.faults, context);
  const database = await openSession(settings, context);
  try {
    const assessment = await assessFirst(database, reading.project, settings, context);
    recordDiagnosis(assessment, reading.project, context);
    switch (assessment.plan.kind) {
      case "start":
        sayStart(assessment, context);
        return ready;
      case "refuse":
        return refuse(assessment.plan, context);
      case "act": {
        beforeActing(assessment, reading.project);
        const { steps } = assessment.plan;
        context.record.actions = planActions(steps);
        sayPlan(steps, context);
        sayOtherAddress(steps, reading.project, settings, context);
        await sayPending(steps, reading.project, context);
        if (!settings.exitCode) return ready;
        return {
          outcome: "pending",
          reason: "run would stamp or upgrade this database",
          next: ["preflight run"],
        };
      }
    }
  } finally {
    await database.close();
  }
}

/** It starts no child that could be asked where the upgrade would work; `run` does. */
function sayOtherAddress(
  steps: readonly Step[],
  { found }: Project,
  { programAddress, database }: Settings,
  context: Context,
): void {
  const isByProgram =
    found.upgrade.kind === "command" && steps.some(({ kind }) => kind === "upgrade");
  if (programAddress === null || database === null || !isByProgram) return;
  const { source, place, differs } = programAddress;
  const doubt =
    differs === "database"
      ? "run upgrades nothing if the program works there"
      : "that is right for a pooler, or for another name of the same server";
  context.log({
    level: "warn",
    event: "address.differs",
    msg: `the upgrade's program may take its address from ${source} (${describePlace(place)}), and the database that was judged is ${database.database} of ${database.source}: ${doubt}`,
  });
}

/** The files are read anew: a healthy start does not need what only a plan shows. */
async function sayPending(
  steps: readonly Step[],
  { found }: Project,
  context: Context,
): Promise<void> {
  const { upgrade } = found;
  if (upgrade.kind === "command") return;
  for (const step of steps)
    if (step.kind === "upgrade") sayHeaders(await upgrade.load(step.revisions), context);
}
