import { cancelBackends, endBackends } from "../database/backends.ts";
import { isShortOfSessions } from "../database/lock.ts";
import { upgradeName } from "../database/upgrade-name.ts";
import { type ChildEnd, runChild } from "../tools/child.ts";
import { type Complaint, followComplaint, noComplaint } from "../core/complaint.ts";
import { type DriverError, followDriverError } from "../tools/driver-errors.ts";
import type { StepTools } from "./step-tools.ts";

export type Program = {
  readonly argv: readonly string[];
  readonly cwd: string;
  /** Beside the user's own variables, which it gets untouched. */
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
  { database, context }: Pick<StepTools, "database" | "context">,
): Promise<Told> {
  const applicationName = upgradeName(context.runId);
  let complaint: Complaint = noComplaint;
  let error: DriverError | null = null;
  /** Whether the server had hardly a session left when the program had no connection. */
  let isFull = Promise.resolve(false);
  const end = await runChild(argv, {
    cwd,
    env: { ...context.env, ...variables, PGAPPNAME: applicationName },
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

function whyItPasses(error: DriverError | null, isFull: boolean): string | null {
  if (error?.kind === "passes") return `the server's error was ${error.name}, which passes`;
  return error?.kind === "connection" && isFull
    ? "it had no connection, and the server has hardly a session left to give"
    : null;
}
