import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { preflight } from "../../support/in-process.ts";
import { startServer, type TestServer } from "../../support/postgres.ts";

/** One URL for preflight and for a program whose driver is not libpq's. */
let server: TestServer;
let cwd: string;
beforeAll(async () => {
  server = await startServer();
  cwd = mkdtempSync(path.join(tmpdir(), "preflight-shared-"));
  mkdirSync(path.join(cwd, "migrations"));
  writeFileSync(path.join(cwd, "migrations/001_orders.sql"), "CREATE TABLE orders (id int);\n");
});
afterAll(() => server?.stop());

const tables = `SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE tablename IN ('orders', 'preflight_migrations') ORDER BY 1`;

test.each([
  ["schema=app&pgbouncer=true&connection_limit=1", [], "app"],
  ["currentSchema=app", [], "app"],
  ["search_path=app,public", [], "app"],
  ["options[search_path]=app", [], "app"],
  ["schema=public", [], "public"],
  ["schema=app", ["--schema", "public"], "public"],
])(
  "?%s %j: the tables are made where the application looks for them",
  async (query, flags, schema) => {
    const url = await server.createDatabase();
    await server.sql(url, "CREATE SCHEMA app");
    const env = { DATABASE_URL: `${url}?${query}` };
    const run = await preflight(["run", ...flags], { cwd, env });
    expect(run.line).toMatchObject({ exit: 0, verdict: "fresh" });
    const made = (await server.sql(url, tables)).map(({ name }) => name);
    expect(made).toEqual([`${schema}.orders`, `${schema}.preflight_migrations`]);
    const again = await preflight(["check", ...flags], { cwd, env });
    expect(again.line).toMatchObject({ exit: 0, verdict: "current" });
    if (query.includes("pgbouncer")) {
      expect(again.stderr).toContain("pgbouncer, connection_limit");
      expect(again.stderr).toContain('taken for --schema \\"app\\"');
    }
  },
);

test("a role that the URL takes on is the one that makes the tables", async () => {
  const url = await server.createDatabase();
  await server.sql(url, "CREATE ROLE shop_owner; GRANT CREATE ON SCHEMA public TO shop_owner");
  const env = { DATABASE_URL: `${url}?role=shop_owner` };
  expect((await preflight(["run"], { cwd, env })).line).toMatchObject({ exit: 0 });
  const [row] = await server.sql(
    url,
    "SELECT tableowner FROM pg_tables WHERE tablename = 'orders'",
  );
  expect(row).toEqual({ tableowner: "shop_owner" });
});

test("a slip in a word for TLS stops before anybody connects", async () => {
  const url = await server.createDatabase();
  const run = await preflight(["check"], { cwd, env: { DATABASE_URL: `${url}?sslmod=require` } });
  expect(run.line).toMatchObject({ exit: 78, verdict: null });
  expect(run.line.reason).toContain("sslmod; did you mean sslmode?");
});
