import { ancestors } from "../core/history.ts";
import type { Observation } from "../core/observation.ts";
import { CannotJudge } from "../core/outcome.ts";
import { type Step, widthFor } from "../core/plan.ts";
import { cancelBackends } from "../database/backends.ts";
import type { Database } from "../database/database.ts";
import { acquireLock, type Lock, lockKey } from "../database/lock.ts";
import { lookRows } from "../database/look.ts";
import { stamp } from "../database/stamp.ts";
import type { Settings } from "../settings/settings.ts";
import { type ChildEnd, runChild } from "../tools/child.ts";
import { type Ending, ready } from "./draft.ts";
import type { Image } from "./image.ts";
import { type Judgement, judge, scopeOf } from "./judge.ts";
import { openDatabase } from "./open.ts";
import { describeStep, planActions, refuse, sayStart } from "./say.ts";
import type { World } from "./world.ts";

/**
 * lock → look → decide again → stamp / upgrade → look: the second look is the answer.
 * Whoever waits for the lock leaves as soon as the database is at head.
 */
export async function act(
  first: Judgement,
  database: Database,
  image: Image,
  settings: Settings,
  world: World,
): Promise<Ending> {
  refuseWithoutRights(first.observation, image);
  const lockDatabase = await openDatabase(settings, world);
  try {
    const lock = await waitForLock(lockDatabase);
    if (lock === null) return await conclude();
    try {
      const judgement = await judge(database, image, settings);
      switch (judgement.plan.kind) {
        case "start":
          return await conclude();
        case "refuse":
          return refuse(judgement.plan, world);
        case "act":
          return await takeSteps(judgement, judgement.plan.steps, lock);
      }
    } finally {
      await lock.release();
    }
  } finally {
    await lockDatabase.close();
  }

  /** null: somebody else has brought the database to head meanwhile. */
  async function waitForLock(connection: Database): Promise<Lock | null> {
    const started = world.now();
    try {
      return await acquireLock(connection, {
        key: lockKey(tableOf(first.observation)),
        timeout: settings.lockTimeout,
        signal: world.signal,
        clock: world.now,
        sleep: world.sleep,
        log: world.log,
        betweenPolls: async () => ((await isDone()) ? "leave" : "stay"),
      });
    } finally {
      world.draft.lockWaitMs = Math.round(world.now() - started);
    }
  }

  /** The version rows are cheap to poll; the whole schema is looked at once they have moved to head. */
  async function isDone(): Promise<boolean> {
    const { versionTable } = await lookRows(database, { versionTable: image.versionTable });
    const rows = (versionTable?.rows ?? []).filter((row) => row !== null);
    const { history } = image.knowledge;
    const hasMoved = rows.join("\0") !== (first.observation.versionTable?.rows ?? []).join("\0");
    if (!hasMoved || ancestors(history, rows).size < history.revisions.size) return false;
    return (await judge(database, image, settings)).plan.kind === "start";
  }

  async function takeSteps(basis: Judgement, steps: readonly Step[], lock: Lock): Promise<Ending> {
    const started = world.now();
    const stop = AbortSignal.any([world.signal, lock.lost]);
    let failure: Ending | null = null;
    try {
      for (const [index, step] of steps.entries()) {
        stop.throwIfAborted();
        world.log({ level: "info", event: `${step.kind}.start`, msg: describeStep(step) });
        failure = await takeStep(step, basis, stop);
        if (failure !== null) break;
        world.draft.actions = planActions(steps.slice(0, index + 1));
      }
    } finally {
      world.draft.actedMs = Math.round(world.now() - started);
    }
    lock.lost.throwIfAborted();
    return failure === null ? conclude() : concludeFailed(failure);
  }

  async function takeStep(
    step: Step,
    { observation }: Judgement,
    stop: AbortSignal,
  ): Promise<Ending | null> {
    switch (step.kind) {
      case "stamp":
      case "widen": {
        const basis = observation.versionTable?.rows ?? [];
        const { before } = await stamp(database, {
          table: tableOf(observation),
          exists: observation.versionTable !== null,
          basis,
          rows: step.kind === "stamp" ? step.to : basis.filter((row) => row !== null),
          width: widthFor(image.knowledge.history),
        });
        const was = before.length === 0 ? "nothing" : before.join(", ");
        world.log({
          level: "info",
          event: `${step.kind}.done`,
          msg: `${describeStep(step)}: done; before, ${was} stood there`,
        });
        return null;
      }
      case "upgrade":
        return await upgrade(stop);
    }
  }

  async function upgrade(stop: AbortSignal): Promise<Ending | null> {
    const argv = settings.upgradeCommand ?? image.found.commands.upgrade("heads");
    const applicationName = `preflight-upgrade/${world.runId}`;
    const lastLines: string[] = [];
    world.log({ level: "info", event: "upgrade.run", msg: `running ${argv.join(" ")}` });
    const end = await runChild(argv, {
      cwd: image.found.commands.cwd,
      // By this name its server processes are found when it must be stopped.
      env: { ...world.env, PGAPPNAME: applicationName },
      timeout: settings.upgradeTimeout,
      abort: stop,
      signalGroup: world.signalGroup,
      onLine: (line) => {
        world.log({ level: "info", event: "upgrade.output", msg: line });
        if (lastLines.push(line) > 5) lastLines.shift();
      },
      onStop: async () => void (await cancelBackends(database, applicationName)),
    });
    stop.throwIfAborted();
    if (end.kind === "exited" && end.code === 0) return null;
    const said = lastLines.filter((line) => line.trim() !== "").at(-1);
    return {
      outcome: "migration-failed",
      reason: `${argv.join(" ")} ${describeEnd(end, settings)}${said === undefined ? "" : `; its last line: ${said}`}`,
      next: [
        "the lines above are the migration's own; mend its cause and start again",
        "nothing was stamped because of this failure, and nothing will be",
      ],
    };
  }

  /** The second look. */
  async function conclude(): Promise<Ending> {
    const last = await judge(database, image, settings);
    learnAfter(last);
    switch (last.plan.kind) {
      case "start":
        sayStart(last, image, world);
        world.log({
          level: "info",
          event: "proved",
          msg: "the second look agrees: the database is at head",
        });
        return ready;
      case "refuse":
        return verifyFailed(`${last.verdict.kind}: ${last.plan.reason}`, last.plan.next);
      case "act":
        return verifyFailed(
          `the database is still ${last.verdict.kind}: ${last.plan.steps.map(describeStep).join("; ")}`,
          [
            "does the migration command work on this database, with this address? See env.py and its settings",
          ],
        );
    }
  }

  /** Somebody else may have done the work meanwhile: a loser's failure is not a broken state. */
  async function concludeFailed(failure: Ending): Promise<Ending> {
    const last = await judge(database, image, settings);
    learnAfter(last);
    if (last.plan.kind === "start") {
      world.log({
        level: "warn",
        event: "upgrade.odd",
        msg: `${failure.reason}; yet the database is at head`,
      });
      return ready;
    }
    world.log({ level: "error", event: "upgrade.failed", msg: failure.reason ?? "" });
    const left =
      last.verdict.kind === "partial" && last.plan.kind === "refuse"
        ? `. It left the database half-way: ${last.plan.reason}`
        : "";
    return { ...failure, reason: `${failure.reason}${left}` };
  }

  function verifyFailed(reason: string, next: readonly string[]): Ending {
    return refuse(
      {
        kind: "refuse",
        outcome: "verify-failed",
        reason: `everything was done, and the second look disagrees: ${reason}`,
        next,
      },
      world,
    );
  }

  function learnAfter({ verdict }: Judgement): void {
    if (verdict.kind !== "broken-history") world.draft.recordedAfter = [...verdict.recorded];
  }

  function tableOf({ versionTable, server }: Observation): { schema: string; name: string } {
    const { schema, name } = image.versionTable;
    return versionTable ?? { schema: schema ?? server.searchPath[0] ?? "public", name };
  }
}

/** Found before acting, without side effects. */
function refuseWithoutRights({ server, role, versionTable }: Observation, image: Image): void {
  if (server.inRecovery || server.readOnly)
    throw new CannotJudge(
      "unavailable",
      `the database must be changed, and this server is ${server.inRecovery ? "a standby" : "read-only"}`,
      ["connect to the primary"],
    );
  const name = image.versionTable.name;
  if (versionTable !== null && !versionTable.canWrite)
    throw new CannotJudge(
      "permission",
      `role ${role.name} may not write the version table ${versionTable.schema}.${name}`,
      [`GRANT SELECT, INSERT, UPDATE, DELETE ON ${versionTable.schema}.${name} TO ${role.name}`],
    );
  const home =
    versionTable?.schema ?? image.versionTable.schema ?? server.searchPath[0] ?? "public";
  const scope = scopeOf(image.knowledge);
  const isAllAtHome = scope?.every((schema) => schema === home) ?? false;
  if (!role.canCreate && (versionTable === null || isAllAtHome))
    throw new CannotJudge(
      "permission",
      `role ${role.name} may not create tables in schema ${home}, which an upgrade needs`,
      [
        `GRANT CREATE ON SCHEMA ${home} TO ${role.name} (since PostgreSQL 15 not everybody has it)`,
        "or let a role that has it run preflight, and let this application only `preflight check`",
      ],
    );
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
