import postgres from "postgres";
import type { VersionTableLayout } from "../core/migration-tool.ts";
import type { Migration, Statement, VersionRow } from "../core/migration.ts";
import { CannotJudge } from "../core/outcome.ts";
import type { TableName } from "../core/version-table.ts";
import { lookAnew, whenTheyHaveEnded } from "../core/ways-out.ts";
import { readSession } from "./connect.sql.ts";
import type { Database, Row, Session } from "./database.ts";
import { cannotGoOn, codeOf } from "./errors.ts";
import { readOldestTransaction, beginAsOurselves, resetSession } from "./migrate.sql.ts";
import { describeSession } from "./other-sessions.ts";
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

// How it ends

export type MigrationEnd = { readonly kind: "applied"; readonly durationMs: number } | Unfinished;

export type Unfinished = Failed | Cut;

type Place = {
  /** That was running, or would have been the next. */
  readonly statement: Statement;
  readonly index: number;
  /** How many statements of the file stand. */
  readonly standing: number;
};

type Cut = Place & { readonly kind: "stopped"; readonly by: "timeout" | "signal" };

/** The server refused a statement of the file. */
type Failed = Place & {
  readonly kind: "failed";
  /** `commit`: every statement was accepted, and what had been deferred until the end was not. */
  readonly at: "statement" | "commit";
  /** SQLSTATE */
  readonly code: string;
  readonly message: string;
  readonly detail: string | null;
  readonly hint: string | null;
  /** The place inside of functions. */
  readonly where: string | null;
  /** In the file, from 1. */
  readonly line: number;
  /** From 1, in characters; null where the server names no place, or one on the statement's first line. */
  readonly column: number | null;
};

/** What kept a statement, or the end of a transaction, from being done. */
export type Trouble = {
  readonly error: unknown;
  readonly index: number;
  /** `commit`: what is deferred until then. `record`: our own row, and COMMIT itself. */
  readonly at: "statement" | "commit" | "record";
};

/**
 * For after the rollback. Throws CannotJudge where the file is not to blame: a lost connection, a full disk, locks
 * that were not to be had.
 */
export async function endOf(work: Work, trouble: Trouble): Promise<Unfinished> {
  const { migration, options } = work;
  const { error, index, at } = trouble;
  const statement = migration.statements[index]!;
  const place: Place = { statement, index, standing: migration.outside === null ? 0 : index };
  if (error instanceof CannotJudge) throw error;
  if (error instanceof Stopped)
    return { kind: "stopped", by: options.signal.aborted ? "signal" : "timeout", ...place };
  if (!(error instanceof postgres.PostgresError) || !(await isToBlame(work, trouble)))
    throw await cannotApply(work, trouble);
  const { code, message, detail, hint, where, position } = error;
  return {
    kind: "failed",
    ...place,
    at: at === "statement" ? "statement" : "commit",
    code,
    message,
    detail: detail ?? null,
    hint: hint ?? null,
    where: where ?? null,
    ...placeOf(statement, at === "statement" ? Number(position) : Number.NaN),
  };
}

/** The server has answered, and the session goes on. */
export function isAnswer(error: unknown): error is postgres.PostgresError | Stopped {
  return error instanceof postgres.PostgresError || error instanceof Stopped;
}

const passing: ReadonlySet<string> = new Set(["40001", "40P01", "55P03"]);

/** A lock that others hold, a deadlock, a serialization failure: the same transaction may succeed later. */
export function isPassing(error: unknown): boolean {
  return passing.has(codeOf(error));
}

/** Out of disk, out of memory, an I/O error. */
const serverFaults: ReadonlySet<string> = new Set(["53000", "53100", "53200", "58000", "58030"]);

/** Whether the file is. */
async function isToBlame({ db, migration }: Work, { error, index, at }: Trouble): Promise<boolean> {
  const code = codeOf(error);
  if (serverFaults.has(code)) return false;
  // What ran alone is not tried again: it may have left something behind.
  if (isPassing(error)) return migration.statements[index]!.isAlone;
  if (at === "record" && (code === "23505" || code === "42501")) return false;
  // Unless the file itself has asked for a read-only transaction.
  return code !== "25006" || !(await isReadOnly(db, migration));
}

async function isReadOnly(db: Database, migration: Migration): Promise<boolean> {
  if (migration.outside !== null) await db.query(resetAfter(migration));
  const [session] = await db.query<Session>(readSession);
  return session === undefined || session.readOnly || session.inRecovery;
}

async function cannotApply(work: Work, { error, index, at }: Trouble): Promise<CannotJudge> {
  const { db, migration } = work;
  const { id, file, statements } = migration;
  const doing = at === "statement" ? "applying" : "committing";
  const fault = cannotGoOn(error, `${doing} ${file} (line ${statements[index]!.line})`);
  const stands = whatStands(work, { error, index, at });
  if (at === "record" && codeOf(error) === "23505")
    return new CannotJudge(
      "temporary",
      `somebody else has recorded version ${id} while ${file} was applied; ${stands}`,
      [lookAnew],
    );
  if (!isPassing(error))
    return new CannotJudge(fault.outcome, `${fault.message}; ${stands}`, fault.next);
  const oldest = await findOldest(db);
  return new CannotJudge(fault.outcome, `${fault.message}, again and again; ${stands}`, [
    ...(oldest === null ? [] : [`this may be in its way: ${oldest}`]),
    whenTheyHaveEnded,
  ]);
}

function whatStands({ migration }: Work, { error, index, at }: Trouble): string {
  const { outside, statements } = migration;
  const isLost = !(error instanceof postgres.PostgresError);
  const isInDoubt = isLost && (at === "record" || statements[index]!.isAlone);
  if (outside === null)
    return isInDoubt
      ? "whether it was committed is not known: the next start looks"
      : "nothing of it stands";
  const doubt = isInDoubt ? `, and whether statement ${index + 1} was done is not known` : "";
  return `its first ${index} of ${statements.length} statements stand${doubt}`;
}

/** @param position of the error in the statement's text, in characters from 1; NaN: not given */
function placeOf(
  { line, text }: Statement,
  position: number,
): { readonly line: number; readonly column: number | null } {
  if (Number.isNaN(position)) return { line, column: null };
  const before = [...text].slice(0, position - 1).join("");
  const lines = before.split("\n");
  return {
    line: line + lines.length - 1,
    column: lines.length === 1 ? null : [...lines.at(-1)!].length + 1,
  };
}

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
