import type { VersionTableLayout } from "../core/migration-tool.ts";
import { progressTable } from "../core/migration.ts";
import { quoteLiteral, quoteTextArray } from "../core/quote.ts";
import type { VersionTableName } from "../core/version-table.ts";
import { factsQuery, pinSettings, type FactsOptions } from "./facts.sql.ts";
import { knownVersionTables, neighbourTables } from "./known-tables.ts";

/** The version table to look for, and what it would look like. */
export type WantedTable = VersionTableName & { readonly layout: VersionTableLayout };

/**
 * One message, one round trip, no write. The version tables and what is unfinished are read before and after the facts:
 * a migration that committed in between shows as a difference. REPEATABLE READ would not do, because the server's
 * own spelling functions do not follow the snapshot.
 */
export function lookMessage(
  table: WantedTable,
  home: string | null,
  facts: FactsOptions,
  patience: number,
): string {
  return [
    ...opening(patience, home),
    readVersionTables(table),
    readNeighbours(table),
    readProgress,
    readOtherTools,
    readBuildingIndexes,
    `${factsQuery(facts)} SELECT k, o, n, d FROM facts;`,
    readVersionTables(table),
    readProgress,
    "COMMIT",
  ].join("\n");
}

/** The cheap part of a look. */
export function lookRowsMessage(table: WantedTable, patience: number): string {
  return [...opening(patience, null), readVersionTables(table), "COMMIT"].join("\n");
}

/** One question besides, which names what it reads in full. */
export function questionMessage(question: string, patience: number): string {
  return [...opening(patience, null).slice(0, 2), `${question};`, "COMMIT"].join("\n");
}

/** Where CREATE goes, and on which server. */
export function lookPathMessage(patience: number): string {
  return [...opening(patience, null), "COMMIT"].join("\n");
}

/**
 * The search path is kept before it is pinned: it is one of the answers.
 * @param patience milliseconds to wait for a lock that another session holds
 */
function opening(patience: number, home: string | null): readonly string[] {
  const begin = `
BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY;
SELECT pg_catalog.set_config('preflight.search_path', pg_catalog.current_setting('search_path'), true) AS path;
SET LOCAL row_security = on;
SET LOCAL lock_timeout = ${Math.max(1, Math.round(patience))};
SET LOCAL statement_timeout = ${Math.round(patience) + 60_000};`;
  return [begin, pinSettings, readServer(home)];
}

/** To the microsecond: two servers do not share it. */
const startedAt = `pg_catalog.to_char(pg_catalog.pg_postmaster_start_time() AT TIME ZONE 'UTC',
                          'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

export const readStart = `SELECT ${startedAt} AS "startedAt"`;

/**
 * The home goes into a setting of this transaction, for the facts. It is the first schema of the search path that is there
 * and open to the role. current_schemas() would give it, and would make a temporary schema where pg_temp comes first: a write.
 * @param home the schema that somebody named; null: the search path decides
 */
function readServer(home: string | null): string {
  const named = home === null ? "NULL" : quoteLiteral(home);
  return `
SELECT current_setting('server_version_num')::int4 AS version,
       current_database()::text AS database,
       pg_is_in_recovery() AS "inRecovery",
       current_setting('default_transaction_read_only')::bool AS "readOnly",
       CASE WHEN current_setting('default_transaction_read_only')::bool
            THEN (SELECT s.source FROM pg_settings s WHERE s.name = 'default_transaction_read_only') END AS "readOnlyBy",
       ${startedAt} AS "startedAt",
       current_user::text AS role,
       has_database_privilege(current_database()::text, 'CREATE') AS "canCreateSchema",
       current_setting('preflight.search_path') AS "wantedPath",
       first.schema AS "createsIn",
       set_config('preflight.home', coalesce(${named}, first.schema, ''), true) AS home,
       quote_ident(coalesce(${named}, first.schema, 'public')) AS spelled,
       (SELECT json_object_agg(n.nspname, json_build_object(
                 'canUse', has_schema_privilege(n.oid, 'USAGE'),
                 'canCreate', has_schema_privilege(n.oid, 'CREATE')))
        FROM pg_namespace n WHERE n.nspname !~ '^pg_(toast|temp_)') AS schemas
FROM (SELECT (
  SELECT n.nspname::text
  FROM regexp_matches(current_setting('preflight.search_path'), '"(?:[^"]|"")*"|[^",[:space:]]+', 'g') WITH ORDINALITY AS w (word, place),
       LATERAL (SELECT CASE WHEN word[1] ~ '^"' THEN replace(substr(word[1], 2, length(word[1]) - 2), '""', '"')
                            ELSE lower(word[1] COLLATE "C") END) AS named (name)
  JOIN pg_namespace n ON n.nspname::text = CASE named.name WHEN '$user' THEN current_user::text ELSE named.name END
  WHERE has_schema_privilege(n.oid, 'USAGE') AND n.nspname <> 'pg_catalog'
  ORDER BY w.place LIMIT 1) AS schema) AS first;`;
}

/**
 * Everything that is named like the version table or looks like the tool's. The rows of a table that may not exist,
 * or not be readable, are read inside the same statement: query_to_xml runs only where the CASE allows it, and
 * hexadecimal digits come out of the XML as they went in. A server that was built without libxml cannot even do that.
 * has_column_privilege is NULL for a missing column. A privilege list such as 'INSERT, UPDATE' means "any of".
 */
function readVersionTables({ layout, name }: WantedTable): string {
  const { version, columns, digest, dirty, isAlsoOurs, fileName } = layout;
  const alsoOurs =
    isAlsoOurs === null ? "" : `OR strpos(k.relname::text, ${quoteLiteral(isAlsoOurs)}) > 0`;
  return `
SELECT c.schema, c.name, c.kind, c.has_columns AS "hasColumns", c.may_read AS "mayRead", c.filtered, c.guarded AS "isGuarded",
       c.width, c.can_write AS "canWrite", c.owned,
       CASE WHEN c.has_columns AND c.may_read AND c.filled AND c.kind IN ('r', 'p', 'v', 'm') THEN
         ${rowsAsHex(`format(
           'SELECT ${version}::text AS v, %s AS d, ${dirty ?? "false"} AS u, ${fileName ?? "NULL"}::text AS n FROM %I.%I',
           CASE WHEN c.has_digest THEN ${quoteLiteral(digest?.expression ?? "")} ELSE 'NULL::text' END, c.schema, c.name)`)}
       END AS rows
FROM (
  SELECT n.nspname::text AS schema, k.relname::text AS name, k.relkind::text AS kind, k.relispopulated AS filled,
         (SELECT count(*) FROM pg_attribute r
          WHERE r.attrelid = k.oid AND r.attname::text = ANY (${quoteTextArray(columns)}) AND r.attnum > 0 AND NOT r.attisdropped
         ) = ${columns.length} AS has_columns,
         has_schema_privilege(n.oid, 'USAGE') AND coalesce(has_column_privilege(k.oid, a.attnum, 'SELECT'),
                                                           has_table_privilege(k.oid, 'SELECT')) AS may_read,
         coalesce(has_column_privilege(k.oid, d.attnum, 'SELECT'), false) AS has_digest,
         ${mayHideRows("r")} AS filtered,
         ${mayHideRows("*")} AS guarded,
         CASE WHEN t.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4 THEN a.atttypmod - 4 END AS width,
         ${mayWrite} AS can_write,
         pg_has_role(k.relowner, 'USAGE') AS owned
  FROM pg_class k
  JOIN pg_namespace n ON n.oid = k.relnamespace
  LEFT JOIN pg_attribute a ON a.attrelid = k.oid AND a.attname = ${quoteLiteral(version)} AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attribute d ON d.attrelid = k.oid AND d.attname = ${quoteLiteral(digest?.column ?? "")} AND d.attnum > 0 AND NOT d.attisdropped
  LEFT JOIN pg_type t ON t.oid = a.atttypid
  WHERE k.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND (k.relname::text = ${quoteLiteral(name)} ${alsoOurs})
    AND ${isUserSchema}
) c
ORDER BY c.schema COLLATE "C", c.name COLLATE "C";`;
}

/** Tables of other tools that number their files too. Only where they can be evidence. */
function readNeighbours({ layout, name }: WantedTable): string {
  if (!layout.hasNeighbours) return "SELECT FROM pg_class WHERE false;";
  return `
SELECT c.schema, c.name,
       ${rowsAsHex("format('SELECT version::text AS v, NULL::text AS d, %s AS u, NULL::text AS n FROM %I.%I', CASE WHEN c.has_dirty THEN 'dirty' ELSE 'false' END, c.schema, c.name)")} AS rows
FROM (
  SELECT n.nspname::text AS schema, k.relname::text AS name,
         EXISTS (SELECT FROM pg_attribute d WHERE d.attrelid = k.oid AND d.attname = 'dirty' AND NOT d.attisdropped) AS has_dirty
  FROM pg_class k
  JOIN pg_namespace n ON n.oid = k.relnamespace
  JOIN pg_attribute a ON a.attrelid = k.oid AND a.attname = 'version' AND a.attnum > 0 AND NOT a.attisdropped
  WHERE k.relkind IN ('r', 'p') AND k.relname::text = ANY (${quoteTextArray(neighbourTables)}) AND k.relname::text <> ${quoteLiteral(name)}
    AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(k.oid, 'SELECT') AND NOT ${mayHideRows("r")}
    AND ${isUserSchema}
) c
ORDER BY c.schema COLLATE "C", c.name COLLATE "C";`;
}

const isUserSchema = `n.nspname <> ALL (ARRAY['pg_catalog', 'information_schema']::name[]) AND n.nspname !~ '^pg_(toast|temp_)'`;

/** Of a relation k in a schema n. LOCK TABLE and a DELETE that compares rows need the whole table's privileges. */
const mayWrite = `(has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(k.oid, 'SELECT')
           AND has_table_privilege(k.oid, 'INSERT') AND has_table_privilege(k.oid, 'UPDATE') AND has_table_privilege(k.oid, 'DELETE'))`;

/**
 * Row security is at work on a relation k for this role, and no policy of the command (`*`: of all) lets every row through.
 * Some rows of a version table are worse than none: they are another version.
 */
function mayHideRows(command: "r" | "*"): string {
  return `(row_security_active(k.oid) AND (
           EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = k.oid AND NOT p.polpermissive)
           OR NOT EXISTS (
             SELECT FROM pg_policy p
             WHERE p.polrelid = k.oid AND p.polpermissive AND p.polcmd IN ('*', '${command}')
               AND pg_get_expr(p.polqual, p.polrelid) = 'true'
               AND coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'true') = 'true'
               AND EXISTS (SELECT FROM unnest(p.polroles) r WHERE r = 0 OR pg_has_role(r, 'USAGE')))))`;
}

/** Migrations that began and have not ended, of every version table. */
const readProgress = `
SELECT n.nspname::text AS schema, ${mayWrite} AND NOT ${mayHideRows("*")} AS "canWrite",
       CASE WHEN has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(k.oid, 'SELECT') AND NOT ${mayHideRows("r")} THEN
         substring(query_to_xml(format(
           'SELECT encode(convert_to(coalesce(json_agg(to_json(t) ORDER BY t), ''[]'')::text, ''UTF8''), ''hex'') AS h FROM %I.%I t',
           n.nspname, k.relname), true, true, '')::text FROM '<h>([0-9a-f]*)</h>')
       END AS rows
FROM pg_class k
JOIN pg_namespace n ON n.oid = k.relnamespace
WHERE k.relkind = 'r' AND k.relname::text = ${quoteLiteral(progressTable)}
  AND ${isUserSchema}
ORDER BY n.nspname COLLATE "C";`;

/**
 * The rows of a query that is text, as hexadecimal UTF-8 of a JSON array of [v, d, u, n].
 * @param query an SQL expression: a query with the columns v (version), d (digest), u (unfinished) and n (name of the file)
 */
function rowsAsHex(query: string): string {
  return `substring(query_to_xml(format(
           'SELECT encode(convert_to(coalesce(json_agg(json_build_array(v, d, u, n) ORDER BY v COLLATE "C"), ''[]'')::text, ''UTF8''), ''hex'') AS h'
           ' FROM (%s) t', ${query}), true, true, '')::text
           FROM '<h>([0-9a-f]*)</h>')`;
}

const readOtherTools = `
SELECT DISTINCT ON (n.nspname, c.relname) known.tool, n.nspname::text AS schema, c.relname::text AS name
FROM unnest(${quoteTextArray(knownVersionTables.map(({ tool }) => tool))},
            ${quoteTextArray(knownVersionTables.map(({ schema }) => schema ?? ""))},
            ${quoteTextArray(knownVersionTables.map(({ name }) => name))}) AS known (tool, schema, name)
JOIN pg_class c ON c.relname::text = known.name AND c.relkind IN ('r', 'p')
JOIN pg_namespace n ON n.oid = c.relnamespace AND known.schema IN ('', n.nspname::text)
WHERE n.nspname !~ '^pg_(toast|temp_)' AND known.tool <> 'Preflight'
ORDER BY n.nspname, c.relname, known.schema DESC;`;

/**
 * A role without pg_read_all_stats sees that another role's backend builds an index but not which one; then
 * the lock that such a build holds on its table tells.
 */
const readBuildingIndexes = `
SELECT n.nspname || '.' || c.relname AS index
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND EXISTS (
  SELECT FROM pg_stat_progress_create_index p
  WHERE p.datid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
    AND (p.index_relid = i.indexrelid
         OR p.relid = i.indrelid AND p.index_relid = 0
         OR p.relid IS NULL AND EXISTS (
              SELECT FROM pg_locks l WHERE l.pid = p.pid AND l.relation = i.indrelid AND l.granted
                                       AND l.mode = 'ShareUpdateExclusiveLock')))
ORDER BY 1;`;

/**
 * Tables that have the name of one of the history's, wherever they are. Asked only where a conclusion would rest on
 * something being absent, in the session's own search_path.
 */
export function elsewhereMessage(names: readonly string[], patience: number): string {
  return [
    `
BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY;
SET LOCAL lock_timeout = ${Math.max(1, Math.round(patience))};
SELECT s.source FROM pg_catalog.pg_settings s WHERE s.name OPERATOR(pg_catalog.=) 'search_path';`,
    pinSettings,
    `
SELECT n.nspname::text AS schema, c.relname::text AS name,
       array_to_json(ARRAY(SELECT a.attname::text FROM pg_attribute a
                           WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)) AS columns
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname::text = ANY (${quoteTextArray(names)}) AND c.relkind IN ('r', 'p', 'f')
  AND ${isUserSchema}
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.deptype = 'e' AND (d.classid = 'pg_class'::regclass AND d.objid = c.oid
                                             OR d.classid = 'pg_namespace'::regclass AND d.objid = n.oid))
ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C";
COMMIT`,
  ].join("\n");
}
