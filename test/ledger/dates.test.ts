import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { preflight } from "../support/in-process.ts";
import { startServer, type TestServer } from "../support/postgres.ts";

const files = {
  "2026-01-31_people.sql": "CREATE TABLE people (id int PRIMARY KEY)",
  "2026-01-31-120000_names.sql": "ALTER TABLE people ADD name text",
  "2026_02_01_090000_ages.sql": "ALTER TABLE people ADD age int",
  "20260301000000_mails.sql": "ALTER TABLE people ADD mail text",
};
const versions = ["2026-01-31", "2026-01-31-120000", "2026_02_01_090000", "20260301000000"];

let server: TestServer;
const cwd = mkdtempSync(path.join(tmpdir(), "preflight-dates-"));
beforeAll(async () => {
  server = await startServer();
  mkdirSync(path.join(cwd, "migrations"));
  for (const [file, text] of Object.entries(files))
    writeFileSync(path.join(cwd, "migrations", file), text);
});
afterAll(async () => {
  await server?.stop();
  rmSync(cwd, { recursive: true });
});

test("versions that are dates are baked, proven, stamped, applied and read back", async () => {
  const baked = await preflight(["bake", "--scratch-url", server.url], { cwd, env: {} });
  expect(baked.line).toMatchObject({ exit: 0 });

  const url = await server.createDatabase();
  for (const text of Object.values(files).slice(0, 2)) await server.sql(url, text);
  const first = await preflight(["run"], { cwd, env: { DATABASE_URL: url } });
  expect(first.line).toMatchObject({
    exit: 0,
    verdict: "unversioned",
    proven: ["2026-01-31-120000"],
    recordedAfter: ["20260301000000"],
  });
  const rows = await server.sql(
    url,
    'SELECT version FROM preflight_migrations ORDER BY version COLLATE "C"',
  );
  expect(rows.map(({ version }) => version)).toEqual(versions.toSorted());
  const second = await preflight(["run"], { cwd, env: { DATABASE_URL: url } });
  expect(second.line).toMatchObject({ exit: 0, verdict: "current", actions: [] });

  await server.sql(url, "DELETE FROM preflight_migrations WHERE version = '20260301000000'");
  await server.sql(url, "ALTER TABLE people DROP mail");
  const third = await preflight(["check"], { cwd, env: { DATABASE_URL: url } });
  expect(third.line).toMatchObject({ verdict: "behind", recorded: ["2026_02_01_090000"] });

  await server.sql(url, "DELETE FROM preflight_migrations WHERE version = '2026-01-31-120000'");
  await server.sql(url, "ALTER TABLE people DROP name");
  const fourth = await preflight(["check"], { cwd, env: { DATABASE_URL: url } });
  expect(fourth.line).toMatchObject({ exit: 21, skipped: ["2026-01-31-120000"] });
});

test("a row with the year alone, as versions were once, is that of the file with its text", async () => {
  const url = await server.createDatabase();
  const [first = ""] = Object.values(files);
  await server.sql(url, first);
  await preflight(["run", "--assume", "2026-01-31"], { cwd, env: { DATABASE_URL: url } });
  await server.sql(url, "ALTER TABLE people DROP name, DROP age, DROP mail");
  await server.sql(url, "DELETE FROM preflight_migrations WHERE version <> '2026-01-31'");
  await server.sql(url, "UPDATE preflight_migrations SET version = '2026'");
  const { line } = await preflight(["run"], { cwd, env: { DATABASE_URL: url } });
  expect(line).toMatchObject({
    exit: 0,
    verdict: "missing-file",
    recorded: ["2026"],
    proven: ["2026-01-31"],
    recordedAfter: ["20260301000000"],
  });
});
