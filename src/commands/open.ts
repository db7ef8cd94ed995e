import { CannotJudge } from "../core/outcome.ts";
import type { Database } from "../database/database.ts";
import { connectAndWait } from "../database/wait.ts";
import type { Connection } from "../settings/connection.ts";
import type { Settings } from "../settings/settings.ts";
import type { World } from "./world.ts";

export type OpenOptions = {
  /** By which the server's other users, and we ourselves, tell the session apart. */
  readonly applicationName?: string;
  /** Only a server that can be written to. */
  readonly toWrite?: boolean;
  /** Ends the wait. */
  readonly signal?: AbortSignal;
  /** Milliseconds that are no part of that time; otherwise what is left of it. */
  readonly timeout?: number;
  readonly onWaiting?: () => void;
};

/** Waits for the database as long as the settings allow, all waits of a run taken together. */
export async function openDatabase(
  settings: Settings,
  world: World,
  options: OpenOptions = {},
): Promise<Database> {
  if (settings.database === null) throw new CannotJudge("config", "no database is named");
  const {
    applicationName = `preflight/${world.runId}`,
    toWrite = false,
    signal = world.signal,
    onWaiting = () => {},
    timeout,
  } = options;
  const database: Connection = toWrite
    ? { ...settings.database, targetSession: "read-write" }
    : settings.database;
  const started = world.now();
  try {
    return await connectAndWait(async () => database, {
      timeout: timeout ?? Math.max(0, settings.timeout - world.draft.waitedMs),
      onWaiting,
      applicationName,
      signal,
      clock: world.now,
      sleep: world.sleep,
      log: world.log,
    });
  } finally {
    if (timeout === undefined) world.draft.waitedMs += Math.round(world.now() - started);
  }
}
