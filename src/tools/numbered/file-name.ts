/** What the name of a migration file says. */
export type FileName = {
  /** The digits, as written. */
  readonly id: string;
  readonly name: string;
};

/** `001_name.sql`, `20240131120000-name.sql`, `001.sql`, `001_name.up.sql`; null: no migration of numbered files. */
export function readFileName(file: string): FileName | null {
  if (isDown(file)) return null;
  const [, id, name = ""] = /^(\d+)(?:[-_. ](.*?))??(?:\.up)?\.sql$/is.exec(file) ?? [];
  return id === undefined ? null : { id, name };
}

/** How to undo a migration: never run. */
export function isDown(file: string): boolean {
  return /\.down\.sql$/i.test(file);
}
