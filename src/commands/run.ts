import type { Settings } from "../settings/settings.ts";
import { act } from "./act.ts";
import { type Ending, ready } from "./draft.ts";
import { readImage } from "./image.ts";
import { judgeFirst } from "./judge.ts";
import { openDatabase } from "./open.ts";
import { learn, refuse, refuseHistory, sayStart } from "./say.ts";
import type { World } from "./world.ts";

/** look, decide, act, prove. */
export async function run(settings: Settings, world: World): Promise<Ending> {
  const reading = await readImage(settings, world);
  if (reading.kind === "broken") return refuseHistory(reading.faults, world);
  const { image } = reading;
  const database = await openDatabase(settings, world);
  try {
    const first = await judgeFirst(database, image, settings, world);
    learn(first, image, world);
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
