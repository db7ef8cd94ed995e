import os from "node:os";
import { audit } from "./commands/audit.ts";
import { bake } from "./commands/bake.ts";
import { check } from "./commands/check.ts";
import { history } from "./commands/history.ts";
import { newMigration } from "./commands/new.ts";
import { repair } from "./commands/repair.ts";
import { run } from "./commands/run.ts";
import { stamp } from "./commands/stamp.ts";
import { status } from "./commands/status.ts";
import { undo } from "./commands/undo.ts";
import { CannotJudge, outcomes } from "./core/outcome.ts";
import type { Command, Context, Ending } from "./engine/context.ts";
import { sayRefusal } from "./engine/events.ts";
import { completeLine, emptyRecord, redactRecord, unenforced } from "./engine/run-record.ts";
import { help } from "./report/help.ts";
import { type Log, openLog, parseTraceparent } from "./report/log.ts";
import { writeMetrics } from "./report/metrics.ts";
import { makeRedactor, redactDeep } from "./report/redact.ts";
import { formatVerdictLine } from "./report/verdict-line.ts";
import type { VerdictLine } from "./report/verdict-schema.ts";
import { readSettings } from "./settings/read-settings.ts";
import { addressTable, settingsTable } from "./settings/settings-table.ts";
import type { Settings, SettingsResult } from "./settings/settings.ts";
import { version } from "./version.ts";

/** All that the program has of the process it runs in. */
export type Process = Omit<Context, "log" | "print" | "record" | "learnSecret"> & {
  readonly argv: readonly string[];
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly stderrIsTerminal: boolean;
  /** Milliseconds since 1970. */
  readonly today: () => number;
  /** Kubernetes shows this as the reason why a container ended. */
  readonly terminationLog: (text: string) => void;
};

/** What is left to do once everything is said. */
export type Result =
  | { readonly kind: "exit"; readonly code: number }
  | {
      readonly kind: "exec";
      readonly command: readonly string[];
      /** Besides the environment. */
      readonly variables: Readonly<Record<string, string>>;
    };

/** THE list of commands; the first one is meant where none is named. */
export const commands: readonly Command[] = [
  run,
  check,
  status,
  bake,
  audit,
  newMigration,
  history,
  stamp,
  undo,
  repair,
];

/** argv + env → settings → command → verdict line → exit code. */
export async function cli(io: Process, known: readonly Command[] = commands): Promise<Result> {
  const started = io.now();
  const tools = io.tools.map(({ name }) => name);
  const read = readSettings(io.argv, io, { commands: known, tools });
  switch (read.kind) {
    case "help":
      io.stdout(
        help(read.command, { commands: known, settings: settingsTable, addresses: addressTable }),
      );
      return { kind: "exit", code: 0 };
    case "version":
      io.stdout(`preflight ${version}\n`);
      return { kind: "exit", code: 0 };
    case "faults":
      return endWithFaults(read, known, io, started);
    case "settings":
      return execute(theOne(known, read.settings.command), read.settings, io, started);
  }
}

function theOne(known: readonly Command[], name: string): Command {
  const command = known.find((each) => each.name === name);
  if (command === undefined) throw new Error(`no command ${name}`);
  return command;
}

/** A long wait sees many tokens come and go, of which only the last ones can still be said. */
const mostLearned = 100;

async function execute(
  command: Command,
  settings: Settings,
  io: Process,
  started: number,
): Promise<Result> {
  let redactAll = makeRedactor(settings.secrets, settings.secretNames);
  const redact = (text: string): string => redactAll(text);
  let learned: readonly string[] = [];
  const learnSecret = (secret: string): void => {
    if (secret.trim() === "" || [...settings.secrets, ...learned].includes(secret)) return;
    learned = [...learned, secret].slice(-mostLearned);
    redactAll = makeRedactor([...settings.secrets, ...learned], settings.secretNames);
  };
  const record = emptyRecord(io.runId);
  const log = openLogOf(io, redact, settings.verbose);
  for (const warning of settings.warnings)
    log({ level: "warn", event: "settings.warning", msg: warning });
  for (const note of settings.notes) log({ level: "info", event: "settings.note", msg: note });

  const print = (document: object | string): void => {
    const shown = redactDeep(redact, document);
    io.stdout(`${typeof shown === "string" ? shown : JSON.stringify(shown)}\n`);
  };
  const env = { ...io.env, ...settings.fileVariables };
  const context: Context = { ...io, env, log, print, record, learnSecret };
  const ending = await ended(command.start(settings, context), context);

  const line = completeLine(redactRecord(record, redact), redactEnding(ending), exitOf(ending, io));
  return finish(line, { ...settings, prints: command.prints }, io, started, log);

  function redactEnding({ outcome, reason, next }: Ending): Ending {
    return { outcome, reason: reason && redact(reason), next: next.map(redact) };
  }
}

function endWithFaults(
  { outcome, faults, command, ...rest }: Extract<SettingsResult, { kind: "faults" }>,
  known: readonly Command[],
  io: Process,
  started: number,
): Result {
  const log = openLogOf(io, makeRedactor([]), false);
  for (const fault of faults) log({ level: "error", event: "settings.fault", msg: fault });
  const next = outcome === "usage" ? ["preflight --help"] : [];
  const ending = { outcome, reason: faults.join("; "), next };
  const line = completeLine(emptyRecord(io.runId), ending, outcomes[outcome].exit);
  const prints = known.find(({ name }) => name === command)?.prints ?? "verdict";
  return finish(line, { command: command ?? "", prints, ...rest }, io, started, log);
}

/** The last words, and what is left to do. Of what argv means there must be no doubt: a usage fault is always one. */
function finish(
  judged: VerdictLine,
  settings: Pick<Settings, "command" | "enforce" | "exec" | "fileVariables" | "metricsFile"> &
    Pick<Command, "prints">,
  io: Process,
  started: number,
  log: Log,
): Result {
  const isUsage = judged.outcome === "usage";
  const line = settings.enforce || isUsage ? judged : unenforced(judged, log);
  publish(line, settings, io, started, log);
  // With a command to start, stdout is the command's. Of a wrong argv nobody knows: a flag may have taken -- for its value.
  const isCommands = settings.exec.length > 0 || (isUsage && io.argv.includes("--"));
  const isTaken = isCommands || settings.prints === "document";
  const text = formatVerdictLine(line);
  (isTaken ? io.stderr : io.stdout)(`${text}\n`);
  io.terminationLog(text);
  return line.outcome === "ready" && settings.exec.length > 0
    ? { kind: "exec", command: settings.exec, variables: settings.fileVariables }
    : { kind: "exit", code: line.exit };
}

function openLogOf(io: Process, redact: (text: string) => string, verbose: boolean): Log {
  const traceparent = io.env["TRACEPARENT"] ?? "";
  const trace = parseTraceparent(traceparent);
  const log = openLog({
    verbose,
    isTerminal: io.stderrIsTerminal,
    runId: io.runId,
    trace,
    write: io.stderr,
    redact: (value) => redactDeep(redact, value),
  });
  if (traceparent !== "" && trace === null)
    log({
      level: "debug",
      event: "trace.ignored",
      msg: "TRACEPARENT is not as W3C Trace Context has it, so these lines have no trace_id",
    });
  return log;
}

/** Whether somebody watches must not decide whether an application starts. */
function publish(
  line: VerdictLine,
  { command, metricsFile }: Pick<Settings, "command" | "metricsFile">,
  { now, today }: Process,
  started: number,
  log: Log,
): void {
  if (metricsFile === null) return;
  const fault = writeMetrics(metricsFile, line, {
    version,
    command,
    endedAt: today(),
    tookMs: Math.round(now() - started),
  });
  if (fault === null) return;
  log({
    level: "warn",
    event: "metrics.unwritten",
    msg: `the metrics could not be written to ${metricsFile} (${fault}), and nothing else depends on them; its directory must be there and writable`,
  });
}

function exitOf({ outcome }: Ending, { signal }: Process): number {
  if (outcome !== "signal") return outcomes[outcome].exit;
  return outcomes.signal.exit + os.constants.signals[signal.reason as NodeJS.Signals];
}

/** Whatever a command throws is an ending too. */
async function ended(work: Promise<Ending>, { signal, log }: Context): Promise<Ending> {
  try {
    return await work;
  } catch (error) {
    const ending: Ending = signal.aborted
      ? { outcome: "signal", reason: `ended by ${String(signal.reason)}`, next: [] }
      : endedByError(error);
    sayRefusal(ending, log);
    return ending;
  }
}

function endedByError(error: unknown): Ending {
  if (error instanceof CannotJudge)
    return { outcome: error.outcome, reason: error.message, next: error.next };
  return {
    outcome: "internal",
    reason: `a bug in preflight: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    next: ["please report it with these lines; nothing was decided"],
  };
}
