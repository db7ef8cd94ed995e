import postgres from "postgres";
import { CannotJudge } from "../core/outcome.ts";
import type { Batch, RepairNeeds, RepairStatement } from "../core/repair-piece.ts";
import { whenTheyHaveEnded } from "../core/ways-out.ts";
import type { Database, Row } from "./database.ts";
import { cannotGoOn, codeOf } from "./errors.ts";
import { questionMessage } from "./look.sql.ts";
import { isAnswer, isPassing } from "./migrate-work.ts";
import {
  askForAnyRow,
  askForRights,
  askForRoles,
  beginRepair,
  endAlone,
  beginAlone,
} from "./repair.sql.ts";
import { unlessAborted, type Waiting } from "./waiting.ts";

/** Of these tables those that hold rows, or of which the role cannot see it. Throws CannotJudge where the connection is lost. */
export async function tablesWithRows(
  db: Database,
  tables: readonly string[],
): Promise<readonly string[]> {
  const filled: string[] = [];
  for (const table of tables) {
    try {
      const answers = await db.queryAll(askForAnyRow(table));
      if (answers.flat().some((row) => row["filled"] === true)) filled.push(table);
    } catch (error) {
      const doing = `looking for rows in ${table}`;
      if (!isAnswer(error)) throw cannotGoOn(error, doing);
      await db.query("ROLLBACK").catch((lost: unknown) => {
        throw cannotGoOn(lost, doing);
      });
      // What is not there has no rows.
      if (codeOf(error) !== "42P01") filled.push(table);
    }
  }
  return filled;
}

/** Throws CannotJudge. */
export async function rolesAmong(
  db: Database,
  names: readonly string[],
): Promise<readonly string[]> {
  if (names.length === 0) return [];
  const rows = await ask(db, askForRoles(names), "asking which roles there are");
  return rows.map(({ name }) => String(name));
}

/** What the role may not do, in words, and to which object. */
type LackingRight = { readonly object: string; readonly lacks: string };

/** Of objects that are there. Throws CannotJudge. */
export async function rightsLacking(
  db: Database,
  needs: RepairNeeds,
): Promise<readonly LackingRight[]> {
  const rows = await ask(db, askForRights(needs), "asking what the role may do");
  return rows as unknown as readonly LackingRight[];
}

async function ask(db: Database, question: string, doing: string): Promise<readonly Row[]> {
  try {
    // The first answer is the search_path's, which the message puts aside.
    return (await db.queryAll(questionMessage(question, 10_000)))[1] ?? [];
  } catch (error) {
    await db.query("ROLLBACK").catch(() => {});
    throw cannotGoOn(error, doing);
  }
}

/** The statement that the server refused, and what it said; null: all are done. */
export type RepairFailure = {
  readonly statement: RepairStatement;
  readonly message: string;
  readonly code: string;
} | null;

type RepairOptions = Waiting & { readonly lockTimeout: number | null };

/** Milliseconds before each further try. */
const pauses = [1000, 2000, 4000];

/** Throws CannotJudge where the statements are not to blame: a lost connection, locks that others would not give up. */
export async function runBatch(
  db: Database,
  batch: Batch,
  options: RepairOptions,
): Promise<RepairFailure> {
  for (let attempt = 1; ; attempt += 1) {
    let statement = batch.statements[0]!;
    try {
      await send(batch.kind === "alone" ? beginAlone : beginRepair(options.lockTimeout));
      for (statement of batch.statements) await send(statement.sql);
      await send(batch.kind === "alone" ? endAlone : "COMMIT");
      return null;
    } catch (error) {
      options.signal.throwIfAborted();
      if (!isAnswer(error)) throw cannotGoOn(error, `making ${statement.says}`);
      await db.query(batch.kind === "alone" ? endAlone : "ROLLBACK");
      const pause = pauses[attempt - 1];
      const isToTryAgain = isPassing(error) && batch.kind === "transaction";
      if (!isToTryAgain) return failureOf(error, statement);
      if (pause === undefined) throw othersInTheWay(statement);
      options.log({
        level: "warn",
        event: "repair.retry",
        msg: `others hold what ${statement.says} needs; rolled back, and tried again`,
      });
      await options.sleep(pause * (0.5 + options.random()), options.signal);
    }
  }

  /** A statement may take hours. */
  async function send(sql: string): Promise<readonly Row[]> {
    return await unlessAborted(db.query(sql, null), options.signal);
  }
}

function failureOf(error: unknown, statement: RepairStatement): RepairFailure {
  const says = error instanceof postgres.PostgresError ? error : null;
  const detail = says?.detail === undefined ? "" : ` (${says.detail})`;
  return { statement, message: `${says?.message ?? ""}${detail}`, code: codeOf(error) };
}

function othersInTheWay({ says }: RepairStatement): CannotJudge {
  return new CannotJudge(
    "temporary",
    `others held what ${says} needs, again and again; nothing of its transaction stands`,
    [whenTheyHaveEnded],
  );
}
