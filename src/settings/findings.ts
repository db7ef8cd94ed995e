/** What reading the settings finds on the way; never a value of a setting. */
export type Findings = { readonly faults: string[]; readonly warnings: string[] };

/** The world that settings are read from. */
export type Sources = {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The text of a file; throws when it cannot be read. */
  readonly readFile: (path: string) => string;
  /** The name of the operating system's user: libpq's default user; null where it has none. */
  readonly osUser: string | null;
};
