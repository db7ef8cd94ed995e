import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Observation } from "../../src/core/observation.ts";
import { look } from "../../src/database/look.ts";
import { sql } from "../../src/tools/sql/sql.ts";
import { supabase } from "../../src/tools/supabase/supabase.ts";
import { startServer, type TestServer } from "../support/postgres.ts";
import { connectionTo, open } from "./support.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
  await server.sql(server.url, "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN");
});
afterAll(async () => await server?.stop());

const sqlTable = { layout: sql.versionTable, ...sql.versionTable.usual };
const supabaseTable = { layout: supabase.versionTable, ...supabase.versionTable.usual };

const ours = `CREATE TABLE preflight_migrations
    (version text PRIMARY KEY, name text, checksum text, applied_at timestamptz, run_id text, duration_ms bigint);
  INSERT INTO preflight_migrations VALUES ('002', 'b', 'two'), ('001', 'a', 'one')`;

describe("the version table of sql", () => {
  it("gives versions and checksums, and is no fact", async () => {
    const seen = await lookAt(`${ours}; CREATE TABLE customers (id int)`);
    expect(seen.versionTable).toMatchObject({ rows: ["001", "002"], unreadable: null });
    expect(Object.fromEntries(seen.versionTable?.digests ?? [])).toEqual({
      "001": "one",
      "002": "two",
    });
    expect(new Set(seen.facts.map(({ object }) => object))).toEqual(
      new Set(["public", "public.customers"]),
    );
  });

  it("is not there, or is empty", async () => {
    expect((await lookAt("SELECT 1")).versionTable).toBeNull();
    expect((await lookAt(`${ours}; TRUNCATE preflight_migrations`)).versionTable?.rows).toEqual([]);
  });

  it.each(["version text", "version text, name text, checksum text"])(
    "is somebody else's: %s",
    async (columns) => {
      const seen = await lookAt(`CREATE TABLE preflight_migrations (${columns})`);
      expect(seen.versionTable).toMatchObject({ unreadable: "shape", rows: null });
    },
  );

  it("may have another name and schema, with quotes and percent signs in it", async () => {
    const made = ours.replaceAll("preflight_migrations", `"my app"."what's %I"`);
    const table = { ...sqlTable, schema: "my app", name: "what's %I" };
    const seen = await lookAt(`CREATE SCHEMA "my app"; ${made}`, table);
    expect(seen.versionTable?.rows).toEqual(["001", "002"]);
    expect(seen.facts.filter(({ kind }) => kind === "table")).toEqual([]);
  });

  it("a role that may not read it is told so", async () => {
    const seen = await lookAt(ours, sqlTable, "reader");
    expect(seen.versionTable).toMatchObject({ unreadable: "permission", rows: null });
  });
});

describe("the version table of Supabase", () => {
  const text = "create table a (id int);\n\n-- why\ninsert into a values (1);\n";

  it("gives versions, and digests of the statements", async () => {
    const seen = await lookAt(
      `CREATE SCHEMA supabase_migrations;
       CREATE TABLE supabase_migrations.schema_migrations (version text PRIMARY KEY, statements text[], name text);
       INSERT INTO supabase_migrations.schema_migrations VALUES
         ('20240101000000', ARRAY['create table a (id int)', E'-- why\\ninsert into a values (1)'], 'a'),
         ('20240102000000', NULL, 'b')`,
      supabaseTable,
    );
    expect(seen.versionTable?.rows).toEqual(["20240101000000", "20240102000000"]);
    const digest = createHash("sha256")
      .update(text.replaceAll(/[ \t\r\n\f;]/g, ""))
      .digest("hex");
    expect(Object.fromEntries(seen.versionTable?.digests ?? [])).toEqual({
      "20240101000000": digest,
    });
  });

  it("may be of an old version of its tool, without statements", async () => {
    const seen = await lookAt(
      `CREATE SCHEMA supabase_migrations;
       CREATE TABLE supabase_migrations.schema_migrations (version text PRIMARY KEY);
       INSERT INTO supabase_migrations.schema_migrations VALUES ('1')`,
      supabaseTable,
    );
    expect(seen.versionTable).toMatchObject({ rows: ["1"], digests: new Map() });
  });

  it("where its schema is missing, the right to make schemas counts", async () => {
    expect((await lookAt("SELECT 1", supabaseTable)).role.canCreate).toBe(true);
    expect((await lookAt("SELECT 1", supabaseTable, "reader")).role.canCreate).toBe(false);
  });
});

describe("tables of other tools that number their files", () => {
  it("are seen with their versions and golang-migrate's mark", async () => {
    const seen = await lookAt(`
      CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL);
      INSERT INTO schema_migrations VALUES (3, true);
      CREATE SCHEMA app;
      CREATE TABLE app.schema_version (version varchar, at timestamptz);
      INSERT INTO app.schema_version VALUES ('001'), ('002');
      CREATE TABLE migrations (id int, name text)`);
    expect(seen.neighbours).toEqual([
      { schema: "app", name: "schema_version", rows: ["001", "002"], isDirty: false },
      { schema: "public", name: "schema_migrations", rows: ["3"], isDirty: true },
    ]);
    expect(seen.versionTable).toBeNull();
  });

  it("are left alone where the role may not read them, and by the other tools", async () => {
    const made = "CREATE TABLE schema_migrations (version text)";
    expect((await lookAt(made, sqlTable, "reader")).neighbours).toEqual([]);
    expect((await lookAt(made, supabaseTable)).neighbours).toEqual([]);
  });

  it("are left alone where row security may hide some of their rows, and read where it hides none", async () => {
    const made = `CREATE TABLE schema_migrations (version text); INSERT INTO schema_migrations VALUES ('1'), ('2');
      GRANT SELECT ON schema_migrations TO reader; ALTER TABLE schema_migrations ENABLE ROW LEVEL SECURITY`;
    const some = `${made}; CREATE POLICY some_rows ON schema_migrations USING (version = '1')`;
    expect((await lookAt(some, sqlTable, "reader")).neighbours).toEqual([]);
    const all = `${made}; CREATE POLICY all_rows ON schema_migrations USING (true)`;
    expect((await lookAt(all, sqlTable, "reader")).neighbours).toMatchObject([
      { rows: ["1", "2"] },
    ]);
  });
});

describe("what began and did not end", () => {
  const progress = `
    CREATE TABLE preflight_progress (version_table text, version text, checksum text, done int, "of" int,
      line int, statement text, state text, error text, run_id text, updated_at timestamptz DEFAULT now());
    INSERT INTO preflight_progress VALUES
      ('public.preflight_migrations', '003', 'x', 2, 5, 9, 'CREATE INDEX', 'started', NULL, 'r'),
      ('public.other', '009', 'x', 2, 5, 9, 'CREATE INDEX', 'started', NULL, 'r')`;

  it("is asked for where the role may not read it", async () => {
    const made = `${ours}; GRANT SELECT ON preflight_migrations TO reader; ${progress}`;
    await expect(lookAt(made, sqlTable, "reader")).rejects.toMatchObject({ outcome: "permission" });
  });

  it("is asked for where row security may hide it", async () => {
    const made = `${ours}; GRANT SELECT ON preflight_migrations TO reader; ${progress};
      GRANT SELECT ON preflight_progress TO reader; ALTER TABLE preflight_progress ENABLE ROW LEVEL SECURITY`;
    await expect(lookAt(made, sqlTable, "reader")).rejects.toMatchObject({ outcome: "permission" });
  });

  it("is seen where the version table is gone", async () => {
    const seen = await lookAt(`${ours}; ${progress}; DROP TABLE preflight_migrations`);
    expect(seen.progress).toMatchObject([{ version: "003" }]);
  });

  it("is seen for this version table alone, and is no fact", async () => {
    const seen = await lookAt(`${ours}; ${progress}`);
    expect(seen.progress).toEqual([
      {
        version: "003",
        checksum: "x",
        done: 2,
        of: 5,
        line: 9,
        statement: "CREATE INDEX",
        state: "started",
        error: null,
      },
    ]);
    expect(seen.facts.filter(({ kind }) => kind === "table")).toEqual([]);
    expect(seen.otherTools).toEqual([]);
  });
});

async function lookAt(
  sql: string,
  versionTable: Parameters<typeof look>[1]["versionTable"] = sqlTable,
  user = "postgres",
): Promise<Observation> {
  const url = await server.createDatabase();
  await server.sql(url, sql);
  const db = await open(connectionTo(url, { user }));
  try {
    return await look(db, { versionTable, scope: null });
  } finally {
    await db.close();
  }
}
