import type { Request } from "../core/plan-by-hand.ts";
import type { Database } from "../database/database.ts";
import type { Settings } from "../settings/settings.ts";
import type { Context } from "./context.ts";
import type { Project } from "./project.ts";

/** What a command has before it reaches for a database. */
export type ProjectScope = {
  readonly project: Project;
  readonly settings: Settings;
  /** Its signal says that we are told to stop, or have lost the lock. */
  readonly context: Context;
};

/** What a run looks and decides with. */
export type RunScope = RequestScope & { readonly database: Database };

/** What a command has before it reaches for the database that it is to judge. */
export type RequestScope = ProjectScope & { readonly request: Request };

/** What a step of the plan is taken with. */
export type StepScope = RunScope & {
  /** Those that wait for the lock give their sessions back. Never rejects. */
  readonly askForSlots: () => Promise<void>;
};
