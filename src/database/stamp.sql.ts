import type { ToolName } from "../core/revision.ts";
import { quoteIdentifier, quoteLiteral, quoteQualified, quoteTextArray } from "../core/quote.ts";
import { versionLayouts } from "./version-layouts.ts";

export type QualifiedTable = { readonly schema: string; readonly name: string };

export const beginStamp = `
BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL lock_timeout = '10s';
SET LOCAL statement_timeout = '60s';
SET LOCAL idle_in_transaction_session_timeout = 0`;

/** Character for character what Alembic creates, wide enough. */
export function createAlembicTable(table: QualifiedTable, width: number): string {
  return `
CREATE TABLE ${quoteQualified(table)} (
    version_num VARCHAR(${width}) NOT NULL,
    CONSTRAINT ${quoteIdentifier(`${table.name}_pkc`)} PRIMARY KEY (version_num)
)`;
}

/** Nobody else writes the table until the end of the transaction; readers go on. */
export function lockVersionTable(table: QualifiedTable): string {
  return `LOCK TABLE ${quoteQualified(table)} IN SHARE ROW EXCLUSIVE MODE`;
}

export function readRows(tool: ToolName, table: QualifiedTable): string {
  const { version } = versionLayouts[tool];
  return `SELECT ${version}::text AS row FROM ${quoteQualified(table)} ORDER BY ${version}::text COLLATE "C"`;
}

/** Characters that the column holds; NULL when unlimited. */
export function readWidth(tool: ToolName, table: QualifiedTable): string {
  return `
SELECT CASE WHEN t.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4 THEN a.atttypmod - 4 END AS width
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = ${quoteLiteral(quoteQualified(table))}::regclass AND a.attname = ${quoteLiteral(versionLayouts[tool].version)}`;
}

export function widenColumn(table: QualifiedTable, width: number): string {
  return `ALTER TABLE ${quoteQualified(table)} ALTER COLUMN version_num TYPE VARCHAR(${width})`;
}

/** Leaves exactly one row for each wanted value, also in a table without a primary key. */
export function writeHeads(table: QualifiedTable, rows: readonly string[]): string {
  const name = quoteQualified(table);
  const wanted = quoteTextArray(rows);
  return `
DELETE FROM ${name} WHERE version_num IS NULL OR version_num::text <> ALL (${wanted});
DELETE FROM ${name} a USING ${name} b WHERE a.version_num::text = b.version_num::text AND a.ctid > b.ctid;
INSERT INTO ${name} (version_num)
SELECT w FROM unnest(${wanted}) w WHERE NOT EXISTS (SELECT FROM ${name} x WHERE x.version_num::text = w)`;
}
