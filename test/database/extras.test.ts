import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { diagnose } from "../../src/core/diagnose.ts";
import { extrasInDoubt, withEvaluated } from "../../src/core/evidence.ts";
import { extraKinds, totalFunctions } from "../../src/core/extras.ts";
import { quoteLiteral } from "../../src/core/quote.ts";
import type { Verdict } from "../../src/core/verdict.ts";
import type { Database } from "../../src/database/database.ts";
import { factKinds } from "../../src/core/facts.ts";
import { codeOf } from "../../src/database/errors.ts";
import { look, lookAtExtras } from "../../src/database/look.ts";
import { knowledgeOf, revision } from "../core/model.ts";
import { startServer, type TestServer } from "../support/postgres.ts";
import { open } from "./support.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
}, 60_000);
afterAll(() => server?.stop());

/** What the one revision makes. */
const schema = `
CREATE TABLE users (id int PRIMARY KEY, name text, org int, data jsonb, at timestamp, code char(4), tag name, small smallint, big bigint);
CREATE TABLE posts (id int PRIMARY KEY, author int REFERENCES users (id));
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('base');
INSERT INTO users (id, name, org) VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3);
INSERT INTO posts VALUES (1, 1)`;

/** What the application does: it knows of nothing that was added. */
const statements: readonly string[] = [
  "INSERT INTO users (id) VALUES (10)",
  "INSERT INTO users (id, name, org) VALUES (11, 'one', 1)",
  "INSERT INTO users (id, name, org, small, big) VALUES (12, '', 5, -32768, -9223372036854775808)",
  "INSERT INTO users (id, name, org, small, big) VALUES (13, 'not a number', 2147483647, 32767, 9223372036854775807)",
  `INSERT INTO users (id, name, data, at) VALUES (14, repeat('a', 200), '{"k": "v", "n": [1]}', 'infinity')`,
  `INSERT INTO users (id, name, data, at, code, tag) VALUES (15, U&'\\00e9\\FDFD', '[1, "two", null]', '-infinity', 'ab', 'tag')`,
  "INSERT INTO users (id, data, at) VALUES (16, '3', '294276-12-31')",
  "UPDATE users SET name = 'changed' WHERE id = 2",
  "SELECT id, name FROM users ORDER BY id",
  "DELETE FROM posts WHERE id = 1",
  "DELETE FROM users WHERE id = 3",
  "TRUNCATE posts",
];

const domain = "CREATE DOMAIN known AS text";

/** By answer: what is added. Of what is refused, the application's statements above notice each, but where it says so. */
const starts: readonly string[] = [
  "CREATE TABLE other (id int PRIMARY KEY, name text CHECK (name <> ''), UNIQUE (name))",
  "CREATE TABLE other (id int); CREATE UNIQUE INDEX ON other (id); CREATE INDEX ON other ((1 / id))",
  "CREATE TABLE parent (id int); CREATE TABLE child () INHERITS (parent)",
  "CREATE VIEW seen AS SELECT id FROM users",
  "CREATE MATERIALIZED VIEW kept AS SELECT id FROM users",
  "CREATE SEQUENCE counter",
  "CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT 2 * $1'",
  "CREATE TYPE mood AS ENUM ('good')",
  domain,
  "CREATE STATISTICS together ON org, name FROM users",
  "ALTER TABLE users ADD more text",
  "ALTER TABLE users ADD more text NOT NULL DEFAULT 'x'",
  "ALTER TABLE users ADD more int GENERATED ALWAYS AS IDENTITY",
  `${domain}; ALTER TABLE users ADD more known`,
  "ALTER TABLE users ADD more text GENERATED ALWAYS AS (upper(name)) STORED",
  "CREATE INDEX ON users (org)",
  "CREATE INDEX ON users USING hash (name)",
  'CREATE INDEX ON users (org DESC NULLS LAST, name COLLATE "C" text_pattern_ops) INCLUDE (at)',
  "CREATE INDEX ON users USING gin (data jsonb_path_ops)",
  "CREATE INDEX ON users (org) WITH (fillfactor = 70)",
  "CREATE INDEX ON users (lower(name))",
  "CREATE INDEX ON users ((data ->> 'k'), (data #>> '{n,0}'))",
  "CREATE INDEX ON users (org) WHERE name IN ('a', 'b') AND at > '2020-01-01' AND code = 'ab' AND big > small",
  "CREATE INDEX ON users ((COALESCE(name, code, 'x') COLLATE \"C\"), (CASE WHEN org > 3 THEN name ELSE tag END))",
  "CREATE INDEX ON users ((NULLIF(org, 0)), (GREATEST(org, small)), (name || ' ' || name), (at::date))",
  "CREATE INDEX ON users ((name IS DISTINCT FROM code::text AND NOT (org IS NULL OR small IS NOT NULL)))",
];

const refused: readonly string[] = [
  "CREATE UNIQUE INDEX ON users (org)",
  "CREATE UNIQUE INDEX ON users (lower(name)) WHERE org = 1",
  "ALTER TABLE users ADD UNIQUE (org)",
  "ALTER TABLE users ADD CHECK (org < 100)",
  "ALTER TABLE users ADD CHECK (org < 100) NOT VALID",
  "ALTER TABLE users ADD EXCLUDE USING btree (org WITH =)",
  "ALTER TABLE users ADD FOREIGN KEY (org) REFERENCES posts (id) NOT VALID",
  "CREATE INDEX ON users ((1 / (org - 5)))",
  "CREATE INDEX ON users ((org + 1))",
  "CREATE INDEX ON users ((name::int)) WHERE org > 4",
  "CREATE INDEX ON users (org) WHERE 1 / (org - 5) > 0",
  "CREATE FUNCTION strict(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN IF $1 = '' THEN RAISE 'no'; END IF; RETURN $1; END $$; CREATE INDEX ON users (strict(name))",
  "ALTER TABLE users ADD more int GENERATED ALWAYS AS (1 / (org - 5)) STORED",
  "ALTER TABLE users ADD more text NOT NULL GENERATED ALWAYS AS (lower(name)) STORED",
  "ALTER TABLE users ADD more text; UPDATE users SET more = 'x'; ALTER TABLE users ALTER COLUMN more SET NOT NULL",
  `${domain} NOT NULL DEFAULT 'x'; ALTER TABLE users ADD more known; ALTER DOMAIN known DROP DEFAULT`,
  `${domain} CHECK (VALUE IS NOT NULL) DEFAULT 'x'; CREATE DOMAIN built_on AS known; ALTER TABLE users ADD more built_on; ALTER DOMAIN built_on DROP DEFAULT`,
  "CREATE TABLE ghosts () INHERITS (users); INSERT INTO ghosts (id, name) VALUES (99, 'ghost')",
  "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; CREATE TRIGGER stop BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION stop()",
  "CREATE RULE stop AS ON DELETE TO users DO INSTEAD NOTHING",
];

/** The application starts, and is told: these get in its way when somebody else has such rows. */
const warned: readonly string[] = [
  "CREATE TABLE other (user_id int REFERENCES users (id)); INSERT INTO other VALUES (3)",
  "CREATE SCHEMA reports; CREATE TABLE reports.other (user_id int REFERENCES users (id)); INSERT INTO reports.other VALUES (3)",
];

describe("what is added by hand", () => {
  test.each(starts)("starts, and the application notices nothing: %s", async (added) => {
    const { verdict, noticed } = await add(added);
    expect(intolerable(verdict)).toEqual([]);
    expect(noticed).toEqual([]);
  });

  test.each(refused)("is refused, and the application would notice it: %s", async (added) => {
    const { verdict, noticed } = await add(added);
    expect(verdict.kind).toBe("drifted");
    expect(intolerable(verdict)).not.toEqual([]);
    expect(noticed).not.toEqual([]);
  });

  test.each(warned)("starts with a warning: %s", async (added) => {
    const { verdict, noticed } = await add(added);
    expect(intolerable(verdict)).toEqual([]);
    const warnings =
      verdict.kind === "drifted"
        ? verdict.differences.filter((each) => each.kind === "extra" && each.warns)
        : [];
    expect(warnings).toHaveLength(1);
    expect(noticed).not.toEqual([]);
  });

  test("a policy is refused, although the owner does not notice it", async () => {
    const { verdict } = await add("CREATE POLICY mine ON users USING (org = 1)");
    expect(intolerable(verdict)).toEqual(["policy"]);
  });
});

test("every kind of fact has its place in the table", () => {
  expect(extraKinds.flatMap(({ of }) => of)).toEqual(expect.arrayContaining([...factKinds]));
});

/** Values that a function of these arguments could stumble over. */
const values: Readonly<Record<string, readonly string[]>> = {
  text: ["''", "'a'", "'%'", "E'\\\\'", "repeat('é', 3000)", "U&'\\FDFD\\0130'", "'not a number'"],
  integer: ["0", "-1", "2147483647", "'-2147483648'::int"],
  smallint: ["'32767'::int2", "'-32768'::int2"],
  bigint: ["'9223372036854775807'::int8", "'-9223372036854775808'::int8"],
  character: ["''::char(4)", "'ab'::char(4)"],
  name: ["''::name", "'ab'::name"],
  jsonb: [`'{"k": {"a": 1}, "n": [1]}'::jsonb`, "'[]'::jsonb", "'3'::jsonb", "'null'::jsonb"],
  "text[]": ["'{}'::text[]", "'{k,a,b}'::text[]", "ARRAY[NULL, '-1']::text[]"],
  "timestamp without time zone": [
    "'infinity'::timestamp",
    "'-infinity'::timestamp",
    "'294276-12-31'::timestamp",
    "'4713-01-01 BC'::timestamp",
  ],
};

test.each(totalFunctions)(
  "%s has a result for every value, as all know that are listed",
  async (signature) => {
    const url = await server.createDatabase();
    const db = await open(url);
    try {
      const [found] = await db.query<{ oid: number | null }>(
        `SELECT to_regprocedure(${quoteLiteral(signature)})::oid::int AS oid`,
      );
      // starts_with has been there since 11, the rest for longer.
      expect(found?.oid, "it is there, and the server's own").toBeLessThan(16_384);
      const [, name, types = ""] = /^(.*)\((.*)\)$/.exec(signature) ?? [];
      const calls = types
        .split(",")
        .reduce<readonly (readonly string[])[]>(
          (before, type) =>
            before.flatMap((each) => values[type]!.map((value) => [...each, value])),
          [[]],
        );
      for (const [first, ...more] of calls) {
        const rest = more.map((each) => `, ${types.endsWith("[]") ? "VARIADIC " : ""}${each}`);
        await db.query(`SELECT ${name}(${first}${rest.join("")}) AS result`);
      }
    } finally {
      await db.close();
    }
  },
);

function intolerable(verdict: Verdict): readonly string[] {
  return verdict.kind === "drifted"
    ? verdict.differences.flatMap((each) =>
        each.tolerable || each.kind === "edited" ? [] : [each.fact.kind],
      )
    : [];
}

/** Adds something to what the history made; the verdict, and the statements that then give something else. */
async function add(
  added: string,
): Promise<{ readonly verdict: Verdict; readonly noticed: readonly string[] }> {
  const url = await server.createDatabase();
  const db = await open(url);
  try {
    await server.sql(url, schema);
    const before = await resultsOf(db);
    const { facts } = await lookNow(db);
    await server.sql(url, added);
    const knowledge = knowledgeOf([revision("base", [], facts)]);
    const seen = await lookNow(db);
    const doubtful = extrasInDoubt(diagnose(knowledge, seen));
    const evaluated = await lookAtExtras(db, doubtful);
    const observation = { ...seen, facts: withEvaluated(seen.facts, doubtful, evaluated) };
    const after = await resultsOf(db);
    const noticed = statements.filter((_, at) => before[at] !== after[at]);
    return { verdict: diagnose(knowledge, observation), noticed };
  } finally {
    await db.close();
  }
}

async function lookNow(db: Database) {
  const versionTable = { tool: "alembic", schema: null, name: "alembic_version" } as const;
  return await look(db, { versionTable, scope: null });
}

/** Each statement's rows, or the error that it raises; each is undone. */
async function resultsOf(db: Database): Promise<readonly string[]> {
  const results: string[] = [];
  for (const statement of statements) {
    await db.query("BEGIN");
    try {
      const rows = await db.query(statement);
      const [{ count } = { count: 0 }] = await db.query<{ count: number }>(
        "SELECT count(*)::int AS count FROM ONLY users",
      );
      results.push(JSON.stringify([rows, count]));
    } catch (error) {
      results.push(codeOf(error));
    }
    await db.query("ROLLBACK");
  }
  return results;
}
