import { CannotJudge } from "../core/outcome.ts";
import type { Database } from "../database/database.ts";
import { connectAndWait } from "../database/wait.ts";
import type { Settings } from "../settings/settings.ts";
import type { World } from "./world.ts";

/** Waits for the database as long as the settings allow. */
export async function openDatabase(settings: Settings, world: World): Promise<Database> {
  if (settings.database === null) throw new CannotJudge("config", "no database is named");
  const started = world.now();
  try {
    return await connectAndWait(settings.database, {
      timeout: settings.timeout,
      applicationName: `preflight/${world.runId}`,
      signal: world.signal,
      clock: world.now,
      sleep: world.sleep,
      log: world.log,
    });
  } finally {
    world.draft.waitedMs += Math.round(world.now() - started);
  }
}
