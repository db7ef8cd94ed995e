import type { VersionTableLayout } from "../core/migration-tool.ts";
import type { Migration } from "../core/migration.ts";
import type { TableName } from "../core/version-table.ts";
import type { Database } from "./database.ts";
import { cannotGoOn, codeOf, throwCannotGoOn } from "./errors.ts";
import { applyOutside } from "./migrate-outside.ts";
import { applyTogether } from "./migrate-together.ts";
import {
  cleanUp,
  type MigrateOptions,
  type MigrationEnd,
  resetAfter,
  runOwn,
  type Unfinished,
  type Work,
} from "./migrate-work.ts";
import { createProgressTable } from "./progress.sql.ts";
import { recordRow } from "./stamp.sql.ts";

/**
 * Applies one file, in one transaction with its version row unless it cannot run in one. Afterwards the session is as
 * new. Throws CannotJudge where neither the file nor a stop is the reason: a lost connection, locks that others
 * would not give up, a full disk, missing rights on our own tables.
 */
export async function migrate(
  db: Database,
  migration: Migration,
  options: MigrateOptions,
): Promise<MigrationEnd> {
  const started = options.clock();
  const over = new AbortController();
  const durationMs = (): number => options.clock() - started;
  const stop = AbortSignal.any([options.signal, timeoutOf(options, over.signal)]);
  const work: Work = { db, migration, options, stop, durationMs };
  try {
    const end = await apply(work);
    if (migration.outside !== null) await db.query(resetAfter(migration));
    return end ?? { kind: "applied", durationMs: durationMs() };
  } catch (error) {
    if (migration.outside !== null) await cleanUp(db, resetAfter(migration));
    throw cannotGoOn(error, `applying ${migration.file}`);
  } finally {
    over.abort();
  }
}

async function apply(work: Work): Promise<Unfinished | null> {
  const { db, migration, options, durationMs } = work;
  const { layout, table, row, runId } = options;
  if (migration.statements.length === 0) {
    const record = recordRow(layout, table, row, { runId, durationMs: durationMs() });
    await runOwn(db, record);
    return null;
  }
  if (migration.outside === null)
    return await applyTogether(work, { from: 0, to: migration.statements.length }, () =>
      recordRow(layout, table, row, { runId, durationMs: durationMs() }),
    );
  await ensureProgressTable(db, table.schema);
  return await applyOutside(work);
}

/** Creates the table of unfinished migrations where it is missing. Throws CannotJudge. */
export async function ensureProgressTable(db: Database, schema: string): Promise<void> {
  await create(db, createProgressTable(schema), "creating the table of unfinished migrations");
}

/** Creates the table, or what an old one lacks, only where it is missing. Throws CannotJudge. */
export async function ensureVersionTable(
  db: Database,
  layout: VersionTableLayout,
  table: TableName,
): Promise<void> {
  const doing = `creating the version table ${table.schema}.${table.name}`;
  await create(db, layout.create(table, layout.width ?? 0), doing);
}

/** A schema, table or column, or the catalog's row for one, that somebody else has just created. */
const justCreated: ReadonlySet<string> = new Set(["42P06", "42P07", "42701", "23505"]);

async function create(db: Database, sql: string, doing: string): Promise<void> {
  const created = runOwn(db, sql).catch(async (error: unknown) => {
    if (!justCreated.has(codeOf(error))) throw error;
    return await runOwn(db, sql);
  });
  await created.catch(throwCannotGoOn(doing));
}

/** Aborted when the file has had its time. */
function timeoutOf({ timeout, sleep }: MigrateOptions, over: AbortSignal): AbortSignal {
  const timer = new AbortController();
  if (timeout !== null) {
    const abort = (): void => timer.abort();
    sleep(timeout, over).then(abort, () => {});
  }
  return timer.signal;
}
