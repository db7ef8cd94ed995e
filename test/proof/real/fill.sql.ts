import { literal } from "../ground.ts";

/**
 * What an application might have written: in each table of the home a row with a value in every column, and one with as many
 * NULLs and defaults as it allows. A table that takes neither stays as it is; foreign keys and triggers are not asked.
 */
export function fillSql(home: string, versionTable: string): string {
  return `
DO $fill$
DECLARE
  v_table record;
  v_insert text;
BEGIN
  SET LOCAL session_replication_role = replica;
  FOR v_table IN
    SELECT c.oid, c.oid::regclass::text AS name FROM pg_class c
    WHERE c.relnamespace = ${literal(home)}::regnamespace AND c.relkind IN ('r', 'p')
      AND c.relname <> ${literal(versionTable)} AND c.relname NOT LIKE 'preflight\\_%' ORDER BY c.relname
  LOOP
    FOR v_number IN 1..2 LOOP
      SELECT format('INSERT INTO %s (%s) VALUES (%s)', v_table.name, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum),
        string_agg(CASE
          WHEN v_number = 2 AND a.atthasdef THEN 'DEFAULT'
          WHEN v_number = 2 AND NOT a.attnotnull THEN 'NULL'
          WHEN y.typname IN ('json', 'jsonb') THEN '''{}'''
          WHEN y.typname = 'uuid' THEN 'gen_random_uuid()'
          WHEN y.typcategory = 'N' THEN (4700 + v_number)::text
          WHEN y.typcategory = 'B' THEN 'true'
          WHEN y.typcategory = 'D' THEN 'now()'
          WHEN y.typcategory = 'T' THEN '''1 hour'''
          WHEN y.typcategory = 'I' THEN '''10.0.0.1'''
          WHEN y.typcategory = 'A' THEN '''{}'''
          WHEN y.typcategory = 'E' THEN (SELECT quote_literal(e.enumlabel) FROM pg_enum e WHERE e.enumtypid = y.oid ORDER BY e.enumsortorder LIMIT 1)
          WHEN y.typcategory = 'S' AND a.atttypmod BETWEEN 5 AND 8 THEN quote_literal(v_number)
          WHEN y.typcategory = 'S' THEN quote_literal('row ' || v_number)
          ELSE quote_literal('')
        END, ', ' ORDER BY a.attnum))
      INTO v_insert
      FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
      WHERE a.attrelid = v_table.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity = '';
      BEGIN
        EXECUTE v_insert;
      EXCEPTION WHEN others THEN NULL;
      END;
    END LOOP;
  END LOOP;
END $fill$`;
}
