import { CannotJudge } from "../core/outcome.ts";
import type { Database } from "../database/database.ts";
import { connectAndWait } from "../database/wait.ts";
import type { Settings } from "../settings/settings.ts";
import type { World } from "./world.ts";

/**
 * Waits for the database as long as the settings allow.
 * @param applicationName by which the server's other users, and we ourselves, tell the session apart
 */
export async function openDatabase(
  settings: Settings,
  world: World,
  applicationName = `preflight/${world.runId}`,
): Promise<Database> {
  const { database } = settings;
  if (database === null) throw new CannotJudge("config", "no database is named");
  const started = world.now();
  try {
    return await connectAndWait(async () => database, {
      timeout: settings.timeout,
      applicationName,
      signal: world.signal,
      clock: world.now,
      sleep: world.sleep,
      log: world.log,
    });
  } finally {
    world.draft.waitedMs += Math.round(world.now() - started);
  }
}
