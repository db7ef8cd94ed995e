import { pinnedSettings } from "./aliases.sql.ts";

/** Of a table with more rows than this none is kept: nobody wants them read at a start. */
const mostRows = 1000;

/** Characters: longer ones are not looked into. */
const longestStatement = 10_000;

/**
 * Which tables a revision touched, and which rows it left there. Every table that a migration has touched so far is looked
 * at again when it was written or is no longer what it was. A row is the revision's if its key was not there before and the
 * revision inserted or updated in this table. Of partitions, of tables with inherited rows and of those that had rows before
 * the first migration it is only asked whether there are any: who wrote them nobody can tell.
 */
export const rowsSql = `
CREATE TABLE __preflight_bake.touched (
  relation oid PRIMARY KEY,
  look text,                     -- the table as it was when its rows were read; null: not yet
  identity text,                 -- the key by which its rows are known
  is_closed boolean);            -- none of its rows is anybody's
CREATE TABLE __preflight_bake.row (relation oid, key text, revision text, UNIQUE (relation, key));
CREATE FUNCTION __preflight_bake.count_sequences() RETURNS jsonb LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(jsonb_object_agg(c.oid, pg_sequence_last_value(c.oid)), '{}')
  FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
  WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND s.nspname <> '__preflight_bake'
$$;
CREATE TABLE __preflight_bake.last_sequences AS            -- at the last movement
  SELECT __preflight_bake.count_sequences() AS counts;

CREATE FUNCTION __preflight_bake.describe_touched(
  OUT relation oid, OUT name text, OUT is_plain boolean, OUT look text, OUT identity text, OUT columns jsonb, OUT keys jsonb)
  RETURNS SETOF record LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
  SELECT c.oid, format('%I.%I', s.nspname, c.relname), c.relkind = 'r' AND NOT c.relispartition,
         concat_ws(' ', s.nspname, c.relname, c.relfilenode, a.columns, k.keys), k.identity, a.columns, k.keys
  FROM __preflight_bake.touched t
  JOIN pg_class c ON c.oid = t.relation
  JOIN pg_namespace s ON s.oid = c.relnamespace
  CROSS JOIN LATERAL (
    SELECT coalesce(jsonb_agg(jsonb_build_object(
             'name', a.attname,
             'number', a.attnum,
             'type', format_type(a.atttypid, a.atttypmod),
             'isText', y.typcategory IN ('S', 'E') OR a.atttypid = 'uuid'::regtype,
             'isNumbered', a.attidentity <> '' OR coalesce(d.text LIKE '%nextval(%', false),
             -- Not a constant: what it is may be another thing elsewhere.
             'isComputed', a.attgenerated <> '' OR coalesce(d.text ~* '[(]|current_|_user', false)) ORDER BY a.attnum), '[]') AS columns,
           array_agg(a.attnum) AS numbers
    FROM pg_attribute a
    JOIN pg_type y ON y.oid = a.atttypid
    LEFT JOIN pg_type b ON b.oid = y.typbasetype
    LEFT JOIN LATERAL (SELECT pg_get_expr(f.adbin, f.adrelid) AS text FROM pg_attrdef f
                       WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum) d ON true
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      -- Types that the server itself turns into text.
      AND ('pg_catalog'::regnamespace IN (y.typnamespace, b.typnamespace) OR y.typtype = 'e' OR y.typname = 'citext')) a
  CROSS JOIN LATERAL (
    SELECT coalesce(jsonb_agg(n.names ORDER BY i.indisprimary DESC, i.indnkeyatts, n.names), '[]') AS keys,
           (array_agg(n.identity ORDER BY i.indisprimary DESC, i.indnkeyatts, n.names))[1] AS identity
    FROM pg_index i
    CROSS JOIN LATERAL (
      SELECT jsonb_agg(e.attname ORDER BY p.place) AS names, string_agg(e.attnum || ' ' || e.atttypid, ',' ORDER BY p.place) AS identity,
             count(*) AS width
      FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS p (number, place)
      JOIN pg_attribute e ON e.attrelid = c.oid AND e.attnum = p.number AND e.attnotnull AND e.attnum = ANY (a.numbers)
      WHERE p.place <= i.indnkeyatts) n
    WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
      AND n.width = i.indnkeyatts) k
$$;

-- Every row as [key, values]; without a key at most one, whatever it is. NULL: not readable now, or too many.
CREATE FUNCTION __preflight_bake.read_rows(p_name text, p_columns jsonb, p_key jsonb) RETURNS jsonb LANGUAGE plpgsql
  SECURITY DEFINER ${pinnedSettings} SET lock_timeout = '200ms' AS $$
DECLARE
  v_key text := (SELECT string_agg(format('%I::text', e), ', ') FROM jsonb_array_elements_text(p_key) e);
  v_values text := (SELECT string_agg(format('%I::text', e->>'name'), ', ') FROM jsonb_array_elements(p_columns) e);
  v_rows jsonb;
BEGIN
  EXECUTE CASE
    WHEN v_key IS NULL THEN format('SELECT coalesce(jsonb_agg(0), ''[]'') FROM (SELECT FROM %s LIMIT 1) r', p_name)
    ELSE format('SELECT coalesce(jsonb_agg(jsonb_build_array(k, v)), ''[]'') FROM ('
                'SELECT jsonb_build_array(%s)::text AS k, jsonb_build_array(%s) AS v FROM ONLY %s LIMIT ${mostRows + 1}) r',
                v_key, v_values, p_name)
  END INTO v_rows;
  RETURN CASE WHEN jsonb_array_length(v_rows) <= ${mostRows} THEN v_rows END;
EXCEPTION WHEN lock_not_available THEN
  RETURN NULL;
END $$;

-- The tables that this revision touched, and every table that is not what it was at the last call.
CREATE FUNCTION __preflight_bake.note_rows(p_revision text) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
  r record;
  v_touches jsonb;
  v_changes jsonb;
  v_sequences jsonb := __preflight_bake.count_sequences();
  v_moves_sequences boolean;
  v_tables jsonb := '[]';
  v_rows jsonb;
  v_is_closed boolean;
BEGIN
  SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_object(
           'relation', t.relation::bigint, 'name', t.name, 'operation', t.operation)), '[]')
  INTO v_touches
  FROM (SELECT w.oid AS relation, w.relation AS name, w.operation FROM __preflight_bake.written w
        UNION ALL
        SELECT to_regclass(e), e, 'READ' FROM jsonb_object_keys(__preflight_bake.scan_state()->'reads') e) t;
  SELECT coalesce(jsonb_agg(jsonb_build_object('relation', w.oid::bigint, 'statement', w.statement, 'times', w.times)), '[]')
  INTO v_changes
  FROM (SELECT oid, statement, count(*) AS times FROM __preflight_bake.written
        WHERE operation IN ('UPDATE', 'DELETE') AND length(statement) <= ${longestStatement}
        GROUP BY oid, statement) w;
  INSERT INTO __preflight_bake.touched
  SELECT DISTINCT (e->>'relation')::oid, NULL, NULL, false FROM jsonb_array_elements(v_touches) e
  WHERE e->>'relation' IS NOT NULL
  ON CONFLICT DO NOTHING;
  FOR r IN
    SELECT t.relation, t.look AS before, t.identity AS identity_before, t.is_closed, d.name, d.is_plain, d.look, d.identity, d.columns, d.keys,
           EXISTS (SELECT FROM __preflight_bake.filled f WHERE f.relation = t.relation) AS is_filled,
           EXISTS (SELECT FROM __preflight_bake.written w WHERE w.oid = t.relation) AS is_written,
           EXISTS (SELECT FROM __preflight_bake.written w
                   WHERE w.oid = t.relation AND w.operation IN ('INSERT', 'UPDATE', 'CREATE TABLE AS')) AS gets_rows
    FROM __preflight_bake.touched t
    LEFT JOIN __preflight_bake.describe_touched() d ON d.relation = t.relation
    ORDER BY t.relation
  LOOP
    IF r.name IS NULL THEN
      DELETE FROM __preflight_bake.touched t WHERE t.relation = r.relation;
      DELETE FROM __preflight_bake.row w WHERE w.relation = r.relation;
      v_tables := v_tables || jsonb_build_object('relation', r.relation::bigint, 'name', NULL);
      CONTINUE;
    END IF;
    -- Partitions change without their table.
    CONTINUE WHEN r.look = r.before AND NOT r.is_written AND r.is_plain;
    v_is_closed := r.is_closed OR r.is_filled OR NOT r.is_plain OR r.identity IS NULL;
    v_rows := __preflight_bake.read_rows(r.name, r.columns, CASE WHEN NOT v_is_closed THEN r.keys->0 END);
    v_is_closed := v_is_closed OR v_rows IS NULL;
    DELETE FROM __preflight_bake.row w
    WHERE w.relation = r.relation
      AND (v_is_closed OR r.identity <> r.identity_before OR NOT EXISTS (SELECT FROM jsonb_array_elements(v_rows) e WHERE e->>0 = w.key));
    IF NOT v_is_closed THEN
      INSERT INTO __preflight_bake.row
      SELECT r.relation, e->>0,
             CASE WHEN r.gets_rows AND r.identity = coalesce(r.identity_before, r.identity) THEN p_revision END
      FROM jsonb_array_elements(v_rows) e
      ON CONFLICT DO NOTHING;
    END IF;
    UPDATE __preflight_bake.touched t
    SET look = r.look, identity = r.identity, is_closed = t.is_closed OR v_rows IS NULL
    WHERE t.relation = r.relation;
    v_tables := v_tables || jsonb_build_object(
      'relation', r.relation::bigint, 'name', r.name, 'columns', r.columns, 'keys', r.keys,
      'identity', CASE WHEN NOT v_is_closed THEN r.identity END,
      'hasRows', coalesce(jsonb_array_length(v_rows) > 0, true),
      'rows', (SELECT coalesce(jsonb_agg(jsonb_build_object('revision', w.revision, 'values', e->1)), '[]')
               FROM jsonb_array_elements(v_rows) e
               JOIN __preflight_bake.row w ON w.relation = r.relation AND w.key = e->>0
               WHERE w.revision IS NOT NULL));
  END LOOP;
  SELECT EXISTS (SELECT FROM jsonb_each(l.counts) e WHERE v_sequences->e.key <> e.value) INTO v_moves_sequences
  FROM __preflight_bake.last_sequences l;
  UPDATE __preflight_bake.last_sequences SET counts = v_sequences;
  RETURN jsonb_build_object(
    'touches', v_touches, 'changes', v_changes, 'tables', v_tables, 'movesSequences', v_moves_sequences,
    'hasDdl', EXISTS (SELECT FROM __preflight_bake.altered),
    'scans', (SELECT coalesce(jsonb_agg(jsonb_build_object('relation', to_regclass(key)::oid::bigint, 'times', value::bigint)), '[]')
              FROM jsonb_each_text(__preflight_bake.scan_state()->'reads')));
END $$;

-- The condition of an UPDATE or DELETE as the server prints it, with its columns. It must be fit for an index: it then
-- depends on the row alone. NULL: it is not, or needs something that PostgreSQL does not bring along, or a view may be meant.
CREATE FUNCTION __preflight_bake.describe_condition(p_relation oid, p_table name, p_where text) RETURNS jsonb LANGUAGE plpgsql
  SECURITY DEFINER ${pinnedSettings} SET preflight_bake.inside = 'on' SET client_min_messages = error AS $$
DECLARE
  v_condition jsonb;
BEGIN
  IF EXISTS (SELECT FROM pg_class c WHERE c.relname = p_table AND c.relkind = 'v')
     OR NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = p_relation AND c.relname = p_table) THEN
    RETURN NULL;
  END IF;
  EXECUTE format('CREATE INDEX __preflight_bake_condition ON ONLY %s ((1)) WHERE (%s)', p_relation::regclass, p_where);
  SELECT jsonb_build_object('where', pg_get_expr(i.indpred, i.indrelid), 'columns', (
           SELECT jsonb_agg(jsonb_build_object('name', a.attname, 'number', a.attnum, 'type', format_type(a.atttypid, a.atttypmod)))
           FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
           WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
             AND d.refclassid = 'pg_class'::regclass AND d.refobjid = p_relation AND d.refobjsubid > 0))
  INTO v_condition
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
  WHERE i.indrelid = p_relation AND c.relname = '__preflight_bake_condition'
    AND pg_get_expr(i.indpred, i.indrelid) NOT LIKE '%.*%'                 -- a whole row
    AND NOT EXISTS (
      SELECT FROM pg_depend d LEFT JOIN pg_type y ON y.oid = d.refobjid
      WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
        AND NOT (d.refclassid = 'pg_class'::regclass AND d.refobjid = p_relation)
        AND NOT (d.refclassid = 'pg_type'::regclass AND y.typtype = 'e'));
  RAISE EXCEPTION 'nothing of it shall stay';
EXCEPTION WHEN others THEN
  RETURN v_condition;
END $$`;

/** Tables that had rows before the first migration. */
export const closeGivenTablesSql = `
INSERT INTO __preflight_bake.touched
SELECT c.oid, NULL, NULL, true
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_trigger g ON g.tgrelid = c.oid
WHERE g.tgname = '__preflight_bake' AND __preflight_bake.read_rows(c.oid::pg_catalog.regclass::text, NULL, NULL) <> '[]'`;
