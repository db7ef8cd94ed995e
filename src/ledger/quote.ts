/** Where the tool keeps its version rows. */
export type VersionTableName = { readonly schema: string | null; readonly name: string };

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteVersionTable({ schema, name }: VersionTableName): string {
  return `${quoteName(schema ?? "public")}.${quoteName(name)}`;
}

export function quoteText(text: string): string {
  return `E'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}
