import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer, type TestServer } from "../support/postgres.ts";
import { open, refusalOf } from "./support.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

afterAll(async () => {
  await server?.stop();
});

/** A database whose catalog says that it is another server. */
async function posing(version: string, more = ""): Promise<string> {
  const url = await server.createDatabase();
  await server.sql(
    url,
    `SET allow_system_table_mods = on; ${more}
     CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql STABLE AS $$ SELECT '${version}' $$`,
  );
  return url;
}

const withoutRecovery = "ALTER FUNCTION pg_catalog.pg_is_in_recovery() RENAME TO no_such_thing;";

describe("a server that is not supported is refused by the name that it gives itself", () => {
  test.each([
    ["PostgreSQL 12.22 on x86_64-pc-linux-gnu, compiled by gcc", "PostgreSQL 12.22"],
    ["PostgreSQL 9.6.24", "PostgreSQL 9.6.24"],
    ["PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC, Redshift 1.0.77467", "Redshift"],
    ["CockroachDB CCL v23.1.11 (x86_64-pc-linux-gnu, built 2023/09/27)", "CockroachDB"],
    ["PostgreSQL 15.2-YB-2.25.1.0-b0 on x86_64-pc-linux-gnu", "YB"],
    ["PostgreSQL 14.4 (Greenplum Database 8.0.0)", "Greenplum"],
  ])("%s", async (version, named) => {
    for (const more of ["", withoutRecovery]) {
      const refusal = await refusalOf(open(await posing(version, more)));
      expect(refusal.outcome).toBe("protocol");
      expect(refusal.message).toContain(named);
    }
  });
});

test.each([
  "PostgreSQL 13.1",
  "PostgreSQL 19beta1 on aarch64-unknown-linux-gnu",
  "EnterpriseDB 15.4.0 on x86_64",
  "PostgreSQL 15.2 (EnterpriseDB Advanced Server 15.2.0) on x86_64-pc-linux-gnu",
])("%s is one to go on with", async (version) => {
  await (await open(await posing(version))).close();
});

test("a connection that the server would close as idle stays open", async () => {
  const [row] = await server.sql(server.url, "SHOW server_version_num");
  // Before PostgreSQL 14 no server closes one.
  const hasTimeout = Number(row?.["server_version_num"]) >= 140_000;
  const url = await server.createDatabase();
  const name = new URL(url).pathname.slice(1);
  if (hasTimeout)
    await server.sql(url, `ALTER DATABASE "${name}" SET idle_session_timeout = '300ms'`);
  const db = await open(url);
  await new Promise((resolve) => {
    setTimeout(resolve, 1000);
  });
  expect(await db.query("SELECT 1 AS one")).toEqual([{ one: 1 }]);
  await db.close();
});
