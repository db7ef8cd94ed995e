import { upgradeName } from "../database/upgrade-name.ts";
import { formatDuration } from "../database/waiting.ts";
import type { Settings } from "../settings/settings.ts";
import type { ChildEnd } from "../tools/child.ts";
import type { Ending } from "./draft.ts";
import { runProgram, succeeded, type Told } from "./program.ts";
import { whileWatching } from "./watch-locks.ts";
import type { StepTools } from "./step-tools.ts";

/**
 * Runs the program that upgrades. Throws CannotJudge, or the signal's reason, only where it never began.
 * @param variables beside the user's own
 * @returns how it failed; null: done
 */
export async function upgradeByProgram(
  argv: readonly string[],
  cwd: string,
  variables: Readonly<Record<string, string>>,
  tools: StepTools,
): Promise<Ending | null> {
  const { settings, world } = tools;
  world.signal.throwIfAborted();
  world.log({ level: "info", event: "upgrade.run", msg: `running ${argv.join(" ")}` });
  const told = await whileWatching(upgradeName(world.runId), tools, () =>
    runProgram(
      {
        argv,
        cwd,
        variables,
        timeout: settings.upgradeTimeout,
        abort: world.signal,
        onLine: (line) => world.log({ level: "info", event: "upgrade.output", msg: line }),
      },
      tools,
    ),
  );
  if (succeeded(told.end)) return null;
  return describeFailure(`${argv.join(" ")} ${describeEnd(told.end, settings)}`, told);
}

function describeFailure(what: string, { complaint, passing }: Told): Ending {
  const nothingStamped = "nothing was stamped because of this failure, and nothing will be";
  const reason = `${what}${complaint === null ? "" : `: ${complaint}`}`;
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
