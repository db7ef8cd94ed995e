import { quoted, literal } from "./ground.ts";

/** Tables that are nobody's schema: version tables, and what the cases put beside a history. */
const leftOut = [
  "preflight_migrations",
  "preflight_progress",
  "own_versions",
  "alembic_version",
  "shop_alembic_version",
  "schema_migrations",
  "mlruns",
  "invoices",
];

/**
 * What is in these schemas, one line each, read without Preflight's own queries. The home's name is left out wherever the
 * search_path can: two homes with the same contents give the same lines.
 */
export function readSnapshot(home: string, others: readonly string[]): string {
  const schemas = [home, ...others].map(literal).join(", ");
  return `
BEGIN READ ONLY;
SET LOCAL search_path = ${quoted(home)};
WITH space AS (
  SELECT oid, CASE nspname WHEN ${literal(home)} THEN '~' ELSE nspname END AS name
  FROM pg_namespace WHERE nspname IN (${schemas})
), relation AS (
  SELECT c.oid, c.relkind, s.name || '.' || c.relname AS name
  FROM pg_class c JOIN space s ON s.oid = c.relnamespace
  WHERE c.relname NOT IN (${leftOut.map(literal).join(", ")}) AND c.relkind IN ('r', 'v', 'm', 'S', 'p')
), line AS (
  SELECT 'relation ' || name || ' ' || relkind::text AS text FROM relation
  UNION ALL
  SELECT 'column ' || r.name || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull
         || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid, true), '-')
  FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
  UNION ALL
  SELECT 'index ' || pg_get_indexdef(i.indexrelid, 0, true) || ' ' || i.indisvalid
  FROM relation r JOIN pg_index i ON i.indrelid = r.oid
  UNION ALL
  SELECT 'constraint ' || r.name || ' ' || k.conname || ' ' || pg_get_constraintdef(k.oid, true) || ' ' || k.convalidated
  FROM relation r JOIN pg_constraint k ON k.conrelid = r.oid WHERE k.contype <> 'n'
  UNION ALL
  SELECT 'view ' || name || ' ' || pg_get_viewdef(oid, true) FROM relation WHERE relkind = 'v'
  UNION ALL
  SELECT 'function ' || s.name || '.' || p.proname || ' ' || p.prosrc
  FROM space s JOIN pg_proc p ON p.pronamespace = s.oid
  UNION ALL
  SELECT 'enum ' || s.name || '.' || t.typname || ' '
         || (SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid)
  FROM space s JOIN pg_type t ON t.typnamespace = s.oid WHERE t.typtype = 'e'
  UNION ALL
  SELECT 'comment ' || r.name || ' ' || d.description
  FROM relation r JOIN pg_description d ON d.objoid = r.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
)
SELECT text FROM line ORDER BY text COLLATE "C"`;
}

/** Everything that a write could change in a database, apart from what is committed in the next lines. */
export const readPicture = `
SELECT database_to_xml(true, false, '')::text AS rows,
  (SELECT md5(string_agg(oid || ':' || xmin::text || ':' || nspname, ',' ORDER BY oid)) FROM pg_namespace
   WHERE nspname !~ '^pg_(toast_)?temp') AS schemas,
  (SELECT md5(string_agg(oid || ':' || xmin::text || ':' || relname, ',' ORDER BY oid)) FROM pg_class) AS relations,
  (SELECT md5(string_agg(attrelid || ':' || attnum || ':' || xmin::text, ',' ORDER BY attrelid, attnum)) FROM pg_attribute) AS columns,
  (SELECT md5(string_agg(oid || ':' || xmin::text, ',' ORDER BY oid)) FROM pg_proc) AS functions`;

/** The same for what is somebody else's: whole schemas, and single tables. */
export function readNeighbour(schemas: readonly string[], tables: readonly string[]): string {
  const inSchemas = `nspname IN (${["", ...schemas].map(literal).join(", ")})`;
  const contents = [
    ...schemas.map((schema) => `schema_to_xml(${literal(schema)}, true, false, '')::text`),
    ...tables.map((table) => `table_to_xml(${literal(table)}, true, false, '')::text`),
  ];
  return `
SELECT concat(${["''", ...contents].join(", ")}) AS rows,
  (SELECT md5(string_agg(c.oid || ':' || c.xmin::text, ',' ORDER BY c.oid))
   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${inSchemas}) AS relations,
  (SELECT md5(string_agg(a.attrelid || ':' || a.attnum || ':' || a.xmin::text, ',' ORDER BY a.attrelid, a.attnum))
   FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE ${inSchemas}) AS columns`;
}
