import { cancelBackends, endBackends } from "../database/backends.ts";
import { isShortOfSessions } from "../database/lock.ts";
import { upgradeName } from "../database/upgrade-name.ts";
import { formatDuration } from "../database/waiting.ts";
import type { Settings } from "../settings/settings.ts";
import { type ChildEnd, runChild } from "../tools/child.ts";
import { type Complaint, followComplaint, noComplaint } from "../tools/complaint.ts";
import { type DriverError, followDriverError } from "../tools/driver-errors.ts";
import type { Ending } from "./draft.ts";
import type { StepTools } from "./step.ts";

/**
 * Runs the image's own program: by argv, without a shell, in its own process group.
 * Throws CannotJudge, or the signal's reason, only where it never began.
 * @returns how it failed; null: done
 */
export async function upgradeByProgram(
  argv: readonly string[],
  cwd: string,
  tools: StepTools,
): Promise<Ending | null> {
  const { database, settings, world } = tools;
  const applicationName = upgradeName(world.runId);
  const heard: Heard = { complaint: noComplaint, error: null, isFull: Promise.resolve(false) };
  world.signal.throwIfAborted();
  world.log({ level: "info", event: "upgrade.run", msg: `running ${argv.join(" ")}` });
  const end = await runChild(argv, {
    cwd,
    env: { ...world.env, PGAPPNAME: applicationName },
    timeout: settings.upgradeTimeout,
    abort: world.signal,
    signalGroup: world.signalGroup,
    onLine: (line) => {
      world.log({ level: "info", event: "upgrade.output", msg: line });
      heard.complaint = followComplaint(heard.complaint, line);
      const before = heard.error;
      heard.error = followDriverError(before, line);
      // Asked at once: a moment later others may have left.
      if (before?.kind !== "connection" && heard.error?.kind === "connection")
        heard.isFull = isShortOfSessions(database);
    },
    onStop: async () => void (await cancelBackends(database, applicationName)),
  });
  if (end.kind === "exited" && end.code === 0) return null;
  // A killed client does not end its statement, and a statement may outlive the program that sent it.
  await endBackends(database, applicationName, world.sleep);
  const why = whyItPasses(heard.error, await heard.isFull);
  return describeFailure(argv, describeEnd(end, settings), heard.complaint.line, why);
}

/** What the program's output has told so far. */
type Heard = {
  complaint: Complaint;
  error: DriverError | null;
  /** Whether the server had hardly a session left when the program had no connection. */
  isFull: Promise<boolean>;
};

/** null: nothing says that it does. */
function whyItPasses(error: DriverError | null, isFull: boolean): string | null {
  if (error?.kind === "passes") return `the server's error was ${error.name}, which passes`;
  return error?.kind === "connection" && isFull
    ? "it had no connection, and the server has hardly a session left to give"
    : null;
}

function describeFailure(
  argv: readonly string[],
  how: string,
  complaint: string | null,
  passing: string | null,
): Ending {
  const nothingStamped = "nothing was stamped because of this failure, and nothing will be";
  const reason = `${argv.join(" ")} ${how}${complaint === null ? "" : `: ${complaint}`}`;
  if (passing !== null)
    return {
      outcome: "temporary",
      reason: `${reason}; ${passing}`,
      next: [
        "run it again when the server has room, or what was in the way has ended",
        nothingStamped,
      ],
    };
  return {
    outcome: "migration-failed",
    reason,
    next: [
      "the lines above are the migration's own; mend its cause and start again",
      nothingStamped,
    ],
  };
}

function describeEnd(end: ChildEnd, settings: Settings): string {
  switch (end.kind) {
    case "exited":
      return `exited with ${end.code}`;
    case "killed":
      return `was killed by ${end.signal}`;
    case "stopped":
      return `did not end within ${formatDuration(settings.upgradeTimeout ?? 0)} (--upgrade-timeout) and was stopped`;
  }
}
