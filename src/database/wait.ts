import { CannotJudge } from "../core/outcome.ts";
import type { Outcome } from "../core/outcome.ts";
import type { Connection } from "../settings/connection.ts";
import { connect } from "./connect.ts";
import type { Connected } from "./connect.ts";
import type { Database } from "./database.ts";
import type { Fault, FaultKind } from "./errors.ts";
import { formatDuration } from "./waiting.ts";
import type { Waiting } from "./waiting.ts";

export type WaitOptions = Waiting & {
  readonly applicationName: string;
  /** Milliseconds; 0 tries once. */
  readonly timeout: number;
  /** Called after every attempt that failed and will be repeated. */
  readonly onWaiting?: () => void;
};

type Failed = Extract<Connected, { kind: "failed" }>;

const firstDelay = 100;
const longestDelay = 2000;
const longestAttempt = 5000;
const logInterval = 10_000;

/**
 * A connection, as soon as the server accepts one. What waiting cannot cure (a refused login, no such
 * database, TLS, not PostgreSQL, a wrong parameter) is not waited for. The address is read anew for every attempt: secret
 * files are rotated, and tokens are short-lived. Throws CannotJudge, or the signal's reason.
 */
export async function connectAndWait(
  readConnection: () => Promise<Connection>,
  options: WaitOptions,
): Promise<Database> {
  const { clock, sleep, signal, log, timeout, applicationName, onWaiting } = options;
  const started = clock();
  const deadline = started + timeout;
  let delay = firstDelay;
  let logged: { code: string; at: number } | null = null;

  for (;;) {
    const connection = await readConnection();
    const result = await connect(connection, {
      applicationName,
      signal,
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
    if (result.fault.kind !== "unavailable") throw refusal(connection, result);
    if (clock() >= deadline) throw notAvailable(connection, result, timeout);

    onWaiting?.();
    const now = clock();
    if (logged === null || logged.code !== result.fault.code || now - logged.at >= logInterval) {
      logged = { code: result.fault.code, at: now };
      log({
        level: "info",
        event: "database.waiting",
        msg: `waiting for PostgreSQL: ${result.fault.says} (${result.place})`,
        code: result.fault.code,
        waitedMs: Math.round(now - started),
      });
    }
    const pause = delay * (0.5 + Math.random() / 2);
    await sleep(Math.min(pause, Math.max(deadline - clock(), 0)), signal);
    delay = Math.min(delay * 2, longestDelay);
  }
}

function notAvailable(
  connection: Connection,
  { fault, place }: Failed,
  timeout: number,
): CannotJudge {
  return new CannotJudge(
    "unavailable",
    `PostgreSQL did not become available within ${formatDuration(timeout)}: last: ${fault.says} (${place})`,
    [
      `check that the server runs and that ${connection.source} names its host and port`,
      "give it more time with --timeout",
    ],
  );
}

function refusal(connection: Connection, { fault, place }: Failed): CannotJudge {
  const { outcome, next } = refusals[fault.kind];
  const who = `user ${connection.user}, database ${connection.database}`;
  return new CannotJudge(
    outcome,
    `cannot connect to PostgreSQL: ${fault.says} (${fault.code}; ${place}, ${who})`,
    next(connection, fault),
  );
}

const refusals: Record<
  FaultKind,
  { outcome: Outcome; next: (connection: Connection, fault: Fault) => readonly string[] }
> = {
  permission: {
    outcome: "permission",
    next: ({ source }) => [`check user and password in ${source}, and the server's pg_hba.conf`],
  },
  config: {
    outcome: "config",
    next: ({ source, database }, { code }) =>
      code === "3D000"
        ? [`create the database ${database}, or name another one in ${source}`]
        : [`check the parameters in ${source}`],
  },
  protocol: {
    outcome: "protocol",
    next: ({ source }, { code }) =>
      protocolAdvice[code] ?? [`check host, port and TLS settings in ${source}`],
  },
  temporary: { outcome: "temporary", next: () => ["run it again"] },
  internal: { outcome: "internal", next: () => [] },
  unavailable: { outcome: "unavailable", next: () => [] },
};

const protocolAdvice: Record<string, readonly string[]> = {
  TLS_NOT_SUPPORTED: [
    "switch TLS on at the server",
    "or, on a network you trust, set sslmode=disable",
  ],
  TLS_UNTRUSTED: ["give the authority's certificate with sslrootcert"],
  TLS_EXPIRED: ["renew the server's certificate, and check the clocks"],
  TLS_WRONG_HOST: ["use the host name that the certificate was made for", "or sslmode=verify-ca"],
};
