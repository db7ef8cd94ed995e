/** What reading the settings finds on the way; never a value of a setting. */
export type Findings = { readonly faults: string[]; readonly warnings: string[] };

/** The world that settings are read from. */
export type Sources = {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The text of a file; throws when it cannot be read. */
  readonly readFile: (path: string) => string;
  /** Null: there is nothing of that name, or it cannot be seen. */
  readonly statFile: (path: string) => FileStatus | null;
  /** The name of the operating system's user: libpq's default user; null where it has none. */
  readonly osUser: string | null;
  /** Where the operating system has this user's home, which `HOME` replaces; null where it has none. */
  readonly osHome: string | null;
};

export type FileStatus = {
  readonly isFile: boolean;
  /** Who may access it: nine bits. */
  readonly mode: number;
  /** Who owns it, as a number. */
  readonly owner: number;
};

/** As libpq finds it (`pqGetHomeDirectory`). */
export function homeOf({ env, osHome }: Sources): string | null {
  const home = env["HOME"] ?? "";
  return home === "" ? osHome : home;
}

/** The same world, in which each file is read once: a pipe can be, and what was checked is what is used. */
export function readingOnce(sources: Sources): Sources {
  const texts = new Map<string, string>();
  return {
    ...sources,
    readFile: (path) => {
      const text = texts.get(path) ?? sources.readFile(path);
      texts.set(path, text);
      return text;
    },
  };
}
