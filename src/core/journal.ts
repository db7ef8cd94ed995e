/** Where the journal is: in a schema of its own, which no tool takes for the application's. */
export const journalTable = { schema: "preflight", name: "journal" } as const;

/** The history that an entry is about: several can live in one database. */
export type JournalKey = {
  readonly tool: string;
  /** Qualified. */
  readonly versionTable: string;
  readonly home: string;
};

/** Something that a run wrote, as the journal keeps it. */
export type JournalEntry = JournalKey & {
  /** Counts up; there may be gaps. */
  readonly entry: number;
  readonly kind: "stamp" | "widen" | "upgrade" | "undo" | "repair";
  /** A stamp is done with its entry. `begun`: its end was never seen. */
  readonly state: "begun" | "done" | "failed";
  /** ISO 8601, in UTC. */
  readonly beganAt: string;
  readonly endedAt: string | null;
  /** The version rows; null for a NULL. */
  readonly rowsBefore: readonly (string | null)[];
  /** Null: nobody saw them. */
  readonly rowsAfter: readonly (string | null)[] | null;
  readonly evidence: Evidence;
  /** SHA-256 of the ledger, in hexadecimal digits; null: there was none. */
  readonly ledger: string | null;
  /** The entry that it took back. */
  readonly undoes: number | null;
  readonly runId: string;
  readonly role: string;
  /** What PREFLIGHT_IMAGE_VERSION said. */
  readonly image: string | null;
  /** Preflight's own version. */
  readonly program: string;
};

/** What the step rested on. */
export type Evidence = {
  readonly verdict: string;
  /** What was done: heads that were stamped, revisions that were run, or objects that were made. */
  readonly what: readonly string[];
  /** Of a stamp; null: it was none. */
  readonly because: "proven" | "assumed" | "asked" | null;
  /** The state that the schema was found to equal; null: none, or not compared. */
  readonly proven: readonly string[] | null;
  /** Differences that were let pass, in words. */
  readonly tolerated: readonly string[];
};

export function isOf({ tool, versionTable, home }: JournalKey, key: JournalKey): boolean {
  return tool === key.tool && versionTable === key.versionTable && home === key.home;
}

/** As multisets: what somebody else has written meanwhile shows. */
export function sameRows(
  left: readonly (string | null)[],
  right: readonly (string | null)[],
): boolean {
  const spell = (rows: readonly (string | null)[]): string =>
    JSON.stringify(rows.map((row) => JSON.stringify(row)).toSorted());
  return spell(left) === spell(right);
}

/** Entries of this history that nobody has taken back, the oldest one first. */
export function standing(
  journal: readonly JournalEntry[],
  key: JournalKey,
): readonly JournalEntry[] {
  const own = journal.filter((entry) => isOf(entry, key));
  const undone = new Set(own.map(({ undoes }) => undoes));
  return own.filter(({ entry }) => !undone.has(entry));
}

/**
 * The entry that brought one of these rows, where entries lead to it from rows that are all known: it was this very history that went
 * on, in another image. Null: nothing tells.
 */
export function broughtBy(
  rows: readonly string[],
  journal: readonly JournalEntry[],
  isKnown: (row: string) => boolean,
): JournalEntry | null {
  const reached: (readonly (string | null)[])[] = [];
  let found: JournalEntry | null = null;
  for (const entry of journal) {
    const { rowsBefore, rowsAfter } = entry;
    if (rowsAfter === null) continue;
    const isStart =
      rowsBefore.length > 0 && rowsBefore.every((row) => row !== null && isKnown(row));
    if (!isStart && !reached.some((each) => sameRows(each, rowsBefore))) continue;
    reached.push(rowsAfter);
    if (rows.some((row) => rowsAfter.includes(row) && !rowsBefore.includes(row))) found = entry;
  }
  return found;
}
