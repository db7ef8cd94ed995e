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
    ["ValueError: nothing of a server's", null],
  ])("%s", (line, said) => {
    expect(follow(traceback, line)).toEqual(said);
  });

  test("of the last traceback, since others may have been handled", () => {
    const passing = "psycopg.errors.DeadlockDetected: deadlock detected";
    expect(follow(traceback, passing, traceback, "KeyError: 'x'")).toBeNull();
  });
});
