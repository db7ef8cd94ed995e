import type { ChildEnd, ChildOptions } from "../tools/child.ts";
import { followComplaint, noComplaint } from "../core/complaint.ts";
import { protect, type Protection } from "./protection.ts";
import type { Log } from "./scratch.ts";

/** Runs a program by argv, without a shell: the one of src/tools/child.ts, given by whoever composes the two. */
export type RunChild = (
  argv: readonly string[],
  options: Omit<ChildOptions, "signalGroup">,
) => Promise<ChildEnd>;

/** How a child ended, with the last lines that it printed. */
export type ChildReport = {
  readonly succeeded: boolean;
  readonly end: ChildEnd;
  readonly lastLines: readonly string[];
  /** What it gave as the reason of its failure; null: it printed nothing. */
  readonly complaint: string | null;
};

/** Runs one of the tool's commands to its end, without a time limit; its lines go to the log. */
export async function runCommand(
  {
    runChild,
    cwd,
    protection,
  }: { readonly runChild: RunChild; readonly cwd: string; readonly protection: Protection },
  { signal, log }: { readonly signal: AbortSignal; readonly log: Log },
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<ChildReport> {
  const lastLines: string[] = [];
  let complaint = noComplaint;
  signal.throwIfAborted();
  const end = await runChild(protect(protection, argv, cwd), {
    cwd,
    env,
    timeout: null,
    abort: signal,
    // Not cut short: half a secret would not be known for one.
    onLine: (line) => {
      log("child", { line });
      complaint = followComplaint(complaint, line);
      lastLines.push(line);
      if (lastLines.length > linesKept) lastLines.shift();
    },
  });
  signal.throwIfAborted();
  return {
    succeeded: end.kind === "exited" && end.code === 0,
    end,
    lastLines,
    complaint: complaint.line,
  };
}

const linesKept = 20;

export function describeEnd({ end }: ChildReport): string {
  switch (end.kind) {
    case "exited":
      return `failed with exit code ${end.code}`;
    case "killed":
      return `was killed by ${end.signal}`;
    case "stopped":
      return `was stopped (${end.by})`;
  }
}
