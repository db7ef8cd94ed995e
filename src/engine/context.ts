import type { Outcome } from "../core/outcome.ts";
import type { Waiting } from "../database/waiting.ts";
import type { Log } from "../report/log.ts";
import type { VerdictLine } from "../report/verdict-schema.ts";
import type { CommandLine } from "../settings/command-line.ts";
import type { Settings } from "../settings/settings.ts";
import type { Sources } from "../settings/sources.ts";
import type { Tool } from "../tools/tool.ts";

/** What a command may use of the machine. Everything that differs from run to run is in here. */
export type Context = Sources & {
  readonly cwd: string;
  /** The migration tools that there are. */
  readonly tools: readonly Tool[];
  /** Where the program itself is installed. */
  readonly programDirectory: string;
  readonly runId: string;
  /** Milliseconds on a clock that never jumps. */
  readonly now: () => number;
  /** At least 0, below 1: for waits that shall not end together. */
  readonly random: () => number;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** Aborted when the process is told to stop. */
  readonly signal: AbortSignal;
  /** Never fails: a group that is gone needs no signal. */
  readonly signalGroup: (group: number, signal: NodeJS.Signals) => void;
  readonly log: Log;
  /** From now on this is printed nowhere. */
  readonly learnSecret: (secret: string) => void;
  /** One line on stdout before the verdict line: JSON, or a text as it is. */
  readonly print: (document: object | string) => void;
  /** What the run knows so far; the verdict line is made of it, however the run ends. */
  readonly record: RunRecord;
};

/** The verdict line while a run fills it in: a run that ends early tells what it knew by then. */
export type RunRecord = {
  -readonly [
    Field in keyof Omit<VerdictLine, "v" | "exit" | "wouldExit" | "outcome" | "reason" | "next">
  ]: VerdictLine[Field];
};

/** As everything that waits for the database wants it. */
export function waitingOf({ now, sleep, random, signal, log }: Context): Waiting {
  return { clock: now, sleep, random, signal, log };
}

/** One of the program's commands: a file in `commands/`, and a line of the list in `cli.ts`. */
export type Command = CommandLine & {
  /** Whatever it throws is an ending too. */
  readonly start: (settings: Settings, context: Context) => Promise<Ending>;
};

/** How a command ended. */
export type Ending = {
  readonly outcome: Outcome;
  readonly reason: string | null;
  readonly next: readonly string[];
};

export const ready: Ending = { outcome: "ready", reason: null, next: [] };
