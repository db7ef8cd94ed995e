import { CannotJudge } from "../core/outcome.ts";
import { codeOf } from "./errors.ts";
import {
  cleanUp,
  endOf,
  findOldest,
  isPassing,
  resetAfter,
  send,
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
} from "./migrate.sql.ts";
import { formatDuration } from "./waiting.ts";

/** The statements from one index to before another. */
export type Range = { readonly from: number; readonly to: number };

/** Milliseconds before each further try; half as long to half as long again. */
const pauses = [1000, 2000, 4000];

/**
 * Statements, and what records them, in one transaction: all of it stands, or nothing. When others are in the way,
 * it is rolled back and tried again: whoever waits for a lock holds up everybody who comes after.
 * @param record SQL that writes our own rows
 * @returns null: committed
 */
export async function applyTogether(
  work: Work,
  range: Range,
  record: () => string,
): Promise<Unfinished | null> {
  for (let attempt = 1; ; attempt += 1) {
    const trouble = await tryTogether(work, range, record);
    if (trouble === null) return null;
    const pause = pauses[attempt - 1];
    if (pause === undefined || !isPassing(trouble.error)) return await endOf(work, trouble);
    await waitForOthers(work, trouble, attempt, pause * (0.5 + work.options.random()));
  }
}

async function tryTogether(
  work: Work,
  { from, to }: Range,
  record: () => string,
): Promise<Trouble | null> {
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
    await send(work, [record(), ...resetWith(work), "COMMIT"].join(";\n"));
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
