import { commitInParts } from "../core/begun.ts";
import { claimOf, recordedOf } from "../core/claim.ts";
import type { Observation } from "../core/observation.ts";
import { CannotJudge } from "../core/outcome.ts";
import { cancelBackends, endBackends } from "../database/backends.ts";
import { forgetBegun, noteBegun } from "../database/begun.ts";
import { upgradePrefix } from "../database/fence.sql.ts";
import { lookRows } from "../database/look.ts";
import type { Settings } from "../settings/settings.ts";
import { type ChildEnd, runChild } from "../tools/child.ts";
import { type DriverError, followDriverError } from "../tools/driver-errors.ts";
import type { Ending } from "./draft.ts";
import { applyFiles } from "./migrate.ts";
import { openDatabase } from "./open.ts";
import type { StepTools } from "./step.ts";
import { versionTableOf } from "./version-table.ts";
import type { World } from "./world.ts";

/** Brings pending revisions in. @returns how it failed; null: done */
export async function upgrade(
  revisions: readonly string[],
  observation: Observation,
  tools: StepTools,
): Promise<Ending | null> {
  const { database, image, settings, world } = tools;
  const { upgrade: how } = image.found;
  if (how.kind === "command") {
    const { cwd, upgrade: commandTo } = how.commands;
    const argv = settings.upgradeCommand ?? commandTo("heads");
    return await notingBegun(revisions, observation, tools, () => runProgram(argv, cwd, tools));
  }
  const limit = settings.ddlLockTimeout;
  if (limit !== null)
    world.log({
      level: "info",
      event: "migrate.limits",
      msg: `a statement that changes the schema waits at most ${limit / 1000}s for its locks (--ddl-lock-timeout), and is tried again`,
      ddlLockTimeoutMs: limit,
    });
  const applicationName = upgradeName(world);
  const session = await openDatabase(settings, world, { applicationName, toWrite: true });
  try {
    return await applyFiles(await how.load(revisions), {
      session,
      tool: how.tool,
      table: versionTableOf(observation, image),
      progress: observation.progress,
      ddlLockTimeout: settings.ddlLockTimeout,
      timeout: settings.upgradeTimeout,
      openSecond: async () => await openDatabase(settings, world, { toWrite: true }),
      applicationName,
      cancel: async () => await cancelBackends(database, applicationName),
      stop: world.signal,
      onApplied: (version) => {
        const before = world.draft.recordedAfter ?? [];
        world.draft.recordedAfter = [...recordedOf(image.knowledge.history, [...before, version])];
      },
      world,
    });
  } finally {
    await session.close();
  }
}

/** A row stands while a revision that commits in parts may be at work: after a crash, the next look finds it. */
async function notingBegun(
  revisions: readonly string[],
  observation: Observation,
  { database, image, world }: StepTools,
  work: () => Promise<Ending | null>,
): Promise<Ending | null> {
  const table = versionTableOf(observation, image);
  const { history } = image.knowledge;
  const doubtful = commitInParts(image.knowledge, revisions);
  const before = observation.progress.map(({ version }) => version);
  if (doubtful.length + before.length === 0) return await work();
  const files = doubtful.flatMap((id) => history.revisions.get(id) ?? []);
  await noteBegun(database, table, files, world.runId);
  try {
    const failure = await work();
    if (failure === null) await forgetRecorded().catch(() => {});
    return failure;
  } catch (error) {
    // There is no such program: nothing began.
    const fresh = doubtful.filter((id) => !before.includes(id));
    if (error instanceof CannotJudge && error.outcome === "missing-input")
      await forgetBegun(database, table, fresh).catch(() => {});
    throw error;
  }

  /** A row that stays, because we were kept from it, is in nobody's way once its revision is recorded. */
  async function forgetRecorded(): Promise<void> {
    const { versionTable } = await lookRows(database, { versionTable: image.versionTable });
    const rows = (versionTable?.rows ?? []).filter((row) => row !== null);
    const { applied } = claimOf(history, rows);
    const done = [...doubtful, ...before].filter((id) => applied.has(id));
    await forgetBegun(database, table, done);
  }
}

/** The image's own program: by argv, without a shell, in its own process group. */
async function runProgram(
  argv: readonly string[],
  cwd: string,
  tools: StepTools,
): Promise<Ending | null> {
  const { database, settings, world } = tools;
  const applicationName = upgradeName(world);
  let lastLine: string | null = null;
  let serverSaid: DriverError | null = null;
  world.log({ level: "info", event: "upgrade.run", msg: `running ${argv.join(" ")}` });
  const end = await runChild(argv, {
    cwd,
    env: { ...world.env, PGAPPNAME: applicationName },
    timeout: settings.upgradeTimeout,
    abort: world.signal,
    signalGroup: world.signalGroup,
    onLine: (line) => {
      world.log({ level: "info", event: "upgrade.output", msg: line });
      if (line.trim() !== "") lastLine = line;
      serverSaid = followDriverError(serverSaid, line);
    },
    onStop: async () => void (await cancelBackends(database, applicationName)),
  });
  if (end.kind === "exited" && end.code === 0) return null;
  // A killed client does not end its statement, and a statement may outlive the program that sent it.
  await endBackends(database, applicationName, world.sleep);
  return describeFailure(argv, describeEnd(end, settings), lastLine, serverSaid);
}

function describeFailure(
  argv: readonly string[],
  how: string,
  lastLine: string | null,
  serverSaid: DriverError | null,
): Ending {
  const nothingStamped = "nothing was stamped because of this failure, and nothing will be";
  const reason = `${argv.join(" ")} ${how}${lastLine === null ? "" : `; its last line: ${lastLine}`}`;
  if (serverSaid?.passes === true)
    return {
      outcome: "temporary",
      reason: `${reason}; the server's error was ${serverSaid.name}, which passes`,
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

/** By this name the server processes of an upgrade are found when it must be stopped. */
function upgradeName({ runId }: World): string {
  return `${upgradePrefix}${runId}`;
}

function describeEnd(end: ChildEnd, settings: Settings): string {
  switch (end.kind) {
    case "exited":
      return `exited with ${end.code}`;
    case "killed":
      return `was killed by ${end.signal}`;
    case "stopped":
      return `did not end within ${(settings.upgradeTimeout ?? 0) / 1000}s (--upgrade-timeout) and was stopped`;
  }
}
