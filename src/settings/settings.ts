import type { Policy } from "../core/plan.ts";
import type { ToolName } from "../core/revision.ts";
import type { Connection } from "./connection.ts";

export type CommandName = "run" | "check" | "bake" | "audit";

/** Everything a command may know, parsed and checked. Durations are milliseconds. */
export type Settings = {
  readonly command: CommandName;
  /** The database to judge; null for `bake` and `audit`, which need none. */
  readonly database: Connection | null;
  /** Where the history is; null: found by convention in the current directory. */
  readonly migrations: string | null;
  readonly tool: ToolName | null;
  readonly versionTable: { readonly schema: string | null; readonly name: string } | null;
  /** Path of the ledger; null: `preflight.ledger.json` beside the history. */
  readonly ledger: string | null;
  readonly policy: Policy;
  readonly timeout: number;
  readonly lockTimeout: number;
  /** null: no limit. */
  readonly upgradeTimeout: number | null;
  /** Replaces the tool's own upgrade command; already split into words. */
  readonly upgradeCommand: readonly string[] | null;
  readonly verbose: boolean;
  /** `check --exit-code`: 30 when `run` would act. */
  readonly exitCode: boolean;
  /** `bake --check`: compare files and ledger, no database. */
  readonly bakeCheck: boolean;
  /** `bake --scratch-url`: a server on which bake creates and drops databases of its own. */
  readonly scratch: Connection | null;
  /** What to exec when the application may start: the words after `--`; empty: nothing. */
  readonly exec: readonly string[];
  /** Values that must never be printed. */
  readonly secrets: readonly string[];
};
