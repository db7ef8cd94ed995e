import type { Connection } from "../settings/connection.ts";
import { connect } from "./connect.ts";
import type { Database } from "./database.ts";
import type { Fault } from "./errors.ts";
import { notAvailable, refusal } from "./refusal.ts";
import { retryOf } from "./retry.ts";
import { formatDuration } from "./waiting.ts";
import type { Waiting } from "./waiting.ts";

export type WaitOptions = Waiting & {
  readonly applicationName: string;
  /** Milliseconds; 0 tries once. */
  readonly timeout: number;
  /** Milliseconds; of the connection's questions later on. */
  readonly silence?: number;
};

const firstDelay = 100;
const longestDelay = 2000;
const longestAttempt = 5000;
const logInterval = 10_000;

/**
 * A connection, as soon as the server accepts one. What waiting cannot cure (TLS, a wrong parameter) is not waited for;
 * what it rarely cures (a refused login, no such database, not PostgreSQL) gets a few tries. The address is read anew
 * for every attempt: secret files are rotated, and tokens are short-lived. Throws CannotJudge, or the signal's reason.
 */
export async function connectAndWait(
  readConnection: () => Promise<Connection>,
  options: WaitOptions,
): Promise<Database> {
  const { clock, sleep, signal, log, timeout, applicationName, silence } = options;
  const started = clock();
  const deadline = started + timeout;
  let delay = firstDelay;
  const refused: Fault[] = [];
  let logged: { code: string; at: number } | null = null;

  for (;;) {
    const connection = await readConnection();
    const result = await connect(connection, {
      applicationName,
      signal,
      ...(silence === undefined ? {} : { silence }),
      attemptTimeout: () =>
        timeout === 0
          ? longestAttempt
          : Math.min(longestAttempt, Math.max(deadline - clock(), firstDelay)),
    });
    if (result.kind === "connected") {
      const waitedMs = Math.round(clock() - started);
      log({
        level: logged ? "info" : "debug",
        event: "database.connected",
        msg: `connected to ${result.database.place}`,
        waitedMs,
      });
      return result.database;
    }
    const { fault, place } = result;
    const retry = retryOf(fault, refused);
    const now = clock();
    if (retry.kind === "refuse") throw refusal(connection, result);
    if (now >= deadline)
      throw retry.kind === "again"
        ? refusal(connection, result)
        : notAvailable(connection, result, timeout);

    if (retry.kind === "again") refused.push(fault);
    if (logged === null || logged.code !== fault.code || now - logged.at >= logInterval) {
      logged = { code: fault.code, at: now };
      log({
        level: "info",
        event: "database.waiting",
        msg: `waiting for PostgreSQL: ${fault.says} (${place})${retry.kind === "again" ? `; trying again in ${formatDuration(retry.pause)}: ${retry.why}` : ""}`,
        code: fault.code,
        waitedMs: Math.round(now - started),
      });
    }
    const pause = retry.kind === "again" ? retry.pause : delay * (0.5 + Math.random() / 2);
    await sleep(Math.min(pause, deadline - now), signal);
    if (retry.kind === "wait") delay = Math.min(delay * 2, longestDelay);
  }
}
