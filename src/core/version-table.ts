import type { JournalKey } from "./journal.ts";
import type { Observation } from "./observation.ts";

export type TableName = { readonly schema: string; readonly name: string };

/** What the tool and the settings call the version table. */
export type VersionTableName = {
  /** null: the home. */
  readonly schema: string | null;
  readonly name: string;
};

export function nameTable({ schema, name }: TableName): string {
  return `${schema}.${name}`;
}

/** Where the version table is, or would be made. */
export function versionTableOf(
  { versionTable, home }: Observation,
  { schema, name }: VersionTableName,
): TableName {
  return versionTable ?? { schema: schema ?? home.schema, name };
}

/** Under which the journal keeps what is written there. @param names what the table is called where it is not there yet */
export function journalKey(
  { name }: { readonly name: string },
  observation: Observation,
  names: VersionTableName,
): JournalKey {
  const table = versionTableOf(observation, names);
  return { tool: name, versionTable: nameTable(table), home: observation.home.schema };
}
