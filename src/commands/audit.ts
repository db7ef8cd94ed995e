import { widthFor } from "../core/plan.ts";
import type { Settings } from "../settings/settings.ts";
import { type Ending, ready } from "./draft.ts";
import { readImage } from "./image.ts";
import { refuseHistory } from "./say.ts";
import type { World } from "./world.ts";

/** What is wrong with this history, without a database. */
export async function audit(settings: Settings, world: World): Promise<Ending> {
  const reading = await readImage(settings, world);
  if (reading.kind === "broken") return refuseHistory(reading.faults, world);
  const { history } = reading.image.knowledge;
  const width = widthFor(history);
  if (width > 32)
    world.log({
      level: "warn",
      event: "audit.long-id",
      msg: `a revision id has ${width} characters; Alembic makes its column 32 wide, and preflight widens it before an upgrade`,
    });
  world.log({
    level: "info",
    event: "audit.done",
    msg: `${history.revisions.size} revisions from ${history.bases.join(", ")} to ${history.heads.join(", ")}: no faults`,
  });
  return ready;
}
