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
  /** Reads the word after its name, or adds a fault; null: it takes none. */
  readonly readWord: ((word: string | null, faults: string[]) => string | null) | null;
  /** The command that it is with this flag. */
  readonly becomes: { readonly flag: Flag; readonly name: string } | null;
};

/** Of every command that reads migration files. */
export const historyFlags = ["migrations", "tool", "verbose"] as const satisfies readonly Flag[];

/** Of those that decide what a database needs. */
export const judgingFlags = [
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
  "enforce",
  "timeout",
  "lock-timeout",
  "upgrade-timeout",
  "ddl-lock-timeout",
  "upgrade-command",
  "program-env",
  "env-file",
  "metrics-file",
] as const satisfies readonly Flag[];
