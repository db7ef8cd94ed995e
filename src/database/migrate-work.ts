import type { Migration, Statement, VersionRow } from "../core/migration.ts";
import type { VersionTableLayout } from "../core/migration-tool.ts";
import type { Database, Row } from "./database.ts";
import { codeOf } from "./errors.ts";
import { beginAsOurselves, resetSession } from "./migrate.sql.ts";
import type { TableName } from "../core/version-table.ts";
import type { Waiting } from "./waiting.ts";

export type MigrateOptions = Waiting & {
  readonly layout: VersionTableLayout;
  /** The version table; it exists. */
  readonly table: TableName;
  readonly row: VersionRow;
  readonly runId: string;
  /** Of the session, and of each transaction in it: by this name `cancel` finds it. */
  readonly applicationName: string;
  /** Milliseconds that DDL waits for a lock; null: as long as the server says. */
  readonly ddlLockTimeout: number | null;
  /** Milliseconds for the whole file; null: no limit. */
  readonly timeout: number | null;
  /** Statements that are done already: only of a file that runs outside of a transaction. */
  readonly resumeAt: number;
  /** Ends what the session does at the moment; comes from another connection. */
  readonly cancel: () => Promise<unknown>;
  /** At least 0, below 1. */
  readonly random: () => number;
  /** Before every statement, and again when a transaction is tried again. */
  readonly onStatement: (index: number, statement: Statement) => void;
};

/** One file being applied. */
export type Work = {
  readonly db: Database;
  readonly migration: Migration;
  readonly options: MigrateOptions;
  /** Aborted when the time is over or we are told to stop. */
  readonly stop: AbortSignal;
  readonly durationMs: () => number;
};

/** The work was told to stop, and the statement has ended or was never sent. */
export class Stopped extends Error {
  override readonly name = "Stopped";
  readonly code = "57014";

  constructor() {
    super("stopped by preflight");
  }
}

/** One message of the file's transaction. Throws Stopped. */
export async function send(work: Work, text: string): Promise<readonly Row[]> {
  if (work.stop.aborted) throw new Stopped();
  return await sendAnyway(work, text);
}

/** The same also when the work was told to stop: then it is cancelled at once. */
export async function sendAnyway(work: Work, text: string): Promise<readonly Row[]> {
  const { db, stop } = work;
  const over = new AbortController();
  let cancelling = Promise.resolve();
  const cancel = (): void => {
    cancelling = cancelUntil(over.signal, work);
  };
  if (stop.aborted) cancel();
  else stop.addEventListener("abort", cancel, { once: true, signal: over.signal });
  try {
    // A migration may say nothing for hours.
    return await db.query(text, null);
  } catch (error) {
    throw stop.aborted && codeOf(error) === "57014" ? new Stopped() : error;
  } finally {
    over.abort();
    // A cancel on its way would hit the next message.
    await cancelling;
  }
}

const cancelInterval = 500;
const longestCancelling = 10_000;

/**
 * Again and again: a cancel that comes before the server has begun is lost. A server that does not hear of it, such as
 * one behind a network that is gone, is left.
 */
async function cancelUntil(over: AbortSignal, { db, options }: Work): Promise<void> {
  const deadline = options.clock() + longestCancelling;
  while (!over.aborted) {
    if (options.clock() >= deadline) {
      await db.close();
      return;
    }
    await options.cancel().catch(() => {});
    await options.sleep(cancelInterval, over).catch(() => {});
  }
}

/** Our own SQL in a transaction of its own, whatever the file has made of the session. */
export async function runOwn<R extends Row>(db: Database, sql: string): Promise<readonly R[]> {
  try {
    await db.query(beginAsOurselves);
    return await db.query<R>(`${sql};\nCOMMIT`);
  } catch (error) {
    await cleanUp(db, "ROLLBACK");
    throw error;
  }
}

/** SQL after which the session is as new. */
export function resetAfter({ statements }: Migration): string {
  return resetSession(statements.some(({ text }) => /^prepare\b/i.test(text)));
}

/** After a failure. A session that is lost has nothing to clean up, and may not answer. */
export async function cleanUp(db: Database, sql: string): Promise<void> {
  await Promise.race([db.query(sql).catch(() => {}), db.lost]);
}
