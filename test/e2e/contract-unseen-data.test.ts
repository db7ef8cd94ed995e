import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { execute, writeHistory } from "../support/histories.ts";
import { startServer, type TestServer } from "../support/postgres.ts";
import { expectLine, type Place, runProgram } from "../support/process.ts";
import { type PythonEnvironment, pythonEnvironment } from "../support/python.ts";

let server: TestServer;
let python: PythonEnvironment;
beforeAll(async () => {
  server = await startServer();
  python = await pythonEnvironment();
  await server.sql(
    server.url,
    "CREATE ROLE preflight_test_reader LOGIN; CREATE ROLE preflight_test_blind LOGIN",
  );
});
afterAll(async () => await server?.stop());

function at(cwd: string, url: string): Place {
  const PATH = `${python.bin}:${process.env["PATH"]}`;
  return { cwd, env: { PATH, HOME: tmpdir(), DATABASE_URL: url } };
}

async function bake(cwd: string): Promise<string> {
  const ended = await runProgram("module", ["bake", "--scratch-url", server.url], at(cwd, ""));
  expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0 });
  return cwd;
}

/** The exit of `check`, and what it says. */
async function check(cwd: string, url: string, ...flags: readonly string[]) {
  const { exit, verdict, proven, reason, next } = expectLine(
    await runProgram("module", ["check", ...flags], at(cwd, url)),
  );
  return { exit, verdict, proven, reason: reason ?? "", next: next.join("\n") };
}

async function databaseWith(...statements: readonly string[]): Promise<string> {
  const url = await server.createDatabase();
  for (const statement of statements) await server.sql(url, statement);
  return url;
}

function as(url: string, role: string): string {
  const changed = new URL(url);
  changed.username = role;
  return changed.href;
}

const roles = "CREATE TABLE roles (id int PRIMARY KEY, name text NOT NULL)";
const admin = "INSERT INTO roles VALUES (1, 'admin')";
const user = "INSERT INTO roles VALUES (2, 'user')";
const guarded = `ALTER TABLE roles ENABLE ROW LEVEL SECURITY; CREATE POLICY admins ON roles USING (id = 1)`;
const users =
  "CREATE TABLE users (id int PRIMARY KEY, role_id int NOT NULL DEFAULT 2 REFERENCES roles)";
const backfill = "UPDATE users SET role_id = 1 WHERE id < 10";
const notes = "CREATE TABLE notes (id int PRIMARY KEY)";

describe("numbered files, run by hand", { timeout: 60_000 }, () => {
  let image: string;
  beforeAll(async () => {
    const cwd = mkdtempSync(path.join(tmpdir(), "preflight-sql-"));
    mkdirSync(path.join(cwd, "migrations"));
    const files = {
      "001_roles.sql": `${roles}; ${admin}; ${user}; ${guarded};`,
      "002_users.sql": `${users};`,
      "003_backfill.sql": `${backfill};`,
      "004_notes.sql": `${notes};`,
    };
    for (const [file, text] of Object.entries(files))
      writeFileSync(path.join(cwd, "migrations", file), text);
    image = await bake(cwd);
  }, 60_000);

  it.each<[string, readonly string[], number, string]>([
    ["without rows", [], 21, "001 (migrations/001_roles.sql: 2 of its 2 rows in roles not there)"],
    ["with one of two rows", [admin], 21, "1 of its 2 rows in roles not there"],
    ["with all rows", [admin, user], 0, ""],
    ["with all rows, one under another name", [admin, "INSERT INTO roles VALUES (2, 'x')"], 0, ""],
    [
      "with a row that a file would change",
      [admin, user, "INSERT INTO users VALUES (1), (11)"],
      21,
      "003 (migrations/003_backfill.sql: users has rows that it would change: (id < 10))",
    ],
    [
      "with rows that no file would change",
      [admin, user, "INSERT INTO users VALUES (10), (11)"],
      0,
      "",
    ],
  ])("%s", async (_, rows, exit, says) => {
    const url = await databaseWith(roles, guarded, users, notes, ...rows);
    const seen = await check(image, url);
    expect(seen).toMatchObject({ exit, verdict: "unversioned", proven: ["004"] });
    expect(seen.reason).toContain(says);
    if (exit === 0) return;
    expect(seen.next).toContain("--assume 004");
    expect(await check(image, url, "--assume", "004")).toMatchObject({ exit: 0 });
  });

  it("whose rows decide what the schema leaves open", async () => {
    const url = await databaseWith(roles, guarded, users, admin, user);
    expect(await check(image, url)).toMatchObject({ exit: 0, proven: ["003"] });
    await server.sql(url, "INSERT INTO users VALUES (1)");
    expect(await check(image, url)).toMatchObject({ exit: 21, proven: null });
    await server.sql(url, "UPDATE users SET id = 11");
    expect(await check(image, url)).toMatchObject({ exit: 0, proven: ["003"] });
  });

  it("in another schema than it was baked in", async () => {
    const home = "CREATE SCHEMA app; SET search_path = app";
    const url = await databaseWith(
      `${home}; ${roles}; ${guarded}; ${users}; ${notes}; ${admin}; ${user}`,
      `${roles}; DROP TABLE roles`,
    );
    const there = `${url}?options=-csearch_path%3Dapp`;
    expect(await check(image, there)).toMatchObject({ exit: 0, proven: ["004"] });
    await server.sql(url, "DELETE FROM app.roles WHERE id = 2");
    expect((await check(image, there)).reason).toContain("1 of its 2 rows in app.roles not there");
  });

  it("whose rows this role cannot see: no evidence, and named", async () => {
    const url = await databaseWith(
      roles,
      guarded,
      users,
      notes,
      admin,
      user,
      "GRANT ALL ON SCHEMA public TO preflight_test_blind, preflight_test_reader; GRANT SELECT ON roles, users TO preflight_test_reader",
    );
    const blind = await check(image, as(url, "preflight_test_blind"));
    expect(blind).toMatchObject({ exit: 21 });
    expect(blind.reason).toContain("users could not be read: permission denied for table users");
    expect(blind.next).toContain("let role preflight_test_blind read public.roles, public.users");
    const filtered = await check(image, as(url, "preflight_test_reader"));
    expect(filtered).toMatchObject({ exit: 21 });
    expect(filtered.reason).toContain(
      "roles could not be read: query would be affected by row-level",
    );
    expect(filtered.reason).not.toContain("003");
  });

  it("a database with rows is never asked", async () => {
    const url = await databaseWith();
    const ran = expectLine(await runProgram("module", ["run"], at(image, url)));
    expect(ran).toMatchObject({ exit: 0 });
    await server.sql(url, "DELETE FROM roles");
    expect(await check(image, url)).toMatchObject({ exit: 0, verdict: "current" });
  });
});

describe("a table too large to be read through", { timeout: 120_000 }, () => {
  it("is no evidence, and is left after two seconds", async () => {
    const cwd = mkdtempSync(path.join(tmpdir(), "preflight-sql-"));
    mkdirSync(path.join(cwd, "migrations"));
    const table = "CREATE TABLE codes (code text PRIMARY KEY)";
    writeFileSync(
      path.join(cwd, "migrations/1_codes.sql"),
      `${table}; INSERT INTO codes VALUES ('never');`,
    );
    await bake(cwd);
    const many = "INSERT INTO codes SELECT n::text FROM generate_series(1, 8000000) n";
    const key = "ALTER TABLE codes ADD PRIMARY KEY (code)";
    const url = await databaseWith("CREATE TABLE codes (code text)", many, key);
    expect((await check(cwd, url)).reason).toContain(
      "codes could not be read: canceling statement",
    );
  });
});

describe("Alembic, and a database made by create_all()", { timeout: 60_000 }, () => {
  const levels = "CREATE TABLE levels (id serial PRIMARY KEY, label varchar NOT NULL)";
  const things =
    "CREATE TABLE things (id serial PRIMARY KEY, level int DEFAULT 1 REFERENCES levels)";
  let image: string;
  beforeAll(async () => {
    image = await bake(
      writeHistory([
        { id: "levels", upgrade: execute(levels) },
        {
          id: "fill",
          after: "levels",
          upgrade: `op.bulk_insert(sa.table("levels", sa.column("label")), [{"label": "low"}, {"label": "high"}])`,
        },
        { id: "things", after: "fill", upgrade: execute(things) },
      ]),
    );
  }, 60_000);

  it.each<[string, readonly string[], number]>([
    ["without rows", [], 21],
    [
      "with the application's own rows, which have the same numbers",
      ["INSERT INTO levels (label) VALUES ('a'), ('b')"],
      21,
    ],
    ["with one of the rows", ["INSERT INTO levels (label) VALUES ('low')"], 21],
    ["with the rows", ["INSERT INTO levels (label) VALUES ('low'), ('high'), ('mine')"], 0],
  ])("%s", async (_, rows, exit) => {
    const url = await databaseWith(levels, things, ...rows);
    const seen = await check(image, url);
    expect(seen).toMatchObject({ exit, verdict: "unversioned", proven: ["things"] });
    if (exit === 0) {
      const ran = expectLine(await runProgram("binary", ["run"], at(image, url)));
      expect(ran).toMatchObject({
        exit: 0,
        recordedAfter: ["things"],
        actions: [{ kind: "stamp" }],
      });
      return;
    }
    expect(seen.reason).toContain("fill (alembic/versions/fill.py: ");
    expect(seen.next).toContain("--assume things");
  });
});

describe(
  "an index, a constraint or a view beside an UPDATE, that is gone",
  { timeout: 60_000 },
  () => {
    const made = {
      "a plain index": ["CREATE INDEX dear ON things (price)", "DROP INDEX dear", 0],
      "a plain index under another name": [
        "CREATE INDEX dear ON things (price)",
        "ALTER INDEX dear RENAME TO expensive",
        0,
      ],
      "a plain index that was dropped, and is there again": [
        "DROP INDEX first_of_all",
        "CREATE INDEX first_of_all ON things (id)",
        0,
      ],
      "a constraint": [
        "ALTER TABLE things ADD CONSTRAINT dear CHECK (price < 1000)",
        "ALTER TABLE things DROP CONSTRAINT dear",
        21,
      ],
      "a view": ["CREATE VIEW dear AS SELECT id FROM things", "DROP VIEW dear", 21],
    } as const;

    it.each(Object.entries(made))(
      "%s: no row is changed twice",
      async (_, [statement, undo, exit]) => {
        const cwd = mkdtempSync(path.join(tmpdir(), "preflight-sql-"));
        mkdirSync(path.join(cwd, "migrations"));
        const first =
          "CREATE TABLE things (id int, price int); CREATE INDEX first_of_all ON things (id)";
        writeFileSync(path.join(cwd, "migrations/001_things.sql"), first);
        const dearer = `UPDATE things SET price = price * 100; ${statement};`;
        writeFileSync(path.join(cwd, "migrations/002_dearer.sql"), dearer);
        await bake(cwd);
        const url = await server.createDatabase();
        const run = async () => expectLine(await runProgram("binary", ["run"], at(cwd, url))).exit;
        expect(await run()).toBe(0);
        await server.sql(url, `INSERT INTO things VALUES (1, 5); ${undo}`);
        expect(await run()).toBe(exit);
        if (exit === 0) {
          await server.sql(url, "DROP TABLE preflight_migrations");
          expect(await run()).toBe(21);
        }
        expect(await server.sql(url, "SELECT price FROM things")).toEqual([{ price: 5 }]);
      },
    );
  },
);
