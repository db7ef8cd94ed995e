/** The settings that decide how PostgreSQL spells a definition. */
export const pinnedSettings = `
  SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off SET DateStyle = 'ISO, YMD'
  SET IntervalStyle = postgres SET TimeZone = 'UTC' SET extra_float_digits = 1 SET bytea_output = hex
  SET standard_conforming_strings = on SET lc_monetary = 'C' SET jit = off`;

/**
 * How a definition is spelled after dump and restore: its own text is fed back to the server in a
 * subtransaction that is rolled back (the error carries the text out). Of CHECK constraints, indexes
 * with expressions or predicates, column defaults and views. Whatever goes wrong there: not found out.
 */
export const aliasesSql = `
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
