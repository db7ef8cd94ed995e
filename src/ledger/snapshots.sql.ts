import { pinnedSettings } from "./aliases.sql.ts";

/** The facts at a moment, and those that were there before the first migration: a platform's. */
export function snapshotsSql(factsQuery: string): string {
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
