import { CannotJudge } from "../core/outcome.ts";
import { optionsWithPath } from "../core/search-path.ts";
import type { Database } from "../database/database.ts";
import { connectAndWait } from "../database/wait.ts";
import type { Settings } from "../settings/settings.ts";
import { addressReader } from "./address.ts";
import type { World } from "./world.ts";

/** Milliseconds that the last attempt leaves to the command for the password. */
const shortestCommand = 500;

export type OpenOptions = {
  /** By which the server's other users, and we ourselves, tell the session apart. */
  readonly applicationName?: string;
  /** Only a server that can be written to. */
  readonly toWrite?: boolean;
  /** Milliseconds that are no part of the settings' time; otherwise what is left of it. */
  readonly timeout?: number;
  /** Comes first in the session's search_path, whatever else is set. */
  readonly searchPath?: readonly string[];
  /** Called after every attempt that failed and will be repeated. */
  readonly onWaiting?: () => void;
};

/** Waits for the database as long as the settings allow, all waits of a run taken together. */
export async function openDatabase(
  settings: Settings,
  world: World,
  options: OpenOptions = {},
): Promise<Database> {
  if (settings.database === null) throw new CannotJudge("config", "no database is named");
  const { applicationName = `preflight/${world.runId}`, toWrite = false, onWaiting } = options;
  const { searchPath } = options;
  const timeout = options.timeout ?? Math.max(0, settings.timeout - world.draft.waitedMs);
  const started = world.now();
  const left = (): number =>
    timeout === 0
      ? Number.POSITIVE_INFINITY
      : Math.max(started + timeout - world.now(), shortestCommand);
  const readAddress = addressReader(settings.database, settings, world, left);
  try {
    return await connectAndWait(
      async () => {
        const address = await readAddress();
        return {
          ...address,
          ...(toWrite ? { targetSession: "read-write" } : {}),
          ...(searchPath && { options: optionsWithPath(address.options, searchPath) }),
        };
      },
      {
        timeout,
        applicationName,
        onWaiting: onWaiting ?? (() => {}),
        signal: world.signal,
        clock: world.now,
        sleep: world.sleep,
        random: world.random,
        log: world.log,
      },
    );
  } finally {
    if (options.timeout === undefined) world.draft.waitedMs += Math.round(world.now() - started);
  }
}
