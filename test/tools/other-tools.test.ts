import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CannotJudge } from "../../src/core/outcome.ts";
import { findHistory } from "../../src/tools/registry.ts";
import { preflight } from "../support/in-process.ts";

let cwd: string;

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), "preflight-others-"));
});

afterEach(async () => await rm(cwd, { recursive: true, force: true }));

async function write(files: Record<string, string>): Promise<void> {
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(cwd, file)), { recursive: true });
    await writeFile(join(cwd, file), text);
  }
}

async function refusal(migrations: string | null): Promise<CannotJudge> {
  const thrown = await findHistory({ cwd, env: {}, migrations, tool: null }).catch(
    (error: unknown) => error,
  );
  if (thrown instanceof CannotJudge) return thrown;
  throw new Error(`found, or failed: ${String(thrown)}`);
}

const liquibase = "--liquibase formatted sql\n--changeset a:1\nSELECT 1;";

test.each([
  ["migrations", "V1__a.sql", "", "a migration of Flyway or refinery"],
  ["src/main/resources/db/migration", "V1.2__a.sql", "", "a migration of Flyway or refinery"],
  ["db/migrations", "U1__a.sql", "", "a migration of Flyway or refinery"],
  ["migrations", "2024-01-01-000000-0000_a/up.sql", "", "a migration of Diesel or Hasura"],
  ["migrations", "default/1590346274456_a/up.sql", "", "a migration of Diesel or Hasura"],
  ["prisma/migrations", "0_init/migration.sql", "", "a migration of Prisma or Drizzle"],
  [
    "src/main/resources/db/changelog",
    "master.xml",
    "<databaseChangeLog/>",
    "a changelog of Liquibase",
  ],
  ["migrations", "a.sql", liquibase, "a changelog of Liquibase"],
  ["migrations", "a.sql", "-- +migrate Up\nSELECT 1;", "a migration of sql-migrate"],
  ["migrations", "1_a.js", "exports.up = (queryInterface) => {}", "a migration of Sequelize"],
  [
    "migrations",
    "Version1.php",
    "use Doctrine\\Migrations\\AbstractMigration;",
    "a migration of Doctrine",
  ],
  [
    "database/migrations",
    "2014_10_12_000000_a.php",
    "use Illuminate\\Database\\Migrations\\Migration;",
    "a migration of Laravel",
  ],
  [
    "app/migrations",
    "0001_initial.py",
    "class Migration(migrations.Migration):",
    "a migration of Django",
  ],
  ["db/migrate", "20160619080644_a.rb", "", "code (.rb)"],
  [".", "sqitch.plan", "%project=a", "the plan of Sqitch"],
])("by convention and by name, whose files they are: %s/%s", async (place, file, text, what) => {
  await write({ [`${place}/${file}`]: text, "deploy/a.sql": "SELECT 1" });
  for (const named of place.startsWith("app/") ? [place] : [null, place]) {
    const { outcome, message, next } = await refusal(named);
    expect(outcome).toBe("missing-input");
    expect(message).toBe(
      `${join(place, file)} is ${what}: preflight does not read such histories.`,
    );
    expect(next.join("\n")).toMatch(/leave preflight out[^]*docs\/sql-files\.md[^]*--migrations/);
  }
});

test("one that nothing tells is of the tool of the others", async () => {
  await write({ "migrations/1_a.js": "", "migrations/2_b.js": "exports.up = (pgm) => {}" });
  const { message } = await refusal("migrations");
  expect(message).toContain("2_b.js is a migration of node-pg-migrate (one of 2 files)");
});

test("the deploy scripts of a plan", async () => {
  await write({ "sqitch.plan": "", "deploy/a.sql": "SELECT 1" });
  expect((await refusal("deploy")).message).toMatch(/^sqitch\.plan is the plan of Sqitch/);
});

test.each([
  [{ "migrations/README.md": "", "migrations/main.py": "knex = 1" }, "a migration of Knex"],
  [{ "migrations/README.md": "", "migrations/main.py": "", "migrations/old/a.sql": "" }, null],
  [{ "migrations/schema.sql": "SELECT 1" }, null],
])("%j", async (files, what) => {
  await write(files);
  const { message } = await refusal("migrations");
  if (what === null) expect(message).toBe("migrations holds no migrations.");
  else expect(message).toContain(what);
});

test("a history that is known is not looked past, whatever else is there", async () => {
  await write({ "migrations/1_a.sql": "SELECT 1", "prisma/migrations/1_a/migration.sql": "" });
  const found = await findHistory({ cwd, env: {}, migrations: null, tool: null });
  expect(found).toMatchObject({ place: "migrations" });
});

test("Python beside numbered files makes no second history of them", async () => {
  await write({ "migrations/1_a.sql": "SELECT 1", "migrations/main.py": "print(1)" });
  const where = { cwd, env: {}, migrations: "migrations", tool: null };
  expect(await findHistory(where)).toMatchObject({ tool: { name: "sql" } });
  await write({ "migrations/2_b.py": "revision = 'b'\ndown_revision = None\n" });
  await expect(findHistory(where)).rejects.toMatchObject({ outcome: "config" });
});

test("no new file is written among them", async () => {
  await write({ "migrations/V1__a.sql": "SELECT 1" });
  const { line } = await preflight(["new", "b", "--migrations", "migrations"], { cwd, env: {} });
  expect(line).toMatchObject({ exit: 66, reason: expect.stringContaining("Flyway") });
  expect(await readdir(join(cwd, "migrations"))).toEqual(["V1__a.sql"]);
});
