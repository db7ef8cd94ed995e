import type { CannotJudge } from "../core/outcome.ts";
import type { Connection } from "../settings/connection.ts";
import { connect, type Connected } from "./connect.ts";
import type { Database } from "./database.ts";
import { classify, ConnectionFault } from "./errors.ts";
import { noAddress, notAvailable, refusal } from "./refusal.ts";
import { formatDuration, retryOf, type Waiting } from "./waiting.ts";

export type WaitOptions = Waiting & {
  /** At least 0, below 1: those that wait shall not try together. */
  readonly random: () => number;
  readonly applicationName: string;
  /** Milliseconds; 0 tries once. */
  readonly timeout: number;
  /** Milliseconds; of the connection's questions later on. */
  readonly silence?: number;
  /** Called after every attempt that failed and will be repeated. */
  readonly onWaiting?: () => void;
};

type Failed = Extract<Connected, { kind: "failed" }>;

const firstDelay = 100;
const longestDelay = 2000;
const longestAttempt = 5000;
/** After the deadline, for an attempt that begins at it. */
const lastAttempt = 500;
const logInterval = 10_000;

/**
 * A connection, as soon as the server accepts one. What waiting cannot cure (TLS, a wrong parameter) is not waited for;
 * what it rarely cures (a refused login, no such database, not PostgreSQL) gets a few tries. The address is read anew
 * for every attempt: secret files are rotated, and tokens are short-lived; where reading it rejects with a ConnectionFault,
 * that is waited for like a server that does not answer. Throws CannotJudge, or the signal's reason.
 */
export async function connectAndWait(
  readConnection: () => Promise<Connection>,
  options: WaitOptions,
): Promise<Database> {
  const { clock, sleep, random, signal, log, timeout, applicationName, silence, onWaiting } =
    options;
  const started = clock();
  const deadline = started + timeout;
  let delay = firstDelay;
  const refused: Failed[] = [];
  let logged: { code: string; at: number } | null = null;

  for (;;) {
    const address = await readConnection().catch(withoutAddress);
    const result: Connected =
      "fault" in address
        ? address
        : await connect(address, {
            applicationName,
            signal,
            ...(silence === undefined ? {} : { silence }),
            attemptTimeout: () =>
              timeout === 0
                ? longestAttempt
                : Math.min(longestAttempt, Math.max(deadline + lastAttempt - clock(), firstDelay)),
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
    const retry = retryOf(
      fault,
      refused.map((one) => one.fault),
    );
    const now = clock();
    if (retry.kind === "again") refused.push(result);
    if (retry.kind === "refuse" || now >= deadline) throw giveUp();
    onWaiting?.();

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
    const pause = retry.kind === "again" ? retry.pause : delay * (0.5 + random() / 2);
    await sleep(Math.min(pause, deadline - now), signal);
    if (retry.kind === "wait") delay = Math.min(delay * 2, longestDelay);

    function giveUp(): CannotJudge {
      if ("fault" in address) return noAddress(fault, timeout);
      if (retry.kind !== "wait") return refusal(address, { fault, place });
      // An attempt that was cut short says less than what was refused before.
      const before = fault.code === "TIMED_OUT" ? refused.at(-1) : undefined;
      return before === undefined
        ? notAvailable(address, { fault, place }, timeout)
        : refusal(address, before);
    }
  }
}

function withoutAddress(error: unknown): Failed {
  if (!(error instanceof ConnectionFault)) throw error;
  return { kind: "failed", fault: classify(error, "connect"), place: "PREFLIGHT_PASSWORD_COMMAND" };
}
