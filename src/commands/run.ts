import type { Database } from "../database/database.ts";
import { isReadOnlyForRole } from "../database/read-only.ts";
import type { Settings } from "../settings/settings.ts";
import { execute } from "../engine/execute.ts";
import { type Ending, ready } from "../engine/run-record.ts";
import { type Project, readProject } from "../engine/project.ts";
import { type Assessment, assessFirst } from "../engine/assess.ts";
import { openSession } from "../engine/session.ts";
import { recordDiagnosis, refuse, refuseHistory, sayStart } from "../engine/events.ts";
import type { Context } from "../engine/context.ts";

/** look, decide, act, prove. */
export async function run(settings: Settings, context: Context): Promise<Ending> {
  const reading = await readProject(settings, context);
  if (reading.kind === "broken") return refuseHistory(reading.faults, context);
  const { project } = reading;
  const { database, first } = await lookFirst(project, settings, context);
  try {
    switch (first.plan.kind) {
      case "start":
        sayStart(first, context);
        return ready;
      case "refuse":
        return refuse(first.plan, context);
      case "act":
        return await execute(first, database, project, settings, context);
    }
  } finally {
    await database.close();
  }
}

type FirstLook = { readonly database: Database; readonly first: Assessment };

/** A standby can be looked at. What is to be done there is asked anew of a server that can be written to. */
async function lookFirst(
  project: Project,
  settings: Settings,
  context: Context,
): Promise<FirstLook> {
  const anyone = await lookAt(await openSession(settings, context), project, settings, context);
  const { inRecovery, readOnly } = anyone.first.observation.server;
  if (anyone.first.plan.kind !== "act" || !(inRecovery || readOnly)) return anyone;
  if (!inRecovery && (await isReadOnlyForRole(anyone.database))) return anyone;
  await anyone.database.close();
  context.log({
    level: "info",
    event: "primary.wanted",
    msg: `the database is ${anyone.first.verdict.kind}, and this server is ${inRecovery ? "a standby" : "read-only"}: one that can be written to is wanted`,
  });
  const primary = await openSession(settings, context, { toWrite: true });
  return await lookAt(primary, project, settings, context);
}

async function lookAt(
  database: Database,
  project: Project,
  settings: Settings,
  context: Context,
): Promise<FirstLook> {
  try {
    const first = await assessFirst(database, project, settings, context);
    recordDiagnosis(first, project, context);
    return { database, first };
  } catch (error) {
    await database.close();
    throw error;
  }
}
