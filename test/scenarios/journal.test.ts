import { execFile } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JournalEntry } from "../../src/core/journal.ts";
import { dumpAndRestore } from "../support/pg-dump.ts";
import { type Place, placeAt } from "../support/place.ts";
import { startExamples } from "../support/play-scenario.ts";
import type { Example } from "../support/scenario.ts";
import { environment, makeImage, preflight, type Shop } from "../support/shop.ts";

let shop: Shop;
beforeAll(async () => {
  shop = await startExamples("cli");
});
afterAll(async () => {
  await shop?.server.stop();
});

const execute = promisify(execFile);
const home = path.join(import.meta.dirname, "../..");

type JournalPlace = Place & { readonly journal: () => Promise<readonly JournalEntry[]> };

async function at(
  example: Example,
  revision: string | null,
  sql: readonly string[] = [],
): Promise<JournalPlace> {
  const place = await placeAt(shop, example, revision, sql);
  const journal = async (): Promise<readonly JournalEntry[]> => {
    const { stdout } = await place.play(["history", "--json"]);
    return stdout === "" ? [] : JSON.parse(stdout).journal;
  };
  return { ...place, journal };
}

const headOfShop = "index_placed_at";

describe("what a run writes", () => {
  it("is in the journal: the stamp with the evidence, the upgrade with its end, and who it was", async () => {
    const { play, sql, journal, image } = await at("shop", "add_trade_id", [
      "DELETE FROM alembic_version",
      "CREATE TABLE of_others (id int)",
    ]);
    const ran = await play(["run"], { PREFLIGHT_IMAGE_VERSION: "1.4.2" });
    expect(ran.exit, ran.stderr).toBe(0);
    const key = { tool: "alembic", versionTable: "public.alembic_version", home: "public" };
    const who = { role: "postgres", image: "1.4.2", runId: ran.line.runId, undoes: null };
    expect(await journal()).toMatchObject([
      {
        ...key,
        ...who,
        kind: "stamp",
        state: "done",
        rowsBefore: [],
        rowsAfter: ["fill_names"],
        evidence: {
          verdict: "unversioned",
          because: "proven",
          proven: ["fill_names"],
          what: ["fill_names"],
          tolerated: ["table of_others, with 1 column, is there, and no applied revision makes it"],
        },
        ledger: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
      {
        ...key,
        ...who,
        kind: "upgrade",
        state: "done",
        rowsBefore: ["fill_names"],
        rowsAfter: [headOfShop],
        evidence: { what: ["add_order_status", headOfShop], because: null },
      },
    ]);
    expect((await play(["undo"])).line.next).toContainEqual(
      expect.stringContaining("alembic downgrade fill_names"),
    );
    const [comment] = await sql(
      "SELECT obj_description('preflight'::regnamespace, 'pg_namespace') AS text",
    );
    expect(comment?.["text"]).toMatch(/^Preflight:/);
    rmSync(image, { recursive: true });
  });

  it("is not there where a run writes nothing", async () => {
    const { play, sql } = await at("shop", headOfShop);
    for (const command of ["run", "check", "status", "history"])
      expect((await play([command])).exit).toBe(0);
    expect(await sql("SELECT FROM pg_namespace WHERE nspname = 'preflight'")).toHaveLength(0);
  });

  it("says of an upgrade that failed that it failed", async () => {
    const { play, journal, image } = await at("tickets", "004");
    writeFileSync(path.join(image, "migrations/007_fails.sql"), "SELECT 1 / 0;\n");
    const ran = await play(["run"]);
    expect(ran.exit, ran.stderr).toBe(25);
    expect(await journal()).toMatchObject([
      { kind: "upgrade", state: "failed", rowsAfter: ["001", "002", "003", "004", "005", "006"] },
    ]);
  });

  it("keeps no entry of a stamp that is rolled back", async () => {
    const { play, sql } = await at("shop", headOfShop, [
      "DELETE FROM alembic_version",
      "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
      "CREATE TRIGGER silent BEFORE INSERT ON alembic_version FOR EACH ROW EXECUTE FUNCTION nothing()",
    ]);
    expect((await play(["run"])).line).toMatchObject({ exit: 26, outcome: "verify-failed" });
    expect(await sql("SELECT FROM preflight.journal")).toHaveLength(0);
  });
});

describe("where the role may not keep a journal", () => {
  const limited = [
    "DELETE FROM alembic_version",
    "DO 'BEGIN CREATE ROLE journal_less LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END'",
    "GRANT ALL ON SCHEMA public TO journal_less",
    "GRANT ALL ON ALL TABLES IN SCHEMA public TO journal_less",
    "ALTER TABLE alembic_version OWNER TO journal_less",
  ];

  async function asLimited(sql: readonly string[] = []): Promise<JournalPlace> {
    const place = await at("shop", headOfShop, [...limited, ...sql]);
    const url = new URL(place.url);
    url.username = "journal_less";
    return {
      ...place,
      play: async (words, more = {}) =>
        await place.play(words, { DATABASE_URL: url.href, ...more }),
    };
  }

  it.each([
    { where: "it may create no schema", sql: [], says: "may not create schema preflight" },
    {
      where: "schema preflight is an application's",
      sql: [
        "CREATE SCHEMA preflight CREATE TABLE flights (id int)",
        "GRANT ALL ON SCHEMA preflight TO journal_less",
      ],
      says: "schema preflight is somebody else's",
    },
    {
      where: "a table of that name is somebody else's",
      sql: ["CREATE SCHEMA preflight", "CREATE TABLE preflight.journal (entry int)"],
      says: "it is not the journal of this version",
    },
  ])("nothing changes but one line: $where", async ({ sql, says }) => {
    const { play } = await asLimited(sql);
    const required = await play(["run", "--journal", "require"]);
    expect(required.line).toMatchObject({ exit: 77, outcome: "permission", recordedAfter: [] });
    expect(required.line.reason).toContain(says);
    expect((await play(["check", "--journal", "require"])).exit).toBe(77);
    const ran = await play(["run"]);
    expect(ran.line).toMatchObject({ exit: 0, recordedAfter: [headOfShop] });
    expect(ran.stderr.split("\n").filter((line) => line.includes("journal"))).toEqual([
      expect.stringContaining(`"level":"info"`),
    ]);
    expect(ran.stderr).toContain(says);
  });

  it("nothing changes but one line: another role has made it", async () => {
    const { play } = await asLimited();
    const owner = await at("shop", "fill_names");
    expect((await owner.play(["run"])).exit).toBe(0);
    const url = new URL(owner.url);
    url.username = "journal_less";
    await owner.sql(limited.join(";"));
    const ran = await play(["run"], { DATABASE_URL: url.href });
    expect(ran.line, ran.stderr).toMatchObject({ exit: 0, recordedAfter: [headOfShop] });
    expect(ran.stderr).toContain("may not write preflight.journal, which another role has made");
  });

  it("nobody relies on entries that row security may hide", async () => {
    const { play, sql } = await asLimited([
      "CREATE SCHEMA preflight AUTHORIZATION journal_less",
      "ALTER TABLE alembic_version OWNER TO journal_less",
    ]);
    expect((await play(["run"])).exit).toBe(0);
    await sql(
      `ALTER TABLE preflight.journal FORCE ROW LEVEL SECURITY, ENABLE ROW LEVEL SECURITY;
       CREATE POLICY stamps ON preflight.journal USING (kind = 'stamp')`,
    );
    const undone = await play(["undo"]);
    expect(undone.line, undone.stderr).toMatchObject({ exit: 66 });
    expect((await play(["history"])).stderr).toContain("may not read all of preflight.journal");
  });

  it("an entry is kept each time where an administrator has made the schema", async () => {
    const { play, sql } = await asLimited(["CREATE SCHEMA preflight AUTHORIZATION journal_less"]);
    for (const _ of [1, 2]) {
      expect((await play(["run", "--journal", "require"])).exit).toBe(0);
      await sql("DELETE FROM alembic_version");
    }
    const one = { role: "journal_less" };
    expect(await sql("SELECT role FROM preflight.journal")).toEqual([one, one]);
  });

  it("a look finds out that the role may use the schema and create nothing in it", async () => {
    const { play } = await asLimited([
      "CREATE SCHEMA preflight",
      "GRANT USAGE ON SCHEMA preflight TO journal_less",
    ]);
    expect((await play(["check", "--journal", "require"])).line).toMatchObject({ exit: 77 });
  });

  it("nobody is asked with --journal off", async () => {
    const { play, sql } = await at("shop", headOfShop, ["DELETE FROM alembic_version"]);
    const ran = await play(["run", "--journal", "off"]);
    expect(ran.exit).toBe(0);
    expect(ran.stderr).not.toContain("journal");
    expect(await sql("SELECT FROM pg_namespace WHERE nspname = 'preflight'")).toHaveLength(0);
  });
});

describe("a journal that takes no entry", () => {
  const refuses = [
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'no entry today'; END$$",
    "CREATE TRIGGER refuses BEFORE INSERT ON preflight.journal FOR EACH ROW EXECUTE FUNCTION refuse()",
  ];

  it.each([
    { how: "a trigger refuses it", sql: refuses, says: "no entry today" },
    {
      how: "a rule keeps it out",
      sql: ["CREATE RULE silent AS ON INSERT TO preflight.journal DO INSTEAD NOTHING"],
      says: "writing the journal failed",
    },
  ])("keeps nobody from starting, unless it is required: $how", async ({ sql: changes, says }) => {
    const { play, sql } = await at("shop", "add_trade_id", ["DELETE FROM alembic_version"]);
    await play(["stamp", "fill_names"]);
    await sql(`DELETE FROM alembic_version; ${changes.join(";")}`);
    const required = await play(["run", "--journal", "require"]);
    expect(required.line, required.stderr).toMatchObject({ exit: 77, recordedAfter: [] });
    const ran = await play(["run"]);
    expect(ran.line, ran.stderr).toMatchObject({ exit: 0, recordedAfter: [headOfShop] });
    expect(ran.stderr).toContain(says);
    expect(await sql("SELECT FROM preflight.journal")).toHaveLength(1);
  });

  it("keeps nobody from starting where the database's encoding lacks a character", async () => {
    const url = new URL(shop.server.url);
    url.pathname = "/latin1";
    await shop.server.sql(
      shop.server.url,
      "CREATE DATABASE latin1 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    );
    const image = makeImage(shop, { name: "", example: "tickets" });
    const env = { ...environment(shop, url.href), PREFLIGHT_IMAGE_VERSION: "版1" };
    for (const kind of ["upgrade", "stamp"]) {
      const ran = await preflight("cli", ["run"], { cwd: image, env });
      expect(ran.line, ran.stderr).toMatchObject({ exit: 0, actions: [{ kind }] });
      expect(ran.stderr).toContain("journal.none");
      await shop.server.sql(url.href, "DELETE FROM preflight_migrations");
    }
  });

  it("is asked for no more where its columns are others by now, also by an older image", async () => {
    const { play, sql } = await at("shop", "add_trade_id");
    expect((await play(["run"])).exit).toBe(0);
    await sql(
      `UPDATE alembic_version SET version_num = 'newer';
       ALTER TABLE preflight.journal ALTER COLUMN evidence TYPE text;
       UPDATE preflight.journal SET evidence = 'none'`,
    );
    expect((await play(["run"])).line).toMatchObject({ verdict: "ahead", exit: 0 });
    const listed = await play(["history", "--json"]);
    expect(listed.exit, listed.stderr).toBe(0);
    expect(JSON.parse(listed.stdout)).toEqual({ journal: [] });
    expect(listed.stderr).toContain("it is not the journal of this version");
  });

  it("is not waited for by an image that only wants its words", async () => {
    const { play, sql, url } = await at("shop", "add_trade_id");
    expect((await play(["run"])).exit).toBe(0);
    await sql("UPDATE alembic_version SET version_num = 'newer'");
    const holder = postgres(url, { max: 1, onnotice: () => {} });
    try {
      await holder.unsafe("BEGIN; LOCK TABLE preflight.journal IN ACCESS EXCLUSIVE MODE").simple();
      const ran = await play(["run"]);
      expect(ran.line, ran.stderr).toMatchObject({ verdict: "ahead", exit: 0 });
      expect(ran.stderr).toContain("what the journal may tell is not known");
    } finally {
      await holder.end({ timeout: 1 });
    }
  });
});

describe("a schema preflight of the application's own", () => {
  const tables = `SELECT relname FROM pg_class WHERE relnamespace = 'preflight'::regnamespace AND relkind = 'r' AND relname = 'journal'`;

  it("as the home: none is kept there, and a table journal is the application's", async () => {
    const { play, sql, image } = await at("tickets", null, ["CREATE SCHEMA preflight"]);
    const required = await play(["run", "--schema", "preflight", "--journal", "require"]);
    expect(required.line).toMatchObject({ exit: 77 });
    expect(required.line.reason).toContain("schema preflight is the application's own");
    const ran = await play(["run", "--schema", "preflight"]);
    expect(ran.line, ran.stderr).toMatchObject({ exit: 0 });
    expect(await sql(tables)).toHaveLength(0);
    writeFileSync(path.join(image, "migrations/007_own.sql"), "CREATE TABLE journal (id int);\n");
    const baked = await play(["bake"]);
    expect(baked.exit, baked.stderr).toBe(0);
    for (const verdict of ["behind", "current"]) {
      const again = await play(["run", "--schema", "preflight"]);
      expect(again.line, again.stderr).toMatchObject({ exit: 0, verdict });
    }
  });

  it("as one that a migration makes: it is not there before", async () => {
    const { play, image } = await at("tickets", "006");
    writeFileSync(path.join(image, "migrations/007_own.sql"), "CREATE SCHEMA preflight;\n");
    const baked = await play(["bake"]);
    expect(baked.exit, baked.stderr).toBe(0);
    const ran = await play(["run"]);
    expect(ran.line, ran.stderr).toMatchObject({ exit: 0, recordedAfter: ["007"] });
  });
});

describe("preflight stamp", () => {
  it("takes base alone", async () => {
    const { play } = await at("shop", headOfShop, ["DELETE FROM alembic_version"]);
    expect((await play(["stamp", "base", headOfShop])).line).toMatchObject({ exit: 64 });
  });
});

describe("preflight undo", () => {
  const whole = "SELECT to_jsonb(t) AS row FROM %s t ORDER BY version";

  it("puts rows back as they were, to the last column", async () => {
    const table = "preflight_migrations";
    const { play, sql, journal } = await at("tickets", "006", [
      "INSERT INTO preflight_migrations (version, name, checksum, applied_at, run_id, duration_ms) VALUES ('007', 'gone', 'abc', '2020-02-02', 'old', 5)",
    ]);
    const before = await sql(whole.replace("%s", table));
    const stamped = await play(["stamp", "006", "--force"]);
    expect(stamped.line, stamped.stderr).toMatchObject({ exit: 0, recordedAfter: ["006"] });
    expect(stamped.stderr).toContain("a newer image has brought this database to 007");
    const undone = await play(["undo"]);
    expect(undone.line, undone.stderr).toMatchObject({
      exit: 0,
      recordedAfter: ["007"],
      actions: [{ kind: "undo", entry: 1, from: ["006"], to: ["007"] }],
    });
    expect(undone.stderr).toContain("the next run would start the application");
    expect(await sql(whole.replace("%s", table))).toEqual(before);
    expect(await journal()).toMatchObject([{ kind: "stamp" }, { kind: "undo", undoes: 1 }]);
  });

  it("does the same for Supabase, whose rows hold the statements", async () => {
    const { play, sql } = await at("notes", null);
    expect((await play(["run"])).exit).toBe(0);
    const rows = whole.replace("%s", "supabase_migrations.schema_migrations");
    const before = await sql(rows);
    const [oldest] = before.map(({ row }) => (row as { version: string }).version);
    expect((await play(["stamp", oldest!, "--force"])).exit).toBe(0);
    expect(await sql(rows)).toHaveLength(1);
    const undone = await play(["undo"]);
    expect(undone.exit, undone.stderr).toBe(0);
    expect(await sql(rows)).toEqual(before);
  });

  it("of a table with columns that the server computes, and one that came since", async () => {
    const { play, sql } = await at("shop", headOfShop, [
      "ALTER TABLE alembic_version ADD COLUMN upper text GENERATED ALWAYS AS (upper(version_num)) STORED, ADD COLUMN id int GENERATED ALWAYS AS IDENTITY",
      "UPDATE alembic_version SET version_num = 'add_trade_id'",
    ]);
    expect((await play(["stamp", headOfShop])).exit).toBe(0);
    await sql("ALTER TABLE alembic_version ADD COLUMN since text NOT NULL DEFAULT 'now'");
    const undone = await play(["undo", "--force"]);
    expect(undone.line, undone.stderr).toMatchObject({ exit: 0, recordedAfter: ["add_trade_id"] });
    const restored = { version_num: "add_trade_id", upper: "ADD_TRADE_ID", id: 1, since: "now" };
    expect(await sql("SELECT * FROM alembic_version")).toEqual([restored]);
  });

  it("of a table without a key, with its duplicates and its NULL", async () => {
    const { play, sql } = await at("shop", headOfShop, [
      "ALTER TABLE alembic_version DROP CONSTRAINT alembic_version_pkc, ALTER version_num DROP NOT NULL",
      `INSERT INTO alembic_version VALUES (NULL), ('add_trade_id'), ('add_trade_id'), ('${headOfShop}')`,
    ]);
    const rows = "SELECT version_num FROM alembic_version ORDER BY 1";
    const before = await sql(rows);
    expect((await play(["stamp", headOfShop, "--force"])).exit).toBe(0);
    expect(await sql(rows)).toEqual([{ version_num: headOfShop }]);
    const undone = await play(["undo", "--force"]);
    expect(undone.exit, undone.stderr).toBe(0);
    expect(await sql(rows)).toEqual(before);
  });

  it("changes no column: what stood there had room", async () => {
    const { play, sql, image } = await at("shop", headOfShop, ["DELETE FROM alembic_version"]);
    expect((await play(["run"])).exit).toBe(0);
    const long = "x".repeat(50);
    writeFileSync(
      path.join(image, "alembic/versions/long.py"),
      `revision = "${long}"\ndown_revision = "${headOfShop}"\ndef upgrade():\n    pass\n`,
    );
    const undone = await play(["undo"]);
    expect(undone.line, undone.stderr).toMatchObject({ exit: 0, recordedAfter: [] });
    expect(
      await sql(
        "SELECT atttypmod - 4 AS width FROM pg_attribute WHERE attrelid = 'alembic_version'::regclass AND attname = 'version_num'",
      ),
    ).toEqual([{ width: 32 }]);
  });

  it("of a stamp whose upgrade failed and left the rows alone", async () => {
    const { play } = await at("tickets", "004", [
      "DELETE FROM preflight_migrations",
      "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'no view today'; END$$",
      "CREATE EVENT TRIGGER refuses ON ddl_command_start WHEN TAG IN ('CREATE VIEW') EXECUTE FUNCTION refuse()",
    ]);
    expect((await play(["run"])).line).toMatchObject({ exit: 25, recordedAfter: ["004"] });
    const undone = await play(["undo"]);
    expect(undone.line, undone.stderr).toMatchObject({ exit: 0, recordedAfter: [] });
  });

  it("finds its own entries among those of thousands of tenants", async () => {
    const { play, sql } = await at("shop", headOfShop, ["DELETE FROM alembic_version"]);
    expect((await play(["run"])).exit).toBe(0);
    await sql(
      `INSERT INTO preflight.journal (kind, state, tool, version_table, home, rows_before, rows_after, evidence, run_id, program)
       SELECT kind, state, tool, 'tenant.alembic_version', 'tenant', rows_before, rows_after, evidence, run_id, program
       FROM preflight.journal, generate_series(1, 2000)`,
    );
    const listed = await play(["history"]);
    expect(listed.stdout.trim().split("\n")).toHaveLength(1001);
    expect(listed.stderr).toContain("these are the newest 1000 entries");
    expect((await play(["undo"])).line).toMatchObject({ exit: 0, recordedAfter: [] });
  });

  it("says what the next run would do, and run does that", async () => {
    const { play } = await at("shop", headOfShop, ["DELETE FROM alembic_version"]);
    expect((await play(["run"])).exit).toBe(0);
    const undone = await play(["undo"]);
    expect(undone.stderr).toContain(`the next run would stamp ${headOfShop}`);
    expect((await play(["run"])).line.actions).toMatchObject([{ kind: "stamp", to: [headOfShop] }]);
  });

  it("leaves rows alone that somebody has written since, also meanwhile", async () => {
    const { play, sql } = await at("shop", headOfShop, ["DELETE FROM alembic_version"]);
    expect((await play(["run"])).exit).toBe(0);
    await sql("UPDATE alembic_version SET version_num = 'add_trade_id'");
    expect((await play(["undo", "--force"])).line).toMatchObject({
      exit: 21,
      outcome: "unproven",
      recordedAfter: ["add_trade_id"],
    });
  });

  it("is done once where two come at the same time", async () => {
    const { play, sql } = await at("shop", headOfShop, ["DELETE FROM alembic_version"]);
    expect((await play(["run"])).exit).toBe(0);
    const both = await Promise.all([play(["undo", "1"]), play(["undo", "1"])]);
    expect(new Set(both.map(({ exit }) => exit))).toEqual(new Set([0, 78]));
    expect(await sql("SELECT FROM preflight.journal WHERE kind = 'undo'")).toHaveLength(1);
  });

  it("knows its own history among others in the database", async () => {
    const { play, url, sql } = await at("shop", headOfShop, ["DELETE FROM alembic_version"]);
    expect((await play(["run"])).exit).toBe(0);
    const tickets = makeImage(shop, { name: "", example: "tickets" });
    const options = { cwd: tickets, env: environment(shop, url) };
    await sql("CREATE SCHEMA tickets");
    const other = await preflight("cli", ["run", "--schema", "tickets"], options);
    expect(other.line, other.stderr).toMatchObject({ exit: 0 });
    const undone = await play(["undo"]);
    expect(undone.line.actions, undone.stderr).toMatchObject([{ kind: "undo", entry: 1 }]);
    const [count] = await sql("SELECT count(*)::int AS n FROM tickets.preflight_migrations");
    expect(count?.["n"]).toBe(6);
  });
});

describe("the journal travels", () => {
  it("with a dump of the database, and names the image that went on", async () => {
    const { play, sql, url } = await at("shop", "add_trade_id");
    expect((await play(["run"], { PREFLIGHT_IMAGE_VERSION: "2.0" })).exit).toBe(0);
    // A newer image has renamed the newest revision, and dropped what this one needs.
    await sql(
      `ALTER TABLE orders DROP COLUMN status;
       UPDATE alembic_version SET version_num = 'newer';
       INSERT INTO preflight.journal (kind, state, tool, version_table, home, rows_before, rows_after, evidence, run_id, image, program)
       SELECT kind, state, tool, version_table, home, rows_after, '{newer}', evidence, run_id, '3.0', program FROM preflight.journal`,
    );
    const copy = await shop.server.createDatabase();
    await dumpAndRestore("18", url, copy);
    const ran = await play(["run"], { DATABASE_URL: copy });
    expect(ran.line, ran.stderr).toMatchObject({ verdict: "ahead", exit: 22 });
    expect(ran.line.reason).toMatch(
      /image 3\.0 brought it there at \S+, by entry 2 of the journal/,
    );
  });
});

describe("Alembic's own autogenerate", () => {
  /** What `alembic check` finds to do for an application that has no models. */
  async function findings(options: string): Promise<string> {
    const { play, url, image } = await at("shop", "fill_names");
    expect((await play(["run"])).exit).toBe(0);
    const env = path.join(image, "alembic/env.py");
    const { bin } = shop.python;
    const text = `
import os
from alembic import context
from sqlalchemy import MetaData, create_engine, pool
url = "postgresql+psycopg2://" + os.environ["DATABASE_URL"].split("://", 1)[1]
${options.includes("include_name") ? includeName : ""}
with create_engine(url, poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection, target_metadata=MetaData()${options})
    with context.begin_transaction():
        context.run_migrations()
`;
    writeFileSync(env, text);
    const ended = execute("alembic", ["check"], {
      cwd: image,
      env: { ...environment(shop, url), PATH: `${bin}:${process.env["PATH"]}` },
    });
    const { stderr, stdout } = await ended.catch(
      (error: { stderr: string; stdout: string }) => error,
    );
    return stdout + stderr;
  }

  /** As docs/journal.md has it. */
  const includeName = `
def include_name(name, type_, parent_names):
    return not (type_ == "schema" and name == "preflight")
`;

  it("does not see it", async () => {
    const found = await findings("");
    expect(found).toContain("'remove_table'");
    expect(found).not.toContain("journal");
  });

  it("with include_schemas sees it, unless include_name leaves it out", async () => {
    expect(await findings(", include_schemas=True")).toContain("journal");
    const without = await findings(", include_schemas=True, include_name=include_name");
    expect(without).toContain("'remove_table'");
    expect(without).not.toContain("journal");
  });

  it("the docs have these lines", async () => {
    expect(readFileSync(path.join(home, "docs/journal.md"), "utf8")).toContain(includeName.trim());
  });
});
