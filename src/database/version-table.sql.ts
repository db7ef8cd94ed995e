import type { Progress, VersionRow } from "../core/migration.ts";
import type { FileTool } from "../core/revision.ts";
import { quoteIdentifier, quoteLiteral, quoteQualified, quoteTextArray } from "../core/quote.ts";
import type { QualifiedTable } from "./stamp.sql.ts";
import { progressTable } from "../core/migration.ts";

// Every statement here expects nothing but pg_catalog on the search path, and a role that is ours.

/**
 * Makes the table, and its schema, where they are missing; where they are not, it needs no right and takes no lock.
 * (CREATE SCHEMA IF NOT EXISTS asks for rights on the database even where there is nothing to create.)
 */
export function createVersionTable(tool: FileTool, table: QualifiedTable): string {
  const name = quoteQualified(table);
  return block(`
  IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = ${quoteLiteral(table.schema)}) THEN
    CREATE SCHEMA ${quoteIdentifier(table.schema)};
  END IF;
  ${tool === "sql" ? createOwnTable(name) : createSupabaseTable(name)}`);
}

function createOwnTable(name: string): string {
  return `
  IF to_regclass(${quoteLiteral(name)}) IS NULL THEN
    CREATE TABLE ${name} (
      version text PRIMARY KEY,
      name text NOT NULL,
      checksum text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now(),
      run_id text NOT NULL,
      duration_ms bigint
    );
    COMMENT ON TABLE ${name} IS 'Preflight: one row for every migration that is applied. Without duration_ms: recorded because the schema proved it, and not run.';
  END IF;`;
}

/** Step by step as Supabase's own tool makes it; tables that it made long ago lack columns. */
function createSupabaseTable(name: string): string {
  const addColumn = (column: string, type: string): string => `
  IF NOT EXISTS (SELECT FROM pg_attribute
                 WHERE attrelid = ${quoteLiteral(name)}::regclass AND attname = '${column}' AND NOT attisdropped) THEN
    ALTER TABLE ${name} ADD COLUMN ${column} ${type};
  END IF;`;
  return `
  IF to_regclass(${quoteLiteral(name)}) IS NULL THEN
    CREATE TABLE ${name} (version text NOT NULL PRIMARY KEY);
  END IF;
  ${addColumn("statements", "text[]")}
  ${addColumn("name", "text")}`;
}

/** For migrations that cannot run in one transaction: how far they came. */
export function createProgressTable(schema: string): string {
  const name = quoteQualified({ schema, name: progressTable });
  return block(`
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
  END IF;`);
}

export function readHasSchema(schema: string): string {
  return `
SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = ${quoteLiteral(schema)}) AS "hasSchema"`;
}

function block(body: string): string {
  return `
DO ${quoteLiteral(`
BEGIN${body}
END`)}`;
}

/** @param run.durationMs null: recorded without being run */
export function insertVersionRow(
  tool: FileTool,
  table: QualifiedTable,
  { version, name, checksum, statements }: VersionRow,
  { runId, durationMs }: { readonly runId: string; readonly durationMs: number | null },
): string {
  const values: Readonly<Record<string, string>> =
    tool === "sql"
      ? {
          version: quoteLiteral(version),
          name: quoteLiteral(name),
          checksum: quoteLiteral(checksum),
          run_id: quoteLiteral(runId),
          duration_ms: durationMs === null ? "NULL" : String(Math.round(durationMs)),
        }
      : {
          version: quoteLiteral(version),
          name: quoteLiteral(name),
          statements: statements === null ? "NULL" : quoteTextArray(statements),
        };
  return block(`
  INSERT INTO ${quoteQualified(table)} (${Object.keys(values).join(", ")})
  VALUES (${Object.values(values).join(", ")});
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the row of version % was not written: a trigger or a rule of the version table interferes', ${quoteLiteral(version)};
  END IF;`);
}

export function deleteVersionRows(table: QualifiedTable, versions: readonly string[]): string {
  return `DELETE FROM ${quoteQualified(table)} WHERE version = ANY (${quoteTextArray(versions)})`;
}

export function writeProgress(table: QualifiedTable, progress: Progress, runId: string): string {
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

export function deleteProgress(table: QualifiedTable, version: string): string {
  return `
DELETE FROM ${progressOf(table)}
WHERE version_table = ${quoteLiteral(nameOf(table))} AND version = ${quoteLiteral(version)}`;
}

function progressOf({ schema }: QualifiedTable): string {
  return quoteQualified({ schema, name: progressTable });
}

/** As the progress table names a version table. */
function nameOf({ schema, name }: QualifiedTable): string {
  return `${schema}.${name}`;
}
