import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Observation } from "../../src/core/observation.ts";
import { quoteIdentifier, quoteLiteral } from "../../src/core/quote.ts";
import { factsQuery } from "../../src/database/facts.sql.ts";
import { look, lookRows } from "../../src/database/look.ts";
import { alembic } from "../../src/tools/alembic/alembic.ts";
import { startServer, type TestServer } from "../support/postgres.ts";
import { connectionTo, open, refusalOf } from "./support.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
  await server.sql(server.url, "DROP ROLE IF EXISTS limited; CREATE ROLE limited LOGIN");
}, 60_000);
afterAll(() => server?.stop());

const wanted = { layout: alembic.versionTable, ...alembic.versionTable.usual };
const createTable =
  "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))";

/** What a look sees in a new database after some SQL. */
async function lookAfter(
  sql: string,
  options: Partial<Parameters<typeof look>[1]> & { readonly as?: string } = {},
): Promise<Observation> {
  const url = await server.createDatabase();
  if (sql !== "") await server.sql(url, sql);
  const { as, ...rest } = options;
  const db = await open(connectionTo(url, as === undefined ? {} : { user: as }));
  try {
    return await look(db, { versionTable: wanted, scope: null, ...rest });
  } finally {
    await db.close();
  }
}

test("what an extension brings is the extension's, wherever it is put", async () => {
  const url = await server.createDatabase();
  const db = await open(connectionTo(url));
  try {
    await db.query("CREATE SCHEMA elsewhere");
    const known = ["schema public", "schema elsewhere"];
    const all = await db.query<{ name: string }>(
      "SELECT name::text FROM pg_available_extensions WHERE name <> 'plpgsql' ORDER BY name",
    );
    expect(all.length).toBeGreaterThan(30);
    const tried = new Set<string>();
    for (const { name } of all) {
      for (const schema of ["public", "elsewhere"]) {
        await db.query("BEGIN");
        const [failed] = await db
          .query(`CREATE EXTENSION ${quoteIdentifier(name)} SCHEMA ${schema} CASCADE`)
          .then(
            () => [],
            (error: unknown) => [error],
          );
        // Some ask for a schema of their own, or for a program that is not there.
        await db.query(failed === undefined ? "COMMIT" : "ROLLBACK");
        if (failed !== undefined) continue;
        const { facts } = await look(db, { versionTable: wanted, scope: null });
        const others = facts.filter(({ kind }) => kind !== "extension");
        expect(
          others
            .map(({ kind, object }) => `${kind} ${object}`)
            .filter((each) => !known.includes(each)),
          `${name} in ${schema}`,
        ).toEqual([]);
        const made = facts
          .filter(({ kind }) => kind === "extension")
          .map(({ object }) => quoteIdentifier(object));
        tried.add(name);
        await db.query(`DROP EXTENSION ${made.join(", ")} CASCADE`);
      }
    }
    expect(tried.size).toBeGreaterThan(30);
  } finally {
    await db.close();
  }
}, 120_000);

describe("the version table", () => {
  test("an empty database", async () => {
    const seen = await lookAfter("");
    expect(seen.versionTable).toBeNull();
    expect(seen.otherVersionTables).toEqual([]);
    expect(seen.facts).toEqual([{ kind: "schema", object: "public", name: "", definition: "" }]);
    expect(seen.role).toMatchObject({ name: "postgres", canCreate: true, canCreateSchema: true });
    expect(seen.server).toMatchObject({
      searchPath: ["public"],
      inRecovery: false,
      readOnly: false,
    });
    expect(seen.server.version).toBeGreaterThan(120_000);
    expect(new Date(seen.server.startedAt).getTime()).toBeLessThanOrEqual(Date.now());
  });

  test("as Alembic makes it: empty, one row, several", async () => {
    const usual = {
      schema: "public",
      name: "alembic_version",
      digests: new Map(),
      fileNames: new Map(),
      isDirty: false,
      unreadable: null,
      canRead: true,
      width: 32,
      isTable: true,
      canWrite: true,
      isGuarded: false,
      owned: true,
    };
    expect((await lookAfter(createTable)).versionTable).toEqual({
      ...usual,
      rows: [],
      stored: [],
    });
    const seen = await lookAfter(
      `${createTable}; INSERT INTO alembic_version VALUES ('b'), ('a'), ('B'), ('é <&> "x" ''y''')`,
    );
    const rows = ["B", "a", "b", `é <&> "x" 'y'`];
    expect(seen.versionTable).toEqual({ ...usual, rows, stored: rows });
    expect(seen.facts).toHaveLength(1);
  });

  test("odd rows are seen as they are: NULL, duplicates, trailing spaces, long ids", async () => {
    const seen = await lookAfter(
      "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('a'), (NULL), ('a'), ('a '), (repeat('x', 300))",
    );
    expect(seen.versionTable).toMatchObject({
      width: null,
      rows: ["a", "a", "a ", "x".repeat(300), null],
    });
  });

  test("another column, another type, a view, a partitioned one", async () => {
    const odd = await lookAfter("CREATE TABLE alembic_version (revision text)");
    expect(odd.versionTable).toMatchObject({ rows: null, unreadable: "shape", width: null });
    const number = await lookAfter(
      "CREATE TABLE alembic_version (version_num integer); INSERT INTO alembic_version VALUES (12)",
    );
    expect(number.versionTable).toMatchObject({ rows: ["12"], unreadable: null, width: null });
    const view = await lookAfter(
      "CREATE VIEW alembic_version AS SELECT 'v1'::varchar(40) AS version_num",
    );
    expect(view.versionTable).toMatchObject({ rows: ["v1"], isTable: false, width: 40 });
  });

  test("the configured schema, else the first of the search path; the others are told apart", async () => {
    const sql = `
      CREATE SCHEMA app; CREATE SCHEMA other;
      CREATE TABLE app.alembic_version (version_num varchar(32)); INSERT INTO app.alembic_version VALUES ('app1');
      CREATE TABLE other.alembic_version (version_num varchar(32));
      CREATE TABLE app.my_alembic_version_x (version_num varchar(32)); INSERT INTO app.my_alembic_version_x VALUES ('x1');`;
    const outside = await lookAfter(sql);
    expect(outside.versionTable).toBeNull();
    expect(
      outside.otherVersionTables.map(({ schema, name, rows }) => [schema, name, rows]),
    ).toEqual([
      ["app", "alembic_version", ["app1"]],
      ["app", "my_alembic_version_x", ["x1"]],
      ["other", "alembic_version", []],
    ]);
    const configured = await lookAfter(sql, {
      versionTable: { ...wanted, schema: "app" },
    });
    expect(configured.versionTable?.rows).toEqual(["app1"]);
    expect(configured.otherVersionTables).toHaveLength(2);

    const url = await server.createDatabase();
    await server.sql(
      url,
      `${sql} ALTER DATABASE "${new URL(url).pathname.slice(1)}" SET search_path = nowhere, other, app`,
    );
    const db = await open(url);
    const seen = await look(db, { versionTable: wanted, scope: null });
    expect(seen.server.searchPath).toEqual(["other", "app"]);
    expect(seen.versionTable?.schema).toBe("other");
    expect((await lookRows(db, { versionTable: wanted })).versionTable).toEqual(seen.versionTable);
    await db.close();
  });

  test("a role without privileges sees that it is there, and what it may not", async () => {
    const filled = `${createTable}; INSERT INTO alembic_version VALUES ('a'); REVOKE CREATE ON SCHEMA public FROM PUBLIC;`;
    const none = await lookAfter(filled, { as: "limited" });
    expect(none.versionTable).toMatchObject({
      rows: null,
      unreadable: "permission",
      canWrite: false,
      owned: false,
    });
    expect(none.role).toMatchObject({
      name: "limited",
      canCreate: false,
      canCreateSchema: false,
      schemas: { public: { canUse: true, canCreate: false } },
    });
    const reader = await lookAfter(
      `${filled} GRANT SELECT, INSERT, UPDATE ON alembic_version TO limited`,
      { as: "limited" },
    );
    expect(reader.versionTable).toMatchObject({ rows: ["a"], canWrite: false, owned: false });
    const writer = await lookAfter(`${filled} GRANT ALL ON alembic_version TO limited`, {
      as: "limited",
    });
    expect(writer.versionTable).toMatchObject({ rows: ["a"], canWrite: true, owned: false });
    const owner = await lookAfter(`${filled} ALTER TABLE alembic_version OWNER TO limited`, {
      as: "limited",
    });
    expect(owner.versionTable).toMatchObject({ rows: ["a"], canWrite: true, owned: true });
    const column = await lookAfter(
      `${filled} GRANT SELECT (version_num) ON alembic_version TO limited`,
      { as: "limited" },
    );
    expect(column.versionTable).toMatchObject({ rows: ["a"] });
    const schema = await lookAfter(
      `CREATE SCHEMA app; ${createTable.replace("alembic", "app.alembic")}; GRANT SELECT ON app.alembic_version TO limited`,
      { as: "limited", versionTable: { ...wanted, schema: "app" } },
    );
    expect(schema.versionTable).toMatchObject({ unreadable: "permission" });
  });

  test("rows behind row security are not taken for no rows", async () => {
    const filled = `${createTable}; INSERT INTO alembic_version VALUES ('a'); GRANT ALL ON alembic_version TO limited; ALTER TABLE alembic_version ENABLE ROW LEVEL SECURITY;`;
    expect((await lookAfter(filled, { as: "limited" })).versionTable).toMatchObject({
      rows: null,
      unreadable: "permission",
    });
    const open_ = `${filled} CREATE POLICY all_rows ON alembic_version USING (true)`;
    expect((await lookAfter(open_, { as: "limited" })).versionTable).toMatchObject({
      rows: ["a"],
      unreadable: null,
      isGuarded: false,
    });
    const readable = `${filled} CREATE POLICY all_rows ON alembic_version FOR SELECT USING (true)`;
    expect((await lookAfter(readable, { as: "limited" })).versionTable).toMatchObject({
      rows: ["a"],
      isGuarded: true,
    });
    for (const policy of [
      "CREATE POLICY some_rows ON alembic_version USING (version_num < 'b')",
      "CREATE POLICY all_rows ON alembic_version TO postgres USING (true)",
      "CREATE POLICY all_rows ON alembic_version FOR INSERT WITH CHECK (true)",
      "CREATE POLICY all_rows ON alembic_version USING (true); CREATE POLICY fewer ON alembic_version AS RESTRICTIVE USING (version_num < 'b')",
    ]) {
      const half = `${filled} INSERT INTO alembic_version VALUES ('c'); ${policy}`;
      expect((await lookAfter(half, { as: "limited" })).versionTable, policy).toMatchObject({
        rows: null,
        unreadable: "permission",
      });
    }
    const forced = `${filled} ALTER TABLE alembic_version OWNER TO limited; ALTER TABLE alembic_version FORCE ROW LEVEL SECURITY`;
    expect((await lookAfter(forced, { as: "limited" })).versionTable).toMatchObject({ rows: null });
    const deaf = `${open_}; ALTER ROLE limited SET row_security = off`;
    expect((await lookAfter(deaf, { as: "limited" })).versionTable).toMatchObject({ rows: ["a"] });
    await server.sql(server.url, "ALTER ROLE limited RESET row_security");
  });

  test("another session's lock on it is waited for, not for ever", async () => {
    const url = await server.createDatabase();
    await server.sql(url, createTable);
    const [holder, db] = [await open(url), await open(url)];
    await holder.query("BEGIN; LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE");
    const refusal = await refusalOf(look(db, { versionTable: wanted, scope: null, patience: 200 }));
    expect(refusal.outcome).toBe("temporary");
    const patient = look(db, { versionTable: wanted, scope: null });
    await holder.query("COMMIT");
    expect((await patient).versionTable?.rows).toEqual([]);
    await Promise.all([holder.close(), db.close()]);
  });
});

test("other tools' tables are named and are no facts, nor is what belongs to them", async () => {
  const seen = await lookAfter(
    `
    CREATE TABLE django_migrations (id serial PRIMARY KEY, app text);
    CREATE SCHEMA supabase_migrations; CREATE TABLE supabase_migrations.schema_migrations (version text PRIMARY KEY);
    CREATE TABLE schema_migrations (version text);
    CREATE TABLE "SequelizeMeta" (name text UNIQUE);
    CREATE TABLE my_history (id serial PRIMARY KEY, x int);
    CREATE INDEX ON my_history (x)`,
    { ignoreRelations: [{ schema: "public", name: "my_history" }] },
  );
  expect(seen.otherTools).toEqual([
    { tool: "Sequelize", table: "public.SequelizeMeta" },
    { tool: "Django", table: "public.django_migrations" },
    { tool: "Rails, golang-migrate, dbmate or Ecto", table: "public.schema_migrations" },
    { tool: "Supabase", table: "supabase_migrations.schema_migrations" },
  ]);
  expect(seen.facts.map(({ kind, object }) => `${kind} ${object}`)).toEqual([
    "schema public",
    "schema supabase_migrations",
  ]);
});

describe("facts", () => {
  let torture: string;
  beforeAll(async () => {
    torture = await readFile(join(import.meta.dirname, "torture.sql"), "utf8");
  });

  test("of a schema with one of everything", async () => {
    const { facts } = await lookAfter(torture);
    const has = (kind: string, object: string, name = ""): string | undefined =>
      facts.find((fact) => fact.kind === kind && fact.object === object && fact.name === name)
        ?.definition;
    const users = `"Odd schema"."Us""ers"`;
    expect(has("schema", "Odd schema")).toBe("");
    expect(has("extension", "citext")).toBe("SCHEMA public");
    expect(has("enum", "public.mood")).toBe("'sad','it''s ok','meh','happy'");
    expect(has("enum", "public.nothing")).toBe("");
    expect(has("domain", "public.positive")).toBe("integer DEFAULT 1 above CHECK ((VALUE > 0))");
    expect(has("type", "public.pair")).toBe(`a,"B b"`);
    expect(has("range", "public.span")).toBe("double precision");
    expect(has("table", users)).toBe("r");
    expect(has("column", users, "id")).toMatch(/^bigint NOT NULL IDENTITY a \(AS bigint START 10 /);
    expect(has("column", users, "E mail")).toBe(`public.citext COLLATE pg_catalog."C" NOT NULL`);
    expect(has("column", users, "mood")).toBe("public.mood DEFAULT 'it''s ok'::public.mood");
    expect(has("column", users, "doubled")).toBe("numeric GENERATED s (amount * (2)::numeric)");
    expect(has("column", users, "path")).toBe(String.raw`text DEFAULT 'a\b'::text`);
    expect(has("column", users, "dollars")).toBe("text DEFAULT '$1 $$ $x$'::text");
    expect(has("column", users, "since")).toContain("'2019-12-31 22:00:00+00'");
    expect(has("constraint", users, "Odd check")).toBe("CHECK ((amount >= (0)::numeric))");
    expect(has("index", users, "Odd index")).toContain('lower(("E mail")::text)');
    expect(has("constraint", "public.plain", "plain_owner_fkey")).toBe(
      `FOREIGN KEY (owner) REFERENCES ${users}(id) ON DELETE CASCADE`,
    );
    expect(has("table", "public.plain")).toBe("r RLS FORCE RLS");
    expect(has("table", "public.fast")).toBe("r UNLOGGED");
    expect(has("table", "public.child")).toBe("r INHERITS public.fast");
    expect(has("table", "public.events")).toBe("p PARTITION BY RANGE (at)");
    expect(has("partition", "public.events_2024")).toContain(
      "FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
    );
    expect(has("index", "public.events", "events_kind")).toBeDefined();
    expect(
      facts.some(({ kind, object }) => kind === "index" && object === "public.events_2024"),
    ).toBe(false);
    expect(
      facts.filter(({ kind, name }) => kind === "trigger" && name === "each_event"),
    ).toHaveLength(1);
    expect(has("policy", "public.plain", "Own rows")).toContain(
      "PERMISSIVE FOR r TO PUBLIC USING (",
    );
    expect(has("trigger", "public.plain", "Touch it")).toContain("EXECUTE FUNCTION public.touch()");
    expect(has("function", "public.touch()")).toContain(String.raw`RAISE NOTICE 'a\b $x$'`);
    expect(has("procedure", "public.nop(INOUT x integer)")).toBeDefined();
    expect(has("aggregate", "public.total(integer)")).toContain("int4pl");
    expect(has("view", "public.small")).toBe("v");
    expect(has("viewdef", "public.small")).toContain("FROM public.plain");
    expect(has("rule", "public.small", "no_insert")).toContain("DO INSTEAD NOTHING");
    expect(has("matview", "public.counts")).toBe("m");
    expect(has("sequence", "public.numbers")).toContain("AS smallint START 1 INCREMENT 5");
    expect(has("sequence", "public.plain_id_seq")).toContain("OWNED BY public.plain.id");
    expect(has("statistics", "public.both_columns")).toContain("FROM public.plain");
    expect(has("comment", "public.plain", "size")).toBe("its size");
    const order = createHash("sha256").update("id,size,both_,owner").digest("hex");
    expect(has("colorder", "public.plain")).toBe(order.slice(0, 12));
    expect(
      facts.some(({ object }) => object.includes("not_mine") || object.startsWith("pg_")),
    ).toBe(false);
    expect(
      facts.filter(({ kind, object }) => kind === "function" && object !== "public.touch()"),
    ).toEqual([]);
  });

  test("are the same whatever the session's settings are, and for a role without privileges", async () => {
    const url = await server.createDatabase();
    await server.sql(url, torture);
    const database = quoteIdentifier(new URL(url).pathname.slice(1));
    const facts = async (user: string): Promise<string> => {
      const db = await open(connectionTo(url, { user }));
      const seen = await look(db, { versionTable: wanted, scope: null });
      await db.close();
      return JSON.stringify(seen.facts.map((fact) => JSON.stringify(fact)).toSorted());
    };
    const usual = await facts("postgres");
    for (const setting of [
      `search_path = "Odd schema", public, pg_catalog`,
      "quote_all_identifiers = on",
      "DateStyle = 'German'",
      "TimeZone = 'Asia/Tokyo'",
      "standard_conforming_strings = off",
      "bytea_output = escape",
      "default_transaction_isolation = 'serializable'",
    ]) {
      await server.sql(url, `ALTER DATABASE ${database} SET ${setting}`);
    }
    expect(await facts("postgres")).toBe(usual);
    expect(await facts("limited")).toBe(usual);
  });

  test("of the schemas in scope only", async () => {
    const { facts } = await lookAfter(torture, {
      scope: { home: false, named: ["Odd schema"], rare: false, rights: null },
    });
    expect(facts.some(({ object }) => object === `"Odd schema"."Us""ers"`)).toBe(true);
    expect(facts.filter(({ object }) => object.startsWith("public."))).toEqual([]);
  });

  test("leave out an ignored schema, its triggers and its event triggers", async () => {
    const url = await server.createDatabase();
    await server.sql(
      url,
      `
      CREATE TABLE t (x int); CREATE SCHEMA __preflight_bake; CREATE TABLE __preflight_bake.log (x int);
      CREATE FUNCTION __preflight_bake.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
      CREATE FUNCTION __preflight_bake.e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
      CREATE TRIGGER spy AFTER INSERT ON t EXECUTE FUNCTION __preflight_bake.f();
      CREATE EVENT TRIGGER __preflight_spy ON ddl_command_end EXECUTE FUNCTION __preflight_bake.e()`,
    );
    const query = (ignoreSchemas: string[]): string =>
      `${factsQuery({ scope: null, ignoreSchemas })} SELECT k || ' ' || o || ' ' || n AS f FROM facts WHERE k IN ('table', 'trigger', 'eventtrigger', 'function', 'schema') ORDER BY 1`;
    expect((await server.sql(url, query(["__preflight_bake"]))).map(({ f }) => f)).toEqual([
      "schema public ",
      "table public.t ",
    ]);
    expect(await server.sql(url, query([]))).toHaveLength(8);
    await server.sql(url, "DROP EVENT TRIGGER __preflight_spy");
  });

  test("an index left invalid is a fact, and one being built is told apart", async () => {
    const url = await server.createDatabase();
    await server.sql(url, "CREATE TABLE t (x int); INSERT INTO t VALUES (1), (1)");
    await expect(
      server.sql(url, "CREATE UNIQUE INDEX CONCURRENTLY left_over ON t (x)"),
    ).rejects.toMatchObject({ code: "23505" });
    const [blocker, builder, db] = [
      await open(url),
      await open(url),
      await open(connectionTo(url, { user: "limited" })),
    ];
    await blocker.query("BEGIN; INSERT INTO t VALUES (2)");
    const built = builder.query("CREATE INDEX CONCURRENTLY in_progress ON t (x)");
    let seen = await look(db, { versionTable: wanted, scope: null });
    for (let left = 50; left > 0 && seen.buildingIndexes.length === 0; left -= 1) {
      seen = await look(db, { versionTable: wanted, scope: null });
    }
    expect(seen.buildingIndexes).toContain("public.in_progress");
    await blocker.query("COMMIT");
    await built;
    const after = await look(db, { versionTable: wanted, scope: null });
    expect(after.buildingIndexes).toEqual([]);
    expect(after.facts.find(({ name }) => name === "left_over")?.definition).toMatch(/ INVALID$/);
    expect(after.facts.find(({ name }) => name === "in_progress")?.definition).not.toMatch(
      /INVALID/,
    );
    await Promise.all([blocker.close(), builder.close(), db.close()]);
  });
});

test("a look writes nothing and leaves nothing behind", async () => {
  const url = await server.createDatabase();
  await server.sql(url, createTable);
  const db = await open(url);
  const nextXid = async (): Promise<unknown> =>
    (await server.sql(url, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS x"))[0]?.["x"];
  const settings =
    "SELECT json_object_agg(name, setting)::text AS all FROM pg_settings WHERE name NOT LIKE 'transaction_%'";
  const [before] = await db.query(settings);
  const xid = await nextXid();
  for (let left = 3; left > 0; left -= 1) await look(db, { versionTable: wanted, scope: null });
  await lookRows(db, { versionTable: wanted });
  expect(await nextXid()).toBe(xid);
  expect(
    await db.query(
      "SELECT pg_current_xact_id_if_assigned() AS x, now() = statement_timestamp() AS outside",
    ),
  ).toEqual([{ x: null, outside: true }]);
  expect(await db.query(settings)).toEqual([before]);
  await db.close();
});

test("a look that runs while a migration commits is of one state", async () => {
  const url = await server.createDatabase();
  await server.sql(
    url,
    `${createTable}; INSERT INTO alembic_version VALUES ('0'); CREATE TABLE state_0 (x int)`,
  );
  const [writer, db] = [await open(url), await open(url)];
  let stop = false;
  const writing = (async () => {
    for (let step = 0; !stop; step += 1) {
      await writer.query(
        `BEGIN; ALTER TABLE state_${step} RENAME TO state_${step + 1}; UPDATE alembic_version SET version_num = '${step + 1}'; COMMIT`,
      );
      await new Promise((resolve) => {
        setTimeout(resolve, 40);
      });
    }
  })();
  for (let left = 15; left > 0; left -= 1) {
    const seen = await look(db, { versionTable: wanted, scope: null }).catch(() => null);
    if (seen === null) continue;
    const table = seen.facts.find(({ kind }) => kind === "table")?.object;
    expect(table).toBe(`public.state_${seen.versionTable?.rows?.[0]}`);
  }
  stop = true;
  await writing;
  await Promise.all([writer.close(), db.close()]);
});

test("quoting survives standard_conforming_strings = off", async () => {
  const db = await open(server.url);
  for (const conforming of ["on", "off"]) {
    await db.query(`SET standard_conforming_strings = ${conforming}`);
    for (const value of ["", "a'b", "a\\'b", "\\", "é$1\n", `"`]) {
      expect(
        await db.query(
          `SELECT ${quoteLiteral(value)} AS value, 1 AS ${quoteIdentifier(`x"${value}`)}`,
        ),
      ).toEqual([{ value, [`x"${value}`]: 1 }]);
    }
  }
  expect(() => quoteLiteral("a\0b")).toThrow(TypeError);
  await db.close();
});
