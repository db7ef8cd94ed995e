import type { Place } from "../settings/place.ts";
import type { Commands } from "../tools/tool.ts";
import { runProgram, type Told } from "./program.ts";
import type { StepTools } from "./step-tools.ts";

/** Milliseconds in which an application is imported, and one table read. */
const longestRun = 120_000;
const linesKept = 20;

export type AskOptions = {
  readonly argv: readonly string[];
  readonly commands: Commands;
  readonly variables: Readonly<Record<string, string>>;
};

/** A read-only program that is at work, and what it has said. */
export type Asked = {
  readonly ended: Promise<Told>;
  readonly isDone: () => boolean;
  readonly ranFor: () => number;
  readonly place: () => Place | null;
  readonly lines: readonly string[];
  readonly stop: () => void;
};

export function askProgram(
  { argv, commands, variables }: AskOptions,
  tools: Pick<StepTools, "database" | "context">,
): Asked {
  const { context } = tools;
  const stopped = new AbortController();
  const started = context.now();
  const lines: string[] = [];
  let place: Place | null = null;
  let isDone = false;
  const program = {
    argv,
    cwd: commands.cwd,
    variables,
    timeout: longestRun,
    abort: AbortSignal.any([context.signal, stopped.signal]),
    onLine: (line: string): void => {
      context.log({ level: "debug", event: "address.output", msg: line });
      place ??= commands.placeIn(line);
      lines.push(line);
      if (lines.length > linesKept) lines.shift();
    },
  };
  const ended = runProgram(program, tools).finally(() => {
    isDone = true;
  });
  ended.catch(() => {});
  return {
    ended,
    isDone: () => isDone,
    ranFor: () => context.now() - started,
    place: () => place,
    lines,
    stop: () => stopped.abort(),
  };
}
