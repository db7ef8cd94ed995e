import type { Progress, Statement } from "../core/migration.ts";
import { throwCannotGoOn } from "./errors.ts";
import { applyTogether } from "./migrate-together.ts";
import {
  endOf,
  isAnswer,
  runOwn,
  send,
  sendAnyway,
  Stopped,
  type Unfinished,
  type Work,
} from "./migrate-work.ts";
import { setTimeoutsAside } from "./migrate.sql.ts";
import { deleteProgress, writeProgress } from "./progress.sql.ts";
import { recordRow } from "./stamp.sql.ts";

/**
 * Statement by statement, for files with one that PostgreSQL refuses inside of a transaction. A row says how far the
 * file came; the last statement's end replaces it by the version row.
 * @returns null: done
 */
export async function applyOutside(work: Work): Promise<Unfinished | null> {
  const { migration, options } = work;
  const { statements } = migration;
  const { resumeAt } = options;
  const refused = await restoreSettings(work);
  if (refused !== null) return refused;
  for (let index = resumeAt; index < statements.length; index += 1) {
    const end = statements[index]!.isAlone
      ? await applyAlone(work, index)
      : await applyOne(work, index);
    if (end !== null) return end;
  }
  return null;
}

/** A file's settings hold until its end: whoever goes on in its middle makes them again. */
async function restoreSettings(work: Work): Promise<Unfinished | null> {
  const { migration, options } = work;
  for (const [index, statement] of migration.statements.slice(0, options.resumeAt).entries()) {
    if (!isSetting(statement)) continue;
    try {
      await send(work, statement.text);
    } catch (error) {
      const end = await endOf(work, { error, index, at: "statement" });
      return { ...end, standing: options.resumeAt };
    }
  }
  return null;
}

/** Those of a single transaction have ended with it. */
function isSetting({ text }: Statement): boolean {
  return (
    /^(?:re)?set\s+(?!local\b|transaction\b|constraints\b)/i.test(text) ||
    /^select\s+(?:pg_catalog\s*\.\s*)?set_config\s*\(/i.test(text)
  );
}

/** Where nothing of the file stands yet, a failure leaves no row: the file runs from its beginning. */
async function applyOne(work: Work, index: number): Promise<Unfinished | null> {
  const range = { from: index, to: index + 1 };
  const end = await applyTogether(work, range, () => recordDone(work, index + 1));
  if (end?.kind === "failed" && index > 0)
    await write(work, recordState(work, index, "failed", `${end.code}: ${end.message}`));
  return end;
}

/**
 * It never waits for a lock with a limit: measured, a lock_timeout ends CREATE INDEX CONCURRENTLY half-way, and an
 * INVALID index is left behind.
 */
async function applyAlone(work: Work, index: number): Promise<Unfinished | null> {
  const { db, migration, options, stop } = work;
  const statement = migration.statements[index]!;
  if (stop.aborted) return await endOf(work, { error: new Stopped(), index, at: "statement" });
  const aside = await db.query<{ name: string }>(setTimeoutsAside);
  await write(work, recordState(work, index, "started"));
  try {
    options.onStatement(index, statement);
    await sendAnyway(work, statement.text);
  } catch (error) {
    if (isAnswer(error))
      await write(work, recordState(work, index, "failed", `${error.code}: ${error.message}`));
    return await endOf(work, { error, index, at: "statement" });
  }
  await write(work, recordDone(work, index + 1));
  for (const { name } of aside) await db.query(`RESET ${name}`);
  return null;
}

function recordDone(work: Work, done: number): string {
  const { migration, options, durationMs } = work;
  const { layout, table, row, runId } = options;
  if (done < migration.statements.length) return recordState(work, done, "pending");
  return [
    recordRow(layout, table, row, { runId, durationMs: durationMs() }),
    deleteProgress(table, row.version),
  ].join(";\n");
}

function recordState(
  { migration, options }: Work,
  done: number,
  state: Progress["state"],
  error: string | null = null,
): string {
  const { line, text } = migration.statements[done]!;
  const { id, checksum, statements } = migration;
  const of = statements.length;
  const progress = {
    version: id,
    checksum,
    done,
    of,
    line,
    statement: shorten(text),
    state,
    error,
  };
  return writeProgress(options.table, progress, options.runId);
}

function shorten(text: string): string {
  const line = [...text.replaceAll(/\s+/g, " ")];
  return line.length <= 200 ? line.join("") : `${line.slice(0, 199).join("")}…`;
}

async function write({ db, migration }: Work, record: string): Promise<void> {
  await runOwn(db, record).catch(throwCannotGoOn(`recording how far ${migration.file} came`));
}
