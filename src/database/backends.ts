import type { Database } from "./database.ts";
import { cannotGoOn } from "./errors.ts";
import { signalBackends } from "./lock.sql.ts";
import type { Waiting } from "./waiting.ts";

/** Stops what another session of ours does at the moment. */
export async function cancelBackend(db: Database, { backendPid }: Database): Promise<void> {
  await db.query(`SELECT pg_catalog.pg_cancel_backend(${backendPid})`);
}

/**
 * Ends a run's sessions and sees them gone, at most 2 s: a server process looks for its client only between statements.
 * A server that cannot be asked has nobody to end any more, or nobody whom we can reach.
 */
export async function endBackends(
  db: Database,
  applicationName: string,
  sleep: Waiting["sleep"],
): Promise<void> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), 2_000);
  const asking = (async () => {
    while ((await cancelBackends(db, applicationName, "terminate")) > 0)
      await sleep(50, late.signal);
  })();
  const tooLate = new Promise((resolve) => {
    late.signal.addEventListener("abort", resolve, { once: true });
  });
  await Promise.race([asking.catch(() => {}), tooLate]);
  clearTimeout(timer);
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
