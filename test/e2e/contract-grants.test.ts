import { rmSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRole, rowsOf, withUrl } from "../support/databases.ts";
import { execute, writeHistory } from "../support/histories.ts";
import { startServer } from "../support/postgres.ts";
import { type Ended, expectLine, runProgram } from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import type { Example } from "../support/scenario.ts";
import {
  bakeExample,
  dump,
  environment,
  makeDatabase,
  makeImage,
  preflight,
  type Shop,
  transactionCounter,
} from "../support/shop.ts";

let shop: Shop;

beforeAll(async () => {
  const server = await startServer({ settings: ["autovacuum = off"] });
  const python = await pythonEnvironment();
  const bake = async (example: Example): Promise<string> =>
    (await bakeExample(example, python)).ledger;
  const ledgers = { tickets: await bake("tickets"), notes: await bake("notes") };
  shop = { server, python, ledger: await bake("shop"), ledgers };
});

afterAll(async () => {
  await shop?.server.stop();
});

const sql = (url: string, text: string) => shop.server.sql(url, text);

/** A database whose tables belong to a new role that has no other right; as on 15 and newer, not everybody may create. */
async function database(
  example: Example,
  at: string | null,
  more: readonly string[] = [],
): Promise<{ readonly owner: string; readonly url: string; readonly role: string }> {
  const owner = await makeDatabase(shop, { example, at, sql: more });
  const { name } = await createRole(shop.server);
  await sql(owner, "REVOKE CREATE ON SCHEMA public FROM PUBLIC");
  await sql(
    owner,
    `DO $$ DECLARE r record; BEGIN
       FOR r IN SELECT oid::regclass AS t FROM pg_class
                WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') AND relname !~ 'version|preflight'
       LOOP EXECUTE format('ALTER TABLE %s OWNER TO ${name}', r.t); END LOOP;
     END $$`,
  );
  return { owner, url: withUrl(owner, { user: name }), role: name };
}

/** Nothing is done without all rights: no write, no transaction id, no child. */
async function expectRefused(
  { owner, url }: { readonly owner: string; readonly url: string },
  image: string,
  command = "run",
): Promise<Ended> {
  const before = [await dump(shop.server, owner), await transactionCounter(shop.server, owner)];
  const ended = await runProgram("binary", [command], { cwd: image, env: environment(shop, url) });
  if (ended.exit === 0) return ended;
  expect(ended.stderr).not.toContain("upgrade.run");
  expect([await dump(shop.server, owner), await transactionCounter(shop.server, owner)]).toEqual(
    before,
  );
  return ended;
}

/** Runs what a refusal says is to be run, as a superuser, until it starts; gives the number of refusals. */
async function untilReady(
  place: { readonly owner: string; readonly url: string },
  image: string,
  command = "run",
): Promise<number> {
  for (let refusals = 0; ; refusals += 1) {
    const ended = await expectRefused(place, image, command);
    const line = expectLine(ended);
    if (line.exit === 0) return refusals;
    expect(line, ended.stderr).toMatchObject({ exit: 77, outcome: "permission", actions: [] });
    const statements = line.next.filter((text) => /^(?:GRANT|CREATE|ALTER) /.test(text));
    expect(statements.length, JSON.stringify(line)).toBeGreaterThan(0);
    expect(refusals, JSON.stringify(line)).toBeLessThan(4);
    for (const statement of statements) await sql(place.owner, statement);
  }
}

const tools = [
  {
    example: "shop",
    head: "index_placed_at",
    middle: "add_trade_id",
    proven: "create_orders",
    table: "alembic_version",
  },
  { example: "tickets", head: "006", middle: "003", table: "preflight_migrations" },
  {
    example: "notes",
    head: "20260310120000",
    middle: "20260301080000",
    table: "supabase_migrations.schema_migrations",
  },
] as const;

describe.each(tools)("the refusals of $example name exactly what is lacking", (tool) => {
  const { example, head, middle, table } = tool;

  it.each([
    ["check at head", head, [], "check"],
    ["run at head", head, [], "run"],
    ["check when behind", middle, [], "check"],
    ["an upgrade", middle, [], "run"],
    ["a stamp", head, [`DROP TABLE ${table}`], "run"],
  ] as const)("%s: at most two refusals, and then it is ready", async (_, at, more, command) => {
    const place = await database(example, at, more);
    const image = makeImage(shop, { name: "", example, ledger: "baked" });
    expect(await untilReady(place, image, command)).toBeLessThanOrEqual(2);
    rmSync(image, { recursive: true });
  });
});

// (What notes does after its first files asks for rights on the platform's own schemas.)
it.each([
  ["shop", "create_orders", "alembic_version"],
  ["tickets", "004", "preflight_migrations"],
] as const)("a stamp and an upgrade ask for everything at once: %s", async (example, at, table) => {
  const place = await database(example, at, [`TRUNCATE ${table}`]);
  const image = makeImage(shop, { name: "", example, ledger: "baked" });
  // One for reading, one for all the rest.
  expect(await untilReady(place, image)).toBe(2);
});

it.each(["shop", "tickets"] as const)(
  "an empty database needs CREATE on the schema and nothing else: %s",
  async (example) => {
    const place = await database(example, null);
    const image = makeImage(shop, { name: "", example, ledger: "baked" });
    expect(await untilReady(place, image)).toBe(1);
  },
);

it("an upgrade that creates nothing needs no CREATE", async () => {
  const removed = ["004_add_status", "005_closed_tickets", "006_index_opened_at"];
  const image = makeImage(shop, {
    name: "",
    example: "tickets",
    ledger: "none",
    remove: removed.map((file) => `migrations/${file}.sql`),
  });
  const baked = await preflight("binary", ["bake"], { cwd: image, env: environment(shop, "") });
  expect(baked.exit, baked.stderr).toBe(0);
  const place = await database("tickets", "002");
  await sql(
    place.owner,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON preflight_migrations TO ${place.role}`,
  );
  const ended = await expectRefused(place, image);
  expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0, verdict: "behind" });
});

it("a version column that is too narrow is somebody else's: found before anything is done", async () => {
  const long = "a_revision_with_a_name_of_more_than_32_characters";
  const image = writeHistory([
    { id: "first", upgrade: execute("CREATE TABLE t (id int)") },
    { id: long, after: "first", upgrade: "pass" },
  ]);
  const baked = await preflight("binary", ["bake"], { cwd: image, env: environment(shop, "") });
  expect(baked.exit, baked.stderr).toBe(0);
  const place = await database("shop", null, [
    "CREATE TABLE t (id int)",
    "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
    "INSERT INTO alembic_version VALUES ('first')",
  ]);
  await sql(place.owner, `GRANT ALL ON alembic_version TO ${place.role}`);
  const line = expectLine(await expectRefused(place, image));
  expect(line).toMatchObject({ exit: 77, actions: [] });
  expect(line.next[0]).toBe(
    `ALTER TABLE public.alembic_version ALTER COLUMN version_num TYPE VARCHAR(${long.length})`,
  );
  expect(await untilReady(place, image)).toBe(1);
  expect(await rowsOf(shop.server, place.owner)).toEqual([long]);
});

describe("where the schema is looked for", () => {
  it("a search_path without any schema that exists is a setting, and no GRANT would help", async () => {
    const place = await database("shop", null);
    await sql(place.owner, `ALTER ROLE ${place.role} SET search_path = nowhere, "Not there"`);
    const image = makeImage(shop, { name: "", ledger: "baked" });
    const line = expectLine(await expectRefused(place, image));
    expect(line).toMatchObject({ exit: 78, outcome: "config" });
    expect(line.reason).toContain("nowhere, Not there");
    expect(line.next.join()).not.toContain("GRANT");
  });

  it("a search_path that begins with the temporary schema is a setting; nothing is made there", async () => {
    const place = await database("shop", null);
    await sql(place.owner, `ALTER ROLE ${place.role} SET search_path = "$user", pg_temp, public`);
    await sql(place.owner, `GRANT CREATE ON SCHEMA public TO ${place.role}`);
    const image = makeImage(shop, { name: "", ledger: "none" });
    const line = expectLine(await expectRefused(place, image));
    expect(line).toMatchObject({ exit: 78, outcome: "config" });
    expect(line.reason).toContain("pg_temp");
  });

  it.each([
    ["a schema that is not open to the role", "app"],
    ["a schema named after the role, and a temporary one", '"$user", app, pg_temp'],
  ])("%s is asked for by name", async (_, searchPath) => {
    const place = await database("shop", null, ["CREATE SCHEMA app"]);
    await sql(place.owner, `ALTER ROLE ${place.role} SET search_path = ${searchPath}`);
    const image = makeImage(shop, { name: "", ledger: "none" });
    const line = expectLine(await expectRefused(place, image));
    expect(line).toMatchObject({ exit: 77 });
    expect(line.next[0]).toBe(`GRANT USAGE, CREATE ON SCHEMA "app" TO ${place.role}`);
    expect(await untilReady(place, image)).toBe(1);
  });
});

describe("row security", () => {
  it.each(tools)("a version table that shows some rows proves nothing: $example", async (tool) => {
    const { example, head, table } = tool;
    const column = example === "shop" ? "version_num" : "version";
    const place = await database(example, head, [
      `ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY`,
      `CREATE POLICY some_rows ON ${table} USING (${column} < '003')`,
      ...(example === "notes" ? ["GRANT USAGE ON SCHEMA supabase_migrations TO PUBLIC"] : []),
    ]);
    await sql(place.owner, `GRANT ALL ON ${table} TO ${place.role}`);
    const image = makeImage(shop, { name: "", example, ledger: "baked" });
    for (const command of ["check", "run"]) {
      const line = expectLine(await expectRefused(place, image, command));
      expect(line).toMatchObject({ exit: 77, verdict: null });
      expect(line.reason).toContain("row security");
    }
    expect(await untilReady(place, image)).toBe(1);
  });

  it("of an owner too, where it is forced; and writing is asked for before anything is written", async () => {
    const place = await database("tickets", "003", [
      "ALTER TABLE preflight_migrations ENABLE ROW LEVEL SECURITY",
      "ALTER TABLE preflight_migrations FORCE ROW LEVEL SECURITY",
    ]);
    await sql(place.owner, `ALTER TABLE preflight_migrations OWNER TO ${place.role}`);
    await sql(place.owner, `GRANT CREATE ON SCHEMA public TO ${place.role}`);
    const image = makeImage(shop, { name: "", example: "tickets", ledger: "baked" });
    expect(await untilReady(place, image)).toBe(2);
  });
});

describe("a member of the owner", () => {
  it.each([
    ["inherits its rights", "INHERIT", null, ""],
    ["without INHERIT, with ALTER ROLE … SET role", "NOINHERIT", "role", ""],
    ["without INHERIT, with options=-c role=…", "NOINHERIT", null, "options"],
  ] as const)("%s: an upgrade is ready", async (_, inherit, setting, query) => {
    const place = await database("tickets", "003");
    const { name } = await createRole(shop.server);
    for (const statement of [
      `ALTER ROLE ${name} ${inherit}`,
      `GRANT ${place.role} TO ${name}`,
      `ALTER TABLE preflight_migrations OWNER TO ${place.role}`,
      `GRANT CREATE ON SCHEMA public TO ${place.role}`,
      ...(setting === null ? [] : [`ALTER ROLE ${name} SET role = ${place.role}`]),
    ])
      await sql(place.owner, statement);
    const url = withUrl(place.owner, {
      user: name,
      ...(query === "" ? {} : { query: `options=-c%20role%3D${place.role}` }),
    });
    const image = makeImage(shop, { name: "", example: "tickets", ledger: "baked" });
    expect(await untilReady({ owner: place.owner, url }, image)).toBe(0);
  });

  it("without INHERIT and without SET ROLE it has none of them", async () => {
    const place = await database("tickets", "003");
    const { name } = await createRole(shop.server);
    await sql(place.owner, `ALTER ROLE ${name} NOINHERIT; GRANT ${place.role} TO ${name}`);
    const image = makeImage(shop, { name: "", example: "tickets", ledger: "baked" });
    const url = withUrl(place.owner, { user: name });
    expect(expectLine(await expectRefused({ owner: place.owner, url }, image)).exit).toBe(77);
  });
});

describe("what others have put into the database", () => {
  it("functions and operators that shadow the catalog's are never called", async () => {
    const place = await database("tickets", "003", [
      "CREATE SCHEMA evil",
      ...["text", "name", "oid", "int"].map(
        (type) =>
          `CREATE FUNCTION evil.eq(a ${type}, b ${type}) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'shadowed'; END $$;
           CREATE OPERATOR evil.= (LEFTARG = ${type}, RIGHTARG = ${type}, FUNCTION = evil.eq);
           CREATE OPERATOR evil.<> (LEFTARG = ${type}, RIGHTARG = ${type}, FUNCTION = evil.eq)`,
      ),
      ...[
        "current_setting(text)",
        "to_regclass(text)",
        "format(text)",
        "version()",
        "now()",
        "pg_backend_pid()",
        "pg_is_in_recovery()",
      ].map(
        (signature) =>
          `CREATE FUNCTION evil.${signature} RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'shadowed'; END $$`,
      ),
      "GRANT USAGE ON SCHEMA evil TO PUBLIC",
    ]);
    const name = new URL(place.owner).pathname.slice(1);
    // As a pending migration would find it: the history's own tables come first.
    await sql(place.owner, `ALTER DATABASE "${name}" SET search_path = public, evil, pg_catalog`);
    for (const statement of [
      `GRANT ALL ON preflight_migrations TO ${place.role}`,
      `GRANT CREATE ON SCHEMA public TO ${place.role}`,
    ])
      await sql(place.owner, statement);
    const image = makeImage(shop, { name: "", example: "tickets", ledger: "baked" });
    const at = { cwd: image, env: environment(shop, place.url) };
    for (const command of ["check", "run"]) {
      const ended = await runProgram("binary", [command], at);
      expect(ended.stderr).not.toContain("shadowed");
      expect(expectLine(ended), ended.stderr).toMatchObject({ verdict: "behind", exit: 0 });
    }
  });

  it("event triggers do not fire for a check, nor for a run at head", async () => {
    const place = await database("tickets", "006", [
      "CREATE FUNCTION stop() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no DDL here'; END $$",
    ]);
    await sql(place.owner, `GRANT SELECT ON preflight_migrations TO ${place.role}`);
    await sql(
      place.owner,
      "CREATE EVENT TRIGGER stop ON ddl_command_start EXECUTE FUNCTION stop()",
    );
    const image = makeImage(shop, { name: "", example: "tickets", ledger: "baked" });
    for (const command of ["check", "run"])
      expect(expectLine(await expectRefused(place, image, command))).toMatchObject({
        exit: 0,
        verdict: "drifted",
        drift: { extra: 1, missing: 0, changed: 0 },
      });
  });
});

it("timeouts of the role do not break a run: an idle session, an idle transaction, a lock", async () => {
  const image = writeHistory([
    { id: "slow", upgrade: `time.sleep(2)\n${execute("CREATE TABLE t (id int)")}` },
  ]);
  const place = await database("shop", null);
  const [row] = await sql(place.owner, "SHOW server_version_num");
  for (const setting of [
    // The migration's own transaction is idle too, between its statements.
    "idle_in_transaction_session_timeout = '5s'",
    "lock_timeout = '100ms'",
    // Before PostgreSQL 14 there is none.
    ...(Number(row?.["server_version_num"]) >= 140_000 ? ["idle_session_timeout = '500ms'"] : []),
  ])
    await sql(place.owner, `ALTER ROLE ${place.role} SET ${setting}`);
  await sql(place.owner, `GRANT CREATE ON SCHEMA public TO ${place.role}`);
  const ended = await runProgram("binary", ["run"], {
    cwd: path.resolve(image),
    env: environment(shop, place.url),
  });
  expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0, verdict: "fresh" });
});
