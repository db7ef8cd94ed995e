import { cancelBackends, endBackends } from "../database/backends.ts";
import type { Database } from "../database/database.ts";
import { isShortOfSessions } from "../database/lock.ts";
import { upgradeName } from "../database/upgrade-name.ts";
import { formatDuration } from "../database/waiting.ts";
import type { Settings } from "../settings/settings.ts";
import { type ChildEnd, runChild } from "../tools/child.ts";
import { followComplaint, noComplaint } from "../tools/complaint.ts";
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
  let complaint = noComplaint;
  let serverSaid: DriverError | null = null;
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
      complaint = followComplaint(complaint, line);
      serverSaid = followDriverError(serverSaid, line);
    },
    onStop: async () => void (await cancelBackends(database, applicationName)),
  });
  if (end.kind === "exited" && end.code === 0) return null;
  // A killed client does not end its statement, and a statement may outlive the program that sent it.
  await endBackends(database, applicationName, world.sleep);
  const why = await whyItPasses(serverSaid, database);
  return describeFailure(argv, describeEnd(end, settings), complaint.line, why);
}

/** null: nothing says that it does. */
async function whyItPasses(error: DriverError | null, database: Database): Promise<string | null> {
  if (error?.kind === "passes") return `the server's error was ${error.name}, which passes`;
  return error?.kind === "connection" && (await isShortOfSessions(database))
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
