import type { RowsRun, VersionTableLayout } from "../core/migration-tool.ts";
import type { VersionRow } from "../core/migration.ts";
import { quoteLiteral, quoteQualified, quoteTextArray } from "../core/quote.ts";
import type { TableName } from "../core/version-table.ts";

export const beginStamp = `
BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL lock_timeout = '10s';
SET LOCAL statement_timeout = '60s';
SET LOCAL idle_in_transaction_session_timeout = 0`;

/** Nobody else writes the table until the end of the transaction; readers go on. */
export function lockVersionTable(table: TableName): string {
  return `LOCK TABLE ${quoteQualified(table)} IN SHARE ROW EXCLUSIVE MODE`;
}

export function readRows({ version }: VersionTableLayout, table: TableName): string {
  return `SELECT ${version}::text AS row FROM ${quoteQualified(table)} ORDER BY ${version}::text COLLATE "C"`;
}

/** Characters that the column holds; NULL when unlimited. */
export function readWidth({ version }: VersionTableLayout, table: TableName): string {
  return `
SELECT CASE WHEN t.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4 THEN a.atttypmod - 4 END AS width
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = ${quoteLiteral(quoteQualified(table))}::regclass AND a.attname = ${quoteLiteral(version)}`;
}

/** Leaves exactly one row of each of these versions, also in a table without a primary key. */
export function deleteOtherRows(
  { version }: VersionTableLayout,
  table: TableName,
  wanted: readonly string[],
): string {
  const name = quoteQualified(table);
  return `
DELETE FROM ${name} WHERE ${version} IS NULL OR ${version}::text <> ALL (${quoteTextArray(wanted)});
DELETE FROM ${name} a USING ${name} b WHERE a.${version}::text = b.${version}::text AND a.ctid > b.ctid`;
}

export function insertRow(
  layout: VersionTableLayout,
  table: TableName,
  row: VersionRow,
  run: RowsRun,
): string {
  const values = layout.values(row, run);
  return `
INSERT INTO ${quoteQualified(table)} (${Object.keys(values).join(", ")})
VALUES (${Object.values(values).join(", ")})`;
}

/** The same by our own runner, which does not read it back. */
export function recordRow(
  layout: VersionTableLayout,
  table: TableName,
  row: VersionRow,
  run: RowsRun,
): string {
  return `
DO ${quoteLiteral(`
BEGIN${insertRow(layout, table, row, run)};
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the row of version % was not written: a trigger or a rule of the version table interferes', ${quoteLiteral(row.version)};
  END IF;
END`)}`;
}
