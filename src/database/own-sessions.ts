import type { Database } from "./database.ts";
import { throwCannotGoOn } from "./errors.ts";
import { signalBackends } from "./lock.sql.ts";
import { inTime, type Waiting } from "./waiting.ts";

const longestEnding = 2000;
const longestAnswer = 3000;

/**
 * Ends a run's sessions and sees them gone, at most 2 s: a server process looks for its client only between statements.
 * A server that cannot be asked has nobody to end any more, or nobody whom we can reach.
 */
export async function endBackends(
  db: Database,
  applicationName: string,
  sleep: Waiting["sleep"],
): Promise<void> {
  const over = new AbortController();
  await inTime(untilGone(), longestEnding).catch(() => {});
  over.abort();

  async function untilGone(): Promise<void> {
    while ((await cancelBackends(db, applicationName, "terminate")) > 0)
      await sleep(50, over.signal);
  }
}

/**
 * Stops what a run's upgrade still does in this database: a killed client's statement goes on in its server process.
 * The application's name must be at most 63 bytes of ASCII, as the server keeps no more. Returns the number of processes signalled.
 * Throws CannotJudge, also where no answer comes: whoever stops something because the network is gone must come to an end.
 */
export async function cancelBackends(
  db: Database,
  applicationName: string,
  how: "cancel" | "terminate" = "cancel",
): Promise<number> {
  const asked = db.query<{ signalled: boolean }>(signalBackends(how, applicationName));
  const rows = await inTime(asked, longestAnswer).catch(
    throwCannotGoOn("stopping the upgrade's server processes"),
  );
  return rows.filter(({ signalled }) => signalled).length;
}

/** What the application's name begins with in every session of an upgrade. */
export const upgradePrefix = "preflight-upgrade/";

/** By this name the server processes of a run's upgrade are found when it must be stopped. */
export function upgradeName(runId: string): string {
  return `${upgradePrefix}${runId}`;
}
