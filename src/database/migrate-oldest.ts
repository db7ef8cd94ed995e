import type { Database } from "./database.ts";
import { describeSession } from "./describe-session.ts";
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
  const { state, seconds } = oldest;
  const lasts = seconds === null ? null : `for ${seconds}s`;
  return `the oldest transaction of others, of ${describeSession(oldest, [state, lasts])}`;
}
