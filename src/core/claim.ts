import { ancestors, type Heads, type History, maximal } from "./history.ts";
import { factsAfter, factsOfHeads, type OpenLedger } from "./ledger.ts";
import type { MigrationTool } from "./migration-tool.ts";
import { rowsInDoubt } from "./spelling.ts";

/** What version rows say was applied, in the history's terms. */
export type Claim = {
  /** Alembic: the recorded revisions without those that others include. Otherwise the newest applied file. */
  readonly heads: Heads;
  readonly applied: ReadonlySet<string>;
  /** Older than the newest applied one and not applied. Always empty where rows are heads. */
  readonly skipped: readonly string[];
  /** Rows that no file has, and that are not older than what is applied. */
  readonly unknownRows: readonly string[];
  /** Rows that no file has, older than what is applied: the past of a squashed or deleted file. */
  readonly withoutFile: readonly string[];
};

export function recordsEveryRevision({ versionTable }: MigrationTool): boolean {
  return versionTable.rows === "each";
}

export function claimOf(history: History, rows: readonly string[]): Claim {
  const known = rows.filter((row) => history.revisions.has(row));
  const unknown = rows.filter((row) => !history.revisions.has(row));
  if (!recordsEveryRevision(history.tool)) {
    const heads = maximal(history, known);
    const applied = ancestors(history, heads);
    return { heads, applied, skipped: [], unknownRows: unknown, withoutFile: [] };
  }
  const applied = new Set(known);
  const newest = [...history.revisions.keys()].findLast((id) => applied.has(id));
  const heads = newest === undefined ? [] : [newest];
  const compare = history.tool.order;
  const isOlder = (row: string): boolean => newest !== undefined && compare(row, newest) < 0;
  return {
    heads,
    applied,
    skipped: [...ancestors(history, heads)].filter((id) => !applied.has(id)).sort(compare),
    unknownRows: unknown.filter((row) => !isOlder(row)).sort(compare),
    withoutFile: unknown.filter(isOlder).sort(compare),
  };
}

/** The facts that rows stand for. Null: some revision is not in the ledger. */
export function factsOfClaim(
  ledger: OpenLedger,
  history: History,
  { heads, applied, skipped }: Claim,
): ReadonlySet<number> | null {
  return skipped.length === 0
    ? factsOfHeads(ledger, history, heads)
    : factsAfter(ledger, history, new Set(), applied);
}

/** The rows as the verdict line shows them: heads, or the newest applied version. */
export function recordedOf(history: History, rows: readonly string[]): readonly string[] {
  if (!recordsEveryRevision(history.tool)) return rows;
  const newest = rows.toSorted(history.tool.order).at(-1);
  return newest === undefined ? [] : [newest];
}

/** Whether these rows claim that every revision of the history is applied. */
export function claimsAll(history: History, rows: readonly string[]): boolean {
  const { applied } = claimOf(history, rows);
  return [...history.revisions.keys()].every((id) => applied.has(id));
}

/**
 * The rows that stand for a set of heads. Where every file has one, rows of files that are gone stay as
 * far as they are older: they are the database's past.
 */
export function rowsFor(
  history: History,
  heads: Heads,
  rows: readonly string[],
): readonly string[] {
  if (!recordsEveryRevision(history.tool)) return heads;
  const [newest] = heads;
  if (newest === undefined) return [];
  const compare = history.tool.order;
  const inDoubt = new Set(rowsInDoubt(history, rows).map(({ row }) => row));
  const past = rows.filter(
    (row) => !history.revisions.has(row) && !inDoubt.has(row) && compare(row, newest) < 0,
  );
  return [...past, ...ancestors(history, heads)].sort(compare);
}
