import { type Progress, progressTable } from "../core/migration.ts";
import { quoteLiteral, quoteQualified } from "../core/quote.ts";
import type { TableName } from "../core/version-table.ts";

// Every statement here expects nothing but pg_catalog on the search path, and a role that is ours.

/** For migrations that cannot run in one transaction: how far they came. */
export function createProgressTable(schema: string): string {
  const name = quoteQualified({ schema, name: progressTable });
  return `
DO ${quoteLiteral(`
BEGIN
  IF to_regclass(${quoteLiteral(name)}) IS NULL THEN
    CREATE TABLE ${name} (
      version_table text NOT NULL,
      version text NOT NULL,
      checksum text NOT NULL,
      done int NOT NULL,
      "of" int NOT NULL,
      line int NOT NULL,
      statement text NOT NULL,
      state text NOT NULL,
      error text,
      run_id text NOT NULL,
      updated_at timestamptz NOT NULL,
      PRIMARY KEY (version_table, version)
    );
    COMMENT ON TABLE ${name} IS 'Preflight: how far a migration came that does not run in one transaction. A row counts as long as its version is not recorded.';
  END IF;
END`)}`;
}

export function readHasSchema(schema: string): string {
  return `
SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = ${quoteLiteral(schema)}) AS "hasSchema"`;
}

export function writeProgress(table: TableName, progress: Progress, runId: string): string {
  const { version, checksum, done, of, line, statement, state, error } = progress;
  const values = {
    version_table: quoteLiteral(nameOf(table)),
    version: quoteLiteral(version),
    checksum: quoteLiteral(checksum),
    done: String(done),
    '"of"': String(of),
    line: String(line),
    statement: quoteLiteral(statement),
    state: quoteLiteral(state),
    error: error === null ? "NULL" : quoteLiteral(error),
    run_id: quoteLiteral(runId),
    updated_at: "clock_timestamp()",
  };
  const columns = Object.keys(values);
  return `
INSERT INTO ${progressOf(table)} (${columns.join(", ")})
VALUES (${Object.values(values).join(", ")})
ON CONFLICT (version_table, version) DO UPDATE
SET ${columns.map((column) => `${column} = EXCLUDED.${column}`).join(", ")}`;
}

export function deleteProgress(table: TableName, version: string): string {
  return `
DELETE FROM ${progressOf(table)}
WHERE version_table = ${quoteLiteral(nameOf(table))} AND version = ${quoteLiteral(version)}`;
}

function progressOf({ schema }: TableName): string {
  return quoteQualified({ schema, name: progressTable });
}

/** As the progress table names a version table. */
function nameOf({ schema, name }: TableName): string {
  return `${schema}.${name}`;
}
