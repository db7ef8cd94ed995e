import { literal } from "./ground.ts";

/** What dump and restore do to the home: every definition is printed, and read again. */
export function respell(home: string): string {
  return `
DO $do$
DECLARE
  home oid := (SELECT oid FROM pg_namespace WHERE nspname = ${literal(home)});
  each record;
BEGIN
  SET LOCAL search_path = pg_catalog;
  FOR each IN SELECT conrelid::regclass AS "table", conname AS name, pg_get_constraintdef(oid) AS text
              FROM pg_constraint WHERE connamespace = home AND contype = 'c' AND conrelid <> 0 LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', each."table", each.name);
    EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', each."table", each.name, each.text);
  END LOOP;
  FOR each IN SELECT indexrelid::regclass AS name, pg_get_indexdef(indexrelid) AS text
              FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
              WHERE relnamespace = home AND indpred IS NOT NULL LOOP
    EXECUTE format('DROP INDEX %s', each.name);
    EXECUTE each.text;
  END LOOP;
  FOR each IN SELECT adrelid::regclass AS "table", attname AS name, pg_get_expr(adbin, adrelid) AS text
              FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
              JOIN pg_class ON pg_class.oid = adrelid WHERE relnamespace = home AND attgenerated = '' LOOP
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', each."table", each.name, each.text);
  END LOOP;
  FOR each IN SELECT oid::regclass AS name, pg_get_viewdef(oid) AS text
              FROM pg_class WHERE relnamespace = home AND relkind = 'v' LOOP
    EXECUTE format('CREATE OR REPLACE VIEW %s AS %s', each.name, each.text);
  END LOOP;
END $do$`;
}
