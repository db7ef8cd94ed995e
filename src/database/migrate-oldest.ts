import type { Database } from "./database.ts";
import { readOldestTransaction } from "./migrate.sql.ts";
import { runOwn } from "./migrate-work.ts";

type Oldest = {
  readonly pid: number;
  readonly applicationName: string | null;
  readonly state: string | null;
  readonly seconds: number | null;
};

/** The oldest transaction of others that holds locks on tables here, in words; null: there is none. */
export async function findOldest(db: Database): Promise<string | null> {
  const [oldest] = await runOwn<Oldest>(db, readOldestTransaction);
  if (oldest === undefined) return null;
  const { pid, applicationName, state, seconds } = oldest;
  const details = [
    ...(applicationName ? [`application ${applicationName}`] : []),
    ...(state === null ? [] : [state]),
    ...(seconds === null ? [] : [`for ${seconds}s`]),
  ];
  return `the oldest transaction of others, of process ${pid}${details.length === 0 ? "" : ` (${details.join(", ")})`}`;
}
