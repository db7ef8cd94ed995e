import type { VersionRow } from "../core/migration.ts";
import { CannotJudge } from "../core/outcome.ts";
import type { ToolName } from "../core/revision.ts";
import type { Database, Row } from "./database.ts";
import { cannotGoOn, codeOf } from "./errors.ts";
import {
  beginStamp,
  createAlembicTable,
  lockVersionTable,
  type QualifiedTable,
  readRows,
  readWidth,
  widenColumn,
  writeHeads,
} from "./stamp.sql.ts";
import { createVersionTable, deleteVersionRows, insertVersionRow } from "./version-table.sql.ts";

export type StampOptions = {
  readonly tool: ToolName;
  readonly table: QualifiedTable;
  /** False: the table is created, and it is a conflict when it is there by now. */
  readonly exists: boolean;
  /** What stood in the table when the decision was taken, in any order; null for a NULL. */
  readonly basis: readonly (string | null)[];
  /** What shall stand there. The same as `basis` to create or widen only. */
  readonly rows: readonly string[];
  /** What else a new row holds, where the tool's rows hold more than a version. */
  readonly files: ReadonlyMap<string, VersionRow>;
  readonly runId: string;
  /** Characters that Alembic's column must hold; at least 32 and the longest row count in any case. */
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
  const { tool, table, exists, basis, rows } = options;
  const width = Math.max(32, options.width, ...rows.map((row) => Array.from(row).length));
  try {
    const opening = [beginStamp, ...create(options, width), lockVersionTable(table)];
    const reading = [readRows(tool, table), readWidth(tool, table)];
    const answers = await db.queryAll([...opening, ...reading].join(";\n"));
    const before = rowsOf(answers[0]);
    if (!sameRows(before, basis)) throw rowsChanged(table, basis, before);

    const present = answers[1]?.[0]?.["width"];
    const widened = tool === "alembic" && typeof present === "number" && present < width;
    const writing = [
      ...(widened ? [widenColumn(table, width)] : []),
      ...write(options, before),
      readRows(tool, table),
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

/** Tables that Supabase's tool made long ago lack columns. */
function create({ tool, table, exists }: StampOptions, width: number): readonly string[] {
  if (tool === "alembic") return exists ? [] : [createAlembicTable(table, width)];
  return exists && tool === "sql" ? [] : [createVersionTable(tool, table)];
}

function write(
  { tool, table, rows, files, runId }: StampOptions,
  before: readonly (string | null)[],
): readonly string[] {
  if (tool === "alembic") return [writeHeads(table, rows)];
  const gone = before.flatMap((row) => (row === null || rows.includes(row) ? [] : [row]));
  const fresh = rows.flatMap((row) => (before.includes(row) ? [] : (files.get(row) ?? [])));
  return [
    ...(gone.length === 0 ? [] : [deleteVersionRows(table, gone)]),
    ...fresh.map((row) => insertVersionRow(tool, table, row, { runId, durationMs: null })),
  ];
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
