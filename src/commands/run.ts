import type { Database } from "../database/database.ts";
import { isReadOnlyForRole } from "../database/read-only.ts";
import type { Settings } from "../settings/settings.ts";
import { act } from "./act.ts";
import { type Ending, ready } from "./draft.ts";
import { type Image, readImage } from "./image.ts";
import { type Judgement, judgeFirst } from "./judge.ts";
import { openDatabase } from "./open.ts";
import { learn, refuse, refuseHistory, sayStart } from "./say.ts";
import type { World } from "./world.ts";

/** look, decide, act, prove. */
export async function run(settings: Settings, world: World): Promise<Ending> {
  const reading = await readImage(settings, world);
  if (reading.kind === "broken") return refuseHistory(reading.faults, world);
  const { image } = reading;
  const { database, first } = await lookFirst(image, settings, world);
  try {
    switch (first.plan.kind) {
      case "start":
        sayStart(first, world);
        return ready;
      case "refuse":
        return refuse(first.plan, world);
      case "act":
        return await act(first, database, image, settings, world);
    }
  } finally {
    await database.close();
  }
}

type FirstLook = { readonly database: Database; readonly first: Judgement };

/** A standby can be looked at. What is to be done there is asked anew of a server that can be written to. */
async function lookFirst(image: Image, settings: Settings, world: World): Promise<FirstLook> {
  const anyone = await lookAt(await openDatabase(settings, world), image, settings, world);
  const { inRecovery, readOnly } = anyone.first.observation.server;
  if (anyone.first.plan.kind !== "act" || !(inRecovery || readOnly)) return anyone;
  if (!inRecovery && (await isReadOnlyForRole(anyone.database))) return anyone;
  await anyone.database.close();
  world.log({
    level: "info",
    event: "primary.wanted",
    msg: `the database is ${anyone.first.verdict.kind}, and this server is ${inRecovery ? "a standby" : "read-only"}: one that can be written to is wanted`,
  });
  const primary = await openDatabase(settings, world, { toWrite: true });
  return await lookAt(primary, image, settings, world);
}

async function lookAt(
  database: Database,
  image: Image,
  settings: Settings,
  world: World,
): Promise<FirstLook> {
  try {
    const first = await judgeFirst(database, image, settings, world);
    learn(first, image, world);
    return { database, first };
  } catch (error) {
    await database.close();
    throw error;
  }
}
