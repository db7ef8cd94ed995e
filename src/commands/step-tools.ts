import type { Database } from "../database/database.ts";
import type { Settings } from "../settings/settings.ts";
import type { Image } from "./image.ts";
import type { World } from "./world.ts";

/** What a step of the plan is taken with. */
export type StepTools = {
  readonly database: Database;
  readonly image: Image;
  readonly settings: Settings;
  /** Its signal says that we are told to stop, or have lost the lock. */
  readonly world: World;
  /** Those that wait for the lock give their sessions back. Never rejects. */
  readonly askForRoom: () => Promise<void>;
};
