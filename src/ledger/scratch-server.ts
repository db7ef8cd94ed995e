import { readFileSync } from "node:fs";
import postgres from "postgres";
import type { DatabaseAddress } from "../core/database-address.ts";
import { CannotJudge } from "../core/outcome.ts";
import type { Connection } from "../settings/connection.ts";

/** Older servers count scans in a way that cannot be followed. */
export const oldestMajor = 15;

/** At most one connection, kept until it is ended. */
export function connect(address: DatabaseAddress): postgres.Sql {
  const { host, port, user, password, database } = address;
  return postgres({
    ...(host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host, port }),
    user,
    ...(password === null ? {} : { password }),
    database,
    ssl: tlsOptions(address),
    max: 1,
    idle_timeout: 0,
    max_lifetime: null,
    connect_timeout: 10,
    fetch_types: false,
    onnotice: () => {},
    connection: { application_name: "preflight bake" },
  });
}

function tlsOptions({ sslMode, sslRootCert }: DatabaseAddress): "require" | object | false {
  switch (sslMode) {
    case null:
    case "disable":
    case "allow":
      return false;
    case "verify-ca":
    case "verify-full": {
      const isFile = sslRootCert !== null && sslRootCert !== "system";
      return {
        ...(isFile ? { ca: readFileSync(sslRootCert, "utf8") } : {}),
        ...(sslMode === "verify-ca" ? { checkServerIdentity: () => undefined } : {}),
      };
    }
    default:
      return "require";
  }
}

/**
 * The server's version, after checking that it can be used.
 * @throws CannotJudge `permission`, `unavailable` or `config`
 */
export async function inspectServer(admin: postgres.Sql, url: Connection | null): Promise<number> {
  const [row] = await admin<{ version: number; superuser: boolean }[]>`
    SELECT current_setting('server_version_num')::int AS version, rolsuper AS superuser
    FROM pg_catalog.pg_roles WHERE rolname = current_user`.catch((error: unknown) => {
    throw unreachable(error, url);
  });
  const { version, superuser } = row!;
  if (!superuser)
    throw new CannotJudge(
      "permission",
      "The role on the scratch server is not a superuser. Bake watches the replay with event triggers, which only a superuser may create.",
      [
        "name a role with SUPERUSER on the scratch server, such as postgres in a throw-away container",
      ],
    );
  if (version < oldestMajor * 10_000)
    throw new CannotJudge(
      "config",
      `The scratch server is PostgreSQL ${Math.floor(version / 10_000)}; bake needs ${oldestMajor} or newer, whose counters tell which tables were read.`,
      ["name a newer server with --scratch-url"],
    );
  return version;
}

function unreachable(error: unknown, url: Connection | null): Error {
  const { code, message } = error as { code?: string; message: string };
  const place = url === null ? "The scratch server" : `The scratch server of ${url.source}`;
  const next = ["check the address and the password in --scratch-url"];
  if (code?.startsWith("28") === true || code === "42501")
    return new CannotJudge("permission", `${place} refused the login: ${message}`, next);
  if (code === "3D000") return new CannotJudge("config", `${place}: ${message}`, next);
  return new CannotJudge("unavailable", `${place} did not answer: ${message}`, next);
}

/** pg_cron refuses every database but the one of its setting `cron.database_name`, which none of a bake's is. */
export const availableSql =
  "SELECT name FROM pg_catalog.pg_available_extensions WHERE name <> 'pg_cron'";

export async function listExtensions(admin: postgres.Sql): Promise<ReadonlySet<string>> {
  const rows = await admin.unsafe<{ name: string }[]>(availableSql);
  return new Set(rows.map(({ name }) => name));
}

/** The roles of a server, by oid: a migration may rename one. */
export async function listRoles(admin: postgres.Sql): Promise<readonly number[]> {
  const rows = await admin<{ oid: number }[]>`SELECT oid FROM pg_catalog.pg_roles`;
  return rows.map(({ oid }) => oid);
}

/** Those that migrations were seen to make in this database. */
export async function listMigratedRoles(sql: postgres.Sql): Promise<readonly number[]> {
  const [prepared] =
    await sql`SELECT FROM pg_catalog.pg_class WHERE oid = to_regclass('__preflight_bake.role')`;
  if (prepared === undefined) return [];
  const rows = await sql<{ oid: number }[]>`
    SELECT oid FROM __preflight_bake.role WHERE is_made_here`;
  return rows.map(({ oid }) => oid);
}

/**
 * All at once: from PostgreSQL 16 on a role that granted a membership cannot go before it. What others
 * have begun to use stays.
 */
export async function dropRoles(
  admin: postgres.Sql,
  roles: readonly number[],
  log: (message: string) => void,
): Promise<void> {
  if (roles.length === 0) return;
  const rows = await admin<{ rolname: string }[]>`
    SELECT rolname FROM pg_catalog.pg_roles WHERE oid IN ${admin(roles)} ORDER BY 1`;
  const names = rows.map(({ rolname }) => rolname);
  if (names.length === 0 || (await dropUnused(admin, names))) return;
  for (const name of names)
    if (!(await dropUnused(admin, [name])))
      log(`the role ${name} stays on the scratch server: something outside of the bake needs it`);
}

async function dropUnused(admin: postgres.Sql, names: readonly string[]): Promise<boolean> {
  try {
    await admin`DROP ROLE IF EXISTS ${admin(names)}`;
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === "2BP01") return false;
    throw error;
  }
}
