import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CannotJudge } from "../../../src/core/outcome.ts";
import { describeFault } from "../../../src/core/words.ts";
import { hashOf } from "../../../src/tools/file-text.ts";
import { sql } from "../../../src/tools/sql/sql.ts";
import type { FoundHistory, Vouched } from "../../../src/tools/tool.ts";

let cwd: string;

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), "preflight-sql-"));
});

afterEach(async () => await rm(cwd, { recursive: true, force: true }));

async function write(files: Record<string, string>): Promise<void> {
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(cwd, file)), { recursive: true });
    await writeFile(join(cwd, file), text);
  }
}

async function writeEmpty(...files: readonly string[]): Promise<void> {
  await write(Object.fromEntries(files.map((file) => [file, "SELECT 1;"])));
}

async function read(vouched: Vouched = new Map(), path = "migrations"): Promise<FoundHistory> {
  const candidate = await sql.locate(path, { cwd, env: {} });
  if (candidate === null) throw new Error(`nothing at ${path}`);
  return await candidate.read(vouched);
}

function revisionsOf({ graph }: FoundHistory) {
  if (graph.kind === "broken") throw new Error(graph.faults.map(describeFault).join("\n"));
  return [...graph.history.revisions.values()];
}

function faultsOf({ graph }: FoundHistory): readonly string[] {
  return graph.kind === "broken" ? graph.faults.map(describeFault) : [];
}

async function load(found: FoundHistory, ...ids: readonly string[]) {
  if (found.upgrade.kind !== "native") throw new Error(found.upgrade.kind);
  return await found.upgrade.load(ids);
}

describe("where a history is", () => {
  test("in the usual places", async () => {
    await writeEmpty(
      "migrations/1_a.sql",
      "db/migrations/1_a.up.sql",
      "sql/migrations/2024.SQL",
      "database/migrations/1-a.sql",
      "other/migrations/1_a.sql",
    );
    const found = await sql.find({ cwd, env: {} });
    expect(found.map(({ place }) => place)).toEqual([
      "migrations",
      "db/migrations",
      "sql/migrations",
      "database/migrations",
    ]);
    expect(found[1]).toMatchObject({ tool: { name: "sql" }, ledgerDirectory: join(cwd, "db") });
  });

  test.each([
    ["no numbers", ["migrations/schema.sql"]],
    ["only down files", ["migrations/1_a.down.sql"]],
    ["files further below", ["migrations/old/1_a.sql"]],
    ["a directory of that name", ["migrations/1_a.sql/a"]],
    ["Alembic's scripts", ["migrations/env.py", "migrations/1_a.sql"]],
    ["no files", ["migrations/README.md"]],
  ])("not where there are %s", async (_, files) => {
    await writeEmpty(...files);
    expect(await sql.find({ cwd, env: {} })).toEqual([]);
    expect(await sql.locate("migrations", { cwd, env: {} })).toBeNull();
  });

  test("where a person says", async () => {
    await writeEmpty("deep/down/1_a.sql", "supabase/migrations/1_a.sql", "file.sql");
    const where = { cwd, env: {} };
    const ledgerDirectory = join(cwd, "deep");
    for (const place of ["deep/down", "./deep/down/", join(cwd, "deep/down")])
      expect(await sql.locate(place, where)).toMatchObject({ place, ledgerDirectory });
    expect(await sql.locate("supabase/migrations", where)).toBeNull();
    expect(await sql.locate("file.sql", where)).toBeNull();
    expect(await sql.locate(".", where)).toBeNull();
  });

  test("in the current directory, whatever that is called", async () => {
    await writeEmpty("1_a.sql");
    for (const place of [".", cwd]) {
      const found = await sql.locate(place, { cwd, env: {} });
      expect(found).toMatchObject({ place, ledgerDirectory: cwd });
      expect(revisionsOf(await read(new Map(), place))).toMatchObject([{ file: "1_a.sql" }]);
    }
    const above = { cwd: dirname(cwd), env: {} };
    const found = await (await sql.locate(basename(cwd), above))?.read(new Map());
    expect(found?.root).toBe(dirname(cwd));
  });
});

describe("a directory", () => {
  test("each file follows the one before it: by number, then by name", async () => {
    await writeEmpty("migrations/10_b.sql", "migrations/9_a.up.sql", "migrations/9_a.down.sql");
    await write({ "migrations/0011_c.sql": "CREATE TABLE t (a int);\n" });
    await mkdir(join(cwd, "migrations/12_d.sql"));
    await symlink("10_b.sql", join(cwd, "migrations/13.sql"));
    const found = await read();
    expect(found).toMatchObject({
      tool: { name: "sql", versionTable: { usual: { name: "preflight_migrations" } } },
      root: cwd,
      warnings: [],
      remarks: ["Numbers are missing between 11 and 13. Are all files in the image?"],
    });
    const common = { dependsOn: [], labels: [], isEmpty: false, isAtomic: true };
    const revisions = revisionsOf(found);
    expect(revisions).toMatchObject([
      { id: "9", parents: [], file: "migrations/9_a.up.sql", sketch: [], ...common },
      { id: "10", parents: ["9"], file: "migrations/10_b.sql", ...common },
      { id: "0011", parents: ["10"], file: "migrations/0011_c.sql", ...common },
      { id: "13", parents: ["0011"], file: "migrations/13.sql", ...common },
    ]);
    expect(revisions[2]?.sketch).toEqual([
      { kind: "create-table", table: { schema: null, name: "t" }, columns: ["a"] },
    ]);
    expect(found.digests).toEqual(new Map(revisions.map(({ id, hash }) => [id, hash])));
  });

  test("numbers beyond what JavaScript counts exactly", async () => {
    await writeEmpty("migrations/0020240131120000001_b.sql", "migrations/20240131120000000_a.sql");
    const ids = revisionsOf(await read()).map(({ id }) => id);
    expect(ids).toEqual(["20240131120000000", "0020240131120000001"]);
  });

  test("dates: by time, and once each", async () => {
    await writeEmpty("migrations/2024-02-01_b.sql", "migrations/2024-01-31-120000_a.up.sql");
    await writeEmpty("migrations/2024-01-31-120000_a.down.sql", "migrations/2024_01_31_b.sql");
    const found = await read();
    expect(revisionsOf(found).map(({ id, parents }) => [id, parents])).toEqual([
      ["2024_01_31", []],
      ["2024-01-31-120000", ["2024_01_31"]],
      ["2024-02-01", ["2024-01-31-120000"]],
    ]);
    expect(found.warnings).toEqual([]);
    await writeEmpty("migrations/2024-02-01_c.sql", "migrations/20240201000000_d.sql");
    expect(revisionsOf(await read()).map(({ id }) => id)).toEqual([
      "2024_01_31",
      "2024-01-31-120000",
      "2024-02-01_b",
      "2024-02-01_c",
      "20240201000000_d",
    ]);
  });

  test("files of one number: by name, each with its name in its version", async () => {
    await writeEmpty("migrations/026_z.sql", "migrations/0027-b.up.sql", "migrations/027_a.sql");
    await writeEmpty("migrations/0027_B.sql", "migrations/28_a.sql");
    const found = await read();
    expect(revisionsOf(found).map(({ id, parents }) => [id, parents])).toEqual([
      ["026", []],
      ["0027_B", ["026"]],
      ["027_a", ["0027_B"]],
      ["0027_b", ["027_a"]],
      ["28", ["0027_b"]],
    ]);
    expect(found.remarks).toContain(
      "3 files have one number, and run in the order of their names: 0027_B, 027_a, 0027_b",
    );
    const load = found.upgrade.kind === "native" ? found.upgrade.load : null;
    expect(await load?.(["0027_b"])).toMatchObject([{ id: "0027_b", name: "b" }]);
  });

  test.each([
    ["one has no name", ["7.sql", "7_a.sql"]],
    ["they have one name", ["7_a.sql", "07-a.sql"]],
    ["a name reads like a time", ["2024-01-31 12.sql", "2024-01-31_a.sql"]],
  ])("nothing tells them apart where %s", async (_, files) => {
    await writeEmpty(...files.map((file) => `migrations/${file}`));
    expect(faultsOf(await read())).toEqual([expect.stringMatching(/^revision .* is in 2 files: /)]);
  });

  test("all faults of all files at once", async () => {
    await write({
      "migrations/1_a.sql": "SELECT 1",
      "migrations/001_a.sql": "SELECT",
      "migrations/01_c.sql": "SELEC",
      "migrations/2_d.sql": "\\c other",
      "migrations/3_e.sql": "BEGIN; SELECT 1; ROLLBACK",
    });
    await symlink("nowhere", join(cwd, "migrations/4_f.sql"));
    const found = await read();
    expect(faultsOf(found)).toEqual([
      "revision 001 is in 3 files: migrations/001_a.sql, migrations/01_c.sql, migrations/1_a.sql",
      'migrations/01_c.sql:1:1: syntax error at or near "SELEC"',
      expect.stringContaining("migrations/2_d.sql:1:1: \\c is a command of psql"),
      expect.stringContaining("migrations/3_e.sql:1:1: BEGIN"),
      expect.stringContaining("migrations/3_e.sql:1:18: ROLLBACK"),
      "migrations/4_f.sql: it cannot be opened (ENOENT)",
    ]);
  });

  test.each([
    [["001", "002", "004", "007", "008"], ["between 2 and 4; between 4 and 7"]],
    [["10", "20", "40"], ["between 20 and 40"]],
    [["5", "6"], []],
    [["7"], []],
    [["001", "20240101", "20240109", "20250101"], []],
    [["240101", "240109", "250101"], []],
  ])("gaps: %j", async (numbers, gaps) => {
    await writeEmpty(...numbers.map((number) => `migrations/${number}_a.sql`));
    const expected = gaps.map((gap) => `Numbers are missing ${gap}. Are all files in the image?`);
    expect(await read()).toMatchObject({ warnings: [], remarks: expected });
  });

  test("files that are no migrations are named", async () => {
    await writeEmpty("migrations/1_a.sql", "migrations/embed.go", "migrations/seed.SQL");
    await writeEmpty("migrations/x.down.sql", "migrations/README.md", "migrations/old/2_b.sql");
    await writeEmpty("migrations/02_b_test.go", "migrations/2.down.js", "migrations/notes.json");
    await writeEmpty("migrations/V1/a.sql", "migrations/3d.ts");
    const found = await read();
    expect(found.warnings).toEqual([
      "Not taken for migrations, because of their names: 02_b_test.go; 2.down.js; 3d.ts; embed.go; seed.SQL.",
    ]);
    expect(faultsOf(found)).toEqual([]);
  });

  test.each([
    ["002_fill.go", "", "code (.go)"],
    ["20240101_x.js", "exports.up = (pgm) => {}", "a migration of node-pg-migrate"],
    ["003-seed.py", "", "code (.py)"],
    [
      "1645130759468-A.ts",
      "import { MigrationInterface } from 'typeorm'",
      "a migration of TypeORM",
    ],
    ["20160619080644_a.rb", "class A < ActiveRecord::Migration[7.0]", "a migration of Rails"],
    ["20201029B-a.ts", "(knex: Knex) => {}", "a migration of Knex"],
    ["V2__b.sql", "", "a migration of Flyway or refinery"],
    ["V1.2__b.sql", "", "a migration of Flyway or refinery"],
    ["R__views.sql", "", "a migration of Flyway or refinery"],
    ["V3__b.java", "", "a migration of Flyway or refinery"],
    ["2024-01-01-000000_a/up.sql", "", "a migration of Diesel or Hasura"],
    ["20240101000000_a/migration.sql", "", "a migration of Prisma or Drizzle"],
    ["changes.yaml", "databaseChangeLog:", "a changelog of Liquibase"],
    ["sqitch.plan", "", "the plan of Sqitch"],
  ])("a part of a history that is not run is a fault: %s", async (file, text, what) => {
    await write({ "migrations/1_a.sql": "SELECT 1", [`migrations/${file}`]: text });
    const found = await read(await vouched());
    expect(faultsOf(found)).toEqual([
      expect.stringContaining(`migrations/${file}: it is ${what} among numbered SQL files`),
    ]);
    expect(found.warnings).toEqual([]);

    async function vouched(): Promise<Vouched> {
      const known = { id: "1", parents: [], dependsOn: [], labels: [], isAtomic: true };
      const first = { ...known, file: "migrations/1_a.sql", hash: hashOf("SELECT 1") };
      return new Map([[first.file, first]]);
    }
  });

  test("what is marked as another tool's, in one direction, is named and runs", async () => {
    await write({
      "migrations/1_a.sql": "-- +goose Up\nSELECT 1;\n-- +goose Down\n",
      "migrations/2_b.sql": "SELECT 1",
      "migrations/3_c.sql": "-- +goose Up\nSELECT 1;",
    });
    const found = await read();
    expect(faultsOf(found)).toEqual([]);
    expect(found.warnings).toEqual([
      expect.stringMatching(
        /^Marked as files of goose: migrations\/1_a\.sql; migrations\/3_c\.sql\./,
      ),
    ]);
  });

  test("a changelog of Liquibase is no SQL file", async () => {
    await write({
      "migrations/1_a.sql": "--liquibase formatted sql\n--changeset a:1 context:test\nSELECT 1;",
    });
    expect(faultsOf(await read())).toEqual([
      expect.stringMatching("^migrations/1_a\\.sql:1:1: it is a changelog of Liquibase"),
    ]);
  });
});

describe("a ledger that knows every file", () => {
  /** As a ledger would: the files' hashes, under these paths. */
  async function vouch(): Promise<Map<string, ReturnType<typeof revisionsOf>[number]>> {
    return new Map(revisionsOf(await read()).map((revision) => [revision.file, revision]));
  }

  test("nothing is parsed: what is no SQL would be a fault", async () => {
    await write({ "migrations/1_a.sql": "no SQL\n", "migrations/2_b.sql": "\uFEFFneither\r\n" });
    const nothing = { id: "", parents: [], dependsOn: [], labels: [], isAtomic: true };
    const vouchFor = (file: string, text: string) =>
      [file, { ...nothing, file, hash: hashOf(text) }] as const;
    const known = vouchFor("migrations/1_a.sql", "no SQL\n");
    const found = await read(new Map([known, vouchFor("migrations/2_b.sql", "neither\n")]));
    expect(revisionsOf(found)).toMatchObject([
      { id: "1", parents: [], sketch: [] },
      { id: "2", parents: ["1"], sketch: [] },
    ]);
    expect(found.digests.size).toBe(2);
    const other = await read(new Map([known, vouchFor("migrations/2_b.sql", "another\n")]));
    expect(faultsOf(other)).toHaveLength(2);
  });

  test("one new file, and all are parsed", async () => {
    await write({ "migrations/1_a.sql": "CREATE TABLE t ()" });
    const vouched = await vouch();
    await write({ "migrations/2_b.sql": "DROP TABLE t" });
    const sketches = revisionsOf(await read(vouched)).map(({ sketch }) => sketch);
    expect(sketches).toMatchObject([[{ kind: "create-table" }], [{ kind: "drop-table" }]]);
  });

  test("numbers are counted all the same", async () => {
    await writeEmpty("migrations/1_a.sql", "migrations/2_b.sql");
    const vouched = await vouch();
    const twin = { ...vouched.get("migrations/2_b.sql")!, file: "migrations/02_b.sql" };
    await writeEmpty("migrations/02_b.sql");
    expect(faultsOf(await read(vouched.set(twin.file, twin)))).toEqual([
      "revision 02 is in 2 files: migrations/02_b.sql, migrations/2_b.sql",
    ]);
  });
});

describe("files are read again when they are to run", () => {
  test("in the order asked for", async () => {
    await write({
      "migrations/001_a.sql": "-- Purpose: one\nCREATE TABLE t ();",
      "migrations/002_b.sql": "VACUUM",
    });
    const migrations = await load(await read(), "002", "001");
    expect(migrations).toMatchObject([
      { id: "002", name: "b", file: "migrations/002_b.sql", recorded: null },
      { id: "001", header: [{ label: "Purpose", text: "one" }], outside: null },
    ]);
  });

  test.each([
    ["changed", "SELECT 2", /^migrations\/1_a\.sql was changed a moment ago/],
    ["gone", null, /^migrations\/1_a\.sql: it cannot be opened \(ENOENT\)/],
  ])("%s since", async (_, text, message) => {
    await write({ "migrations/1_a.sql": "SELECT 1" });
    const found = await read();
    if (text === null) await rm(join(cwd, "migrations/1_a.sql"));
    else await write({ "migrations/1_a.sql": text });
    const error = await load(found, "1").catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CannotJudge);
    expect(error).toMatchObject({
      outcome: "broken-history",
      message: expect.stringMatching(message),
    });
  });
});

test("files that only git remembers", async () => {
  const git = (...args: readonly string[]) =>
    execFileSync(
      "git",
      ["-C", cwd, "-c", "user.name=t", "-c", "user.email=t@example.org", ...args],
      { stdio: "ignore" },
    );
  await writeEmpty(
    "app/migrations/001_a.sql",
    "app/migrations/002_b.sql",
    "app/migrations/002_b.down.sql",
    "app/migrations/003_c.sql",
    "app/migrations/004_d.sql",
    "app/migrations/05_e.sql",
    "app/migrations/006_f.sql",
    "app/migrations/006_g.sql",
    "app/migrations/006_h.sql",
    "app/migrations/old/000_z.sql",
    "app/migrations/seed.sql",
  );
  expect(await (await read(new Map(), "app/migrations")).readDeleted()).toEqual([]);
  git("init", "--quiet");
  git("add", ".");
  git("-c", "commit.gpgsign=false", "commit", "--quiet", "-m", "one");
  git("mv", "app/migrations/004_d.sql", "app/migrations/004_renamed.sql");
  git("rm", "-r", "--quiet", "app/migrations/old", "app/migrations/seed.sql");
  git("rm", "--quiet", "app/migrations/002_b.sql", "app/migrations/002_b.down.sql");
  git("rm", "--quiet", "app/migrations/001_a.sql", "app/migrations/006_g.sql");
  git("mv", "app/migrations/05_e.sql", "app/migrations/005_e.sql");
  git("-c", "commit.gpgsign=false", "commit", "--quiet", "-m", "two");
  expect(await (await read(new Map(), "app/migrations")).readDeleted()).toEqual([
    { id: "001", parents: [], dependsOn: [], file: "migrations/001_a.sql" },
    { id: "002", parents: ["001"], dependsOn: [], file: "migrations/002_b.sql" },
    { id: "006_g", parents: ["006_f"], dependsOn: [], file: "migrations/006_g.sql" },
  ]);
});
