import { describe, expect, test } from "vitest";
import { type DriverError, followDriverError } from "../../src/tools/driver-errors.ts";

function follow(...lines: readonly string[]): DriverError | null {
  return lines.reduce<DriverError | null>(followDriverError, null);
}

const traceback = "Traceback (most recent call last):";

describe("what a driver's traceback says of the server", () => {
  test.each<readonly [line: string, said: DriverError | null]>([
    [
      "psycopg.errors.LockNotAvailable: canceling statement due to lock timeout",
      { name: "LockNotAvailable", kind: "passes" },
    ],
    ["psycopg2.errors.DiskFull: could not extend file", { name: "DiskFull", kind: "passes" }],
    [
      "asyncpg.exceptions.TooManyConnectionsError: sorry, too many clients already",
      { name: "TooManyConnections", kind: "passes" },
    ],
    [
      "sqlalchemy.exc.ProgrammingError: (pg8000.dbapi.ProgrammingError) {'S': 'ERROR', 'C': '55P03'}",
      { name: "55P03", kind: "passes" },
    ],
    [
      "sqlalchemy.exc.IntegrityError: (psycopg.errors.NotNullViolation) null value",
      { name: "NotNullViolation", kind: "stays" },
    ],
    [
      "sqlalchemy.exc.OperationalError: (psycopg.OperationalError) connection failed",
      { name: "OperationalError", kind: "connection" },
    ],
    ["psycopg2.OperationalError: FATAL", { name: "OperationalError", kind: "connection" }],
    [
      "pg8000.exceptions.InterfaceError: Can't create a connection to host db and port 5432",
      { name: "InterfaceError", kind: "connection" },
    ],
    ["pg8000.exceptions.InterfaceError: in failed transaction block", null],
    [
      "ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 1)",
      { name: "ConnectionRefusedError", kind: "connection" },
    ],
    ["ValueError: nothing of a server's", null],
  ])("%s", (line, said) => {
    expect(follow(traceback, line)).toEqual(said);
  });

  test("of the last traceback, since others may have been handled", () => {
    const passing = "psycopg.errors.DeadlockDetected: deadlock detected";
    expect(follow(traceback, passing, traceback, "KeyError: 'x'")).toBeNull();
  });

  test("or of the one that caused it: SQLAlchemy 2.1 does not name asyncpg's", () => {
    const cause = "The above exception was the direct cause of the following exception:";
    const wrapped =
      "sqlalchemy.exc.DBAPIError: (sqlalchemy.dialects.postgresql.asyncpg.Error) canceling";
    const own = "asyncpg.exceptions.LockNotAvailableError: canceling statement";
    const between =
      "sqlalchemy.dialects.postgresql.asyncpg.AsyncAdapt_asyncpg_dbapi.Error: canceling";
    const all = [traceback, own, "", cause, "", traceback, between, "", cause, "", traceback];
    expect(follow(...all, wrapped)).toEqual({ name: "LockNotAvailable", kind: "passes" });
    expect(follow(...all, "psycopg.errors.DiskFull: full")).toMatchObject({ name: "DiskFull" });
    expect(follow(...all, wrapped, traceback, "KeyError: 'x'")).toBeNull();
  });
});
