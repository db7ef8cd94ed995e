import { firstWords } from "../core/first-words.ts";
import type { Database } from "./database.ts";
import { readBlockers } from "./other-sessions.sql.ts";
import { describeSession } from "./own-sessions.ts";

/** A session that waits for a lock, and one of those that are in its way; null is what this role may not see. */
export type Blocked = {
  readonly waiter: number;
  /** Seconds. */
  readonly waited: number | null;
  /** The table, where the lock is a table's. */
  readonly relation: string | null;
  /** 0: a prepared transaction's. */
  readonly pid: number;
  readonly role: string | null;
  readonly applicationName: string | null;
  readonly clientAddress: string | null;
  readonly state: string | null;
  /** Of its transaction, in seconds. */
  readonly age: number | null;
  readonly query: string | null;
};

/** @param began how many milliseconds ago the upgrade did. Rejects with the driver's error. */
export async function readBlocked(
  db: Database,
  applicationName: string,
  began: number,
): Promise<readonly Blocked[]> {
  return await db.query<Blocked>(readBlockers(applicationName, began / 1000));
}

export function describeBlocked(blocked: Blocked): string {
  const { waiter, waited, relation, pid } = blocked;
  const since = waited === null ? "" : ` since ${waited}s`;
  const what = relation === null ? "a lock" : `a lock on ${relation}`;
  return `the upgrade (process ${waiter}) waits${since} for ${what}, held by ${pid === 0 ? "a prepared transaction (see pg_prepared_xacts)" : describeHolder(blocked)}`;
}

function describeHolder(blocked: Blocked): string {
  const { pid, role, applicationName, clientAddress, state, age, query } = blocked;
  const words = firstWords(query);
  return describeSession({ pid, applicationName, clientAddress }, [
    role && `role ${role}`,
    state,
    age === null ? null : `its transaction is ${age}s old`,
    words && `${state === "active" ? "statement" : "last statement"}: ${words}`,
    state === null ? "the rest is hidden from this role without pg_read_all_stats" : null,
  ]);
}
