/** Where the tool keeps its version rows. */
export type VersionTableName = { readonly schema: string | null; readonly name: string };

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

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteVersionTable({ schema, name }: VersionTableName): string {
  return `${quoteName(schema ?? "public")}.${quoteName(name)}`;
}

function quoteText(text: string): string {
  return `E'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
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
 * Which tables were read: scans counted since the last boundary, without those that DDL did itself.
 * What this backend has handed to the shared statistics and what it still holds add up to a number
 * that never falls, whenever it hands over (exact from PostgreSQL 15 on). Tables and indexes are
 * counted apart, because a dropped index takes its count along. Between calls the counts stand in a
 * session setting: before DDL nothing may be written, since DROP INDEX CONCURRENTLY refuses to run
 * in a transaction that already has an id.
 */
function scansSql(versionTable: VersionTableName): string {
  return `
CREATE FUNCTION __preflight_bake.count_scans(OUT scanned oid, OUT relation text, OUT scans bigint)
  RETURNS SETOF record LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH user_table AS (
    SELECT c.oid, format('%I.%I', s.nspname, c.relname) AS relation
    FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
      AND s.nspname NOT IN ('pg_catalog', 'information_schema', '__preflight_bake') AND s.nspname !~ '^pg_toast'
      AND c.oid <> ${quoteText(quoteVersionTable(versionTable))}::regclass),
  counted AS (
    SELECT oid AS scanned, relation FROM user_table
    UNION ALL
    SELECT i.indexrelid, t.relation FROM pg_index i JOIN user_table t ON t.oid = i.indrelid)
  SELECT scanned, relation, scans
  FROM counted, LATERAL (SELECT pg_stat_get_numscans(scanned) + pg_stat_get_xact_numscans(scanned)) AS n(scans)
  WHERE scans > 0
$$;
-- Keeps the tables read since the last call, and starts to count anew.
CREATE FUNCTION __preflight_bake.note_reads() RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_state jsonb := coalesce(nullif(current_setting('preflight_bake.scans', true), ''), '{"counts": {}, "reads": []}');
BEGIN
  PERFORM set_config('preflight_bake.scans', (
    SELECT jsonb_build_object(
      'counts', coalesce(jsonb_object_agg(c.scanned, c.scans), '{}'),
      'reads', v_state->'reads' || coalesce(jsonb_agg(DISTINCT c.relation)
        FILTER (WHERE c.scans > coalesce((v_state->'counts'->>c.scanned::text)::bigint, 0)
                  AND NOT v_state->'reads' ? c.relation), '[]'))::text
    FROM __preflight_bake.count_scans() c), false);
END $$;
-- Starts to count anew, and forgets what was scanned since the last call.
CREATE FUNCTION __preflight_bake.skip_scans(keep_reads boolean) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_state jsonb := coalesce(nullif(current_setting('preflight_bake.scans', true), ''), '{"counts": {}, "reads": []}');
BEGIN
  PERFORM set_config('preflight_bake.scans', (
    SELECT jsonb_build_object(
      'counts', coalesce(jsonb_object_agg(c.scanned, c.scans), '{}'),
      'reads', CASE WHEN keep_reads THEN v_state->'reads' ELSE '[]' END)::text
    FROM __preflight_bake.count_scans() c), false);
END $$;
CREATE FUNCTION __preflight_bake.before_ddl() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF pg_catalog.current_setting('preflight_bake.inside', true) = 'on' THEN RETURN; END IF;
  PERFORM __preflight_bake.note_reads();
END $$;
CREATE FUNCTION __preflight_bake.after_ddl() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF pg_catalog.current_setting('preflight_bake.inside', true) = 'on' THEN RETURN; END IF;
  PERFORM __preflight_bake.skip_scans(true);
END $$`;
}

/**
 * Which tables were written: a statement-level trigger on every new table, so that an UPDATE of no
 * rows is seen too. It must survive DISABLE TRIGGER and session_replication_role = replica.
 */
const writesSql = `
CREATE FUNCTION __preflight_bake.note_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO __preflight_bake.written VALUES (pg_catalog.format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME), TG_OP);
  RETURN NULL;
END $$;
CREATE FUNCTION __preflight_bake.attach_triggers() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp SET client_min_messages = error
  SET session_replication_role = replica SET preflight_bake.inside = 'on' AS $$
DECLARE r record;
BEGIN
  FOR r IN
    SELECT c.oid::regclass AS relation, format('%I.%I', s.nspname, c.relname) AS name, e.command_tag
    FROM pg_event_trigger_ddl_commands() e
    JOIN pg_class c ON c.oid = e.objid JOIN pg_namespace s ON s.oid = c.relnamespace
    WHERE e.classid = 'pg_class'::regclass AND e.command_tag IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO')
      AND NOT e.in_extension AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
      AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = '__preflight_bake')
  LOOP
    EXECUTE format('CREATE TRIGGER __preflight_bake AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s '
                   'FOR EACH STATEMENT EXECUTE FUNCTION __preflight_bake.note_write()', r.relation);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER __preflight_bake', r.relation);
    IF r.command_tag <> 'CREATE TABLE' THEN
      INSERT INTO __preflight_bake.written VALUES (r.name, 'CREATE TABLE AS');
    END IF;
  END LOOP;
  FOR r IN
    SELECT g.tgrelid::regclass AS relation FROM pg_trigger g
    WHERE g.tgname = '__preflight_bake' AND g.tgenabled <> 'A' AND g.tgparentid = 0
  LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER __preflight_bake', r.relation);
  END LOOP;
END $$;
CREATE FUNCTION __preflight_bake.watch_tables() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF pg_catalog.current_setting('preflight_bake.inside', true) = 'on' THEN RETURN; END IF;
  PERFORM __preflight_bake.attach_triggers();
END $$`;

/** The settings that decide how PostgreSQL spells a definition. */
const pinnedSettings = `
  SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off SET DateStyle = 'ISO, YMD'
  SET IntervalStyle = postgres SET TimeZone = 'UTC' SET extra_float_digits = 1 SET bytea_output = hex
  SET standard_conforming_strings = on SET lc_monetary = 'C' SET jit = off`;

/**
 * How a definition is spelled after dump and restore: its own text is fed back to the server in a
 * subtransaction that is rolled back (the error carries the text out). Of CHECK constraints, indexes
 * with expressions or predicates, column defaults and views. Whatever goes wrong there: not found out.
 */
const aliasesSql = `
CREATE FUNCTION __preflight_bake.respell(p_k text, p_o text, p_n text, p_d text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_oid oid;
  v_before text;
  v_after text;
BEGIN
  BEGIN
    CASE p_k
    WHEN 'constraint' THEN
      v_before := p_d;
      EXECUTE format('ALTER TABLE %s ADD CONSTRAINT __preflight_alias %s', p_o, p_d);
      SELECT pg_get_constraintdef(c.oid) INTO v_after FROM pg_constraint c
      WHERE c.conrelid = p_o::regclass AND c.conname = '__preflight_alias';
    WHEN 'index' THEN
      SELECT c.oid, pg_get_indexdef(c.oid) INTO v_oid, v_before
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
      WHERE i.indrelid = p_o::regclass AND c.relname = p_n AND (i.indpred IS NOT NULL OR i.indexprs IS NOT NULL);
      IF v_oid IS NULL THEN RETURN p_d; END IF;
      EXECUTE format('DROP INDEX %s', v_oid::regclass);
      EXECUTE v_before;
      SELECT pg_get_indexdef(i.indexrelid) INTO v_after
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
      WHERE i.indrelid = p_o::regclass AND c.relname = p_n;
    WHEN 'column' THEN
      SELECT pg_get_expr(e.adbin, e.adrelid) INTO v_before
      FROM pg_attrdef e JOIN pg_attribute a ON a.attrelid = e.adrelid AND a.attnum = e.adnum
      WHERE e.adrelid = p_o::regclass AND a.attname = p_n AND a.attgenerated = '';
      IF v_before IS NULL THEN RETURN p_d; END IF;
      EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', p_o, p_n, v_before);
      SELECT pg_get_expr(e.adbin, e.adrelid) INTO v_after
      FROM pg_attrdef e JOIN pg_attribute a ON a.attrelid = e.adrelid AND a.attnum = e.adnum
      WHERE e.adrelid = p_o::regclass AND a.attname = p_n;
    WHEN 'viewdef' THEN
      v_before := p_d;
      EXECUTE format('CREATE VIEW __preflight_bake.alias AS %s', p_d);
      v_after := pg_get_viewdef('__preflight_bake.alias'::regclass);
    END CASE;
    RAISE EXCEPTION USING ERRCODE = 'ZZ001', MESSAGE = v_after;
  EXCEPTION
    WHEN SQLSTATE 'ZZ001' THEN v_after := SQLERRM;
    WHEN OTHERS THEN RETURN NULL;
  END;
  RETURN CASE p_k
    WHEN 'column' THEN left(p_d, length(p_d) - length(v_before)) || v_after
    WHEN 'index' THEN v_after || substr(p_d, length(v_before) + 1)
    ELSE v_after END;
END $$;
CREATE FUNCTION __preflight_bake.find_aliases(p_facts int[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER ${pinnedSettings}
  SET client_min_messages = error SET lock_timeout = '200ms'
  SET session_replication_role = replica SET preflight_bake.inside = 'on' AS $$
DECLARE r record;
BEGIN
  FOR r IN
    SELECT * FROM __preflight_bake.fact f WHERE f.second IS NULL AND f.id = ANY (p_facts) AND (
      f.k = 'constraint' AND f.d LIKE 'CHECK %' OR f.k = 'index' OR f.k = 'column' AND f.d LIKE '% DEFAULT %' OR f.k = 'viewdef')
    ORDER BY f.id
  LOOP
    UPDATE __preflight_bake.fact SET second = __preflight_bake.respell(r.k, r.o, r.n, r.d) WHERE id = r.id;
  END LOOP;
END $$`;

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

/** Commands that scan tables themselves, or take a table's counts along when they drop it. */
const scanningTags = [
  "ALTER DOMAIN",
  "ALTER EXTENSION",
  "ALTER MATERIALIZED VIEW",
  "ALTER TABLE",
  "CREATE EXTENSION",
  "CREATE INDEX",
  "CREATE MATERIALIZED VIEW",
  "CREATE TABLE",
  "CREATE TABLE AS",
  "DROP EXTENSION",
  "DROP OWNED",
  "DROP SCHEMA",
  "DROP TABLE",
  "REFRESH MATERIALIZED VIEW",
  "SELECT INTO",
];

const eventTriggersSql = `
CREATE EVENT TRIGGER __preflight_bake_1_after ON ddl_command_end WHEN TAG IN (${quoted(scanningTags)})
  EXECUTE FUNCTION __preflight_bake.after_ddl();
CREATE EVENT TRIGGER __preflight_bake_before ON ddl_command_start WHEN TAG IN (${quoted(scanningTags)})
  EXECUTE FUNCTION __preflight_bake.before_ddl();
CREATE EVENT TRIGGER __preflight_bake_2_watch ON ddl_command_end
  WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'CREATE SCHEMA', 'ALTER TABLE')
  EXECUTE FUNCTION __preflight_bake.watch_tables();
ALTER EVENT TRIGGER __preflight_bake_1_after ENABLE ALWAYS;
ALTER EVENT TRIGGER __preflight_bake_before ENABLE ALWAYS;
ALTER EVENT TRIGGER __preflight_bake_2_watch ENABLE ALWAYS`;

function quoted(tags: readonly string[]): string {
  return tags.map((tag) => `'${tag}'`).join(", ");
}
