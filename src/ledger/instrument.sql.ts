import { aliasesSql, pinnedSettings } from "./aliases.sql.ts";
import { eventTriggersSql, scansSql, writesSql } from "./data-access.sql.ts";
import { quoteName, quoteText, quoteVersionTable, type VersionTableName } from "./quote.ts";

/** The schema that holds everything we put into a scratch database. */
export const bakeSchema = "__preflight_bake";

/**
 * The statements that prepare an empty scratch database, before the first migration.
 * Nothing of it may change what a migration does: no sequence is advanced (`lastval()`), nothing is
 * written before a command that must be first in its transaction, no lock is waited for.
 * @param options.versionTable made beforehand in the shape that Alembic expects
 * @param options.width characters of the longest revision id
 * @param options.factsQuery a `WITH … facts(k, o, n, d) AS (…)` head
 * @param options.revisions ids in the history's order, for the progress
 */
export function instrumentSql(options: {
  readonly versionTable: VersionTableName;
  readonly width: number;
  readonly factsQuery: string;
  readonly revisions: readonly string[];
}): string {
  const { versionTable, width, factsQuery, revisions } = options;
  return [
    "BEGIN",
    tablesSql(revisions),
    versionTableSql(versionTable, width),
    scansSql(versionTable),
    writesSql,
    aliasesSql,
    snapshotSql(factsQuery, versionTable),
    eventTriggersSql,
    "COMMIT",
  ].join(";\n");
}

function tablesSql(revisions: readonly string[]): string {
  const rows = revisions.map((id, index) => `(${quoteText(id)}, ${index + 1})`);
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
  writes text[], reads text[]);
CREATE TABLE __preflight_bake.written (relation text, operation text);
-- Sequences, because they show through a transaction that is still open, and outlive its rollback.
CREATE SEQUENCE __preflight_bake.applied MINVALUE 0 START 0;
CREATE SEQUENCE __preflight_bake.reached MINVALUE 0 START 0`;
}

/** As Alembic makes it, but wide enough. */
function versionTableSql(table: VersionTableName, width: number): string {
  return `
CREATE SCHEMA IF NOT EXISTS ${quoteName(table.schema ?? "public")};
CREATE TABLE ${quoteVersionTable(table)} (
  version_num varchar(${Math.max(32, width)}) NOT NULL,
  CONSTRAINT ${quoteName(`${table.name}_pkc`)} PRIMARY KEY (version_num))`;
}

/**
 * At each movement of the version rows: the facts, and what was written and read since the last one.
 * Rows that vanish are half-steps of a merge, not states.
 */
function snapshotSql(factsQuery: string, versionTable: VersionTableName): string {
  const table = quoteVersionTable(versionTable);
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
  FROM (SELECT DISTINCT * FROM preflight_hashed ORDER BY hash) h
  WHERE NOT EXISTS (SELECT FROM __preflight_bake.fact f WHERE f.hash = h.hash))
SELECT array_agg(hash) INTO v_hashes FROM preflight_hashed;
  RETURN (SELECT coalesce(array_agg(f.id ORDER BY f.id), '{}') FROM __preflight_bake.fact f WHERE f.hash = ANY (v_hashes));
END $preflight_bake$;
CREATE FUNCTION __preflight_bake.note_movement() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_heads text[];
  v_facts int[];
BEGIN
  IF TG_OP = 'DELETE' THEN RETURN NULL; END IF;
  PERFORM __preflight_bake.note_reads();
  SELECT array_agg(version_num::text ORDER BY version_num COLLATE "C") INTO v_heads FROM ${table};
  IF NOT EXISTS (SELECT FROM __preflight_bake.known k WHERE k.heads = v_heads) THEN
    v_facts := __preflight_bake.take_facts();
    PERFORM __preflight_bake.find_aliases(v_facts);
  END IF;
  INSERT INTO __preflight_bake.movement VALUES (
    (SELECT count(*) FROM __preflight_bake.movement), NEW.version_num, v_heads, v_facts,
    (SELECT coalesce(array_agg(DISTINCT w.operation || ' ' || w.relation), '{}') FROM __preflight_bake.written w),
    (SELECT coalesce(array_agg(t.name), '{}')
     FROM jsonb_array_elements_text(current_setting('preflight_bake.scans')::jsonb->'reads') AS t(name)));
  DELETE FROM __preflight_bake.written;
  PERFORM setval('__preflight_bake.applied', (SELECT last_value + 1 FROM __preflight_bake.applied)),
          setval('__preflight_bake.reached', coalesce((SELECT r.position FROM __preflight_bake.revision r WHERE r.id = NEW.version_num), 0));
  PERFORM __preflight_bake.skip_scans(false);
  RETURN NULL;
END $$;
CREATE TRIGGER __preflight_bake AFTER INSERT OR UPDATE OR DELETE ON ${table}
  FOR EACH ROW EXECUTE FUNCTION __preflight_bake.note_movement();
ALTER TABLE ${table} ENABLE ALWAYS TRIGGER __preflight_bake`;
}
