import { CannotJudge } from "../core/outcome.ts";
import { readPid } from "./connect.sql.ts";
import type { Database } from "./database.ts";
import { cannotGoOn } from "./errors.ts";

const rounds = 4;

/**
 * Throws CannotJudge `config` where a pooler gives each transaction whatever server process is free: then a setting
 * made by one statement does not hold for the next, and stays behind for somebody else.
 * @param session that the work needs for itself
 * @param other a second session by the same way, which does nothing else
 * @param what needs it
 */
export async function refuseSharedSession(
  session: Database,
  other: Database,
  what: string,
): Promise<void> {
  if (!(await isShared(session, other))) return;
  throw new CannotJudge(
    "config",
    `${what} needs a session of its own, and the pooler at ${session.place} gives one server process to several: nothing of it was done`,
    [
      "give a direct address, not the pooler's, in PREFLIGHT_DATABASE_URL",
      "or have the pooler keep sessions together: pool_mode = session",
    ],
  );
}

/**
 * A session of its own is served by one process, and that process serves nobody else. An idle pooler hands the same
 * process to both; one that takes turns, or is busy, hands different ones to the same.
 */
async function isShared(session: Database, other: Database): Promise<boolean> {
  try {
    const own = await askPid(session);
    for (let round = 0; round < rounds; round += 1) {
      if ((await askPid(session)) !== own || (await askPid(other)) === own) return true;
    }
    return false;
  } catch (error) {
    throw cannotGoOn(error, "looking for a pooler");
  }
}

async function askPid(db: Database): Promise<number | undefined> {
  const [row] = await db.query<{ pid: number }>(readPid);
  return row?.pid;
}
