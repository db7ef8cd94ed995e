import {
  type Evidence,
  type JournalEntry,
  type JournalKey,
  journalTable,
} from "../core/journal.ts";
import { CannotJudge } from "../core/outcome.ts";
import { nameTable } from "../core/version-table.ts";
import type { Database, Row } from "./database.ts";
import { cannotGoOn, throwCannotGoOn } from "./errors.ts";
import {
  createJournal,
  endEntry,
  insertEntry,
  type NewEntry,
  readEntries,
  readJournalPlace,
} from "./journal.sql.ts";
import { questionMessage } from "./look.sql.ts";
import { runOwn } from "./migrate-work.ts";
import { createOwn } from "./migrate.ts";

/** What stands in the way of keeping a journal; null: nothing does. Writes nothing. Throws CannotJudge. */
export async function faultOfJournal(db: Database): Promise<string | null> {
  const place = await readPlace(db);
  const { schema } = journalTable;
  const name = nameTable(journalTable);
  const role = String(place["role"]);
  if (place["hasTable"] === true) {
    if (place["isWhole"] !== true) return notOfThisVersion;
    const may = place["mayRead"] === true && place["mayWrite"] === true;
    return may ? null : `role ${role} may not write ${name}, which another role has made`;
  }
  if (place["hasSchema"] !== true)
    return place["mayCreateSchema"] === true
      ? null
      : `role ${role} may not create schema ${schema} for it`;
  if (place["isOurs"] !== true) return `schema ${schema} is somebody else's`;
  return place["mayCreate"] === true ? null : `role ${role} may not create ${name}`;
}

/** Makes it where it is missing. Throws CannotJudge. */
export async function ensureJournal(db: Database): Promise<void> {
  await createOwn(db, createJournal, `creating ${nameTable(journalTable)}`);
}

/**
 * Of one history, or of all of them; a text says why there is nothing to read. Throws CannotJudge.
 * @param key null: of all
 */
export async function readJournal(
  db: Database,
  key: JournalKey | null,
): Promise<readonly JournalEntry[] | string> {
  const place = await readPlace(db);
  if (place["hasTable"] !== true)
    return "there is no journal: no run has written anything here, or none could keep one";
  if (place["isWhole"] !== true) return notOfThisVersion;
  if (place["mayRead"] !== true)
    return `role ${String(place["role"])} may not read all of ${nameTable(journalTable)}`;
  const rows = await ask(db, readEntries(mostEntries, key));
  return (rows as unknown as readonly EntryRow[]).map(readEntry);
}

const notOfThisVersion = `there is a table ${nameTable(journalTable)}, and it is not the journal of this version`;

/** Of more, the oldest ones are left out. */
export const mostEntries = 1000;

async function readPlace(db: Database): Promise<Row> {
  const [place] = await ask(db, readJournalPlace);
  return place ?? {};
}

/** Milliseconds to wait for a lock that another session holds. */
const patience = 10_000;

async function ask(db: Database, question: string): Promise<readonly Row[]> {
  try {
    // The first answer is the search_path's, which the message puts aside.
    return (await db.queryAll(questionMessage(question, patience)))[1] ?? [];
  } catch (error) {
    await db.query("ROLLBACK").catch(() => {});
    throw cannotGoOn(error, `reading ${nameTable(journalTable)}`);
  }
}

/** Throws CannotJudge. @returns the entry's number */
export async function beginEntry(db: Database, entry: NewEntry): Promise<number> {
  const rows = await runOwn(db, insertEntry(entry)).catch(throwCannotGoOn(writingIt));
  return numberOfEntry(rows);
}

/** Within the caller's transaction, which goes on either way. @returns the entry's number, or why there is none */
export async function tryEntry(
  db: Database,
  entry: NewEntry,
  removed: string,
): Promise<number | string> {
  await db.query("SAVEPOINT journal");
  try {
    return numberOfEntry(await db.query(insertEntry(entry, removed)));
  } catch (error) {
    await db.query("ROLLBACK TO SAVEPOINT journal");
    return cannotGoOn(error, writingIt).message;
  }
}

const writingIt = "writing the journal";

function numberOfEntry([row]: readonly Row[]): number {
  if (row !== undefined) return Number(row["entry"]);
  const why = "a trigger or a rule keeps entries out";
  throw new CannotJudge("verify-failed", `${writingIt} failed: ${why}`, []);
}

/** Throws CannotJudge. */
export async function closeEntry(
  db: Database,
  entry: number,
  state: "done" | "failed",
  rowsAfter: readonly (string | null)[],
): Promise<void> {
  await runOwn(db, endEntry(entry, state, rowsAfter)).catch(throwCannotGoOn(writingIt));
}

/** Arrays and JSON come as text, and so do numbers that may be large. */
type EntryRow = Omit<JournalEntry, "entry" | "rowsBefore" | "rowsAfter" | "evidence" | "undoes"> & {
  readonly entry: string;
  readonly rowsBefore: string;
  readonly rowsAfter: string | null;
  readonly evidence: string;
  readonly undoes: string | null;
};

function readEntry(row: EntryRow): JournalEntry {
  const { entry, rowsBefore, rowsAfter, evidence, undoes } = row;
  return {
    ...row,
    entry: Number(entry),
    rowsBefore: JSON.parse(rowsBefore) as JournalEntry["rowsBefore"],
    rowsAfter: rowsAfter === null ? null : (JSON.parse(rowsAfter) as JournalEntry["rowsAfter"]),
    evidence: JSON.parse(evidence) as Evidence,
    undoes: undoes === null ? null : Number(undoes),
  };
}
