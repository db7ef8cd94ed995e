/** What the server refused, as a program's output tells it, and whether the same may succeed later. */
export type DriverError = { readonly name: string; readonly passes: boolean };

/**
 * Python's drivers name an exception class for each SQLSTATE, in English whatever language the server speaks: psycopg
 * and psycopg2 `errors.LockNotAvailable`, asyncpg `exceptions.LockNotAvailableError`. pg8000 prints the SQLSTATE as `'C'`.
 */
const classOfError =
  /\b(?:psycopg2?\.errors|asyncpg\.exceptions(?:\._base)?)\.(\w+?)(?:Error)?\b(?!\.)/;
const fieldOfError = /'C': '(\w{5})'/;

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

/** The error after one more line of output: that of the last traceback counts, others may have been handled. */
export function followDriverError(before: DriverError | null, line: string): DriverError | null {
  if (line.startsWith("Traceback (most recent call last)")) return null;
  const name = classOfError.exec(line)?.[1] ?? fieldOfError.exec(line)?.[1];
  return name === undefined ? before : { name, passes: passing.has(name) };
}
