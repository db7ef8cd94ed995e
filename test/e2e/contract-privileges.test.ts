import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRole, rowsOf, withUrl } from "../support/databases.ts";
import { startServer } from "../support/postgres.ts";
import { expectLine, type Place, runProgram } from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { dump, environment, makeDatabase, makeImage, type Shop } from "../support/shop.ts";

let shop: Shop;
let image: string;

beforeAll(async () => {
  const server = await startServer({ settings: ["autovacuum = off"] });
  shop = { server, python: await pythonEnvironment(), ledger: "" };
  image = makeImage(shop, { name: "", ledger: "none" });
});

afterAll(async () => {
  await shop?.server.stop();
});

function at(url: string): Place {
  return { cwd: image, env: environment(shop, url) };
}

/** A database where the shop is, seen by another role with these rights. */
async function seenBy(
  revision: string,
  grants: (role: string) => readonly string[],
  settings?: string,
): Promise<{ readonly owner: string; readonly url: string; readonly role: string }> {
  const owner = await makeDatabase(shop, { at: revision });
  // Until PostgreSQL 14 everybody has it.
  await shop.server.sql(owner, "REVOKE CREATE ON SCHEMA public FROM PUBLIC");
  const { name } = await createRole(shop.server, settings === undefined ? {} : { settings });
  for (const grant of grants(name)) await shop.server.sql(owner, grant);
  return { owner, url: withUrl(owner, { user: name }), role: name };
}

const mayRead = (role: string) => [`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`];
const mayDoAll = (role: string) => [
  `GRANT ALL ON SCHEMA public TO ${role}`,
  `GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`,
];

async function expectNothingWritten<T>(owner: string, work: () => Promise<T>): Promise<T> {
  const before = await dump(shop.server, owner);
  const result = await work();
  expect(await dump(shop.server, owner), "nothing is written").toBe(before);
  return result;
}

describe("a role that may only read", () => {
  it("is enough at head, for check and for run", async () => {
    const { owner, url } = await seenBy("head", mayRead);
    await expectNothingWritten(owner, async () => {
      for (const command of ["check", "run"])
        expect(expectLine(await runProgram("binary", [command], at(url)))).toMatchObject({
          exit: 0,
          verdict: "current",
        });
    });
  });

  it("is refused before anything is done when behind; check still tells", async () => {
    const { owner, url, role } = await seenBy("create_orders", mayRead);
    await expectNothingWritten(owner, async () => {
      for (const program of ["binary", "module"] as const) {
        const ended = await runProgram(program, ["run"], at(url));
        const line = expectLine(ended);
        expect(line).toMatchObject({
          exit: 77,
          outcome: "permission",
          verdict: "behind",
          actions: [],
        });
        expect(line.reason).toContain(role);
        expect(line.next.join()).toContain("GRANT");
        expect(ended.stderr, "the upgrade is not started").not.toContain("upgrade.run");
      }
      expect(expectLine(await runProgram("binary", ["check"], at(url)))).toMatchObject({
        verdict: "behind",
      });
    });
  });

  it("may write the version table and not create: found before anything is done", async () => {
    const { owner, url } = await seenBy("create_orders", (role) => [
      ...mayRead(role),
      `GRANT INSERT, UPDATE, DELETE ON alembic_version TO ${role}`,
    ]);
    await expectNothingWritten(owner, async () => {
      const ended = await runProgram("binary", ["run"], at(url));
      expect(expectLine(ended)).toMatchObject({ exit: 77, verdict: "behind", actions: [] });
      expect(ended.stderr).not.toContain("upgrade.run");
    });
  });

  it("on an empty database: refused, and nothing is there afterwards", async () => {
    const { owner, url } = await seenBy("base", () => []);
    await expectNothingWritten(owner, async () => {
      expect(expectLine(await runProgram("binary", ["run"], at(url)))).toMatchObject({ exit: 77 });
    });
  });
});

describe("a role that may not read the version table", () => {
  it.each([
    ["no SELECT", []],
    ["no USAGE on its schema", ["REVOKE USAGE ON SCHEMA public FROM PUBLIC"]],
  ] as const)("%s: 77, naming the table", async (_, more) => {
    const { owner, url } = await seenBy("head", (role) => [
      ...(more.length > 0 ? mayRead(role) : []),
      ...more,
    ]);
    await expectNothingWritten(owner, async () => {
      for (const command of ["check", "run"]) {
        const line = expectLine(await runProgram("binary", [command], at(url)));
        expect(line).toMatchObject({ exit: 77, outcome: "permission", verdict: null });
        expect(line.reason).toContain("public.alembic_version");
      }
    });
  });
});

describe("a role whose transactions are read-only by default", () => {
  const readOnly = "default_transaction_read_only = on";

  it("starts at head", async () => {
    const { owner, url } = await seenBy("head", mayDoAll, readOnly);
    await expectNothingWritten(owner, async () => {
      expect(expectLine(await runProgram("binary", ["run"], at(url)))).toMatchObject({
        exit: 0,
        verdict: "current",
      });
    });
  });

  it("is 77 when something must be written, names who is read-only, and writes nothing; check has no fault to find", async () => {
    const { owner, url } = await seenBy("create_orders", mayDoAll, readOnly);
    await expectNothingWritten(owner, async () => {
      for (const program of ["binary", "module"] as const) {
        const line = expectLine(await runProgram(program, ["run"], at(url)));
        expect(line).toMatchObject({ exit: 77, outcome: "permission", verdict: "behind" });
        expect(line.reason).toMatch(/: role \w+ has default_transaction_read_only on$/);
        expect(line.next.join()).toContain("RESET default_transaction_read_only");
        expect(line.actions).toEqual([]);
      }
      const checked = expectLine(await runProgram("binary", ["check"], at(url)));
      expect(checked).toMatchObject({ exit: 0, verdict: "behind", reason: null });
    });
    expect(await rowsOf(shop.server, owner)).toEqual(["create_orders"]);
  });

  it("is 69 where it is the database that is read-only, and says so", async () => {
    const { owner, url } = await seenBy("create_orders", mayDoAll);
    const name = new URL(owner).pathname.slice(1);
    await shop.server.sql(owner, `ALTER DATABASE ${name} SET ${readOnly}`);
    const line = expectLine(await runProgram("binary", ["run"], at(url)));
    expect(line).toMatchObject({
      exit: 69,
      outcome: "unavailable",
      verdict: "behind",
      actions: [],
    });
    expect(line.reason).toContain(`database ${name} has default_transaction_read_only on`);
  });
});

describe("a role that lacks what a migration gave", () => {
  const files = {
    "001_notes.sql": `CREATE TABLE notes (id int); GRANT SELECT, INSERT ON notes TO given_writers;
      CREATE TABLE jobs (id int); ALTER TABLE jobs OWNER TO given_app;
      ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT ON TABLES TO given_writers`,
    "002_later.sql": "CREATE TABLE later (id int)",
  };
  let given: string;

  beforeAll(async () => {
    given = mkdtempSync(path.join(tmpdir(), "preflight-image-"));
    mkdirSync(path.join(given, "migrations"));
    for (const [name, text] of Object.entries(files))
      writeFileSync(path.join(given, "migrations", name), text);
    // Bake needs 15 or newer.
    const scratch = await startServer({ major: "18" });
    try {
      for (const server of [shop.server, scratch])
        await server.sql(
          server.url,
          `CREATE ROLE given_writers; CREATE ROLE given_app LOGIN IN ROLE given_writers; CREATE ROLE given_reader LOGIN`,
        );
      const env = { ...environment(shop, ""), PREFLIGHT_SCRATCH_URL: scratch.url };
      const baked = await runProgram("binary", ["bake"], { cwd: given, env });
      expect(baked.exit, baked.stderr).toBe(0);
    } finally {
      await scratch.stop();
    }
  });

  const others = "GRANT SELECT, INSERT, UPDATE, DELETE ON jobs TO given_writers";

  it.each([
    ["nothing is gone", "SELECT", "given_app", 0, "current"],
    [
      "its group's privilege",
      "REVOKE INSERT ON notes FROM given_writers",
      "given_app",
      20,
      "drifted",
    ],
    [
      "its group's, of a role outside",
      "REVOKE INSERT ON notes FROM given_writers",
      "given_reader",
      0,
      "drifted",
    ],
    [
      "its group's, and it has its own",
      "REVOKE ALL ON notes FROM given_writers; GRANT SELECT, INSERT ON notes TO given_app",
      "given_app",
      0,
      "drifted",
    ],
    [
      "its group's, which default privileges of the history gave",
      "REVOKE INSERT ON later FROM given_writers",
      "given_app",
      20,
      "drifted",
    ],
    [
      "its group's, and it is a superuser",
      "REVOKE INSERT ON notes FROM given_writers; REVOKE ALL ON notes FROM CURRENT_USER",
      "postgres",
      0,
      "drifted",
    ],
    ["its table", "ALTER TABLE jobs OWNER TO CURRENT_USER", "given_app", 20, "drifted"],
    [
      "its table, of another role",
      "ALTER TABLE jobs OWNER TO CURRENT_USER",
      "given_reader",
      0,
      "drifted",
    ],
    [
      "its table, and it may use it",
      `ALTER TABLE jobs OWNER TO CURRENT_USER; ${others}`,
      "given_app",
      0,
      "drifted",
    ],
  ] as const)("%s", async (_, sql, user, exit, verdict) => {
    const owner = await shop.server.createDatabase();
    const place = (url: string): Place => ({ cwd: given, env: environment(shop, url) });
    const made = await runProgram("binary", ["run"], place(owner));
    expect(made.exit, made.stderr).toBe(0);
    await shop.server.sql(owner, `GRANT SELECT ON preflight_migrations TO PUBLIC; ${sql}`);
    const seen = await runProgram("binary", ["check"], place(withUrl(owner, { user })));
    expect(expectLine(seen), seen.stderr).toMatchObject({ exit, verdict });
  });
});
