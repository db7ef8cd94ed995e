import type { TableName } from "./version-table.ts";

/**
 * A string as an SQL literal that reads the same whatever `standard_conforming_strings` says:
 * a backslash moves it into E'' form, as libpq's PQescapeLiteral does.
 */
export function quoteLiteral(value: string): string {
  refuseNul(value);
  const quoted = value.replaceAll("'", "''");
  return value.includes("\\") ? ` E'${quoted.replaceAll("\\", "\\\\")}'` : `'${quoted}'`;
}

export function quoteIdentifier(name: string): string {
  refuseNul(name);
  return `"${name.replaceAll('"', '""')}"`;
}

/** `schema.name`, both quoted: what SQL needs to name a relation without the search path. */
export function quoteQualified({ schema, name }: TableName): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}

/** A `text[]` value, empty or not. */
export function quoteTextArray(values: readonly string[]): string {
  return `ARRAY[${values.map(quoteLiteral).join(", ")}]::pg_catalog.text[]`;
}

function refuseNul(value: string): void {
  if (value.includes("\0")) throw new TypeError("PostgreSQL text cannot hold a NUL character");
}
