import { expect, it } from "vitest";
import { followComplaint, noComplaint } from "../../src/core/complaint.ts";

const sqlalchemy = `INFO Running upgrade create_likes -> forbid_empty_messages, An entry says something.
Traceback (most recent call last):
  File "sqlalchemy/engine/default.py", line 1180, in do_execute
    cursor.execute(statement, parameters)
psycopg.errors.CheckViolation: check constraint "c" of relation "entries" is violated by some row

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "sqlalchemy/engine/base.py", line 2332, in _handle_dbapi_exception

    raise sqlalchemy_exception.with_traceback(exc_info[2]) from e
sqlalchemy.exc.IntegrityError: (psycopg.errors.CheckViolation) check constraint "c" of relation "entries" is violated by some row
[SQL: ALTER TABLE entries
ADD CONSTRAINT c CHECK (message <> '')]
(Background on this error at: https://sqlalche.me/e/21/gkpj)
`;

it.each([
  ["nothing", "", null],
  [
    "one line",
    "FAILED: Can't locate revision identified by 'x'\n\n",
    "FAILED: Can't locate revision identified by 'x'",
  ],
  ["several lines", "INFO one\nFAILED: two\n", "FAILED: two"],
  [
    "Flask, where it found no application and so no command of it",
    "Error: Could not import 'shop'.\n\nUsage: flask [OPTIONS] COMMAND [ARGS]...\nTry 'flask --help' for help.\n\nError: No such command 'db'.\n",
    "Error: Could not import 'shop'.",
  ],
  [
    "a command line alone",
    "Usage: flask [OPTIONS] COMMAND [ARGS]...\nTry 'flask --help' for help.\n\nError: No such command 'db'.\n",
    "Error: No such command 'db'.",
  ],
  [
    "SQLAlchemy's",
    sqlalchemy,
    'sqlalchemy.exc.IntegrityError: (psycopg.errors.CheckViolation) check constraint "c" of relation "entries" is violated by some row',
  ],
  [
    "a traceback that was cut off",
    "INFO one\nTraceback (most recent call last):\n  File\n",
    "INFO one",
  ],
])("the complaint of %s", (_, output, line) => {
  expect(output.split("\n").reduce(followComplaint, noComplaint).line).toBe(line);
});
