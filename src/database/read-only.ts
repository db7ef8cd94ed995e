import { readReadOnlyForRole } from "./connect.sql.ts";
import type { Database } from "./database.ts";
import { cannotGoOn } from "./errors.ts";

/** Whether somebody has set it for this role, this database or this session: then no other server is any less read-only. */
export async function isReadOnlyForRole(db: Database): Promise<boolean> {
  try {
    const rows = await db.query(readReadOnlyForRole);
    return rows.length > 0;
  } catch (error) {
    throw cannotGoOn(error, "asking why the server is read-only");
  }
}
