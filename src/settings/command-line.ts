import type { Flag } from "./settings-table.ts";

/** What a command takes from argv and the environment. */
export type CommandLine = {
  readonly name: string;
  readonly usage: string;
  readonly about: string;
  readonly flags: readonly Flag[];
  /** `database`: one to judge, whose address must be there; `scratch`: a server to work on, if somebody names one. */
  readonly connects: "database" | "scratch" | null;
  /** Whether it starts what stands after `--`. */
  readonly starts: boolean;
  /** What goes to stdout: the verdict line, or a document of its own, and then the verdict line to stderr. */
  readonly prints: "verdict" | "document";
  /** The words after its name; null: it takes none. */
  readonly words: Words | null;
  /** The command that it is with this flag. */
  readonly becomes: { readonly flag: Flag; readonly name: string } | null;
};

type Words = {
  readonly most: number;
  /** As the command means them; or adds a fault. */
  readonly read: (words: readonly string[], faults: string[]) => readonly string[];
};

/** Of every command that reads migration files. */
export const historyFlags = ["migrations", "tool", "verbose"] as const satisfies readonly Flag[];

/** Of those that hold a history against a database. */
export const decidingFlags = [
  ...historyFlags,
  "ledger",
  "version-table",
  "schema",
  "stamp",
  "drift",
  "ahead",
  "unverified",
  "assume",
  "allow-out-of-order",
  "resume",
  "timeout",
  "lock-timeout",
  "program-env",
  "env-file",
  "metrics-file",
] as const satisfies readonly Flag[];

/** Of those that say how a step is taken. */
export const writingFlags = ["journal", "image-version"] as const satisfies readonly Flag[];

/** Of those that decide what a database needs. */
export const judgingFlags = [
  ...decidingFlags,
  ...writingFlags,
  "enforce",
  "upgrade-timeout",
  "ddl-lock-timeout",
  "upgrade-command",
] as const satisfies readonly Flag[];
