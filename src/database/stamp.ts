import { widen } from "../core/grants.ts";
import { sameRows } from "../core/journal.ts";
import type { RowsRun, VersionTableLayout } from "../core/migration-tool.ts";
import type { VersionRow } from "../core/migration.ts";
import { CannotJudge } from "../core/outcome.ts";
import type { TableName } from "../core/version-table.ts";
import { lookAnew } from "../core/ways-out.ts";
import type { Database, Row } from "./database.ts";
import { cannotGoOn, codeOf } from "./errors.ts";
import { type NewEntry, restoreRows, rowsToRemove } from "./journal.sql.ts";
import { tryEntry } from "./journal.ts";
import {
  beginStamp,
  deleteOtherRows,
  insertRow,
  lockVersionTable,
  readRows,
  readWidth,
} from "./stamp.sql.ts";

export type StampOptions = {
  readonly layout: VersionTableLayout;
  readonly table: TableName;
  /** False: the table is created, and it is a conflict when it is there by now. */
  readonly exists: boolean;
  /** What stood in the table when the decision was taken, in any order; null for a NULL. */
  readonly basis: readonly (string | null)[];
  /** What shall stand there. The same as `basis` to create or widen only. */
  readonly rows: readonly (string | null)[];
  /** By version: what each row holds that is not there yet; or the entry of the journal that keeps what they held. */
  readonly files: ReadonlyMap<string, VersionRow> | { readonly keptBy: number };
  readonly runId: string;
  /** What the journal says of it, in the same transaction; null: nothing. */
  readonly entry: NewEntry | null;
  /** Why the journal says nothing of it after all. What this throws, keeps the rows from being written. */
  readonly onNoEntry: (fault: string) => void;
  /** Characters that a version column with a limit must hold; what the tool gives it and the longest row count in any case. */
  readonly width: number;
};

export type Stamped = {
  /** What stood there before. */
  readonly before: readonly (string | null)[];
  readonly created: boolean;
  readonly widened: boolean;
  /** Its number in the journal; null: there is none. */
  readonly entry: number | null;
};

/**
 * Writes the version rows in one transaction, on condition that they still are what the decision was based on.
 * Throws CannotJudge: `temporary` when they are not, `permission`, `verify-failed` when the rows do not read back as written.
 */
export async function stamp(db: Database, options: StampOptions): Promise<Stamped> {
  const { layout, table, exists, basis, rows } = options;
  const lengths = rows.map((row) => Array.from(row ?? "").length);
  const width = Math.max(layout.width ?? 0, options.width, ...lengths);
  try {
    const create = exists && !layout.isCompleted ? [] : [layout.create(table, width)];
    const opening = [beginStamp, ...create, lockVersionTable(table)];
    const reading = [readRows(layout, table), readWidth(layout, table)];
    const answers = await db.queryAll([...opening, ...reading].join(";\n"));
    const before = rowsOf(answers[0]);
    if (!sameRows(before, basis))
      throw conflict(
        `the version rows changed while deciding: ${nameOf(table)} held ${list(basis)} and now holds ${list(before)}`,
      );

    const present = answers[1]?.[0]?.["width"];
    const widened = layout.width !== null && typeof present === "number" && present < width;
    const number = await note(db, options);
    const writing = [
      ...(widened ? [widen(table, layout.version, width)] : []),
      ...write(options, before),
      readRows(layout, table),
    ];
    const written = await db.queryAll(writing.join(";\n"));
    const wanted = isRestored(options) ? rows : [...new Set(rows)];
    if (!sameRows(rowsOf(written.at(-1)), wanted)) throw notWritten(table);

    await db.query("COMMIT");
    return { before, created: !exists, widened, entry: number };
  } catch (error) {
    await db.query("ROLLBACK").catch(() => {});
    throw judge(error, options);
  }
}

function write(options: StampOptions, before: readonly (string | null)[]): readonly string[] {
  const { layout, table } = options;
  return [deleteOtherRows(layout, table, keptIn(options)), ...writeNew(options, before)];
}

/** @returns the entry's number; null: there is none */
async function note(db: Database, options: StampOptions): Promise<number | null> {
  const { layout, table, entry, onNoEntry } = options;
  if (entry === null) return null;
  const noted = await tryEntry(db, entry, rowsToRemove(layout, table, keptIn(options)));
  if (typeof noted === "number") return noted;
  onNoEntry(noted);
  return null;
}

function keptIn({ rows }: StampOptions): readonly string[] {
  return rows.filter((row) => row !== null);
}

function writeNew(
  { layout, table, rows, files, runId }: StampOptions,
  before: readonly (string | null)[],
): readonly string[] {
  if ("keptBy" in files) return [restoreRows(table, files.keptBy)];
  const run: RowsRun = { runId, durationMs: null };
  const fresh = new Set(rows.filter((row) => row !== null && !before.includes(row)));
  // One that is not given shows as not written.
  const given = [...fresh].flatMap((id) => files.get(id ?? "") ?? []);
  return given.map((row) => insertRow(layout, table, row, run));
}

function isRestored({ files }: StampOptions): boolean {
  return "keptBy" in files;
}

function rowsOf(answer: readonly Row[] | undefined): readonly (string | null)[] {
  return (answer ?? []).map(({ row }) => (typeof row === "string" ? row : null));
}

/** What somebody else did meanwhile. */
function conflict(what: string, next = lookAnew): CannotJudge {
  return new CannotJudge("temporary", `${what}; nothing was written`, [next]);
}

function notWritten(table: TableName): CannotJudge {
  return new CannotJudge(
    "verify-failed",
    `the version rows of ${nameOf(table)} did not read back as written: a trigger, a rule or row security interferes; nothing was kept`,
    [`look for triggers, rules and policies on ${nameOf(table)}`],
  );
}

function judge(error: unknown, { table, exists }: StampOptions): CannotJudge {
  const code = codeOf(error);
  if (exists ? code === "42P01" : code === "42P07" || code === "23505")
    return conflict(
      `the version table ${nameOf(table)} was ${exists ? "dropped" : "created"} while deciding`,
    );
  if (code === "55P03")
    return conflict(
      `another session holds a lock on ${nameOf(table)}`,
      "run it again when the other migration is done",
    );
  return cannotGoOn(error, `writing the version rows of ${nameOf(table)}`);
}

function nameOf({ schema, name }: TableName): string {
  return `${schema}.${name}`;
}

function list(rows: readonly (string | null)[]): string {
  return rows.length === 0 ? "nothing" : rows.map((row) => row ?? "NULL").join(", ");
}
