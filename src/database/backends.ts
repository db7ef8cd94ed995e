import type { Database } from "./database.ts";
import { cannotGoOn, ConnectionFault } from "./errors.ts";
import { signalBackends } from "./lock.sql.ts";
import type { Waiting } from "./waiting.ts";

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
 * Stops what a run's upgrade still does in this database: a killed client's statement goes on in its server process.
 * The application's name must be at most 63 bytes of ASCII, as the server keeps no more. Returns the number of processes signalled.
 * Throws CannotJudge, also where no answer comes: whoever stops something because the network is gone must come to an end.
 */
export async function cancelBackends(
  db: Database,
  applicationName: string,
  how: "cancel" | "terminate" = "cancel",
): Promise<number> {
  try {
    const rows = await inTime(
      db.query<{ signalled: boolean }>(signalBackends(how, applicationName)),
    );
    return rows.filter(({ signalled }) => signalled).length;
  } catch (error) {
    throw cannotGoOn(error, "stopping the upgrade's server processes");
  }
}

const answerDeadline = 3000;

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new ConnectionFault("TIMED_OUT")), answerDeadline);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
