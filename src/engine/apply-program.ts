import { claimOf } from "../core/claim.ts";
import { commitInParts } from "../core/data-migrations.ts";
import type { Observation } from "../core/observation.ts";
import { CannotJudge } from "../core/outcome.ts";
import { versionTableOf } from "../core/version-table.ts";
import { forgetBegun, noteBegun } from "../database/begun.ts";
import { lookRows } from "../database/look.ts";
import { upgradeName } from "../database/own-sessions.ts";
import { formatDuration } from "../database/waiting.ts";
import { describeEnd } from "../tools/child.ts";
import type { Ending } from "./context.ts";
import { endingOf, runProgram, succeeded } from "./program.ts";
import type { StepScope } from "./scope.ts";
import { whileWatching } from "./watch-locks.ts";

/**
 * Runs the program that upgrades. Throws CannotJudge, or the signal's reason, only where it never began.
 * @param variables beside the user's own
 * @returns how it failed; null: done
 */
export async function upgradeByProgram(
  argv: readonly string[],
  cwd: string,
  variables: Readonly<Record<string, string>>,
  scope: StepScope,
): Promise<Ending | null> {
  const { settings, context } = scope;
  context.signal.throwIfAborted();
  context.log({ level: "info", event: "upgrade.run", msg: `running ${argv.join(" ")}` });
  const told = await whileWatching(upgradeName(context.runId), scope, () =>
    runProgram(
      {
        argv,
        cwd,
        variables,
        timeout: settings.upgradeTimeout,
        abort: context.signal,
        onLine: (line) => context.log({ level: "info", event: "upgrade.output", msg: line }),
      },
      scope,
    ),
  );
  if (succeeded(told.end)) return null;
  const limit = `${formatDuration(settings.upgradeTimeout ?? 0)} (--upgrade-timeout)`;
  return endingOf(
    `${argv.join(" ")} ${describeEnd(told.end, limit)}`,
    told,
    {
      outcome: "migration-failed",
      advice: ["the lines above are the migration's own; mend its cause and start again"],
    },
    "nothing was stamped because of this failure, and nothing will be",
  );
}

/** A row stands while a revision that commits in parts may be at work: after a crash, the next look finds it. */
export async function notingBegun(
  revisions: readonly string[],
  observation: Observation,
  { database, project, context }: StepScope,
  work: () => Promise<Ending | null>,
): Promise<Ending | null> {
  const table = versionTableOf(observation, project.versionTable);
  const { history } = project.knowledge;
  const doubtful = commitInParts(project.knowledge, revisions);
  const before = observation.progress.map(({ version }) => version);
  if (doubtful.length + before.length === 0) return await work();
  const files = doubtful.flatMap((id) => history.revisions.get(id) ?? []);
  const isNoted = await noteBegun(database, table, files, context.runId);
  try {
    const failure = await work();
    if (failure === null) await forgetRecorded().catch(() => {});
    // What the program made meanwhile may have a place for it.
    else if (!isNoted) await noteBegun(database, table, files, context.runId);
    return failure;
  } catch (error) {
    const fresh = doubtful.filter((id) => !before.includes(id));
    if (neverBegan(error)) await forgetBegun(database, table, fresh).catch(() => {});
    throw error;
  }

  /** No such program, or told to stop before it. Where the lock was lost, the row may be another run's by now. */
  function neverBegan(error: unknown): boolean {
    return error instanceof CannotJudge
      ? error.outcome !== "temporary"
      : error === context.signal.reason;
  }

  /** A row that stays, because we were kept from it, is in nobody's way once its revision is recorded. */
  async function forgetRecorded(): Promise<void> {
    const { versionTable } = await lookRows(database, {
      versionTable: project.versionTable,
      home: observation.home.schema,
    });
    const rows = (versionTable?.rows ?? []).filter((row) => row !== null);
    const { applied } = claimOf(history, rows);
    const done = [...doubtful, ...before].filter((id) => applied.has(id));
    await forgetBegun(database, table, done);
  }
}
