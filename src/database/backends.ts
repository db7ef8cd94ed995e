import type { Database } from "./database.ts";
import { cannotGoOn } from "./errors.ts";
import { signalBackends } from "./lock.sql.ts";

/** Stops what another session of ours does at the moment. */
export async function cancelBackend(db: Database, { backendPid }: Database): Promise<void> {
  await db.query(`SELECT pg_catalog.pg_cancel_backend(${backendPid})`);
}

/**
 * Stops what a run's child still does in this database: a killed client's statement goes on in its server process.
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
