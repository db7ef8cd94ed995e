import { describePlace } from "../settings/place.ts";
import type { Settings } from "../settings/settings.ts";
import { refuseWithoutRights } from "./act.ts";
import { type Ending, ready } from "./draft.ts";
import { type Image, readImage } from "./image.ts";
import { type Judgement, judgeFirst } from "./judge.ts";
import { openDatabase } from "./open.ts";
import { learn, planActions, refuse, refuseHistory, sayHeaders, sayPlan, sayStart } from "./say.ts";
import type { World } from "./world.ts";
import type { Step } from "../core/step.ts";

/** The same look and plan as `run`. It has no way to write: it opens no lock, starts no child, stamps nothing. */
export async function check(settings: Settings, world: World): Promise<Ending> {
  return await lookAndPlan(settings, world, () => {});
}

/** `run` without its deeds: its role must be able to do them all the same. */
export async function rehearse(settings: Settings, world: World): Promise<Ending> {
  return await lookAndPlan(settings, world, refuseWithoutRights);
}

/** @param beforeActing throws what `run` would end with before its first deed */
async function lookAndPlan(
  settings: Settings,
  world: World,
  beforeActing: (judgement: Judgement, image: Image) => void,
): Promise<Ending> {
  const reading = await readImage(settings, world);
  if (reading.kind === "broken") return refuseHistory(reading.faults, world);
  const database = await openDatabase(settings, world);
  try {
    const judgement = await judgeFirst(database, reading.image, settings, world);
    learn(judgement, reading.image, world);
    switch (judgement.plan.kind) {
      case "start":
        sayStart(judgement, world);
        return ready;
      case "refuse":
        return refuse(judgement.plan, world);
      case "act": {
        beforeActing(judgement, reading.image);
        const { steps } = judgement.plan;
        world.draft.actions = planActions(steps);
        sayPlan(steps, world);
        sayOtherAddress(steps, reading.image, settings, world);
        await sayPending(steps, reading.image, world);
        if (!settings.exitCode) return ready;
        return {
          outcome: "pending",
          reason: "run would stamp or upgrade this database",
          next: ["preflight run"],
        };
      }
    }
  } finally {
    await database.close();
  }
}

/** It starts no child that could be asked where the upgrade would work; `run` does. */
function sayOtherAddress(
  steps: readonly Step[],
  { found }: Image,
  { programAddress, database }: Settings,
  world: World,
): void {
  const isByProgram =
    found.upgrade.kind === "command" && steps.some(({ kind }) => kind === "upgrade");
  if (programAddress === null || database === null || !isByProgram) return;
  const { source, place, differs } = programAddress;
  const doubt =
    differs === "database"
      ? "run upgrades nothing if the program works there"
      : "that is right for a pooler, or for another name of the same server";
  world.log({
    level: "warn",
    event: "address.differs",
    msg: `the upgrade's program may take its address from ${source} (${describePlace(place)}), and the database that was judged is ${database.database} of ${database.source}: ${doubt}`,
  });
}

/** The files are read anew: a healthy start does not need what only a plan shows. */
async function sayPending(steps: readonly Step[], { found }: Image, world: World): Promise<void> {
  const { upgrade } = found;
  if (upgrade.kind === "command") return;
  for (const step of steps)
    if (step.kind === "upgrade") sayHeaders(await upgrade.load(step.revisions), world);
}
