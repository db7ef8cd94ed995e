import { quoteTextArray } from "../core/quote.ts";
import { type RepairNeeds, repairSettings } from "../core/repair-piece.ts";

export function beginRepair(lockTimeout: number | null): string {
  return `
BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE;
${repairSettings.map((each) => `SET LOCAL ${each};`).join("\n")}
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = ${lockTimeout === null ? 0 : Math.max(1, Math.round(lockTimeout))}`;
}

/** A timeout in the middle of CREATE INDEX CONCURRENTLY leaves an INVALID index behind. */
export const beginAlone = `
SET standard_conforming_strings = on;
SET lock_timeout = 0;
SET statement_timeout = 0`;

export const endAlone = `
RESET standard_conforming_strings;
RESET lock_timeout;
RESET statement_timeout`;

/** Without row security, which could hide them: where it would, the server refuses. */
export function askForAnyRow(table: string): string {
  return `
BEGIN TRANSACTION READ ONLY;
SET LOCAL row_security = off;
SET LOCAL lock_timeout = '10s';
SELECT EXISTS (SELECT FROM ${table}) AS filled;
COMMIT`;
}

export function askForRoles(names: readonly string[]): string {
  return `SELECT rolname::text AS name FROM pg_roles WHERE rolname::text = ANY (${quoteTextArray(names)})`;
}

/** What of it the role may not do. Whoever owns an object may do all of it. */
export function askForRights({ relations, triggered, types, referred }: RepairNeeds): string {
  return `
SELECT o AS object, 'own' AS lacks
FROM unnest(${quoteTextArray(relations)}) o JOIN pg_class c ON c.oid = to_regclass(o)
WHERE NOT pg_has_role(c.relowner, 'USAGE')
UNION ALL
SELECT o, 'own'
FROM unnest(${quoteTextArray(types)}) o JOIN pg_type t ON t.oid = to_regtype(o)
WHERE NOT pg_has_role(t.typowner, 'USAGE')
UNION ALL
SELECT o, 'TRIGGER'
FROM unnest(${quoteTextArray(triggered)}) o JOIN pg_class c ON c.oid = to_regclass(o)
WHERE NOT has_table_privilege(c.oid, 'TRIGGER')
UNION ALL
SELECT o, 'REFERENCES'
FROM unnest(${quoteTextArray(referred)}) o JOIN pg_class c ON c.oid = to_regclass(o)
WHERE NOT (has_table_privilege(c.oid, 'REFERENCES') OR has_any_column_privilege(c.oid, 'REFERENCES'))
ORDER BY 1`;
}
