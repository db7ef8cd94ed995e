import type { MigrationTool } from "../core/migration-tool.ts";
import { quoteQualified } from "../core/quote.ts";
import type { TableName } from "../core/version-table.ts";

/**
 * At each movement of the version rows: the facts, what was written and read since the last one, and the rows that are there.
 * Rows that vanish are half-steps of a merge, not states.
 */
export function movementsSql(versionTable: TableName, tool: MigrationTool): string {
  const { rows, version, dirty } = tool.versionTable;
  const table = quoteQualified(versionTable);
  const events = rows === "heads" ? "INSERT OR UPDATE" : "INSERT";
  const heads =
    rows === "heads"
      ? `(SELECT array_agg(${version}::text ORDER BY ${version}::text COLLATE "C") FROM ${table})`
      : `ARRAY[NEW.${version}::text]`;
  return `
CREATE FUNCTION __preflight_bake.note_movement() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_heads text[] := ${heads};
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
CREATE TRIGGER __preflight_bake AFTER ${events} ON ${table}
  FOR EACH ROW ${dirty === null ? "" : `WHEN (NOT NEW.${dirty})`} EXECUTE FUNCTION __preflight_bake.note_movement();
CREATE TRIGGER __preflight_bake_roles AFTER ${events} ON ${table}
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
