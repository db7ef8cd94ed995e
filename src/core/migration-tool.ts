import type { VersionRow } from "./migration.ts";
import type { TableName, VersionTableName } from "./version-table.ts";

/**
 * A migration tool, as far as deciding, recording and wording go. What it does with files and programs is in `tools/tool.ts`,
 * and each tool in a folder of its own beside it.
 */
export type MigrationTool = {
  /** In settings, the ledger and the verdict line. */
  readonly name: string;
  /** Who brings pending revisions in: the image's own program, or Preflight, which reads the files. */
  readonly appliedBy: "program" | "preflight";
  readonly versionTable: VersionTableLayout;
  /**
   * `numbers`: `27` is `0027`, and of several files with one number each has its name in its version: `0027_add_trade`.
   * `texts`: a version is what is written.
   */
  readonly versions: "numbers" | "texts";
  /** Which of two versions is the older one, as a comparison for sorting; null: only what a revision stands on tells. */
  readonly order: ((one: string, other: string) => number) | null;
  /** Characters that no version may have. */
  readonly illegalInIds: string;
  /** Where its histories live beside what a platform makes and fills; null: in a plain database. */
  readonly platform: Platform | null;
  readonly words: ToolWords;
};

/** How a tool records what was applied. Texts are SQL, with nothing but pg_catalog on the search path. */
export type VersionTableLayout = {
  /** Where it is unless somebody says otherwise. */
  readonly usual: VersionTableName;
  /** A row for each head, of which a tool without branches has one; or a row for each applied migration. */
  readonly rows: "heads" | "each";
  /** The column that holds the version. */
  readonly version: string;
  /** Without one of these it is another tool's table. */
  readonly columns: readonly string[];
  /** What the table keeps of a file's text; null: nothing. */
  readonly digest: { readonly column: string; readonly expression: string } | null;
  /** The column that keeps what the file was called behind its number; null: there is none. */
  readonly fileName: string | null;
  /** A boolean column that is true while a migration runs, and after one that failed; null: there is none. */
  readonly dirty: string | null;
  /** Tables whose names contain this are the tool's too; null: only the one that is named. */
  readonly isAlsoOurs: string | null;
  /** Characters that the version column has as the tool makes it; null: without a limit. */
  readonly width: number | null;
  /** Whether the tables of other tools that number their files are evidence beside it. */
  readonly hasNeighbours: boolean;
  /** Makes the table, where it is missing its schema, and what an old table lacks. */
  readonly create: (table: TableName, width: number) => string;
  /** Whether a table that is there may be an old one that lacks something. */
  readonly isCompleted: boolean;
  /** Of a new row: columns and their values. */
  readonly values: (row: VersionRow, run: RowsRun) => Readonly<Record<string, string>>;
};

/** The run that writes a row; `durationMs` null: it was recorded without being run. */
export type RowsRun = { readonly runId: string; readonly durationMs: number | null };

type Platform = {
  /** What nobody planned there is nobody's drift. */
  readonly schemas: readonly string[];
  /** What it has made before the first migration, for an empty database of plain PostgreSQL. */
  readonly prelude: { readonly name: string; readonly sql: string };
};

/** Whatever a person may have to type. */
type ToolWords = {
  /** Runs migrations backwards to these heads; null: the tool does not, or has one for a single step alone. */
  readonly downgrade: ((heads: readonly string[]) => string) | null;
  /** Records the same migrations under other versions; null: the tool has no words for it. */
  readonly renumber: ((from: readonly string[], to: readonly string[]) => string) | null;
};

// How tools order versions

/** By number; of one number by name. What is no number comes last. */
export function byNumber(one: string, other: string): number {
  const [first, second] = [partsOf(one), partsOf(other)];
  const [a, b] = [numberOf(first.number), numberOf(second.number)];
  if (a !== null && b !== null && a !== b) return a < b ? -1 : 1;
  if ((a === null) !== (b === null)) return a === null ? 1 : -1;
  return byText(first.name, second.name) || byText(one, other);
}

/** By UTF-16 units, the same on every machine. */
export function byText(one: string, other: string): number {
  return one < other ? -1 : one === other ? 0 : 1;
}

/**
 * For comparisons. A date counts as its fourteen digits, from the year to the second: what it does not say is 0. A counter
 * behind them (Diesel's) comes after the second without one.
 */
export function numberOf(version: string): bigint | null {
  if (/^\d+$/.test(version)) return BigInt(version) * counters;
  if (!aDate.test(version)) return null;
  const digits = version.replaceAll(/\D/g, "");
  const counter = digits.slice(14);
  return (
    BigInt(digits.slice(0, 14).padEnd(14, "0")) * counters +
    (counter === "" ? 0n : BigInt(counter) + 1n)
  );
}

const counters = 100_000n;

/** `2024-01-31`, `2024_01_31_120000`, `2024-01-31T12-00-00`, `2024-01-31-120000-0000`, as a part of a pattern. */
const datePattern = String.raw`(?:19|20)\d\d(?<mark>[-_.])(?:0[1-9]|1[0-2])\k<mark>(?:0[1-9]|[12]\d|3[01])(?:[-_.T]\d\d(?:[-_.:]?\d\d(?:[-_.:]?\d\d(?:[-_]\d{4})?)?)?Z?)?`;

/** Of a version, or of a file's name: the number or the date as it is written, and what stands behind it. */
export function partsOf(text: string): { readonly number: string; readonly name: string } {
  const { number, name = "" } = numbered.exec(text)?.groups ?? {};
  return number === undefined ? { number: text, name: "" } : { number, name };
}

const numbered = new RegExp(
  `^(?<number>${datePattern}|\\d+)(?:[-_. ](?<name>.*?))??(?:(?:\\.up)?\\.sql)?$`,
  "is",
);

const aDate = new RegExp(`^${datePattern}$`, "i");
