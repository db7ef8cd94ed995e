import { ancestors, type Heads, type History, maximal } from "./history.ts";
import { factsAfter, factsOfHeads, type OpenLedger } from "./ledger.ts";
import type { MigrationTool } from "./migration-tool.ts";
import { rowsInDoubt } from "./spelling.ts";

/** What version rows say was applied, in the history's terms. */
export type Claim = {
  /** The recorded revisions without those that others include. */
  readonly heads: Heads;
  readonly applied: ReadonlySet<string>;
  /** What the heads stand on and no row says was applied. Always empty where rows are heads. */
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
  const unknown = rows
    .filter((row) => !history.revisions.has(row))
    .sort(history.tool.order ?? undefined);
  const heads = maximal(history, known);
  const below = inOrder(history, heads);
  const applied = new Set(recordsEveryRevision(history.tool) ? known : below);
  return {
    heads,
    applied,
    skipped: below.filter((id) => !applied.has(id)),
    unknownRows: unknown.filter((row) => !isOlder(history, row, heads)),
    withoutFile: unknown.filter((row) => isOlder(history, row, heads)),
  };
}

/** By its version alone: a row that no file has has no place in the graph. */
function isOlder({ tool: { order } }: History, row: string, heads: Heads): boolean {
  return order !== null && heads.length > 0 && heads.every((head) => order(row, head) < 0);
}

function inOrder(history: History, heads: Heads): readonly string[] {
  const below = ancestors(history, heads);
  return [...history.revisions.keys()].filter((id) => below.has(id));
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

/** The rows as the verdict line shows them: of a row for each revision the last ones. */
export function recordedOf(history: History, rows: readonly string[]): readonly string[] {
  if (!recordsEveryRevision(history.tool)) return rows;
  const { heads, unknownRows } = claimOf(history, rows);
  const { order } = history.tool;
  const last = [...heads, ...unknownRows];
  return order === null ? last.sort() : last.sort(order).slice(-1);
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
  const inDoubt = new Set(rowsInDoubt(history, rows).map(({ row }) => row));
  const past = rows.filter(
    (row) => !history.revisions.has(row) && !inDoubt.has(row) && isOlder(history, row, heads),
  );
  return [...past, ...inOrder(history, heads)];
}
