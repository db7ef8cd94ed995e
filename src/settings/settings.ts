import type { Outcome } from "../core/outcome.ts";
import type { Policy } from "../core/step.ts";
import type { Connection } from "./connection.ts";
import type { ProgramAddress } from "./program-address.ts";
import type { Values } from "./settings-table.ts";

/** What argv and the environment ask for. Faults are complete, and free of values: safe to print. */
export type SettingsResult =
  | { readonly kind: "help"; readonly command: string | null }
  | { readonly kind: "version" }
  | { readonly kind: "settings"; readonly settings: Settings }
  | {
      readonly kind: "faults";
      readonly outcome: Extract<Outcome, "usage" | "config">;
      readonly faults: readonly string[];
      /** What is still needed to say how the run ended. */
      readonly command: string | null;
      readonly metricsFile: string | null;
      readonly enforce: boolean;
      readonly exec: readonly string[];
      readonly fileVariables: Settings["fileVariables"];
    };

/**
 * Everything a command may know, parsed and checked: the values of THE table, under the flags' names in camel case, and
 * what is read from elsewhere. Durations are milliseconds.
 */
export type Settings = Omit<Values, keyof Policy | "check" | "checkOnly" | "scratchUrl"> & {
  /** `run --check-only` is `check`. */
  readonly command: string;
  /** The database to judge; null for `bake`, `audit` and `new`, which need none. */
  readonly database: Connection | null;
  /** Where else the environment leads; null: nowhere, as far as it says. */
  readonly programAddress: ProgramAddress | null;
  /** What the application's own program may connect by, where that may lead to another schema; null: nothing else. */
  readonly programConnection: Connection | null;
  /** Prints the password of the database; already split into words. */
  readonly passwordCommand: readonly string[] | null;
  readonly policy: Policy;
  /** `bake --check`: compare files and ledger, no database. */
  readonly bakeCheck: boolean;
  /** `bake --scratch-url`: a server on which bake creates and drops databases of its own. */
  readonly scratch: Connection | null;
  /** After the command's name, as it means them; empty: none. */
  readonly words: readonly string[];
  /** What to exec when the application may start: the words after `--`; empty: nothing. */
  readonly exec: readonly string[];
  /** Those of `--env-file` that the environment lacks: the programs that are run have them, and the command. */
  readonly fileVariables: Readonly<Record<string, string>>;
  /** What a person should know and need not stop for: safe to print. */
  readonly warnings: readonly string[];
  /** How something was understood that nobody needs to mend: safe to print. */
  readonly notes: readonly string[];
  /** Values that must never be printed: every password and secret URL in reach, chosen or not. */
  readonly secrets: readonly string[];
  /** Those of them that are a name in the same address, too: it stands in every message. */
  readonly secretNames: readonly string[];
};
