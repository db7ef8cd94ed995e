import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { execute, writeHistory } from "../support/histories.ts";
import { startServer, type TestServer } from "../support/postgres.ts";
import { expectLine, logOf, runProgram } from "../support/process.ts";
import { type PythonEnvironment, pythonEnvironment } from "../support/python.ts";

// One history in the homes that people have: wherever the search_path leads, a healthy database is judged where it lives, and
// nothing is taken back because it is not here.

let server: TestServer;
let python: PythonEnvironment;
let files: string;
let revisions: string;

beforeAll(async () => {
  server = await startServer();
  python = await pythonEnvironment();
  files = numberedFiles();
  revisions = writeHistory([
    { id: "plans", upgrade: execute("CREATE TABLE plans (id serial PRIMARY KEY, price int)") },
    {
      id: "basic",
      after: "plans",
      upgrade: execute("INSERT INTO plans (price) VALUES (10)"),
    },
    {
      id: "users",
      after: "basic",
      upgrade: execute("CREATE TABLE users (id int PRIMARY KEY, plan int REFERENCES plans)"),
    },
  ]);
  for (const cwd of [files, revisions]) {
    const { exit, reason } = expectLine(await run(cwd, server.url, ["bake"]));
    expect(exit, String(reason)).toBe(0);
  }
});
afterAll(async () => await server?.stop());

function numberedFiles(): string {
  const cwd = mkdtempSync(path.join(tmpdir(), "preflight-home-"));
  mkdirSync(path.join(cwd, "migrations"));
  const write = (name: string, sql: string): void =>
    writeFileSync(path.join(cwd, "migrations", name), `${sql};\n`);
  write("001_plans.sql", "CREATE TABLE plans (id serial PRIMARY KEY, price int)");
  write("002_basic.sql", "INSERT INTO plans (price) VALUES (10)");
  write(
    "003_users.sql",
    "CREATE TABLE users (id int PRIMARY KEY, plan int REFERENCES plans); CREATE VIEW priced AS SELECT u.id, p.price FROM users u JOIN plans p ON p.id = u.plan",
  );
  return cwd;
}

async function run(cwd: string, url: string, args: readonly string[], env = {}) {
  const words = args.length === 0 ? ["run"] : args;
  return await runProgram("binary", words, {
    cwd,
    env: {
      PATH: `${python.bin}:${process.env["PATH"] ?? ""}`,
      HOME: tmpdir(),
      DATABASE_URL: url,
      ...env,
    },
  });
}

/** A new database and a role of its own; `{role}` and `{database}` in the SQL are theirs. */
async function place(sql = ""): Promise<{ readonly url: string; readonly owner: string }> {
  const owner = await server.createDatabase();
  const database = new URL(owner).pathname.slice(1);
  const role = `role_${database}`;
  await server.sql(
    owner,
    `CREATE ROLE ${role} LOGIN; GRANT ALL ON DATABASE ${database} TO ${role}; GRANT ALL ON SCHEMA public TO ${role};
     ${sql.replaceAll("{role}", role).replaceAll("{database}", database)}`,
  );
  const url = new URL(owner);
  url.username = role;
  return { url: url.href, owner };
}

async function priceIn(owner: string, schema: string): Promise<readonly unknown[]> {
  return await server.sql(owner, `SELECT price FROM ${schema}.plans`);
}

const inApp = "CREATE SCHEMA app AUTHORIZATION {role};";
const homes = [
  ["public, by default", "", "public", ""],
  ["the role's search_path", `${inApp} ALTER ROLE {role} SET search_path = app`, "app", ""],
  [
    "the role's search_path in this database",
    `${inApp} ALTER ROLE {role} IN DATABASE {database} SET search_path = app, public`,
    "app",
    "",
  ],
  ["the address", inApp, "app", "?options=-csearch_path%3Dapp"],
  ['"$user"', "CREATE SCHEMA {role} AUTHORIZATION {role}", "{role}", ""],
  [
    "a name that needs quotes",
    'CREATE SCHEMA "My App" AUTHORIZATION {role}; ALTER ROLE {role} SET search_path = "My App"',
    '"My App"',
    "",
  ],
] as const;

describe.each([
  ["numbered files", () => files, "preflight_migrations", "003"],
  ["Alembic", () => revisions, "alembic_version", "users"],
] as const)("%s", (_, cwd, table, head) => {
  it.each(homes)("lives where %s leads", async (__, sql, schema, query) => {
    const { url, owner } = await place(sql);
    const home = schema.replace("{role}", new URL(url).username);
    const address = `${url}${query}`;
    expect(expectLine(await run(cwd(), address, []))).toMatchObject({
      exit: 0,
      verdict: "fresh",
      recordedAfter: [head],
    });
    for (const command of ["check", "run"])
      expect(expectLine(await run(cwd(), address, [command]))).toMatchObject({
        exit: 0,
        verdict: "current",
        actions: [],
        proven: [head],
        ledger: "verified",
      });
    expect(await priceIn(owner, home)).toEqual([{ price: 10 }]);
    await server.sql(owner, `ALTER TABLE ${home}.users DROP COLUMN plan CASCADE`);
    expect(expectLine(await run(cwd(), address, []))).toMatchObject({ exit: 20, actions: [] });
    expect(await priceIn(owner, home)).toEqual([{ price: 10 }]);
  });

  test("two tenants, each a role and a schema: a new one is fresh beside a finished one", async () => {
    const { url, owner } = await place(
      `${inApp} ALTER ROLE {role} IN DATABASE {database} SET search_path = app`,
    );
    expect(expectLine(await run(cwd(), url, []))).toMatchObject({ exit: 0, verdict: "fresh" });
    const database = new URL(owner).pathname.slice(1);
    await server.sql(
      owner,
      `CREATE ROLE other_${database} LOGIN; CREATE SCHEMA other AUTHORIZATION other_${database};
       ALTER ROLE other_${database} IN DATABASE ${database} SET search_path = other`,
    );
    const other = new URL(url);
    other.username = `other_${database}`;
    expect(expectLine(await run(cwd(), other.href, []))).toMatchObject({
      exit: 0,
      verdict: "fresh",
    });
    expect(await priceIn(owner, "app")).toEqual([{ price: 10 }]);
    expect(await priceIn(owner, "other")).toEqual([{ price: 10 }]);
    // Nobody said which of the two a third role means.
    const { exit, next } = expectLine(await run(cwd(), owner, []));
    expect([21, 78]).toContain(exit);
    expect(next.join("\n")).toContain("--schema app");
    expect(next.join("\n")).toContain("--schema other");
  });

  test("tables in another schema than the path's: nothing is run again, and the way is named", async () => {
    const { url, owner } = await place(inApp);
    const there = `${url}?options=-csearch_path%3Dapp`;
    expectLine(await run(cwd(), there, []));
    const before = await server.sql(owner, `SELECT * FROM app.${table}`);
    await server.sql(owner, `ALTER TABLE app.${table} SET SCHEMA public`);
    const { exit, verdict, reason, next, actions } = expectLine(await run(cwd(), url, []));
    expect([exit, verdict, actions]).toEqual([21, "mismatched", []]);
    expect(reason).toContain("schema app has 2 of its tables (plans, users)");
    expect(next[0]).toContain("--schema app");
    expect(await server.sql(owner, `SELECT * FROM public.${table}`)).toEqual(before);
  });

  test("a version table that was left behind when the application moved", async () => {
    const { url, owner } = await place(inApp);
    expectLine(await run(cwd(), url, []));
    await server.sql(
      owner,
      `ALTER TABLE plans SET SCHEMA app; ALTER TABLE users SET SCHEMA app; DROP VIEW IF EXISTS priced;
       CREATE TABLE app.${table} AS SELECT * FROM ${table}; GRANT SELECT ON app.${table} TO public`,
    );
    const { exit, reason, next } = expectLine(await run(cwd(), url, []));
    expect([exit, next[0]]).toEqual([78, "if this one counts: --schema app"]);
    expect(reason).toContain(`app.${table}`);
    expect(reason).toContain(`public.${table}`);
  });

  test("objects in a later schema of the path: started at head, refused when something is pending", async () => {
    const { url, owner } = await place(inApp);
    expectLine(await run(cwd(), url, []));
    const split = `${url}?options=-csearch_path%3Dapp,public`;
    const ended = await run(cwd(), split, []);
    expect(expectLine(ended)).toMatchObject({ exit: 0, verdict: "current", actions: [] });
    expect(logOf(ended)).toContain("puts app first");
    await server.sql(
      owner,
      `DROP VIEW IF EXISTS priced; DROP TABLE users; ${
        table === "alembic_version"
          ? `UPDATE ${table} SET version_num = 'basic'`
          : `DELETE FROM ${table} WHERE version = '003'`
      }`,
    );
    const { exit, reason, actions } = expectLine(await run(cwd(), split, []));
    expect([exit, actions]).toEqual([21, []]);
    expect(reason).toContain("what a migration creates would go there");
  });

  test("a first schema of the path that is not there", async () => {
    const { url } = await place();
    const { exit, reason } = expectLine(
      await run(cwd(), `${url}?options=-csearch_path%3Dnowhere,public`, []),
    );
    expect([exit, reason]).toEqual([78, expect.stringContaining("has no such schema")]);
  });
});

describe("--schema", () => {
  test("numbered files go there, whatever the search_path says", async () => {
    const { url, owner } = await place(inApp);
    const args = ["--schema", "app"];
    expect(expectLine(await run(files, url, ["run", ...args]))).toMatchObject({
      exit: 0,
      verdict: "fresh",
    });
    expect(await priceIn(owner, "app")).toEqual([{ price: 10 }]);
    const [row] = await server.sql(owner, "SELECT to_regclass('public.plans') AS public");
    expect(row).toEqual({ public: null });
    expect(expectLine(await run(files, url, ["check"], { PREFLIGHT_SCHEMA: "app" }))).toMatchObject(
      {
        exit: 0,
        verdict: "current",
      },
    );
  });

  test("a program goes by its own path: refused before it works elsewhere", async () => {
    const { url, owner } = await place(inApp);
    const { exit, reason } = expectLine(await run(revisions, url, ["run", "--schema", "app"]));
    expect([exit, reason]).toEqual([
      78,
      expect.stringContaining("the upgrade would make its objects there"),
    ]);
    const [row] = await server.sql(owner, "SELECT to_regclass('public.plans') AS public");
    expect(row).toEqual({ public: null });
  });
});

describe("an env.py that sets the search_path itself", () => {
  const env = (schema: string): string => `import os
from alembic import context
from sqlalchemy import create_engine, text

url = os.environ["DATABASE_URL"].replace("postgres://", "postgresql+psycopg://").replace("postgresql://", "postgresql+psycopg://")
with create_engine(url).connect() as connection:
    ${schema}
    connection.commit()
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
`;
  const upgrade = execute("CREATE TABLE plans (id int PRIMARY KEY)");

  test.each(["public", "base"])(
    "from a variable (%s when baked): the schema must be said, and then counts",
    async (first) => {
      const cwd = writeHistory([{ id: "plans", upgrade }], {
        env: env(
          `s = os.environ.get("TENANT", "${first}"); connection.execute(text("CREATE SCHEMA IF NOT EXISTS " + s)); connection.execute(text("SET search_path TO " + s))`,
        ),
      });
      const table = ["--version-table", `${first}.alembic_version`];
      expect(expectLine(await run(cwd, server.url, ["bake", ...table])).exit).toBe(0);
      const { url, owner } = await place();
      const tenant = { TENANT: "acme" };
      const unsaid = expectLine(await run(cwd, url, [], tenant));
      expect(unsaid).toMatchObject({ exit: 78, next: [expect.stringContaining("--schema NAME")] });
      const said = ["--schema", "acme"];
      expect(expectLine(await run(cwd, url, ["run", ...said], tenant))).toMatchObject({
        exit: 0,
        verdict: "fresh",
      });
      expect(expectLine(await run(cwd, url, ["check", ...said], tenant)).verdict).toBe("current");
      const [row] = await server.sql(owner, "SELECT to_regclass('acme.plans')::text AS plans");
      expect(row).toEqual({ plans: "acme.plans" });
    },
  );

  test("to a schema in so many words: that is the home", async () => {
    const cwd = writeHistory([{ id: "plans", upgrade }], {
      env: env(
        `connection.execute(text("CREATE SCHEMA IF NOT EXISTS acme")); connection.execute(text("SET search_path TO acme"))`,
      ),
    });
    const args = ["--version-table", "acme.alembic_version"];
    expect(expectLine(await run(cwd, server.url, ["bake", ...args])).exit).toBe(0);
    const { url } = await place();
    expect(expectLine(await run(cwd, url, []))).toMatchObject({ exit: 0, verdict: "fresh" });
    expect(expectLine(await run(cwd, url, []))).toMatchObject({ verdict: "current", actions: [] });
  });

  test.each([
    ["in so many words", `"acme"`, "--schema acme"],
    ["from a variable", `os.environ.get("TENANT", "acme")`, "--schema NAME"],
  ])("%s, and no ledger tells: asked for before anything runs", async (_, name, next) => {
    const set =
      name === `"acme"` ? `text("SET search_path TO acme")` : `text("SET search_path TO " + s)`;
    const cwd = writeHistory([{ id: "plans", upgrade }], {
      env: env(
        `s = ${name}; connection.execute(text("CREATE SCHEMA IF NOT EXISTS " + s)); connection.execute(${set})`,
      ),
    });
    const { url } = await place();
    expect(expectLine(await run(cwd, url, []))).toMatchObject({
      exit: 78,
      reason: expect.stringContaining("sets the search_path"),
      next: [expect.stringContaining(next), expect.stringContaining("preflight bake")],
    });
    const said = ["--schema", "acme"];
    expect(expectLine(await run(cwd, url, ["run", ...said]))).toMatchObject({
      exit: 0,
      verdict: "fresh",
    });
    expect(expectLine(await run(cwd, url, ["run", ...said]))).toMatchObject({
      verdict: "current",
      actions: [],
    });
  });

  test("to a schema that is behind, beside a neighbour at head, and no ledger tells", async () => {
    const cwd = writeHistory(
      [
        { id: "plans", upgrade },
        { id: "users", after: "plans", upgrade: execute("CREATE TABLE users (id int)") },
      ],
      { env: env(`connection.execute(text("SET search_path TO acme"))`) },
    );
    const { url } = await place(
      `CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY); INSERT INTO alembic_version VALUES ('users');
       CREATE SCHEMA acme; CREATE TABLE acme.alembic_version (version_num varchar(32) PRIMARY KEY); INSERT INTO acme.alembic_version VALUES ('plans');
       CREATE TABLE acme.plans (id int PRIMARY KEY);
       GRANT ALL ON SCHEMA acme TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA acme, public TO {role}`,
    );
    expect(expectLine(await run(cwd, url, []))).toMatchObject({
      exit: 78,
      reason: expect.stringContaining("this history has rows in acme.alembic_version"),
    });
    const said = await run(cwd, url, ["run", "--schema", "acme"]);
    expect(expectLine(said)).toMatchObject({ exit: 0, recordedAfter: ["users"] });
    expect(expectLine(await run(cwd, url, ["run", "--schema", "acme"])).verdict).toBe("current");
  });

  test("to the schema that is judged, and no ledger tells: nothing to ask", async () => {
    const cwd = writeHistory([{ id: "plans", upgrade }], {
      env: env(`# search_path\n    connection.execute(text("SET search_path TO public"))`),
    });
    const { url } = await place();
    expect(expectLine(await run(cwd, url, []))).toMatchObject({ exit: 0, verdict: "fresh" });
  });
});

test("a history that works only in public is refused elsewhere before it runs", async () => {
  const cwd = mkdtempSync(path.join(tmpdir(), "preflight-bound-"));
  mkdirSync(path.join(cwd, "migrations"));
  writeFileSync(
    path.join(cwd, "migrations/001_mixed.sql"),
    "CREATE TABLE plans (id int PRIMARY KEY);\nALTER TABLE public.plans ADD COLUMN price int;\n",
  );
  expect(expectLine(await run(cwd, server.url, ["bake"])).exit).toBe(0);
  const { url } = await place(inApp);
  const { exit, reason } = expectLine(await run(cwd, `${url}?options=-csearch_path%3Dapp`, []));
  expect([exit, reason]).toEqual([
    78,
    expect.stringContaining("work only where public is the first"),
  ]);
  expect(expectLine(await run(cwd, url, []))).toMatchObject({ exit: 0, verdict: "fresh" });
  expect(expectLine(await run(cwd, url, []))).toMatchObject({ verdict: "current", actions: [] });
});

/** A role of its own for the program, whose search_path begins with `app`. */
async function placeForTwo(sql = ""): Promise<{ readonly own: string; readonly program: string }> {
  const { url: own, owner } = await place();
  const role = `${new URL(own).username}_m`;
  await server.sql(
    owner,
    `CREATE ROLE ${role} LOGIN; CREATE SCHEMA app AUTHORIZATION ${role}; ALTER ROLE ${role} SET search_path = app;
     GRANT ${role} TO ${new URL(own).username}; GRANT ALL ON SCHEMA public TO ${role};
     ${sql.replaceAll("{role}", role)}`,
  );
  const program = new URL(own);
  program.username = role;
  return { own, program: program.href };
}

describe("Preflight's own role, and another one for the program, whose search_path leads elsewhere", () => {
  const runAs = async (
    { own, program }: { readonly own: string; readonly program: string },
    ...args: readonly string[]
  ) => await run(revisions, program, args, { PREFLIGHT_DATABASE_URL: own });

  test("a healthy database, one that is behind, and one without version rows are judged where the program works", async () => {
    const two = await placeForTwo();
    expect(expectLine(await run(revisions, two.program, []))).toMatchObject({ exit: 0 });
    expect(expectLine(await runAs(two, "run"))).toMatchObject({
      exit: 0,
      verdict: "current",
      actions: [],
    });
    await server.sql(
      two.program,
      "DROP TABLE app.users; UPDATE app.alembic_version SET version_num = 'basic'",
    );
    expect(expectLine(await runAs(two, "run"))).toMatchObject({
      exit: 0,
      verdict: "behind",
      recordedAfter: ["users"],
    });
    await server.sql(two.program, "DROP TABLE app.alembic_version");
    expect(expectLine(await runAs(two, "check"))).toMatchObject({
      verdict: "unversioned",
      proven: ["users"],
    });
  });

  test("a fresh database is migrated where somebody says, if the program goes there", async () => {
    const two = await placeForTwo();
    const refused = expectLine(await runAs(two, "run"));
    expect(refused).toMatchObject({ exit: 78, outcome: "config" });
    expect(refused.reason).toContain("PREFLIGHT_DATABASE_URL to public");
    expect(refused.reason).toContain("to app; nothing of this history is in either");
    expect(refused.next[0]).toContain("--schema app");
    const wrong = expectLine(await runAs(two, "run", "--schema", "public"));
    expect(wrong).toMatchObject({ exit: 78 });
    expect(wrong.reason).toContain("puts app first");
    expect(expectLine(await runAs(two, "run", "--schema", "app"))).toMatchObject({
      exit: 0,
      verdict: "fresh",
      recordedAfter: ["users"],
    });
    expect(await priceIn(two.program, "app")).toEqual([{ price: 10 }]);
  });

  test("an address that cannot be asked changes nothing", async () => {
    const two = await placeForTwo();
    expect(expectLine(await run(revisions, two.own, []))).toMatchObject({ exit: 0 });
    await server.sql(two.own, "DROP TABLE users; UPDATE alembic_version SET version_num = 'basic'");
    const program = new URL(two.program);
    program.username = "nobody_at_all";
    const ended = await runAs({ own: two.own, program: program.href }, "check", "--verbose");
    expect(expectLine(ended)).toMatchObject({ exit: 0, verdict: "behind" });
    expect(logOf(ended)).toContain("could not be asked");
  });
});
