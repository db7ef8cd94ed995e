import type { VersionTableLayout } from "../core/migration-tool.ts";
import type { Migration, Progress, Statement } from "../core/migration.ts";
import { CannotJudge } from "../core/outcome.ts";
import type { TableName } from "../core/version-table.ts";
import type { Database } from "./database.ts";
import { cannotGoOn, codeOf, throwCannotGoOn } from "./errors.ts";
import {
  cleanUp,
  endOf,
  findOldest,
  isAnswer,
  isPassing,
  type MigrateOptions,
  type MigrationEnd,
  resetAfter,
  runOwn,
  send,
  sendAnyway,
  Stopped,
  type Trouble,
  type Unfinished,
  type Work,
} from "./migrate-work.ts";
import {
  asOurselves,
  begin,
  isStillOurs,
  limitLockWait,
  limitLockWaitUnlessSet,
  setTimeoutsAside,
} from "./migrate.sql.ts";
import { createProgressTable, deleteProgress, writeProgress } from "./progress.sql.ts";
import { recordRow } from "./stamp.sql.ts";
import { formatDuration } from "./waiting.ts";

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
  const { db, migration, options } = work;
  const to = migration.statements.length;
  if (to === 0) {
    await runOwn(db, recordVersion(work));
    return null;
  }
  if (migration.outside === null) return await applyTogether(work, { from: 0, to });
  await ensureProgressTable(db, options.table.schema);
  return await applyOutside(work);
}

/** SQL that writes our own rows when so many statements are done. */
function recordDone(work: Work, done: number): string {
  const { migration, options } = work;
  if (done < migration.statements.length) return recordState(work, done, "pending");
  if (migration.outside === null) return recordVersion(work);
  return `${recordVersion(work)};\n${deleteProgress(options.table, options.row.version)}`;
}

function recordVersion({ options, durationMs }: Work): string {
  const { layout, table, row, runId } = options;
  return recordRow(layout, table, row, { runId, durationMs: durationMs() });
}

/** Aborted when the file has had its time. */
function timeoutOf({ timeout, sleep }: MigrateOptions, over: AbortSignal): AbortSignal {
  const timer = new AbortController();
  const abort = (): void => timer.abort();
  if (timeout !== null) sleep(timeout, over).then(abort, () => {});
  return timer.signal;
}

// In one transaction

/** The statements from one index to before another. */
type Range = { readonly from: number; readonly to: number };

/** Milliseconds before each further try; half as long to half as long again. */
const pauses = [1000, 2000, 4000];

/**
 * Statements, and what records them, in one transaction: all of it stands, or nothing. When others are in the way,
 * it is rolled back and tried again: whoever waits for a lock holds up everybody who comes after.
 * @returns null: committed
 */
async function applyTogether(work: Work, range: Range): Promise<Unfinished | null> {
  for (let attempt = 1; ; attempt += 1) {
    const trouble = await tryTogether(work, range);
    if (trouble === null) return null;
    const pause = pauses[attempt - 1];
    if (pause === undefined || !isPassing(trouble.error)) return await endOf(work, trouble);
    await waitForOthers(work, trouble, attempt, pause * (0.5 + work.options.random()));
  }
}

async function tryTogether(work: Work, { from, to }: Range): Promise<Trouble | null> {
  const { migration, options } = work;
  let index = from;
  let at: Trouble["at"] = "statement";
  try {
    await send(work, beginFor(work, { from, to }));
    for (const statement of migration.statements.slice(from, to)) {
      options.onStatement(index, statement);
      await send(work, statement.text);
      index += 1;
    }
    index = to - 1;
    at = "commit";
    // Before our own settings: what the file has deferred shall run with the file's.
    await send(work, "SET CONSTRAINTS ALL IMMEDIATE");
    const [row] = await send(work, `${asOurselves};\n${isStillOurs}`);
    if (row?.["isOurs"] !== true) throw endedItself(work);
    at = "record";
    await send(work, [recordDone(work, to), ...resetWith(work), "COMMIT"].join(";\n"));
    return null;
  } catch (error) {
    await cleanUp(work.db, ["ROLLBACK", ...resetWith(work)].join(";\n"));
    return { error, index, at };
  }
}

/**
 * What a whole file has set ends in the same message as its transaction: behind a pooler the next message may reach
 * another session, and this one somebody else. Without a transaction it holds until the file's end.
 */
function resetWith({ migration }: Work): readonly string[] {
  return migration.outside === null ? [resetAfter(migration)] : [];
}

function beginFor({ migration, options }: Work, { from, to }: Range): string {
  const { ddlLockTimeout, applicationName } = options;
  const hasDdl = migration.statements.slice(from, to).some(({ isDdl }) => isDdl);
  if (!hasDdl || ddlLockTimeout === null) return begin(applicationName);
  const limit = migration.outside === null ? limitLockWait : limitLockWaitUnlessSet;
  return `${begin(applicationName)};\n${limit(ddlLockTimeout)}`;
}

/** Files with transaction control are refused long before; this is for what nobody has thought of. */
function endedItself({ migration }: Work): CannotJudge {
  return new CannotJudge(
    "partial",
    `${migration.file} ended the transaction that it runs in: what it did until then may stand, and no version is recorded`,
    [
      "see what stands, and complete it or undo it by hand",
      "take the transaction control (COMMIT, ROLLBACK) out of the file",
    ],
  );
}

async function waitForOthers(
  { db, migration, options, stop }: Work,
  { error, index }: Trouble,
  attempt: number,
  pauseMs: number,
): Promise<void> {
  const { file, statements } = migration;
  const { line } = statements[index]!;
  const oldest = await findOldest(db);
  const message = error instanceof Error ? error.message : String(error);
  options.log({
    level: "warn",
    event: "migrate.retry",
    msg: [
      `${file}:${line}: ${message}; rolled back, and tried again in ${formatDuration(pauseMs)} (${attempt} of ${pauses.length})`,
      ...(oldest === null ? [] : [`what may be in its way: ${oldest}`]),
    ].join("; "),
    file,
    line,
    code: codeOf(error),
    attempt,
    pauseMs: Math.round(pauseMs),
  });
  // Told to stop meanwhile: the next try says so.
  await options.sleep(pauseMs, stop).catch(() => {});
}

// Outside of a transaction

/**
 * Statement by statement, for files with one that PostgreSQL refuses inside of a transaction. A row says how far the
 * file came; the last statement's end replaces it by the version row.
 * @returns null: done
 */
async function applyOutside(work: Work): Promise<Unfinished | null> {
  const { statements } = work.migration;
  const refused = await restoreSettings(work);
  if (refused !== null) return refused;
  for (let index = work.options.resumeAt; index < statements.length; index += 1) {
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
  const end = await applyTogether(work, { from: index, to: index + 1 });
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

function recordState(
  { migration, options }: Work,
  done: number,
  state: Progress["state"],
  error: string | null = null,
): string {
  const { id: version, checksum, statements } = migration;
  const { line, text } = statements[done]!;
  const place = { done, of: statements.length, line, statement: shorten(text) };
  const progress = { version, checksum, ...place, state, error };
  return writeProgress(options.table, progress, options.runId);
}

function shorten(text: string): string {
  const line = [...text.replaceAll(/\s+/g, " ")];
  return line.length <= 200 ? line.join("") : `${line.slice(0, 199).join("")}…`;
}

async function write({ db, migration }: Work, record: string): Promise<void> {
  await runOwn(db, record).catch(throwCannotGoOn(`recording how far ${migration.file} came`));
}

// The tables that it writes

/** Creates the table of unfinished migrations where it is missing. Throws CannotJudge. */
export async function ensureProgressTable(db: Database, schema: string): Promise<void> {
  await createOwn(db, createProgressTable(schema), "creating the table of unfinished migrations");
}

/** Creates the table, or what an old one lacks, only where it is missing. Throws CannotJudge. */
export async function ensureVersionTable(
  db: Database,
  layout: VersionTableLayout,
  table: TableName,
): Promise<void> {
  const doing = `creating the version table ${table.schema}.${table.name}`;
  await createOwn(db, layout.create(table, layout.width ?? 0), doing);
}

/** A schema, table or column, or the catalog's row for one, that somebody else has just created. */
const justCreated: ReadonlySet<string> = new Set(["42P06", "42P07", "42701", "23505"]);

export async function createOwn(db: Database, sql: string, doing: string): Promise<void> {
  const created = runOwn(db, sql).catch(async (error: unknown) => {
    if (!justCreated.has(codeOf(error))) throw error;
    return await runOwn(db, sql);
  });
  await created.catch(throwCannotGoOn(doing));
}
