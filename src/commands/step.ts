import type { Observation } from "../core/observation.ts";
import { type Step, widthFor } from "../core/plan.ts";
import { cancelBackends } from "../database/backends.ts";
import type { Database } from "../database/database.ts";
import { stamp } from "../database/stamp.ts";
import type { Settings } from "../settings/settings.ts";
import { type ChildEnd, runChild } from "../tools/child.ts";
import type { Ending } from "./draft.ts";
import type { Image } from "./image.ts";
import { describeStep } from "./say.ts";
import type { World } from "./world.ts";

export type StepTools = {
  readonly database: Database;
  readonly image: Image;
  readonly settings: Settings;
  readonly world: World;
  /** Aborted when we are told to stop, or have lost the lock. */
  readonly stop: AbortSignal;
};

/** @returns how it failed; null: done */
export async function takeStep(
  step: Step,
  observation: Observation,
  tools: StepTools,
): Promise<Ending | null> {
  if (step.kind === "upgrade") return await upgrade(tools);
  const { database, image, world } = tools;
  const basis = observation.versionTable?.rows ?? [];
  await stamp(database, {
    table: versionTableOf(observation, image),
    exists: observation.versionTable !== null,
    basis,
    rows: step.kind === "stamp" ? step.to : basis.filter((row) => row !== null),
    width: widthFor(image.knowledge.history),
  });
  world.log({ level: "info", event: `${step.kind}.done`, msg: `${describeStep(step)}: done` });
  return null;
}

/** Where the version table is, or would be made. */
export function versionTableOf(
  { versionTable, server }: Observation,
  image: Image,
): { readonly schema: string; readonly name: string } {
  const { schema, name } = image.versionTable;
  return versionTable ?? { schema: schema ?? server.searchPath[0] ?? "public", name };
}

async function upgrade(tools: StepTools): Promise<Ending | null> {
  const { database, image, settings, world, stop } = tools;
  const { commands } = image.found;
  const argv = settings.upgradeCommand ?? commands.upgrade("heads");
  const applicationName = `preflight-upgrade/${world.runId}`;
  const lastLines: string[] = [];
  world.log({ level: "info", event: "upgrade.run", msg: `running ${argv.join(" ")}` });
  const end = await runChild(argv, {
    cwd: commands.cwd,
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
