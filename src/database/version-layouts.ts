import type { ToolName } from "../core/revision.ts";

/**
 * What a tool's version table looks like: THE table. Expressions are SQL over one of its rows, with
 * nothing but pg_catalog on the search path.
 */
export const versionLayouts: Readonly<Record<ToolName, VersionLayout>> = {
  alembic: {
    version: "version_num",
    columns: ["version_num"],
    digest: null,
    isAlsoOurs: "alembic_version",
  },
  sql: {
    version: "version",
    columns: ["version", "name", "checksum", "applied_at", "run_id", "duration_ms"],
    digest: { column: "checksum", expression: "checksum::text" },
    isAlsoOurs: null,
  },
  supabase: {
    version: "version",
    // Older tables lack the others: they are added.
    columns: ["version"],
    // As `digestOf` of the tool's folder: the statements are the file's text without what separates them.
    digest: {
      column: "statements",
      expression: `encode(sha256(convert_to(${withoutSeparators("array_to_string(statements, '')")}, 'UTF8')), 'hex')`,
    },
    isAlsoOurs: null,
  },
};

type VersionLayout = {
  /** The column that holds the version. */
  readonly version: string;
  /** Without one of these it is another tool's table. */
  readonly columns: readonly string[];
  /** What the table keeps of a file's text; null: nothing. */
  readonly digest: { readonly column: string; readonly expression: string } | null;
  /** Tables whose names contain this are the tool's too; null: only the one that is named. */
  readonly isAlsoOurs: string | null;
};

/** Where tools that number their files too keep a column `version`. */
export const neighbourTables = [
  "schema_migrations",
  "schema_version",
  "schema_versions",
  "migrations",
  "_sqlx_migrations",
];

/** Seven replacements take a third of the time of one translate(). */
function withoutSeparators(text: string): string {
  return [" ", "\\t", "\\n", "\\x0b", "\\f", "\\r", ";"].reduce(
    (rest, separator) => `replace(${rest}, E'${separator}', '')`,
    text,
  );
}
