/** The settings that decide how PostgreSQL spells a definition. */
export const pinnedSettings = `
  SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off SET DateStyle = 'ISO, YMD'
  SET IntervalStyle = postgres SET TimeZone = 'UTC' SET extra_float_digits = 1 SET bytea_output = hex
  SET standard_conforming_strings = on SET lc_monetary = 'C' SET jit = off`;

/**
 * How a definition is spelled after dump and restore: its own text is fed back to the server in a subtransaction that is rolled back
 * (the error carries the text out). Of every kind that holds expressions or queries. Whatever goes wrong there: not found out.
 */
export const aliasesSql = `
CREATE FUNCTION __preflight_bake.respell(p_k text, p_o text, p_n text, p_d text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_oid oid;
  v_type text;
  v_stored text;
  v_before text;
  v_after text;
  v_check text;
  v_second text := p_d;
  v_each record;
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
      SELECT pg_get_expr(e.adbin, e.adrelid), format_type(a.atttypid, a.atttypmod),
             CASE a.attgenerated WHEN 's' THEN 'STORED' WHEN 'v' THEN 'VIRTUAL' END
      INTO v_before, v_type, v_stored
      FROM pg_attrdef e JOIN pg_attribute a ON a.attrelid = e.adrelid AND a.attnum = e.adnum
      WHERE e.adrelid = p_o::regclass AND a.attname = p_n;
      IF v_before IS NULL THEN RETURN p_d; END IF;
      IF v_stored IS NULL THEN
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', p_o, p_n, v_before);
        SELECT pg_get_expr(e.adbin, e.adrelid) INTO v_after
        FROM pg_attrdef e JOIN pg_attribute a ON a.attrelid = e.adrelid AND a.attnum = e.adnum
        WHERE e.adrelid = p_o::regclass AND a.attname = p_n;
      ELSE                                 -- (a partition takes no column of its own)
        EXECUTE format('CREATE TABLE __preflight_bake.alias (LIKE %s)', p_o);
        EXECUTE format('ALTER TABLE __preflight_bake.alias ADD COLUMN __preflight_alias %s GENERATED ALWAYS AS (%s) %s', v_type, v_before, v_stored);
        SELECT pg_get_expr(e.adbin, e.adrelid) INTO v_after FROM pg_attrdef e
        WHERE e.adrelid = '__preflight_bake.alias'::regclass;
      END IF;
    WHEN 'viewdef' THEN
      v_before := p_d;
      EXECUTE format('CREATE VIEW __preflight_bake.alias AS %s', p_d);
      v_after := pg_get_viewdef('__preflight_bake.alias'::regclass);
    WHEN 'domain' THEN
      FOR v_each IN
        SELECT pg_get_constraintdef(oid) AS definition FROM pg_constraint WHERE contypid = p_o::regtype AND contype = 'c'
      LOOP
        EXECUTE format('ALTER DOMAIN %s ADD CONSTRAINT __preflight_alias %s', p_o, v_each.definition);
        SELECT pg_get_constraintdef(oid) INTO v_after FROM pg_constraint
        WHERE contypid = p_o::regtype AND conname = '__preflight_alias';
        v_second := replace(v_second, v_each.definition, v_after);
        EXECUTE format('ALTER DOMAIN %s DROP CONSTRAINT __preflight_alias', p_o);
      END LOOP;
      SELECT pg_get_expr(typdefaultbin, 0) INTO v_before FROM pg_type WHERE oid = p_o::regtype;
      IF v_before IS NOT NULL THEN
        EXECUTE format('ALTER DOMAIN %s SET DEFAULT %s', p_o, v_before);
        SELECT pg_get_expr(typdefaultbin, 0) INTO v_after FROM pg_type WHERE oid = p_o::regtype;
      END IF;
    WHEN 'policy' THEN
      SELECT oid, 'USING (' || pg_get_expr(polqual, polrelid) || ')', 'CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')'
      INTO v_oid, v_before, v_check FROM pg_policy WHERE polrelid = p_o::regclass AND polname = p_n;
      EXECUTE format('ALTER POLICY %I ON %s %s %s', p_n, p_o, v_before, 'WITH ' || v_check);
      SELECT 'USING (' || pg_get_expr(polqual, polrelid) || ')',
             replace(p_d, v_check, 'CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')')
      INTO v_after, v_check FROM pg_policy WHERE oid = v_oid;
      v_second := coalesce(v_check, p_d);
    WHEN 'trigger' THEN
      SELECT pg_get_triggerdef(oid) INTO v_before FROM pg_trigger
      WHERE tgrelid = p_o::regclass AND tgname = p_n AND NOT tgisinternal;
      EXECUTE format('DROP TRIGGER %I ON %s', p_n, p_o);
      EXECUTE v_before;
      SELECT pg_get_triggerdef(oid) INTO v_after FROM pg_trigger
      WHERE tgrelid = p_o::regclass AND tgname = p_n AND NOT tgisinternal;
    WHEN 'rule' THEN
      SELECT pg_get_ruledef(oid) INTO v_before FROM pg_rewrite WHERE ev_class = p_o::regclass AND rulename = p_n;
      EXECUTE format('DROP RULE %I ON %s', p_n, p_o);
      EXECUTE v_before;
      SELECT pg_get_ruledef(oid) INTO v_after FROM pg_rewrite WHERE ev_class = p_o::regclass AND rulename = p_n;
    WHEN 'statistics' THEN
      v_before := p_d;
      EXECUTE format('DROP STATISTICS %s', p_o);
      EXECUTE p_d;
      SELECT pg_get_statisticsobjdef(x.oid) INTO v_after
      FROM pg_statistic_ext x JOIN pg_namespace n ON n.oid = x.stxnamespace
      WHERE quote_ident(n.nspname) || '.' || quote_ident(x.stxname) = p_o;
    WHEN 'function', 'procedure' THEN
      SELECT p.oid INTO v_oid FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      WHERE quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')' = p_o
        AND (p.prosqlbody IS NOT NULL OR p.proargdefaults IS NOT NULL);
      IF v_oid IS NULL THEN RETURN p_d; END IF;
      v_before := p_d;
      EXECUTE pg_get_functiondef(v_oid);
      v_after := replace(pg_get_functiondef(v_oid), chr(13), '');
    WHEN 'table', 'partition' THEN
      v_before := pg_get_partkeydef(p_o::regclass);
      EXECUTE format('CREATE TABLE __preflight_bake.alias (LIKE %s) PARTITION BY %s', p_o, v_before);
      v_after := pg_get_partkeydef('__preflight_bake.alias'::regclass);
    END CASE;
    v_second := coalesce(replace(v_second, v_before, v_after), v_second);
    RAISE EXCEPTION USING ERRCODE = 'ZZ001', MESSAGE = v_second;
  EXCEPTION
    WHEN SQLSTATE 'ZZ001' THEN RETURN SQLERRM;
    WHEN OTHERS THEN RETURN NULL;
  END;
END $$;
CREATE TABLE __preflight_bake.unspelled (id int PRIMARY KEY);   -- facts that may have a second spelling, until it is found out
CREATE TABLE __preflight_bake.considered AS SELECT 0 AS id;  -- facts up to this one
CREATE FUNCTION __preflight_bake.find_aliases(p_facts int[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER ${pinnedSettings}
  SET client_min_messages = error SET lock_timeout = '200ms'
  SET session_replication_role = replica SET preflight_bake.inside = 'on' AS $$
DECLARE r record;
  v_second text;
BEGIN
  INSERT INTO __preflight_bake.unspelled
  SELECT f.id FROM __preflight_bake.fact f
  WHERE f.id > (SELECT c.id FROM __preflight_bake.considered c) AND (
    f.k = 'constraint' AND (f.d LIKE 'CHECK %' OR f.d LIKE 'EXCLUDE %')
    OR f.k = 'column' AND (f.d LIKE '% DEFAULT %' OR f.d LIKE '% GENERATED %')
    OR f.k IN ('table', 'partition') AND f.d LIKE '% PARTITION BY %(%(%'
    OR f.k IN ('index', 'viewdef', 'domain', 'policy', 'trigger', 'rule', 'statistics', 'function', 'procedure'));
  UPDATE __preflight_bake.considered SET id = (SELECT count(*) FROM __preflight_bake.fact);
  FOR r IN
    SELECT f.* FROM __preflight_bake.unspelled u JOIN __preflight_bake.fact f ON f.id = u.id
    WHERE u.id = ANY (p_facts) ORDER BY f.id
  LOOP
    v_second := __preflight_bake.respell(r.k, r.o, r.n, r.d);
    CONTINUE WHEN v_second IS NULL;
    UPDATE __preflight_bake.fact SET second = v_second WHERE hash = r.hash;
    DELETE FROM __preflight_bake.unspelled WHERE id = r.id;
  END LOOP;
END $$`;
