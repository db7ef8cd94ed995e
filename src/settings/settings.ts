import type { Outcome } from "../core/outcome.ts";
import type { Policy } from "../core/step.ts";
import type { Connection } from "./connection.ts";
import type { ProgramAddress } from "./program-address.ts";

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
    };

/** Everything a command may know, parsed and checked. Durations are milliseconds. */
export type Settings = {
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
  /** Where the history is; null: found by convention in the current directory. */
  readonly migrations: string | null;
  readonly tool: string | null;
  readonly versionTable: { readonly schema: string | null; readonly name: string } | null;
  /** The schema that the history lives in, as the catalogs name it; null: the search_path decides. */
  readonly schema: string | null;
  /** Path of the ledger; null: `preflight.ledger.json` beside the history. */
  readonly ledger: string | null;
  readonly policy: Policy;
  /** Whether what is found is acted on, or only said. */
  readonly enforce: boolean;
  readonly timeout: number;
  readonly lockTimeout: number;
  /** null: no limit. */
  readonly upgradeTimeout: number | null;
  /** Of one attempt of a statement that changes the schema; null: no limit. */
  readonly ddlLockTimeout: number | null;
  /** Replaces the tool's own upgrade command; already split into words. */
  readonly upgradeCommand: readonly string[] | null;
  readonly verbose: boolean;
  /** `check --exit-code`: 30 when `run` would act. */
  readonly exitCode: boolean;
  /** `bake --check`: compare files and ledger, no database. */
  readonly bakeCheck: boolean;
  /** `bake --scratch-url`: a server on which bake creates and drops databases of its own. */
  readonly scratch: Connection | null;
  /** `bake --varies`: objects of which the definition is not compared; null: none besides those of the ledger. */
  readonly varies: readonly string[] | null;
  /** `bake --scratch-init`: path of a file with SQL. */
  readonly scratchInit: string | null;
  /** `bake --scratch-unconfined`: the replay may reach whatever this machine can. */
  readonly scratchUnconfined: boolean;
  /** `audit --json`: the findings on stdout too. */
  readonly json: boolean;
  /** Where to write how the run ended, as OpenMetrics; null: nowhere. */
  readonly metricsFile: string | null;
  /** `new NAME`, in snake case; null for every other command. */
  readonly name: string | null;
  /** What to exec when the application may start: the words after `--`; empty: nothing. */
  readonly exec: readonly string[];
  /** What a person should know and need not stop for: safe to print. */
  readonly warnings: readonly string[];
  /** Values that must never be printed: every password and secret URL in reach, chosen or not. */
  readonly secrets: readonly string[];
};
