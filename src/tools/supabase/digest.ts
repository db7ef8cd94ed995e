import { createHash } from "node:crypto";

/**
 * What a file says, however it was cut into statements and trimmed: the text of a row of Supabase's
 * version table that gives another digest was another one. `version-table.ts` says the
 * same in SQL. Not md5, which fails on FIPS builds of PostgreSQL.
 */
export function digestOf(text: string): string {
  const said = text.trim().replace(/[ \t\n\v\f\r;]+/g, "");
  return createHash("sha256").update(said).digest("hex");
}
