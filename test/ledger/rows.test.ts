import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RowsToChange, Trace } from "../../src/core/traces.ts";
import { type ReplayedHistory, replayHistory } from "../../src/ledger/replay.ts";
import { hashRow, saltOf } from "../../src/ledger/rows.ts";
import { startServer, type TestServer } from "../support/postgres.ts";
import { historyOf, type NumberedFile, planOf } from "./numbered-files.ts";
import { connectionTo, openForTests } from "./open-scratch.ts";

const files: readonly NumberedFile[] = [
  {
    id: "01",
    sql: `
      CREATE TABLE roles (id int PRIMARY KEY, name text NOT NULL);
      CREATE TABLE rights (role int, "the right" text, PRIMARY KEY (role, "the right"));
      CREATE TABLE people (id serial PRIMARY KEY, name text);
      CREATE TABLE tokens (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), made timestamptz DEFAULT now());
      CREATE TABLE levels (id serial PRIMARY KEY, label text NOT NULL, made_by text DEFAULT current_user, made timestamptz DEFAULT now());
      CREATE TABLE counts (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int);
      CREATE TABLE codes (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), code varchar(5) NOT NULL UNIQUE);
      CREATE TABLE keyless (a int);
      CREATE TABLE past (at date PRIMARY KEY) PARTITION BY RANGE (at);
      CREATE TABLE past_1 PARTITION OF past FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')`,
  },
  {
    id: "02",
    sql: `INSERT INTO roles VALUES (1, 'admin'), (2, 'user'); INSERT INTO rights VALUES (1, 'ü:1')`,
  },
  { id: "03", sql: "INSERT INTO tokens DEFAULT VALUES" },
  { id: "04", sql: "UPDATE people SET name = '' WHERE name IS NULL" },
  { id: "05", sql: "INSERT INTO levels (label) VALUES ('low'), ('high')" },
  { id: "06", sql: "INSERT INTO codes (code) VALUES ('a')" },
  { id: "07", sql: "INSERT INTO keyless VALUES (1)" },
  { id: "08", sql: "INSERT INTO roles VALUES (1, 'owner') ON CONFLICT DO NOTHING" },
  { id: "09", sql: "INSERT INTO counts (n) VALUES (1)" },
  { id: "10", sql: "INSERT INTO past VALUES ('2020-02-02')" },
  { id: "11", sql: "UPDATE roles SET name = 'reader' WHERE id = 2" },
  {
    id: "12",
    sql: "INSERT INTO people (name) SELECT label FROM people p JOIN levels l USING (id)",
  },
  { id: "13", sql: "ALTER TABLE roles RENAME TO parts; ALTER TABLE parts RENAME id TO part" },
  { id: "14", sql: "DELETE FROM parts WHERE part = 2" },
  { id: "15", sql: "INSERT INTO parts VALUES (3, 'guest')" },
  { id: "16", sql: "ALTER TABLE parts ALTER part TYPE text" },
  { id: "17", sql: "DELETE FROM people" },
  { id: "18", sql: "DROP TABLE people" },
  { id: "19", sql: "INSERT INTO parts SELECT n::text, 'many' FROM generate_series(1000, 2000) n" },
  {
    id: "20",
    sql: "ALTER TABLE past DETACH PARTITION past_1; DELETE FROM past_1 WHERE at < '2020-02-01'",
  },
];

let server: TestServer;
let replay: ReplayedHistory;
beforeAll(async () => {
  server = await startServer();
  const scratch = await openForTests({ on: connectionTo(server) });
  replay = await replayHistory(planOf(files, scratch)).finally(scratch.close);
}, 60_000);
afterAll(() => server?.stop());

/** What the rows show of a file once all files up to another have run. */
function traces(at: string, id: string): readonly Trace[] {
  const snapshot = replay.snapshots.find(({ heads }) => heads[0] === at);
  return snapshot?.traces.get(id) ?? [];
}

const hash = (...values: readonly string[]): string => hashRow(saltOf(historyOf(files)), values);
const rows = (table: string, columns: readonly string[], ...keys: readonly string[][]): Trace => ({
  kind: "rows",
  table: `<home>.${table}`,
  columns,
  hashes: keys.map((key) => hash(...key)).sort(),
});

const idle = (...unless: readonly RowsToChange[]): Trace => ({
  kind: "idle",
  unless: unless.map(({ table, where }) => ({ table: `<home>.${table}`, where })),
  besides: false,
});

describe("a replay notes what shows in the rows that a file ran", { timeout: 60_000 }, () => {
  test.each<[string, string, string, readonly Trace[]]>([
    [
      "keys of the rows that it wrote",
      "02",
      "02",
      [rows("rights", ["role", "the right"], ["1", "ü:1"]), rows("roles", ["id"], ["1"], ["2"])],
    ],
    [
      "also at later states",
      "12",
      "02",
      [rows("rights", ["role", "the right"], ["1", "ü:1"]), rows("roles", ["id"], ["1"], ["2"])],
    ],
    [
      "by their new names",
      "13",
      "02",
      [rows("parts", ["part"], ["1"], ["2"]), rows("rights", ["role", "the right"], ["1", "ü:1"])],
    ],
    [
      "without those that a later file deleted",
      "14",
      "02",
      [rows("parts", ["part"], ["1"]), rows("rights", ["role", "the right"], ["1", "ü:1"])],
    ],
    ["not those of others in the same table", "15", "15", [rows("parts", ["part"], ["3"])]],
    ["no more when the key is another one", "16", "15", []],
    ["of a random key nothing", "03", "03", []],
    ["a second key, where the first is random", "06", "06", [rows("codes", ["code"], ["a"])]],
    [
      "a number of a sequence with what is said in words",
      "05",
      "05",
      [rows("levels", ["id", "label"], ["1", "low"], ["2", "high"])],
    ],
    ["of a number alone nothing", "09", "09", []],
    ["without a key nothing", "07", "07", []],
    ["of rows that were there before nothing", "08", "08", []],
    ["of changed rows nothing", "11", "11", []],
    ["of partitions nothing", "10", "10", []],
    ["of many rows nothing", "19", "19", []],
    ["of rows that others wrote by another name nothing", "20", "20", []],
    [
      "that it changes nothing in an empty table",
      "17",
      "04",
      // Its condition would be asked in a table that is gone at the end.
      [idle({ table: "people", where: null })],
    ],
    ["or deletes nothing", "17", "17", [idle({ table: "people", where: null })]],
    [
      "or inserts nothing, since there is nothing",
      "17",
      "12",
      [idle({ table: "people", where: null })],
    ],
    ["and that a table which is gone makes no difference", "18", "04", [idle()]],
  ])("%s: at %s, of %s", (_, at, id, expected) => {
    expect(traces(at, id)).toEqual(expected);
  });

  test("and keeps no value", () => {
    const text = JSON.stringify(replay.snapshots.map((each) => [...each.traces]));
    for (const value of ["admin", "user", "ü", "low"]) expect(text).not.toContain(value);
  });
});

describe("a replay notes which rows a file would change", { timeout: 60_000 }, () => {
  const schema = [
    "CREATE TYPE mood AS ENUM ('old', 'new')",
    "CREATE TABLE people (id serial PRIMARY KEY, name text, nick text, born date, kind mood, made timestamptz, age text)",
    "CREATE TABLE other (id int PRIMARY KEY)",
    "CREATE TABLE old (id int PRIMARY KEY)",
    "CREATE TABLE brief (id int PRIMARY KEY, n int)",
    "CREATE TABLE kinds (id int PRIMARY KEY, name text)",
    "CREATE TABLE viewed (id int PRIMARY KEY, a int, b int)",
    "CREATE SCHEMA api",
    "CREATE VIEW api.viewed AS SELECT id, a AS b, b AS a FROM viewed",
    "CREATE FUNCTION is_odd(text) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1 = chr(63)'",
  ];
  const nameless = { table: "people", where: "(name IS NULL)" };
  const any = { table: "people", where: null };
  const cases: readonly (readonly [string, readonly string[], readonly RowsToChange[]])[] = [
    ["an UPDATE's", ["UPDATE people SET name = '' WHERE name IS NULL"], [nameless]],
    ["a DELETE's", ["DELETE FROM people WHERE name IS NULL"], [nameless]],
    [
      "all of them",
      ["UPDATE people SET name = '' WHERE name IS NULL", "DELETE FROM other WHERE id > 7"],
      [{ table: "other", where: "(id > 7)" }, nameless],
    ],
    [
      "each statement's, once",
      [
        "UPDATE people SET name = '' WHERE name IS NULL",
        "UPDATE people SET nick = '' WHERE name IS NULL",
        "UPDATE people SET nick = name WHERE lower(name) = 'x'",
      ],
      [{ table: "people", where: "(lower(name) = 'x'::text)" }, nameless],
    ],
    [
      "by a type of the history's own",
      ["UPDATE people SET kind = 'new' WHERE kind = 'old'"],
      [{ table: "people", where: "(kind = 'old'::<home>.mood)" }],
    ],
    ["not where it depends on the time", ["DELETE FROM people WHERE made < now()"], [any]],
    ["nor on a function of the history", ["DELETE FROM people WHERE is_odd(name)"], [any]],
    ["nor on a whole row", ["DELETE FROM people WHERE people IS NULL"], [any]],
    [
      "nor where something else read the table too",
      ["UPDATE people SET name = '' WHERE name IS NULL", "SELECT count(*) FROM people"],
      [any],
    ],
    [
      "nor where one statement has no condition",
      ["UPDATE people SET name = '' WHERE name IS NULL", "UPDATE people SET nick = name"],
      [any],
    ],
    [
      "nor where the statement is inside of another",
      ["DO 'BEGIN UPDATE people SET name = nick WHERE name IS NULL; END'"],
      [any],
    ],
    [
      "nor where its column is another one today",
      ["UPDATE people SET born = '2000-01-01' WHERE born IS NULL"],
      [any],
    ],
    ["nor where it has another type", ["UPDATE people SET age = '0' WHERE age IS NULL"], [any]],
    [
      "nor where it went through a view",
      ["UPDATE api.viewed SET a = 0 WHERE a IS NULL"],
      [{ table: "viewed", where: null }],
    ],
  ];
  const seeds: readonly (readonly [string, readonly string[], readonly RowsToChange[] | null])[] = [
    [
      "nothing where all that it wrote is deleted again",
      ["INSERT INTO kinds VALUES (1, 'a'), (2, 'b')"],
      [],
    ],
    [
      "of rows that are in every new database",
      ["DELETE FROM kinds WHERE id < 3"],
      [{ table: "kinds", where: "(id < 3)" }],
    ],
    [
      "from a table that it drops",
      ["INSERT INTO other SELECT id FROM old", "DROP TABLE old"],
      [{ table: "other", where: null }],
    ],
    ["nothing of rows that are there for a while", ["INSERT INTO brief VALUES (1, 1), (2, 2)"], []],
    [
      "all of a table that is empty again",
      ["UPDATE brief SET n = n + 1"],
      [{ table: "brief", where: null }],
    ],
    ["and of one that it empties", ["DELETE FROM brief"], [{ table: "brief", where: null }]],
    ["not where it wrote some that are there", ["INSERT INTO kinds VALUES (3, 'c')"], null],
    ["nor where it changed all rows of others", ["UPDATE kinds SET name = 'd'"], null],
    [
      "nor where it read rows of others",
      ["INSERT INTO other SELECT id FROM kinds WHERE id > 100"],
      null,
    ],
  ];
  const some = "UPDATE people SET name = '' WHERE name IS NULL";
  /** null: nobody knows what it would do to rows. */
  const besides: readonly (readonly [string, readonly string[], boolean | null])[] = [
    ["no", [some], false],
    ["it makes a table", [some, "CREATE TABLE made (id int)"], true],
    ["GRANT", [some, "GRANT SELECT ON people TO PUBLIC"], true],
    ["SET STATISTICS", [some, "ALTER TABLE people ALTER name SET STATISTICS 500"], true],
    ["a table that is made again", [some, "DROP TABLE made; CREATE TABLE made (id int)"], true],
    ["a sequence that starts anew", [some, "ALTER SEQUENCE people_id_seq RESTART 500"], true],
    ["setval", [some, "SELECT setval('people_id_seq', 1000)"], null],
    ["setval in a block", [some, "DO 'BEGIN PERFORM setval(''people_id_seq'', 2000); END'"], null],
    ["TRUNCATE", ["TRUNCATE people"], true],
  ];
  const all = [...cases, ...seeds];
  const numbered = all.map(([, sql], index): NumberedFile => ({ id: String(101 + index), sql }));
  const end: NumberedFile = {
    id: "200",
    sql: [
      "ALTER TABLE people RENAME born TO birth",
      "ALTER TABLE people ADD born date",
      "ALTER TABLE people ALTER age TYPE int USING age::int",
    ],
  };
  const more = besides.map(([, sql], index): NumberedFile => ({ id: String(150 + index), sql }));
  let snapshots: ReplayedHistory["snapshots"];
  beforeAll(async () => {
    const scratch = await openForTests({ on: connectionTo(server) });
    const files = [{ id: "100", sql: schema }, ...numbered, ...more, end];
    ({ snapshots } = await replayHistory(planOf(files, scratch)).finally(scratch.close));
  });

  test.each(all.map(([what, , rows], index) => [what, String(101 + index), rows] as const))(
    "%s",
    (_, id, expected) => {
      const last = snapshots.find(({ heads }) => heads[0] === "200");
      const found = last?.traces.get(id)?.find((trace) => trace.kind === "idle");
      expect(found && { ...found, besides: false }).toEqual(
        expected === null ? undefined : idle(...expected),
      );
    },
  );

  test.each(besides.map(([what, , is], index) => [what, String(150 + index), is] as const))(
    "and whether it does more than that: %s",
    (_, id, expected) => {
      const last = snapshots.find(({ heads }) => heads[0] === "200");
      const [trace] = last?.traces.get(id) ?? [];
      expect(trace?.kind === "idle" ? trace.besides : null).toBe(expected);
    },
  );
});

describe("rows that were there before the first migration", { timeout: 60_000 }, () => {
  test("are nobody's, and neither are those of others in their table", async () => {
    const scratch = await openForTests({
      on: connectionTo(server),
      preludes: [
        {
          name: "platform.sql",
          sql: "CREATE SCHEMA auth; CREATE TABLE auth.users (id int PRIMARY KEY); INSERT INTO auth.users VALUES (1)",
        },
      ],
    });
    const again = await replayHistory(
      planOf(
        [
          { id: "1", sql: "CREATE TABLE t (id int PRIMARY KEY)" },
          { id: "2", sql: "INSERT INTO auth.users VALUES (2); INSERT INTO t VALUES (1)" },
          { id: "3", sql: "UPDATE auth.users SET id = id" },
        ],
        scratch,
      ),
    ).finally(scratch.close);
    const seen = again.snapshots.find(({ heads }) => heads[0] === "3")?.traces;
    expect(
      [...(seen ?? [])].map(([id, each]) => [
        id,
        each.map((trace) => "table" in trace && trace.table),
      ]),
    ).toEqual([["2", ["<home>.t"]]]);
  });
});
