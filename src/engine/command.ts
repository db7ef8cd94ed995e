import type { CommandLine } from "../settings/command-line.ts";
import type { Settings } from "../settings/settings.ts";
import type { Context } from "./context.ts";
import type { Ending } from "./run-record.ts";

/** One of the program's commands: a file in `commands/`, and a line of the list in `cli.ts`. */
export type Command = CommandLine & {
  /** Whatever it throws is an ending too. */
  readonly start: (settings: Settings, context: Context) => Promise<Ending>;
};
