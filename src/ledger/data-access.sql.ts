import { quoteLiteral } from "../core/quote.ts";

/** PostgreSQL takes a set-returning function for a thousand rows, and would read whole catalogues for one new table. */
const byIndex = "SET enable_hashjoin = off SET enable_mergejoin = off";

/**
 * Which tables were read: scans counted since the last boundary, without those that DDL did itself.
 * What this backend has handed to the shared statistics and what it still holds add up to a number
 * that never falls, whenever it hands over (exact from PostgreSQL 15 on). Another session's counts arrive late, unless it is told to
 * hand them over with its next answer; then they are here before its client can go on. Tables and indexes are
 * counted apart, because a dropped index takes its count along. Between calls the counts stand in a
 * session setting: before DDL nothing may be written, since DROP INDEX CONCURRENTLY refuses to run
 * in a transaction that already has an id. Where DISCARD ALL emptied it, the counts of the last
 * movement hold.
 */
export const scansSql = `
CREATE TABLE __preflight_bake.ddl_scan (pid int, scanned oid, scans bigint);  -- what DDL has scanned, by session; 0: nobody reads that
CREATE FUNCTION __preflight_bake.count_scans(OUT scanned oid, OUT relation text, OUT scans bigint)
  RETURNS SETOF record LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH user_table AS (
    SELECT c.oid, format('%I.%I', s.nspname, c.relname) AS relation
    FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
      AND s.nspname NOT IN ('pg_catalog', 'information_schema', '__preflight_bake') AND s.nspname !~ '^pg_toast'
      AND (s.nspname, c.relname) NOT IN (SELECT * FROM __preflight_bake.own_table)),
  counted AS (
    SELECT oid AS scanned, relation FROM user_table
    UNION ALL
    SELECT i.indexrelid, t.relation FROM pg_index i JOIN user_table t ON t.oid = i.indrelid)
  SELECT c.scanned, c.relation, n.scans
  FROM counted c
  LEFT JOIN (SELECT d.scanned, sum(d.scans) AS scans FROM __preflight_bake.ddl_scan d WHERE d.pid <> pg_backend_pid()
             GROUP BY d.scanned) AS by_others ON by_others.scanned = c.scanned,
  LATERAL (SELECT pg_stat_get_numscans(c.scanned) + pg_stat_get_xact_numscans(c.scanned) - coalesce(by_others.scans, 0)::bigint) AS n(scans)
  WHERE n.scans > 0
$$;
CREATE TABLE __preflight_bake.last_scans AS                -- at the last movement
  SELECT coalesce(jsonb_object_agg(scanned, scans), '{}') AS counts FROM __preflight_bake.count_scans();
CREATE FUNCTION __preflight_bake.scan_state() RETURNS jsonb
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(nullif(current_setting('preflight_bake.scans', true), '')::jsonb,
                  (SELECT jsonb_build_object('counts', counts, 'reads', '{}'::jsonb) FROM __preflight_bake.last_scans))
$$;
-- Adds up how often each table was scanned since the last call, and starts to count anew.
CREATE FUNCTION __preflight_bake.note_reads() RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_state jsonb := __preflight_bake.scan_state();
BEGIN
  PERFORM set_config('preflight_bake.scans', (
    WITH counted AS (
      SELECT scanned, relation, scans, scans - coalesce((v_state->'counts'->>scanned::text)::bigint, 0) AS more
      FROM __preflight_bake.count_scans()),
    read AS (
      SELECT relation, sum(n) AS n
      FROM (SELECT key AS relation, value::bigint AS n FROM jsonb_each_text(v_state->'reads')
            UNION ALL
            SELECT relation, more FROM counted WHERE more > 0) r
      GROUP BY relation)
    SELECT jsonb_build_object(
      'counts', (SELECT coalesce(jsonb_object_agg(scanned, scans), '{}') FROM counted),
      'reads', (SELECT coalesce(jsonb_object_agg(relation, n), '{}') FROM read))::text), false);
END $$;
-- Starts to count anew, and forgets what was scanned since the last call.
CREATE FUNCTION __preflight_bake.skip_scans(keep_reads boolean) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_state jsonb := __preflight_bake.scan_state();
BEGIN
  PERFORM set_config('preflight_bake.scans', (
    SELECT jsonb_build_object(
      'counts', coalesce(jsonb_object_agg(c.scanned, c.scans), '{}'),
      'reads', CASE WHEN keep_reads THEN v_state->'reads' ELSE '{}' END)::text
    FROM __preflight_bake.count_scans() c), false);
END $$;
CREATE FUNCTION __preflight_bake.hand_over_counts() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF pg_catalog.current_setting('server_version_num')::int >= 150000 THEN PERFORM pg_catalog.pg_stat_force_next_flush(); END IF;
END $$;
-- A new table scans itself alone, but for the rows that wait in a default partition; and to count takes longer the more tables there are.
CREATE FUNCTION __preflight_bake.scans_itself(p_tag text) RETURNS boolean LANGUAGE sql AS $$
  SELECT p_tag = 'CREATE TABLE' AND NOT EXISTS (SELECT FROM pg_catalog.pg_partitioned_table p WHERE p.partdefid <> 0)
$$;
CREATE FUNCTION __preflight_bake.skip_scans_of_new_tables() RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp ${byIndex} AS $$
BEGIN
  WITH made AS (
    SELECT e.objid AS scanned FROM pg_event_trigger_ddl_commands() e WHERE e.classid = 'pg_class'::regclass
    UNION
    SELECT i.indexrelid FROM pg_event_trigger_ddl_commands() e JOIN pg_index i ON i.indrelid = e.objid WHERE e.classid = 'pg_class'::regclass)
  INSERT INTO __preflight_bake.ddl_scan
  SELECT 0, m.scanned, s.n
  FROM made m, LATERAL (SELECT pg_stat_get_numscans(m.scanned) + pg_stat_get_xact_numscans(m.scanned)) AS s(n)
  WHERE s.n > 0;
END $$;
-- What the script of a new extension reads is its own: from the beginning of CREATE EXTENSION to its end, all is DDL.
-- ALTER EXTENSION UPDATE may go through the user's rows.
CREATE FUNCTION __preflight_bake.is_inside() RETURNS boolean LANGUAGE sql AS $$
  SELECT 'on' IN (pg_catalog.current_setting('preflight_bake.inside', true), pg_catalog.current_setting('preflight_bake.in_script', true))
$$;
CREATE FUNCTION __preflight_bake.before_ddl() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF __preflight_bake.is_inside() OR __preflight_bake.scans_itself(TG_TAG) THEN RETURN; END IF;
  PERFORM __preflight_bake.note_reads();
  IF TG_TAG = 'CREATE EXTENSION' THEN PERFORM pg_catalog.set_config('preflight_bake.in_script', 'on', true); END IF;
END $$;
CREATE FUNCTION __preflight_bake.after_ddl() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  v_before jsonb;
BEGIN
  IF TG_TAG = 'CREATE EXTENSION' THEN PERFORM pg_catalog.set_config('preflight_bake.in_script', 'off', true); END IF;
  IF __preflight_bake.is_inside() THEN RETURN; END IF;
  IF __preflight_bake.scans_itself(TG_TAG) THEN
    PERFORM __preflight_bake.skip_scans_of_new_tables();
    RETURN;
  END IF;
  v_before := __preflight_bake.scan_state()->'counts';
  INSERT INTO __preflight_bake.ddl_scan
  SELECT pg_catalog.pg_backend_pid(), c.scanned, more
  FROM __preflight_bake.count_scans() c,
       LATERAL (SELECT c.scans - coalesce((v_before->>c.scanned::text)::bigint, 0)) AS n(more)
  WHERE more > 0;
  PERFORM __preflight_bake.skip_scans(true);
END $$`;

/**
 * Which tables were written: a statement-level trigger on every table, so that an UPDATE of no rows
 * is seen too. It must survive DISABLE TRIGGER and session_replication_role = replica.
 */
export const writesSql = `
CREATE TABLE __preflight_bake.filled (relation oid PRIMARY KEY);  -- extensions' tables that a script of theirs put rows into
CREATE FUNCTION __preflight_bake.is_extensions(p_relation oid) RETURNS boolean LANGUAGE sql AS $$
  SELECT EXISTS (SELECT FROM pg_catalog.pg_depend d
                 WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = p_relation AND d.deptype = 'e')
$$;
CREATE FUNCTION __preflight_bake.note_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF pg_catalog.current_setting('preflight_bake.in_script', true) = 'on' AND __preflight_bake.is_extensions(TG_RELID) THEN
    INSERT INTO __preflight_bake.filled VALUES (TG_RELID) ON CONFLICT DO NOTHING;
    RETURN NULL;
  END IF;
  INSERT INTO __preflight_bake.written
  VALUES (pg_catalog.format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME), TG_OP, TG_RELID, pg_catalog.current_query());
  PERFORM __preflight_bake.note_transaction(), __preflight_bake.hand_over_counts();
  RETURN NULL;
END $$;
-- What happens to the runner's notes of its progress is no one's data, but tells of a transaction that ends.
CREATE FUNCTION __preflight_bake.watch(p_schema name, p_table name) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TRIGGER __preflight_bake AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %I.%I '
                 'FOR EACH STATEMENT EXECUTE FUNCTION __preflight_bake.%I()', p_schema, p_table,
                 CASE WHEN (p_schema, p_table) IN (SELECT * FROM __preflight_bake.own_table) THEN 'note_roles' ELSE 'note_write' END);
  EXECUTE format('ALTER TABLE %I.%I ENABLE ALWAYS TRIGGER __preflight_bake', p_schema, p_table);
END $$;
CREATE FUNCTION __preflight_bake.attach_triggers() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp SET client_min_messages = error ${byIndex}
  SET session_replication_role = replica SET preflight_bake.inside = 'on' AS $$
DECLARE r record;
BEGIN
  FOR r IN
    SELECT c.oid, s.nspname, c.relname, e.command_tag
    FROM pg_event_trigger_ddl_commands() e
    JOIN pg_class c ON c.oid = e.objid JOIN pg_namespace s ON s.oid = c.relnamespace
    WHERE e.classid = 'pg_class'::regclass AND e.command_tag IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO')
      AND NOT e.in_extension AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
      AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = '__preflight_bake')
  LOOP
    PERFORM __preflight_bake.watch(r.nspname, r.relname);
    IF r.command_tag <> 'CREATE TABLE' THEN
      INSERT INTO __preflight_bake.written VALUES (format('%I.%I', r.nspname, r.relname), 'CREATE TABLE AS', r.oid);
    END IF;
  END LOOP;
  -- Only ALTER TABLE can have switched one off.
  IF NOT EXISTS (SELECT FROM pg_event_trigger_ddl_commands() e WHERE e.command_tag = 'ALTER TABLE') THEN RETURN; END IF;
  FOR r IN
    SELECT g.tgrelid::regclass AS relation FROM pg_trigger g
    WHERE g.tgname = '__preflight_bake' AND g.tgenabled <> 'A' AND g.tgparentid = 0
  LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER __preflight_bake', r.relation);
  END LOOP;
END $$;
-- What a migration puts into an extension's table, such as spatial_ref_sys, is data like other: from the end of its script on.
CREATE FUNCTION __preflight_bake.watch_extensions() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp SET client_min_messages = error
  SET session_replication_role = replica SET preflight_bake.inside = 'on' AS $$
DECLARE r record;
BEGIN
  FOR r IN
    SELECT c.oid, c.relkind, s.nspname, c.relname
    FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND __preflight_bake.is_extensions(c.oid)
      AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = '__preflight_bake')
  LOOP
    PERFORM __preflight_bake.watch(r.nspname, r.relname);
    -- To look for rows would count as reading them.
    IF r.relkind = 'p' OR pg_relation_size(r.oid) > 0 THEN
      INSERT INTO __preflight_bake.filled VALUES (r.oid);
    END IF;
  END LOOP;
END $$;
CREATE FUNCTION __preflight_bake.watch_tables() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF pg_catalog.current_setting('preflight_bake.inside', true) = 'on' THEN RETURN; END IF;
  IF TG_TAG IN ('CREATE EXTENSION', 'ALTER EXTENSION') THEN
    PERFORM __preflight_bake.watch_extensions();
    RETURN;
  END IF;
  PERFORM __preflight_bake.attach_triggers();
END $$`;

/** Tables that were there before the first migration, those of extensions too. */
export const watchGivenTablesSql = `
SELECT __preflight_bake.watch(s.nspname, c.relname)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
  AND s.nspname NOT IN ('pg_catalog', 'information_schema', '__preflight_bake')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = '__preflight_bake')`;

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
]
  .map(quoteLiteral)
  .join(", ");

export const eventTriggersSql = `
CREATE EVENT TRIGGER __preflight_bake_1_after ON ddl_command_end WHEN TAG IN (${scanningTags})
  EXECUTE FUNCTION __preflight_bake.after_ddl();
CREATE EVENT TRIGGER __preflight_bake_before ON ddl_command_start WHEN TAG IN (${scanningTags})
  EXECUTE FUNCTION __preflight_bake.before_ddl();
CREATE EVENT TRIGGER __preflight_bake_2_watch ON ddl_command_end
  WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'CREATE SCHEMA', 'ALTER TABLE', 'CREATE EXTENSION', 'ALTER EXTENSION')
  EXECUTE FUNCTION __preflight_bake.watch_tables();
CREATE EVENT TRIGGER __preflight_bake_3_transaction ON ddl_command_end
  EXECUTE FUNCTION __preflight_bake.after_any_ddl();
ALTER EVENT TRIGGER __preflight_bake_1_after ENABLE ALWAYS;
ALTER EVENT TRIGGER __preflight_bake_before ENABLE ALWAYS;
ALTER EVENT TRIGGER __preflight_bake_2_watch ENABLE ALWAYS;
ALTER EVENT TRIGGER __preflight_bake_3_transaction ENABLE ALWAYS`;
