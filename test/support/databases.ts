import { randomBytes } from "node:crypto";
import type { TestServer } from "./postgres.ts";

/** The same address with other parts. */
export function withUrl(
  url: string,
  parts: { readonly user?: string; readonly password?: string; readonly query?: string },
): string {
  const changed = new URL(url);
  if (parts.user !== undefined) changed.username = encodeURIComponent(parts.user);
  if (parts.password !== undefined) changed.password = encodeURIComponent(parts.password);
  if (parts.query !== undefined) changed.search = parts.query;
  return changed.href;
}

/** A role with a password that may log in, and nothing more. */
export async function createRole(
  server: TestServer,
  options: { readonly password?: string; readonly settings?: string } = {},
): Promise<{ readonly name: string; readonly password: string }> {
  const name = `role_${randomBytes(5).toString("hex")}`;
  const password = options.password ?? randomBytes(8).toString("hex");
  await server.sql(
    server.url,
    `CREATE ROLE ${name} LOGIN PASSWORD '${password.replaceAll("'", "''")}'`,
  );
  if (options.settings !== undefined)
    await server.sql(server.url, `ALTER ROLE ${name} SET ${options.settings}`);
  return { name, password };
}

export async function rowsOf(
  server: TestServer,
  url: string,
  table = "alembic_version",
): Promise<readonly string[]> {
  const rows = await server.sql(url, `SELECT version_num FROM ${table} ORDER BY 1`);
  return rows.map((row) => String(row["version_num"]));
}

export async function tablesOf(server: TestServer, url: string): Promise<readonly string[]> {
  const rows = await server.sql(
    url,
    "SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'preflight') ORDER BY 1",
  );
  return rows.map((row) => String(row["tablename"]));
}

/** Sessions in a database besides the one that asks. */
export async function sessionsIn(server: TestServer, url: string): Promise<readonly string[]> {
  const database = decodeURIComponent(new URL(url).pathname.slice(1));
  const rows = await server.sql(
    server.url,
    `SELECT application_name || ': ' || state || ': ' || left(query, 80) AS session FROM pg_stat_activity WHERE datname = '${database}'`,
  );
  return rows.map((row) => String(row["session"]));
}

export async function advisoryLocksIn(server: TestServer, url: string): Promise<number> {
  const [row] = await server.sql(
    url,
    "SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
  );
  return Number(row?.["n"]);
}

/** Asks again until it is so; a server process ends a little after its client. */
export async function eventually(
  ask: () => Promise<boolean>,
  what: string,
  milliseconds = 60_000,
): Promise<void> {
  const deadline = performance.now() + milliseconds;
  while (!(await ask())) {
    if (performance.now() > deadline) throw new Error(`not within ${milliseconds} ms: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
  }
}
