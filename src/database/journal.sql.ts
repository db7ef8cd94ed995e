import { type Evidence, type JournalKey, journalTable } from "../core/journal.ts";
import type { VersionTableLayout } from "../core/migration-tool.ts";
import { quoteLiteral, quoteQualified, quoteTextArray } from "../core/quote.ts";
import type { TableName } from "../core/version-table.ts";

// Every statement here expects nothing but pg_catalog on the search path.

const name = quoteQualified(journalTable);
/** Each with its type, and what else is said of it where it is made. */
const columns: readonly (readonly [name: string, type: string, rest: string])[] = [
  ["entry", "bigint", "GENERATED ALWAYS AS IDENTITY PRIMARY KEY"],
  ["kind", "text", "NOT NULL"],
  ["state", "text", "NOT NULL"],
  ["began_at", "timestamp with time zone", "NOT NULL DEFAULT clock_timestamp()"],
  ["ended_at", "timestamp with time zone", ""],
  ["tool", "text", "NOT NULL"],
  ["version_table", "text", "NOT NULL"],
  ["home", "text", "NOT NULL"],
  ["rows_before", "text[]", "NOT NULL"],
  ["rows_after", "text[]", ""],
  ["removed", "jsonb", "NOT NULL DEFAULT '[]'"],
  ["evidence", "jsonb", "NOT NULL"],
  ["ledger", "text", ""],
  ["undoes", "bigint", `REFERENCES ${name}`],
  ["run_id", "text", "NOT NULL"],
  ["role", "text", "NOT NULL DEFAULT current_user"],
  ["image", "text", ""],
  ["program", "text", "NOT NULL"],
];
const schemaComment = "Preflight: what its runs wrote, and the way back (preflight history)";

/**
 * What there is of a journal, and what the role may do with it. Row security on it would hide entries or refuse them.
 * A schema of that name without a comment of ours is somebody else's, unless nothing is in it: an administrator has made it for us.
 */
export const readJournalPlace = `
SELECT n.oid IS NOT NULL AS "hasSchema",
       coalesce(obj_description(n.oid, 'pg_namespace') LIKE 'Preflight:%', false)
         OR NOT EXISTS (SELECT FROM pg_class o WHERE o.relnamespace = n.oid) AS "isOurs",
       has_database_privilege(current_database()::text, 'CREATE') AS "mayCreateSchema",
       coalesce(has_schema_privilege(n.oid, 'CREATE') AND has_schema_privilege(n.oid, 'USAGE'), false) AS "mayCreate",
       c.oid IS NOT NULL AS "hasTable",
       (SELECT count(*) FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          AND (a.attname::text, format_type(a.atttypid, NULL)) IN (
            SELECT * FROM unnest(${quoteTextArray(columns.map(([column]) => column))}, ${quoteTextArray(columns.map(([, type]) => type))})
          )) = ${columns.length} AS "isWhole",
       coalesce(has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
                AND NOT row_security_active(c.oid), false) AS "mayRead",
       coalesce(has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE'), false) AS "mayWrite",
       current_user::text AS role
FROM (SELECT) AS one
LEFT JOIN pg_namespace n ON n.nspname = ${quoteLiteral(journalTable.schema)}
LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = ${quoteLiteral(journalTable.name)} AND c.relkind = 'r'`;

export const createJournal = `
DO ${quoteLiteral(`
BEGIN
  IF to_regnamespace('${journalTable.schema}') IS NULL THEN
    CREATE SCHEMA ${journalTable.schema};
    COMMENT ON SCHEMA ${journalTable.schema} IS '${schemaComment}';
  END IF;
  IF to_regclass('${journalTable.schema}.${journalTable.name}') IS NULL THEN
    CREATE TABLE ${name} (
      ${columns.map((column) => column.join(" ")).join(",\n      ")}
    );
    COMMENT ON TABLE ${name} IS 'Preflight: one entry for each stamp, upgrade and undo. removed: the version rows that a stamp took away, as they were.';
  END IF;
END`)}`;

/** What an entry says when it is made. */
export type NewEntry = JournalKey & {
  readonly kind: string;
  readonly state: "begun" | "done";
  readonly rowsBefore: readonly (string | null)[];
  /** Null: the end will tell. */
  readonly rowsAfter: readonly (string | null)[] | null;
  readonly evidence: Evidence;
  readonly ledger: string | null;
  readonly undoes: number | null;
  readonly runId: string;
  readonly image: string | null;
  readonly program: string;
};

/** @param removed an SQL expression: the version rows that go, as JSON */
export function insertEntry(entry: NewEntry, removed = "'[]'"): string {
  const values = {
    kind: quoteLiteral(entry.kind),
    state: quoteLiteral(entry.state),
    ended_at: entry.state === "done" ? "clock_timestamp()" : "NULL",
    tool: quoteLiteral(entry.tool),
    version_table: quoteLiteral(entry.versionTable),
    home: quoteLiteral(entry.home),
    rows_before: arrayOf(entry.rowsBefore),
    rows_after: entry.rowsAfter === null ? "NULL" : arrayOf(entry.rowsAfter),
    removed,
    evidence: quoteLiteral(JSON.stringify(entry.evidence)),
    ledger: textOf(entry.ledger),
    undoes: entry.undoes === null ? "NULL" : String(entry.undoes),
    run_id: quoteLiteral(entry.runId),
    image: textOf(entry.image),
    program: quoteLiteral(entry.program),
  };
  return `
INSERT INTO ${name} (${Object.keys(values).join(", ")})
VALUES (${Object.values(values).join(", ")})
RETURNING entry::text`;
}

/** Of an upgrade. */
export function endEntry(
  entry: number,
  state: "done" | "failed",
  rowsAfter: readonly (string | null)[],
): string {
  return `
UPDATE ${name}
SET state = ${quoteLiteral(state)}, ended_at = clock_timestamp(), rows_after = ${arrayOf(rowsAfter)}
WHERE entry = ${entry}`;
}

/**
 * The newest ones, the oldest of them first.
 * @param key null: of every history
 */
export function readEntries(most: number, key: JournalKey | null): string {
  const utc = (column: string): string =>
    `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;
  const own =
    key === null
      ? "true"
      : `tool = ${quoteLiteral(key.tool)} AND version_table = ${quoteLiteral(key.versionTable)} AND home = ${quoteLiteral(key.home)}`;
  return `
SELECT * FROM (
  SELECT entry::text, kind, state, ${utc("began_at")} AS "beganAt", ${utc("ended_at")} AS "endedAt",
         tool, version_table AS "versionTable", home,
         array_to_json(rows_before)::text AS "rowsBefore", array_to_json(rows_after)::text AS "rowsAfter",
         evidence::text, ledger, undoes::text, run_id AS "runId", role, image, program
  FROM ${name}
  WHERE ${own}
  ORDER BY ${name}.entry DESC
  LIMIT ${most}
) AS newest
ORDER BY newest.entry::bigint`;
}

/** What `deleteOtherRows` is about to take away, as an SQL expression for `insertEntry`. */
export function rowsToRemove(
  { version }: VersionTableLayout,
  table: TableName,
  wanted: readonly string[],
): string {
  return `(
  SELECT coalesce(jsonb_agg(to_jsonb(a)), '[]') FROM ${quoteQualified(table)} a
  WHERE a.${version} IS NULL OR a.${version}::text <> ALL (${quoteTextArray(wanted)})
     OR EXISTS (SELECT FROM ${quoteQualified(table)} b WHERE b.${version}::text = a.${version}::text AND b.ctid < a.ctid))`;
}

/** The rows that a stamp has taken away, as they were: without what the server computes, or what the table has got since. */
export function restoreRows(table: TableName, entry: number): string {
  const target = quoteQualified(table);
  return `
DO ${quoteLiteral(`
DECLARE
  kept jsonb := (SELECT removed FROM ${name} WHERE entry = ${entry});
  names text := (
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
    WHERE attrelid = ${quoteLiteral(target)}::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
      AND jsonb_exists(kept->0, attname::text)
  );
BEGIN
  IF names IS NOT NULL THEN
    EXECUTE format(
      'INSERT INTO %1$s (%2$s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM jsonb_populate_recordset(NULL::%1$s, $1)',
      ${quoteLiteral(target)}, names
    ) USING kept;
  END IF;
END`)}`;
}

function arrayOf(rows: readonly (string | null)[]): string {
  return `ARRAY[${rows.map(textOf).join(", ")}]::text[]`;
}

function textOf(text: string | null): string {
  return text === null ? "NULL" : quoteLiteral(text);
}
