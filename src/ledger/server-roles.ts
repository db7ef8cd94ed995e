import type postgres from "postgres";

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
