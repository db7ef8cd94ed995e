import type { VersionTableLayout } from "../../core/migration-tool.ts";
import { quoteLiteral, quoteTextArray } from "../../core/quote.ts";
import { makeTable } from "../numbered/make-table.ts";

export const versionTable: VersionTableLayout = {
  usual: { schema: "supabase_migrations", name: "schema_migrations" },
  rows: "each",
  version: "version",
  // Older tables lack the others: they are added.
  columns: ["version"],
  // As `digestOf`: the statements are the file's text without what separates them.
  digest: {
    column: "statements",
    expression: `encode(sha256(convert_to(${withoutSeparators("array_to_string(statements, '')")}, 'UTF8')), 'hex')`,
  },
  fileName: null,
  dirty: null,
  isAlsoOurs: null,
  width: null,
  hasNeighbours: false,
  // Step by step as Supabase's own tool makes it; tables that it made long ago lack columns.
  create: (table) =>
    makeTable(
      table,
      (name) => `
  IF to_regclass(${quoteLiteral(name)}) IS NULL THEN
    CREATE TABLE ${name} (version text NOT NULL PRIMARY KEY);
  END IF;
  ${addColumn(name, "statements", "text[]")}
  ${addColumn(name, "name", "text")}`,
    ),
  isCompleted: true,
  values: ({ version, name, statements }) => ({
    version: quoteLiteral(version),
    name: quoteLiteral(name),
    statements: statements === null ? "NULL" : quoteTextArray(statements),
  }),
};

function addColumn(table: string, column: string, type: string): string {
  return `
  IF NOT EXISTS (SELECT FROM pg_attribute
                 WHERE attrelid = ${quoteLiteral(table)}::regclass AND attname = '${column}' AND NOT attisdropped) THEN
    ALTER TABLE ${table} ADD COLUMN ${column} ${type};
  END IF;`;
}

/** Seven replacements take a third of the time of one translate(). */
function withoutSeparators(text: string): string {
  return [" ", "\\t", "\\n", "\\x0b", "\\f", "\\r", ";"].reduce(
    (rest, separator) => `replace(${rest}, E'${separator}', '')`,
    text,
  );
}
