import { aliasesSql } from "./aliases.sql.ts";
import { eventTriggersSql, scansSql, watchGivenTablesSql, writesSql } from "./data-access.sql.ts";
import { movementsSql } from "./movements.sql.ts";
import { progressTable } from "../core/migration.ts";
import type { MigrationTool } from "../core/migration-tool.ts";
import { quoteIdentifier, quoteLiteral } from "../core/quote.ts";
import type { TableName } from "../core/version-table.ts";
import { rolesSql } from "./roles.sql.ts";
import { closeGivenTablesSql, rowsSql } from "./rows.sql.ts";
import { snapshotsSql } from "./snapshots.sql.ts";
import { transactionsSql } from "./transactions.sql.ts";

/** The schema that holds everything we put into a scratch database. */
export const bakeSchema = "__preflight_bake";

/**
 * The statements that prepare a scratch database, before the first migration.
 * Nothing of it may change what a migration does: no sequence is advanced (`lastval()`), nothing is
 * written before a command that must be first in its transaction, no lock is waited for.
 * @param options.factsQuery a `WITH … facts(k, o, n, d) AS (…)` head
 * @param options.revisions ids in the history's order, for the progress
 */
export function instrumentSql(options: {
  readonly versionTable: TableName;
  readonly tool: MigrationTool;
  readonly factsQuery: string;
  readonly revisions: readonly string[];
}): string {
  const { versionTable, tool, factsQuery, revisions } = options;
  const isPrograms = tool.appliedBy === "program";
  return [
    "BEGIN",
    "SET LOCAL search_path = pg_catalog, pg_temp",
    // Event triggers that were there before have no business with this.
    "SET LOCAL session_replication_role = replica",
    ...(isPrograms ? [] : [makeVersionTable(options)]),
    tablesSql(revisions),
    ownTablesSql(versionTable),
    snapshotsSql(factsQuery),
    ...(isPrograms ? [makeVersionTable(options)] : []),
    scansSql,
    rolesSql,
    transactionsSql,
    writesSql,
    aliasesSql,
    rowsSql,
    movementsSql(versionTable, tool),
    watchGivenTablesSql,
    closeGivenTablesSql,
    eventTriggersSql,
    "COMMIT",
  ].join(";\n");
}

function tablesSql(revisions: readonly string[]): string {
  const rows = revisions.map((id, index) => `(${quoteLiteral(id)}, ${index + 1})`);
  return `
CREATE SCHEMA __preflight_bake;
CREATE TABLE __preflight_bake.revision (id text, position bigint);
${rows.length === 0 ? "" : `INSERT INTO __preflight_bake.revision VALUES ${rows.join(", ")};`}
CREATE TABLE __preflight_bake.known (heads text[]);      -- states whose facts nobody needs again
CREATE TABLE __preflight_bake.fact (                     -- every fact ever seen
  id int, hash bytea PRIMARY KEY, k text, o text, n text, d text,
  second text);                                          -- how it is spelled after dump and restore; null: not found out
CREATE TABLE __preflight_bake.movement (                 -- one row per revision applied
  ordinal bigint, revision text, heads text[],           -- version rows afterwards
  facts int[],                                           -- null: a known state
  writes text[], reads text[],
  step bigint, xid xid8,                                 -- as in done
  rows jsonb);                                           -- see note_rows
CREATE TABLE __preflight_bake.written (
  relation text, operation text, oid oid,
  statement text);                                       -- what the client sent
CREATE TABLE __preflight_bake.altered (tag text);          -- DDL since the last movement
CREATE TABLE __preflight_bake.home (schema text);          -- where CREATE goes in the program's session; one row
CREATE TABLE __preflight_bake.done (                     -- which transactions changed something
  step bigint,                                           -- movements before it, rolled back ones included
  xid xid8, PRIMARY KEY (step, xid));
-- Sequences, because they show through a transaction that is still open, and outlive its rollback.
CREATE SEQUENCE __preflight_bake.applied MINVALUE 0 START 0;
CREATE SEQUENCE __preflight_bake.reached MINVALUE 0 START 0;
-- Every session is to know which default privileges were there before the history.
DO $$ BEGIN
  EXECUTE format('ALTER DATABASE %I SET preflight_bake.newest_default_acl = %L', current_database(),
                 (SELECT coalesce(max(a.oid), 0) FROM pg_catalog.pg_default_acl a));
END $$`;
}

/** The tool's own tables, and that of our runner's progress: nobody's data. */
function ownTablesSql({ schema, name }: TableName): string {
  const rows = [name, progressTable].map(
    (each) => `(${quoteLiteral(schema)}, ${quoteLiteral(each)})`,
  );
  return `
CREATE TABLE __preflight_bake.own_table (schema name, name name);
INSERT INTO __preflight_bake.own_table VALUES ${rows.join(", ")}`;
}

function makeVersionTable({
  versionTable,
  tool,
  revisions,
}: Pick<Parameters<typeof instrumentSql>[0], "versionTable" | "tool" | "revisions">): string {
  const lengths = revisions.map((id) => Array.from(id).length);
  const width = Math.max(tool.versionTable.width ?? 0, ...lengths);
  return `CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(versionTable.schema)};
${tool.versionTable.create(versionTable, width)}`;
}
