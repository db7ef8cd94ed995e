import { quoteIdentifier, quoteLiteral, quoteTextArray } from "../core/quote.ts";
import type { RowsToChange } from "../core/traces.ts";
import { pinSettings } from "./facts.sql.ts";

/** A large table is not worth a scan: whoever is not done by then has not found anything. */
const patience = 2_000;

/** Where row security would hide rows it is an error: what cannot be seen must not count as absent. */
const begin = `
BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY;
SET LOCAL lock_timeout = ${patience};
SET LOCAL statement_timeout = ${patience};
SET LOCAL row_security = off;
${pinSettings}`;

/**
 * Which of these rows are there. The ledger has no values, so the server hashes what the table has: see `hashRow`.
 * @param table qualified and quoted
 */
export function rowsMessage(
  table: string,
  columns: readonly string[],
  hashes: readonly string[],
  salt: string,
): string {
  const values = columns.map((column) => {
    const text = `${quoteIdentifier(column)}::text`;
    return `coalesce(length(${text}) || ':' || ${text}, '-')`;
  });
  const framed = [quoteLiteral(salt), ...values].join(" || ");
  return `${begin}
SELECT DISTINCT hash
FROM (SELECT left(encode(sha256(convert_to(${framed}, 'UTF8')), 'hex'), 16) AS hash FROM ONLY ${table}) r
WHERE hash = ANY (${quoteTextArray(hashes)});
COMMIT`;
}

/** Whether a table, qualified and quoted, has no such rows. */
export function emptinessMessage({ table, where }: RowsToChange): string {
  return `${begin}
SELECT NOT EXISTS (SELECT FROM ${table}${where === null ? "" : ` WHERE ${where}`}) AS "isEmpty";
COMMIT`;
}
