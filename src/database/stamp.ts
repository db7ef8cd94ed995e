import { CannotJudge } from "../core/outcome.ts";
import type { Database, Row } from "./database.ts";
import { cannotGoOn, codeOf } from "./errors.ts";
import {
  beginStamp,
  createVersionTable,
  lockVersionTable,
  readRows,
  readWidth,
  widenColumn,
  writeRows,
} from "./stamp.sql.ts";
import type { QualifiedTable } from "./stamp.sql.ts";

export type StampOptions = {
  readonly table: QualifiedTable;
  /** False: the table is created, and it is a conflict when it is there by now. */
  readonly exists: boolean;
  /** What stood in the table when the decision was taken, in any order; null for a NULL. */
  readonly basis: readonly (string | null)[];
  /** What shall stand there. The same as `basis` to create or widen only. */
  readonly rows: readonly string[];
  /** Characters that the column must hold; at least 32 and the longest row count in any case. */
  readonly width: number;
};

export type Stamped = {
  /** What stood there before. */
  readonly before: readonly (string | null)[];
  readonly created: boolean;
  readonly widened: boolean;
};

/**
 * Writes the version rows in one transaction, on condition that they still are what the decision was based on.
 * Throws CannotJudge: `temporary` when they are not, `permission`, `verify-failed` when the rows do not read back as written.
 */
export async function stamp(db: Database, options: StampOptions): Promise<Stamped> {
  const { table, exists, basis, rows } = options;
  const width = Math.max(32, options.width, ...rows.map((row) => Array.from(row).length));
  try {
    const opening = [
      beginStamp,
      ...(exists ? [] : [createVersionTable(table, width)]),
      lockVersionTable(table),
    ];
    const answers = await db.queryAll([...opening, readRows(table), readWidth(table)].join(";\n"));
    const before = rowsOf(answers[0]);
    if (!sameRows(before, basis)) throw rowsChanged(table, basis, before);

    const present = answers[1]?.[0]?.["width"];
    const widened = typeof present === "number" && present < width;
    const writing = [
      ...(widened ? [widenColumn(table, width)] : []),
      writeRows(table, rows),
      readRows(table),
    ];
    const written = await db.query(writing.join(";\n"));
    if (!sameRows(rowsOf(written), [...new Set(rows)])) throw notWritten(table);

    await db.query("COMMIT");
    return { before, created: !exists, widened };
  } catch (error) {
    await db.query("ROLLBACK").catch(() => {});
    throw judge(error, options);
  }
}

function rowsOf(answer: readonly Row[] | undefined): readonly (string | null)[] {
  return (answer ?? []).map(({ row }) => (typeof row === "string" ? row : null));
}

/** As multisets: a duplicate counts. */
function sameRows(left: readonly (string | null)[], right: readonly (string | null)[]): boolean {
  const spell = (rows: readonly (string | null)[]): string =>
    JSON.stringify(rows.map((row) => JSON.stringify(row)).toSorted());
  return spell(left) === spell(right);
}

function rowsChanged(
  table: QualifiedTable,
  basis: readonly (string | null)[],
  found: readonly (string | null)[],
): CannotJudge {
  return new CannotJudge(
    "temporary",
    `the version rows changed while deciding: ${nameOf(table)} held ${list(basis)} and now holds ${list(found)}; nothing was written`,
    ["run it again: it looks at the database anew"],
  );
}

function notWritten(table: QualifiedTable): CannotJudge {
  return new CannotJudge(
    "verify-failed",
    `the version rows of ${nameOf(table)} did not read back as written: a trigger, a rule or row security interferes; nothing was kept`,
    [`look for triggers, rules and policies on ${nameOf(table)}`],
  );
}

function judge(error: unknown, { table, exists }: StampOptions): CannotJudge {
  const code = codeOf(error);
  if (exists ? code === "42P01" : code === "42P07" || code === "23505") {
    return new CannotJudge(
      "temporary",
      `the version table ${nameOf(table)} was ${exists ? "dropped" : "created"} while deciding; nothing was written`,
      ["run it again: it looks at the database anew"],
    );
  }
  if (code === "55P03") {
    return new CannotJudge(
      "temporary",
      `another session holds a lock on ${nameOf(table)}; nothing was written`,
      ["run it again when the other migration is done"],
    );
  }
  return cannotGoOn(error, `writing the version rows of ${nameOf(table)}`);
}

function nameOf({ schema, name }: QualifiedTable): string {
  return `${schema}.${name}`;
}

function list(rows: readonly (string | null)[]): string {
  return rows.length === 0 ? "nothing" : rows.map((row) => row ?? "NULL").join(", ");
}
