import type { Database } from "./database.ts";
import { cannotGoOn } from "./errors.ts";
import { signalBackends } from "./lock.sql.ts";

/**
 * Stops what a run's upgrade still does in this database: a killed client's statement goes on in its server process.
 * The application's name must be at most 63 bytes of ASCII, as the server keeps no more. Returns the number of processes signalled.
 */
export async function cancelBackends(
  db: Database,
  applicationName: string,
  how: "cancel" | "terminate" = "cancel",
): Promise<number> {
  try {
    const rows = await db.query<{ signalled: boolean }>(signalBackends(how, applicationName));
    return rows.filter(({ signalled }) => signalled).length;
  } catch (error) {
    throw cannotGoOn(error, "stopping the upgrade's server processes");
  }
}
