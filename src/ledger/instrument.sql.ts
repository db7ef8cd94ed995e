import type { History } from "../core/history.ts";
import type { MigrationTool } from "../core/migration-tool.ts";
import { progressTable } from "../core/migration.ts";
import { widthFor } from "../core/plan.ts";
import { quoteIdentifier, quoteLiteral, quoteQualified } from "../core/quote.ts";
import type { TableName } from "../core/version-table.ts";
import { aliasesSql, pinnedSettings } from "./aliases.sql.ts";
import { eventTriggersSql, scansSql, watchGivenTablesSql, writesSql } from "./data-access.sql.ts";
import { closeGivenTablesSql, rowsSql } from "./rows.sql.ts";

/** The schema that holds everything we put into a scratch database. */
export const bakeSchema = "__preflight_bake";

/**
 * The statements that prepare a scratch database, before the first migration.
 * Nothing of it may change what a migration does: no sequence is advanced (`lastval()`), nothing is
 * written before a command that must be first in its transaction, no lock is waited for.
 * @param options.factsQuery a `WITH … facts(k, o, n, d) AS (…)` head
 */
export function instrumentSql(options: {
  readonly versionTable: TableName;
  readonly factsQuery: string;
  readonly history: History;
}): string {
  const { versionTable, factsQuery, history } = options;
  const { tool } = history;
  const isPrograms = tool.appliedBy === "program";
  return [
    "BEGIN",
    "SET LOCAL search_path = pg_catalog, pg_temp",
    // Event triggers that were there before have no business with this.
    "SET LOCAL session_replication_role = replica",
    ...(isPrograms ? [] : [makeVersionTable(options)]),
    tablesSql(history),
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

function tablesSql({ revisions, needs }: History): string {
  const rows = [...revisions.keys()].map((id, index) => {
    const needed = (needs.get(id) ?? []).map(quoteLiteral);
    return `(${quoteLiteral(id)}, ${index + 1}, ARRAY[${needed.join(", ")}]::text[])`;
  });
  return `
CREATE SCHEMA __preflight_bake;
CREATE TABLE __preflight_bake.revision (id text, position bigint, needs text[]);
${rows.length === 0 ? "" : `INSERT INTO __preflight_bake.revision VALUES ${rows.join(", ")};`}
CREATE TABLE __preflight_bake.known (heads text[]);      -- states whose facts nobody needs again
CREATE TABLE __preflight_bake.fact (                     -- every fact ever seen
  id int, hash bytea PRIMARY KEY, k text, o text, n text, d text,
  second text);                                          -- how it is spelled after dump and restore; null: not found out
CREATE TABLE __preflight_bake.movement (                 -- one row per revision applied
  ordinal bigint, revision text, heads text[],           -- of the version rows afterwards those on which no other stands
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
  history,
}: Pick<Parameters<typeof instrumentSql>[0], "versionTable" | "history">): string {
  const { create } = history.tool.versionTable;
  return `CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(versionTable.schema)};
${create(versionTable, widthFor(history))}`;
}

/** The facts at a moment, and those that were there before the first migration: a platform's. */
function snapshotsSql(factsQuery: string): string {
  return `
CREATE FUNCTION __preflight_bake.take_facts() RETURNS int[] LANGUAGE plpgsql SECURITY DEFINER ${pinnedSettings} AS $preflight_bake$
#variable_conflict use_column
DECLARE
  v_hashes bytea[];
BEGIN
${factsQuery.trim().replace(/;$/, "")},
preflight_hashed AS MATERIALIZED (
  SELECT sha256(convert_to(length(k) || ':' || k || length(o) || ':' || o || length(n) || ':' || n
           || length(coalesce(d, '')) || ':' || coalesce(d, ''), 'UTF8')) AS hash, k, o, n, coalesce(d, '') AS d
  FROM facts),
preflight_new AS (
  INSERT INTO __preflight_bake.fact (id, hash, k, o, n, d)
  SELECT (SELECT count(*) FROM __preflight_bake.fact) + row_number() OVER (), h.hash, h.k, h.o, h.n, h.d
  FROM (SELECT DISTINCT * FROM preflight_hashed n
        WHERE NOT EXISTS (SELECT FROM __preflight_bake.fact f WHERE f.hash = n.hash) ORDER BY hash) h)
SELECT array_agg(hash) INTO v_hashes FROM preflight_hashed;
  RETURN (SELECT coalesce(array_agg(f.id ORDER BY f.id), '{}') FROM __preflight_bake.fact f WHERE f.hash = ANY (v_hashes));
END $preflight_bake$;
CREATE TABLE __preflight_bake.given AS SELECT unnest(__preflight_bake.take_facts()) AS fact;
CREATE FUNCTION __preflight_bake.take_made_facts() RETURNS int[] LANGUAGE sql
  SET search_path = pg_catalog, pg_temp AS $$
  SELECT array(SELECT unnest(__preflight_bake.take_facts()) EXCEPT SELECT fact FROM __preflight_bake.given ORDER BY 1)
$$`;
}

/**
 * Which transactions changed rows or schema on the way to each movement. An id belongs to one session, so it tells of a
 * second session too. What is rolled back leaves no trace here either. A sequence says to which movement a change
 * belongs, because another session may commit it when that movement is over.
 */
const transactionsSql = `
CREATE FUNCTION __preflight_bake.note_transaction() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO __preflight_bake.done
  SELECT last_value, pg_current_xact_id() FROM __preflight_bake.applied
  ON CONFLICT DO NOTHING;
END $$;
-- When a command ends: before one that refuses to run in a transaction with an id, nothing may be written.
CREATE FUNCTION __preflight_bake.after_any_ddl() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  -- REINDEX runs in a read-only transaction, too.
  IF pg_catalog.current_setting('preflight_bake.inside', true) = 'on'
    OR pg_catalog.current_setting('transaction_read_only') = 'on' THEN RETURN; END IF;
  PERFORM __preflight_bake.note_transaction(), __preflight_bake.hand_over_counts();
  INSERT INTO __preflight_bake.altered VALUES (TG_TAG);
END $$`;

/**
 * At each movement of the version rows: the facts, what was written and read since the last one, and the rows that are there.
 * Rows that vanish are half-steps of a merge, not states.
 */
function movementsSql(versionTable: TableName, tool: MigrationTool): string {
  const { version, dirty } = tool.versionTable;
  const table = quoteQualified(versionTable);
  return `
CREATE FUNCTION __preflight_bake.note_movement() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_heads text[] := (
    WITH present AS (SELECT ${version}::text AS id FROM ${table})
    SELECT array_agg(head.id ORDER BY head.id COLLATE "C")
    FROM (SELECT id FROM present
          EXCEPT SELECT unnest(r.needs) FROM __preflight_bake.revision r JOIN present USING (id)) AS head);
  v_facts int[];
BEGIN
  PERFORM __preflight_bake.note_reads();
  IF NOT EXISTS (SELECT FROM __preflight_bake.known k WHERE k.heads = v_heads) THEN
    v_facts := __preflight_bake.take_made_facts();
    PERFORM __preflight_bake.find_aliases(v_facts);
  END IF;
  INSERT INTO __preflight_bake.movement VALUES (
    (SELECT count(*) FROM __preflight_bake.movement), NEW.${version}, v_heads, v_facts,
    (SELECT coalesce(array_agg(DISTINCT w.operation || ' ' || w.relation), '{}') FROM __preflight_bake.written w),
    (SELECT coalesce(array_agg(t.name), '{}')
     FROM jsonb_object_keys(__preflight_bake.scan_state()->'reads') AS t(name)),
    (SELECT last_value FROM __preflight_bake.applied), pg_current_xact_id(),
    __preflight_bake.note_rows(NEW.${version}));
  DELETE FROM __preflight_bake.written;
  DELETE FROM __preflight_bake.altered;
  PERFORM setval('__preflight_bake.applied', (SELECT last_value + 1 FROM __preflight_bake.applied)),
          setval('__preflight_bake.reached', coalesce((SELECT r.position FROM __preflight_bake.revision r WHERE r.id = NEW.${version}), 0));
  PERFORM __preflight_bake.skip_scans(false);
  UPDATE __preflight_bake.last_scans SET counts = __preflight_bake.scan_state()->'counts';
  RETURN NULL;
END $$;
CREATE TRIGGER __preflight_bake AFTER INSERT OR UPDATE ON ${table}
  FOR EACH ROW ${dirty === null ? "" : `WHEN (NOT NEW.${dirty})`} EXECUTE FUNCTION __preflight_bake.note_movement();
CREATE TRIGGER __preflight_bake_roles AFTER INSERT OR UPDATE ON ${table}
  FOR EACH STATEMENT EXECUTE FUNCTION __preflight_bake.note_roles();
${tool.appliedBy === "program" ? noteHome(table) : ""}
ALTER TABLE ${table} ENABLE ALWAYS TRIGGER __preflight_bake;
ALTER TABLE ${table} ENABLE ALWAYS TRIGGER __preflight_bake_roles`;
}

/** Where CREATE goes for the program's own session: its search_path is not pinned here. Our runner's sessions are known. */
function noteHome(table: string): string {
  return `
CREATE FUNCTION __preflight_bake.note_home() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO __preflight_bake.home
  SELECT (pg_catalog.current_schemas(false))[1] WHERE NOT EXISTS (SELECT FROM __preflight_bake.home);
  RETURN NULL;
END $$;
CREATE TRIGGER __preflight_bake_home AFTER INSERT OR UPDATE ON ${table}
  FOR EACH STATEMENT EXECUTE FUNCTION __preflight_bake.note_home();
ALTER TABLE ${table} ENABLE ALWAYS TRIGGER __preflight_bake_home;`;
}

/** The movements, each with whether its revision changed nothing outside of the transaction that it is of. */
export const movementsSeenSql = `
SELECT m.*, NOT EXISTS (
  SELECT FROM __preflight_bake.done d
  WHERE d.step > m.step_before AND d.step <= m.step AND d.xid <> m.xid) AS is_atomic
FROM (SELECT *, lag(step, 1, -1::bigint) OVER (ORDER BY ordinal) AS step_before FROM __preflight_bake.movement) AS m`;

/**
 * Which roles the migrations made: roles belong to the whole server and stay when the database goes.
 * A new role in a row of a transaction that is still open is of this transaction, subtransactions
 * included; what other sessions make shows only when it is committed.
 */
const rolesSql = `
CREATE TABLE __preflight_bake.role AS SELECT oid, false AS is_made_here FROM pg_catalog.pg_authid;
CREATE FUNCTION __preflight_bake.note_roles() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_epoch bigint := (pg_current_xact_id()::text::bigint >> 32) << 32;
BEGIN
  INSERT INTO __preflight_bake.role
  SELECT a.oid, pg_xact_status((v_epoch + a.xmin::text::bigint)::text::xid8) = 'in progress'
  FROM pg_authid a
  WHERE NOT EXISTS (SELECT FROM __preflight_bake.role r WHERE r.oid = a.oid);
  RETURN NULL;
END $$`;
