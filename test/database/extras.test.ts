import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { diagnose } from "../../src/core/diagnose.ts";
import { extraKinds, totalFunctions } from "../../src/core/extras.ts";
import { factKinds } from "../../src/core/facts.ts";
import { quoteLiteral } from "../../src/core/quote.ts";
import {
  extrasInDoubt,
  restsOnAbsence,
  type Verdict,
  withEvaluated,
} from "../../src/core/verdict.ts";
import type { Database } from "../../src/database/database.ts";
import { codeOf } from "../../src/database/errors.ts";
import { look, lookAtExtras } from "../../src/database/look.ts";
import { alembic } from "../../src/tools/alembic/alembic.ts";
import { knowledgeOf, revision } from "../core/model.ts";
import { harmful, harmless, rowsOfUsers, unseen, users, warned } from "../proof/schema/extras.ts";
import { startServer, type TestServer } from "../support/postgres.ts";
import { open } from "./support.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
}, 60_000);
afterAll(() => server?.stop());

/** What the one revision makes. */
const schema = `${users}
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('base');
${rowsOfUsers}`;

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

describe("what is added by hand", () => {
  test.each(Object.values(harmless).flat())(
    "starts, and the application notices nothing: %s",
    async (added) => {
      const { verdict, noticed } = await add(added);
      expect(intolerable(verdict)).toEqual([]);
      expect(noticed).toEqual([]);
    },
  );

  test.each(Object.values(harmful).flat())(
    "is refused, and the application would notice it: %s",
    async (added) => {
      const { verdict, noticed } = await add(added);
      expect(verdict.kind).toBe("drifted");
      expect(intolerable(verdict)).not.toEqual([]);
      expect(noticed).not.toEqual([]);
    },
  );

  test.each(Object.values({ ...warned, ...unseen }).flat())(
    "starts with a warning: %s",
    async (added) => {
      const { verdict, noticed } = await add(added);
      expect(intolerable(verdict)).toEqual([]);
      const warnings =
        verdict.kind === "drifted"
          ? verdict.differences.filter((each) => each.kind === "extra" && each.warns)
          : [];
      expect(warnings).toHaveLength(1);
      expect(noticed).not.toEqual([]);
    },
  );

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
    const glance = diagnose(knowledge, seen);
    // A run asks only where the first answer is no.
    const doubtful = restsOnAbsence(glance) ? extrasInDoubt(glance) : [];
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
  const versionTable = { layout: alembic.versionTable, ...alembic.versionTable.usual };
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
