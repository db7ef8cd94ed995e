import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { execute, writeHistory } from "../support/histories.ts";
import { preflight, type Said } from "../support/in-process.ts";
import { startServer, type TestServer } from "../support/postgres.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.stop());

async function bake(cwd: string, ...args: readonly string[]): Promise<Said> {
  const env = { PATH: process.env["PATH"] ?? "", PREFLIGHT_SCRATCH_URL: server.url };
  return await preflight(["bake", ...args], { cwd, env });
}

function sqlFiles(...texts: readonly string[]): string {
  const cwd = mkdtempSync(path.join(tmpdir(), "preflight-extensions-"));
  mkdirSync(path.join(cwd, "migrations"));
  for (const [index, text] of texts.entries())
    writeFileSync(path.join(cwd, `migrations/00${index + 1}_file.sql`), text);
  return cwd;
}

test("all extensions that the server lacks are named at once, before anything is replayed", async () => {
  const { line, stderr } = await bake(
    sqlFiles(
      "CREATE EXTENSION nowhere_to_be_had;\nCREATE EXTENSION pgcrypto;\nCREATE EXTENSION pg_cron;",
      "CREATE EXTENSION IF NOT EXISTS nowhere_to_be_had;\nCREATE EXTENSION another_one;",
    ),
  );
  expect(line).toMatchObject({ exit: 66, outcome: "missing-input" });
  expect(line.reason).toContain(
    "lacks 3 extensions that the migrations create: nowhere_to_be_had (migrations/001_file.sql:1; migrations/002_file.sql:1); pg_cron (migrations/001_file.sql:3); another_one (migrations/002_file.sql:2). Nothing was replayed.",
  );
  expect(line.next).toEqual([
    "install nowhere_to_be_had, another_one on that server, or name another one",
    expect.stringContaining("its cron.database_name"),
  ]);
  expect(stderr).not.toContain("replaying");
});

test("Alembic: before its program is even started", async () => {
  const history = writeHistory([{ id: "one", upgrade: execute("CREATE EXTENSION vectors") }]);
  const { line } = await bake(history);
  expect(line).toMatchObject({ exit: 66, outcome: "missing-input" });
  expect(line.reason).toContain("vectors (alembic/versions/one.py:13)");
});

test("what the server has is created as ever, and what a block creates if it can be had is no reason", async () => {
  const cwd = sqlFiles(
    "CREATE EXTENSION citext;\nCREATE TABLE t (a citext);",
    "DO $$ BEGIN IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'nowhere') THEN CREATE EXTENSION nowhere; END IF; END $$;",
  );
  expect((await bake(cwd)).line).toMatchObject({ exit: 0 });
  expect(existsSync(path.join(cwd, "preflight.ledger.json"))).toBe(true);
});
