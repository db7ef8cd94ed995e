import postgres from "postgres";
import type { Migration, Statement } from "../core/migration.ts";
import { CannotJudge } from "../core/outcome.ts";
import { readSession } from "./connect.sql.ts";
import type { Database, Session } from "./database.ts";
import { cannotGoOn, codeOf } from "./errors.ts";
import { findOldest } from "./migrate-oldest.ts";
import { resetAfter, Stopped, type Work } from "./migrate-work.ts";

export type MigrationEnd = { readonly kind: "applied"; readonly durationMs: number } | Unfinished;

export type Unfinished = Failed | Cut;

type Cut = {
  readonly kind: "stopped";
  readonly by: "timeout" | "signal";
  /** That was running, or would have been the next. */
  readonly statement: Statement;
  readonly index: number;
  readonly standing: number;
};

/** The server refused a statement of the file. */
type Failed = {
  readonly kind: "failed";
  readonly statement: Statement;
  readonly index: number;
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
  /** How many statements of the file stand. */
  readonly standing: number;
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
  const standing = migration.outside === null ? 0 : index;
  if (error instanceof CannotJudge) throw error;
  if (error instanceof Stopped) {
    const by = options.signal.aborted ? "signal" : "timeout";
    return { kind: "stopped", by, statement, index, standing };
  }
  if (!(error instanceof postgres.PostgresError) || !(await isToBlame(work, trouble)))
    throw await cannotApply(work, trouble);
  const { code, message, detail, hint, where, position } = error;
  return {
    kind: "failed",
    statement,
    index,
    at: at === "statement" ? "statement" : "commit",
    code,
    message,
    detail: detail ?? null,
    hint: hint ?? null,
    where: where ?? null,
    ...placeOf(statement, at === "statement" ? Number(position) : Number.NaN),
    standing,
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
      ["run it again: it looks at the database anew"],
    );
  if (!isPassing(error))
    return new CannotJudge(fault.outcome, `${fault.message}; ${stands}`, fault.next);
  const oldest = await findOldest(db);
  return new CannotJudge(fault.outcome, `${fault.message}, again and again; ${stands}`, [
    ...(oldest === null ? [] : [`this may be in its way: ${oldest}`]),
    "run it again when the transactions that are in its way have ended",
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
