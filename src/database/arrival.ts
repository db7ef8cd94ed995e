import type { TableName } from "../core/version-table.ts";
import { holdTable, readWaiting, sampleSessions } from "./arrival.sql.ts";
import type { Database } from "./database.ts";
import { cannotGoOn, codeOf, throwCannotGoOn } from "./errors.ts";

/** Another session of this database. */
export type Visitor = { readonly pid: number; readonly applicationName: string | null };

/** With what it began and when: the same text as long as it has begun nothing else. */
export type Seen = Visitor & { readonly moment: string };

const doing = "looking for the upgrade's program";

/**
 * Lets nobody read the table until `releaseTable`.
 * - `absent`: there is none
 * - `busy`: somebody else has it, or this role may not
 */
export async function tryToHold(
  db: Database,
  table: TableName,
): Promise<"held" | "absent" | "busy"> {
  try {
    await db.query(holdTable(table));
    return "held";
  } catch (error) {
    await db.query("ROLLBACK").catch(() => {});
    const result = notHeld[codeOf(error)];
    if (result === undefined) throw cannotGoOn(error, doing);
    return result;
  }
}

const notHeld: Readonly<Record<string, "absent" | "busy">> = {
  "42P01": "absent", // no such table
  "3F000": "absent", // no such schema
  "55P03": "busy", // held by others
  "42501": "busy", // not this role's to lock
  "42809": "busy", // not a table
};

export async function releaseTable(db: Database): Promise<void> {
  await db.query("ROLLBACK").catch(() => {});
}

/** The sessions that were there in one of so many moments. Throws CannotJudge. */
export async function sample(db: Database, samples: number): Promise<readonly Seen[]> {
  return await db.query<Seen>(sampleSessions(samples)).catch(throwCannotGoOn(doing));
}

/** The same, and who waits at the end for the table that is held. Throws CannotJudge. */
export async function sampleHeld(
  db: Database,
  table: TableName,
  samples: number,
): Promise<{ readonly seen: readonly Seen[]; readonly waiting: readonly Visitor[] }> {
  const question = `${sampleSessions(samples)};\n${readWaiting(table)}`;
  const [seen = [], , waiting = []] = await db.queryAll(question).catch(throwCannotGoOn(doing));
  return { seen: seen as readonly Seen[], waiting: waiting as readonly Visitor[] };
}
