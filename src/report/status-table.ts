import type { RevisionStatus } from "../core/status.ts";
import { inColumns } from "./columns.ts";

/** Of neighbours with the same marks so many are shown: of more, the first and the last. */
const mostAlike = 8;
const shownOfMany = 3;

/** Lines of a table, for a person. @param isWhole nothing is left out */
export function statusTable(
  revisions: readonly RevisionStatus[],
  isWhole: boolean,
): readonly string[] {
  const rows: (readonly string[])[] = [["revision", "title", "recorded", "proven", "pending"]];
  for (const alike of groupAlike(revisions)) {
    const isCut = !isWhole && alike.length > mostAlike;
    const first = isCut ? alike.slice(0, shownOfMany) : alike;
    rows.push(...first.map(cellsOf));
    if (isCut) rows.push(["…", `${alike.length - 2 * shownOfMany} more (--verbose)`]);
    if (isCut) rows.push(...alike.slice(-shownOfMany).map(cellsOf));
  }
  return inColumns(rows);
}

function groupAlike(revisions: readonly RevisionStatus[]): readonly RevisionStatus[][] {
  const groups: RevisionStatus[][] = [];
  for (const revision of revisions) {
    const last = groups.at(-1);
    if (last !== undefined && marksOf(last[0]!) === marksOf(revision)) last.push(revision);
    else groups.push([revision]);
  }
  return groups;
}

function marksOf(revision: RevisionStatus): string {
  return cellsOf(revision).slice(2).join();
}

function cellsOf({ id, title, recorded, proven, pending }: RevisionStatus): readonly string[] {
  const mark = (is: boolean): string => (is ? "yes" : "");
  return [id, title, mark(recorded), mark(proven), mark(pending)];
}
