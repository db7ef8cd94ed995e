import type { Revision } from "../core/revision.ts";
import type { TableName } from "../core/version-table.ts";
import type { Database } from "./database.ts";
import { throwCannotGoOn } from "./errors.ts";
import { runOwn } from "./migrate-work.ts";
import { ensureProgressTable } from "./migrate.ts";
import { deleteProgress, readHasSchema, writeProgress } from "./progress.sql.ts";

/**
 * Writes, before another program runs them, which revisions may leave rows behind without a version row. A schema that the
 * migrations themselves will make has no place for it yet. Throws CannotJudge.
 * @returns whether they are noted
 */
export async function noteBegun(
  db: Database,
  table: TableName,
  revisions: readonly Revision[],
  runId: string,
): Promise<boolean> {
  const doing = "noting which migrations begin";
  const [row] = await runOwn<{ hasSchema: boolean }>(db, readHasSchema(table.schema)).catch(
    throwCannotGoOn(doing),
  );
  if (row?.hasSchema !== true) return false;
  await ensureProgressTable(db, table.schema);
  await write(db, doing, revisions.map(noteOf));
  return true;

  function noteOf({ id, hash, file }: Revision): string {
    const begun = { version: id, checksum: hash, state: "started", error: null } as const;
    return writeProgress(table, { ...begun, done: 0, of: 1, line: 1, statement: file }, runId);
  }
}

/** Throws CannotJudge. */
export async function forgetBegun(
  db: Database,
  table: TableName,
  ids: readonly string[],
): Promise<void> {
  const statements = ids.map((id) => deleteProgress(table, id));
  await write(db, "forgetting which migrations began", statements);
}

async function write(db: Database, doing: string, statements: readonly string[]): Promise<void> {
  if (statements.length === 0) return;
  await runOwn(db, statements.join(";\n")).catch(throwCannotGoOn(doing));
}
