import type { Migration, Progress, Statement, VersionRow } from "../core/migration.ts";
import { CannotJudge } from "../core/outcome.ts";
import type { Database } from "../database/database.ts";
import type { MigrateOptions, MigrationEnd } from "../database/migrate-work.ts";
import { ensureVersionTable, migrate } from "../database/migrate.ts";
import { refuseSharedSession } from "../database/pooling.ts";
import { type Context, type Ending, waitingOf } from "./context.ts";
import { sayHeaders } from "./events.ts";

export type ApplyOptions = Pick<
  MigrateOptions,
  "layout" | "table" | "applicationName" | "ddlLockTimeout" | "timeout" | "cancel"
> & {
  /** A session of its own: files may leave settings behind. */
  readonly session: Database;
  /** What earlier runs began outside of a transaction: it goes on from there. */
  readonly progress: readonly Progress[];
  /** Opens one more by the same way. */
  readonly openSecond: () => Promise<Database>;
  readonly onApplied: (version: string) => void;
  /** Its signal says that we are told to stop, or have lost the lock. */
  readonly context: Context;
};

/**
 * Applies files one after another. Throws CannotJudge as `migrate` does.
 * @returns how one of them failed; null: all are done
 */
export async function applyFiles(
  migrations: readonly Migration[],
  options: ApplyOptions,
): Promise<Ending | null> {
  const { session, layout, table, context } = options;
  await ensureVersionTable(session, layout, table);
  session.onNotice((msg) => context.log({ level: "info", event: "migrate.notice", msg }));
  for (const [index, migration] of migrations.entries()) {
    context.signal.throwIfAborted();
    sayHeaders([migration], context);
    const place = `file ${index + 1} of ${migrations.length}: ${migration.file}`;
    const end = await applyFile(migration, place, options);
    if (end.kind === "applied") options.onApplied(migration.id);
    context.signal.throwIfAborted();
    if (end.kind !== "applied") return describeFailure(end, migration);
    context.log({
      level: "info",
      event: "migrate.done",
      msg: `${place}: applied`,
      file: migration.file,
      durationMs: Math.round(end.durationMs),
    });
  }
  return null;
}

/** Before anything is done: a file outside of a transaction leaves its settings to its own session. */
export async function refusePooler(
  migrations: readonly Migration[],
  { session, openSecond }: ApplyOptions,
): Promise<void> {
  const first = migrations.find(({ outside }) => outside !== null);
  if (first === undefined) return;
  const other = await openSecond();
  try {
    await refuseSharedSession(session, other, `${first.file}, run outside of a transaction,`);
  } finally {
    await other.close();
  }
}

export function rowOf({ id, name, checksum, recorded }: Migration): VersionRow {
  return { version: id, name, checksum, statements: recorded };
}

async function applyFile(
  migration: Migration,
  place: string,
  options: ApplyOptions,
): Promise<MigrationEnd> {
  const { session, context } = options;
  const resumeAt = placeToResume(migration, options);
  const watch = watchProgress(migration, place, context);
  try {
    return await migrate(session, migration, {
      ...options,
      ...waitingOf(context),
      row: rowOf(migration),
      runId: context.runId,
      resumeAt,
      onStatement: watch.onStatement,
    });
  } finally {
    watch.stop();
  }
}

/** Throws CannotJudge where another version of this program has cut the file in another way. */
function placeToResume(
  { id, file, outside, statements }: Migration,
  { progress }: ApplyOptions,
): number {
  const begun = progress.find(({ version }) => version === id);
  if (begun === undefined) return 0;
  if (outside !== null && begun.of === statements.length) return begun.done;
  throw new CannotJudge(
    "partial",
    `${file} began with ${begun.of} statements and has ${statements.length} now, as this version reads it: where it stopped is not certain`,
    ["go on with the version of preflight that began, or complete the file by hand"],
  );
}

const liveEvery = 1_000;
const logEvery = 10_000;

/** A person watches one live line; a log gets a line whenever a file takes another ten seconds. */
function watchProgress(
  { file, statements }: Migration,
  place: string,
  { now, sleep, log }: Context,
) {
  const started = now();
  const stopped = new AbortController();
  let current = { index: 0, line: statements[0]?.line ?? 1 };
  const describe = (): string =>
    `${place}, statement ${current.index + 1} of ${statements.length} (line ${current.line}), ${Math.round((now() - started) / 1000)}s`;
  const say = (live: boolean): void =>
    log({
      level: "info",
      event: "migrate.running",
      msg: describe(),
      live,
      file,
      statement: current.index + 1,
      of: statements.length,
      elapsedMs: Math.round(now() - started),
    });
  void tick();
  return {
    onStatement: (index: number, { line }: Statement): void => {
      current = { index, line };
      say(true);
    },
    stop: (): void => stopped.abort(),
  };

  async function tick(): Promise<void> {
    for (let at = liveEvery; ; at += liveEvery) {
      await sleep(liveEvery, stopped.signal).catch(() => {});
      if (stopped.signal.aborted) return;
      say(at % logEvery !== 0);
    }
  }
}

type Failure = Exclude<MigrationEnd, { readonly kind: "applied" }>;

/**
 * What a person at 3 a.m. needs of a file that failed: where, what, why, what stands, and its author's way back. How a
 * file goes on that runs outside of a transaction, the look at the database says that follows.
 */
function describeFailure(end: Failure, migration: Migration): Ending {
  const { file, statements, header } = migration;
  const isAtEnd = end.kind === "failed" && end.at === "commit";
  const place = `${file}:${end.kind === "failed" ? end.line : end.statement.line}`;
  const which = `${place}: statement ${end.index + 1} of ${statements.length}`;
  const rollback = header.filter(({ label }) => /roll ?back|undo|revert/i.test(label));
  return {
    outcome: "migration-failed",
    reason: [
      `${isAtEnd ? `${file}: what it had deferred until its end` : which} ${describeEnd(end)}`,
      ...(isAtEnd ? [] : [`The statement: ${shorten(end.statement.text)}`]),
      standing(end, migration),
    ].join(". "),
    next: [
      ...(end.kind === "failed" && end.hint !== null ? [`the server's hint: ${end.hint}`] : []),
      ...rollback.map(({ label, text }) => `its author's ${label}: ${text}`),
      ...(runsAnew(end, migration)
        ? ["mend the cause and start again: the file runs from its beginning"]
        : []),
    ],
  };
}

/** Nothing of it stands, and nothing of it can have been left behind. */
function runsAnew(end: Failure, { outside }: Migration): boolean {
  return outside === null || (end.standing === 0 && !end.statement.isAlone);
}

function describeEnd(end: Failure): string {
  if (end.kind === "stopped")
    return end.by === "timeout"
      ? "was stopped: the file took longer than --upgrade-timeout allows"
      : "was stopped: preflight was told to end";
  const parts = [`failed: ${end.message} (SQLSTATE ${end.code})`];
  if (end.detail !== null) parts.push(`Detail: ${end.detail.replace(/\.$/, "")}`);
  if (end.where !== null) parts.push(`Where: ${shorten(end.where)}`);
  return parts.join(". ");
}

function standing(end: Failure, { file, outside, statements }: Migration): string {
  return outside === null
    ? `Nothing of ${file} stands, everything before it does`
    : `${file} cannot run in one transaction: ${end.standing} of its ${statements.length} statements stand`;
}

function shorten(text: string): string {
  const line = text.replaceAll(/\s+/g, " ");
  return line.length <= 300 ? line : `${line.slice(0, 297)}...`;
}
