import type { CannotJudge } from "../core/outcome.ts";
import type { Connection } from "../settings/connection.ts";
import { connect, type Connected, type Failed, failed } from "./connect.ts";
import type { Database } from "./database.ts";
import { ConnectionFault, type Fault, isWaitedFor } from "./errors.ts";
import { noAddress, notAvailable, refusal } from "./refusal.ts";
import { formatDuration, isNewsTo, type Waiting } from "./waiting.ts";

export type WaitOptions = Waiting & {
  readonly applicationName: string;
  /** Milliseconds; 0 tries once. */
  readonly timeout: number;
  /** Milliseconds; of the connection's questions later on. */
  readonly silence?: number;
  /** Called after every attempt that failed and will be repeated. */
  readonly onWaiting?: () => void;
};

const firstDelay = 100;
const longestDelay = 2000;
const longestAttempt = 5000;
/** After the deadline, for an attempt that begins at it. */
const lastAttempt = 500;

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
  const { clock, sleep, random, signal, log, timeout, onWaiting } = options;
  const started = clock();
  const deadline = started + timeout;
  let delay = firstDelay;
  const refused: Failed[] = [];
  const isNews = isNewsTo(clock);
  let hasWaited = false;

  const attemptTimeout = (): number =>
    timeout === 0
      ? longestAttempt
      : Math.min(longestAttempt, Math.max(deadline + lastAttempt - clock(), firstDelay));

  for (;;) {
    const address = await readConnection().catch(withoutAddress);
    const result: Connected =
      "fault" in address ? address : await connect(address, { ...options, attemptTimeout });
    if (result.kind === "connected") {
      log({
        level: hasWaited ? "info" : "debug",
        event: "database.connected",
        msg: `connected to ${result.database.place}`,
        waitedMs: Math.round(clock() - started),
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

    hasWaited = true;
    if (isNews(fault.code))
      log({
        level: "info",
        event: "database.waiting",
        msg: `waiting for PostgreSQL: ${fault.says} (${place})${retry.kind === "again" ? `; trying again in ${formatDuration(retry.pause)}: ${retry.why}` : ""}`,
        code: fault.code,
        waitedMs: Math.round(now - started),
      });
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
  return failed(error, "PREFLIGHT_PASSWORD_COMMAND");
}

// Whether another try may help

/** What follows from a failed attempt to connect. */
type Retry =
  | { readonly kind: "wait" }
  /** Waiting rarely cures it: a few more tries. */
  | { readonly kind: "again"; readonly pause: number; readonly why: string }
  | { readonly kind: "refuse" };

type Grace = {
  readonly of: (fault: Fault) => boolean;
  /** In all. */
  readonly tries: number;
  /** Milliseconds before the next. */
  readonly pause: number;
  readonly why: string;
};

/**
 * What is refused only when it has been seen several times. Three logins in ten seconds do not lock an account out,
 * and meet a role or a database that is created some seconds after the server has come up.
 */
const graces: readonly Grace[] = [
  {
    of: ({ kind, code }) => kind === "permission" && code.startsWith("28"),
    tries: 3,
    pause: 4500,
    why: "the role or its password may still be on its way",
  },
  {
    of: ({ code }) => code === "3D000",
    tries: 3,
    pause: 4500,
    why: "the database may still be created",
  },
  {
    of: ({ code }) => code === "NOT_POSTGRES" || code === "BAD_MESSAGE",
    tries: 2,
    pause: 500,
    why: "something else may have had its port for a moment",
  },
];

/** @param earlier what was not waited for before this attempt */
function retryOf(fault: Fault, earlier: readonly Fault[]): Retry {
  if (isWaitedFor(fault)) return { kind: "wait" };
  const grace = graces.find(({ of }) => of(fault));
  if (grace === undefined || earlier.filter(grace.of).length + 1 >= grace.tries)
    return { kind: "refuse" };
  return { kind: "again", pause: grace.pause, why: grace.why };
}
