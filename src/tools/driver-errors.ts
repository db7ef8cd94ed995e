import { traceback } from "../core/complaint.ts";

/** What went wrong between a program and the server, as the program's output tells it. */
export type DriverError = {
  readonly name: string;
  /**
   * - `passes`: what the server refused may succeed later
   * - `stays`: it will not
   * - `connection`: none was made, or it was lost; the driver does not say why
   */
  readonly kind: "passes" | "stays" | "connection";
  /** The traceback that follows is of an error that this one has caused. */
  readonly isCause?: true;
};

/**
 * Python's drivers name an exception class for each SQLSTATE, in English whatever language the server speaks: psycopg
 * and psycopg2 `errors.LockNotAvailable`, asyncpg `exceptions.LockNotAvailableError`. pg8000 prints the SQLSTATE as `'C'`.
 */
const classOfError =
  /\b(?:psycopg2?\.errors|asyncpg\.exceptions(?:\._base)?)\.(\w+?)(?:Error)?\b(?!\.)/;
const fieldOfError = /'C': '(\w{5})'/;
/** What the server refuses in a session has a class of its own; psycopg's is left for the session itself. */
const lostConnection =
  /\bpsycopg2?\.OperationalError\b|\bpg8000\.exceptions\.InterfaceError\b.*\bconnection\b|^(?:ConnectionRefusedError|ConnectionResetError|socket\.gaierror|TimeoutError)\b/;
const isCauseOfNext = "The above exception was the direct cause of the following exception:";

/** By SQLSTATE, and by class without its `Error`. */
const passing: ReadonlySet<string> = new Set(
  [
    "40001 SerializationFailure Serialization",
    "40P01 DeadlockDetected",
    "53100 DiskFull",
    "53200 OutOfMemory",
    "53300 TooManyConnections",
    "55P03 LockNotAvailable",
    "57P01 AdminShutdown",
    "57P02 CrashShutdown",
    "57P03 CannotConnectNow",
  ].flatMap((names) => names.split(" ")),
);

/**
 * The error after one more line of output: that of the last traceback counts, others may have been handled. SQLAlchemy's own wraps
 * the driver's, which from SQLAlchemy 2.1 on is not named there with asyncpg: then it is the one that caused it.
 */
export function followDriverError(before: DriverError | null, line: string): DriverError | null {
  if (line === isCauseOfNext) return before && { ...before, isCause: true };
  if (line.startsWith(traceback))
    return before?.isCause === true ? { name: before.name, kind: before.kind } : null;
  const name = classOfError.exec(line)?.[1] ?? fieldOfError.exec(line)?.[1];
  if (name !== undefined) return { name, kind: passing.has(name) ? "passes" : "stays" };
  const lost = lostConnection.exec(line)?.[0];
  return lost === undefined
    ? before
    : { name: /(\w+Error|gaierror)/.exec(lost)?.[1] ?? lost, kind: "connection" };
}
