import type { Observation, ProgramsPath } from "../core/observation.ts";
import { lookPath } from "../database/look.ts";
import { connectAndWait } from "../database/wait.ts";
import type { Settings } from "../settings/settings.ts";
import type { Project } from "./project.ts";
import type { Context } from "./context.ts";

/** Milliseconds: this address is asked besides. */
const patience = 3_000;

/**
 * Where the program's own address leads, where there is one and it may lead elsewhere: a role of its own has a search_path of its
 * own. Null: it cannot be asked, or leads to another database, which the look for the upgrade's address will name.
 */
export async function askProgramsPath(
  { server }: Observation,
  { programConnection: address }: Settings,
  context: Context,
): Promise<ProgramsPath | null> {
  if (address === null) return null;
  try {
    const database = await connectAndWait(async () => address, {
      timeout: patience,
      applicationName: `preflight/${context.runId}`,
      signal: context.signal,
      clock: context.now,
      sleep: context.sleep,
      random: context.random,
      log: () => {},
    });
    try {
      const seen = await lookPath(database);
      const isSame =
        seen.server.startedAt === server.startedAt && seen.server.database === server.database;
      return isSame ? { source: address.source, role: seen.role, createsIn: seen.createsIn } : null;
    } finally {
      await database.close();
    }
  } catch (error) {
    context.signal.throwIfAborted();
    context.log({
      level: "debug",
      event: "home.unasked",
      msg: `where ${address.source} leads could not be asked: ${error instanceof Error ? error.message : String(error)}`,
    });
    return null;
  }
}

/** Whether another address may lead to another schema: preflight applies files by its own one, and some programs set their path. */
export function hasProgramsPath(
  { found, ledger }: Project,
  { programConnection }: Settings,
): boolean {
  const goesByPath = found.upgrade.kind === "command" && ledger?.home.kind !== "program";
  return programConnection !== null && goesByPath;
}
