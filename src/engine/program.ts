import { type Complaint, followComplaint, noComplaint } from "../core/complaint.ts";
import type { Observation, ProgramsPath } from "../core/observation.ts";
import type { Outcome } from "../core/outcome.ts";
import { isShortOfSessions } from "../database/lock.ts";
import { lookPath } from "../database/look.ts";
import { cancelBackends, endBackends, upgradeName } from "../database/own-sessions.ts";
import { connectAndWait } from "../database/wait.ts";
import type { Place } from "../settings/program-address.ts";
import type { Settings } from "../settings/settings.ts";
import { type ChildEnd, runChild } from "../tools/child.ts";
import { type DriverError, followDriverError } from "../tools/driver-errors.ts";
import type { Commands } from "../tools/tool.ts";
import { type Context, type Ending, waitingOf } from "./context.ts";
import { mappedVariables, optionsOf } from "./mapped-variables.ts";
import type { Project } from "./project.ts";
import type { StepScope } from "./scope.ts";

export type Program = {
  readonly argv: readonly string[];
  readonly cwd: string;
  /** Beside the user's own variables, which it gets untouched, and those that `--program-env` sets. */
  readonly variables: Readonly<Record<string, string>>;
  /** Milliseconds; null: no limit. */
  readonly timeout: number | null;
  readonly abort: AbortSignal;
  readonly onLine: (line: string) => void;
};

/** How a program ended, and what its output told of the reason. */
export type Told = {
  readonly end: ChildEnd;
  /** What it gave as the reason of its failure. */
  readonly complaint: string | null;
  readonly error: DriverError | null;
  /** Why what made it fail may pass by itself; null: nothing says that it does, or it has not failed. */
  readonly passing: string | null;
};

/**
 * Runs the image's own program: by argv, without a shell, in its own process group. Its sessions have the name of this run's
 * upgrade where its driver reads PGAPPNAME, and none of them outlives a failure.
 * Throws CannotJudge only where it never began.
 */
export async function runProgram(
  { argv, cwd, variables, timeout, abort, onLine }: Program,
  scope: Pick<StepScope, "database" | "settings" | "context">,
): Promise<Told> {
  const { database, context } = scope;
  const applicationName = upgradeName(context.runId);
  let complaint: Complaint = noComplaint;
  let error: DriverError | null = null;
  /** Whether the server had hardly a session left when the program had no connection. */
  let isFull = Promise.resolve(false);
  const options = optionsOf(scope);
  const own = options === null ? {} : { PGOPTIONS: options };
  const mapped = await mappedVariables(scope);
  const end = await runChild(argv, {
    cwd,
    env: { ...context.env, ...own, ...mapped, ...variables, PGAPPNAME: applicationName },
    timeout,
    abort,
    signalGroup: context.signalGroup,
    onLine: (line) => {
      onLine(line);
      complaint = followComplaint(complaint, line);
      const before = error;
      error = followDriverError(before, line);
      // Asked at once: a moment later others may have left.
      if (before?.kind !== "connection" && error?.kind === "connection")
        isFull = isShortOfSessions(database);
    },
    onStop: async () => void (await cancelBackends(database, applicationName)),
  });
  const told = {
    end,
    complaint: complaint.line,
    error: error as DriverError | null,
  };
  if (succeeded(end)) return { ...told, passing: null };
  // A killed client does not end its statement, and a statement may outlive the program that sent it.
  await endBackends(database, applicationName, context.sleep);
  return { ...told, passing: whyItPasses(told.error, await isFull) };
}

export function succeeded(end: ChildEnd): boolean {
  return end.kind === "exited" && end.code === 0;
}

/** @param otherwise the end where what made it fail does not pass by itself */
export function endingOf(
  what: string,
  { complaint, passing }: Told,
  otherwise: { readonly outcome: Outcome; readonly advice: readonly string[] },
  untouched: string,
): Ending {
  const reason = `${what}${complaint === null ? "" : `: ${complaint}`}`;
  if (passing === null)
    return { outcome: otherwise.outcome, reason, next: [...otherwise.advice, untouched] };
  return {
    outcome: "temporary",
    reason: `${reason}; ${passing}`,
    next: ["run it again when the server has room, or what was in the way has ended", untouched],
  };
}

function whyItPasses(error: DriverError | null, isFull: boolean): string | null {
  if (error?.kind === "passes") return `the server's error was ${error.name}, which passes`;
  return error?.kind === "connection" && isFull
    ? "it had no connection, and the server has hardly a session left to give"
    : null;
}

/** Milliseconds in which an application is imported, and one table read. */
const longestRun = 120_000;
/** A settings class names each field that it lacks in three lines. */
const linesKept = 200;

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
  scope: Pick<StepScope, "database" | "settings" | "context">,
): Asked {
  const { context } = scope;
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
  const ended = runProgram(program, scope).finally(() => {
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

/** Milliseconds: this address is asked besides. */
const patience = 3_000;

/**
 * Where the program's own address leads, where there is one and it may lead elsewhere: a role of its own has a search_path of its
 * own. Null: it cannot be asked, or leads to another database, which the look for the upgrade's address will name.
 */
export async function askProgramsPath(
  { server }: Observation,
  { programConnection: address }: Settings,
  context: Context,
): Promise<ProgramsPath | null> {
  if (address === null) return null;
  try {
    const database = await connectAndWait(async () => address, {
      ...waitingOf(context),
      timeout: patience,
      applicationName: `preflight/${context.runId}`,
      log: () => {},
    });
    try {
      const seen = await lookPath(database);
      const isSame =
        seen.server.startedAt === server.startedAt && seen.server.database === server.database;
      return isSame ? { source: address.source, role: seen.role, createsIn: seen.createsIn } : null;
    } finally {
      await database.close();
    }
  } catch (error) {
    context.signal.throwIfAborted();
    context.log({
      level: "debug",
      event: "home.unknown",
      msg: `where ${address.source} leads could not be asked: ${error instanceof Error ? error.message : String(error)}`,
    });
    return null;
  }
}

/** Whether another address may lead to another schema: preflight applies files by its own one, and some programs set their path. */
export function hasProgramsPath(
  { found, ledger }: Project,
  { programConnection }: Settings,
): boolean {
  const goesByPath = found.upgrade.kind === "command" && ledger?.home.kind !== "program";
  return programConnection !== null && goesByPath;
}
