import type { JournalEntry } from "../core/journal.ts";
import { enumerate } from "../core/words.ts";
import { inColumns } from "./columns.ts";

/** Lines of a table, for a person; the newest entry last, beside the prompt. */
export function journalTable(entries: readonly JournalEntry[]): readonly string[] {
  const undone = new Map(entries.map(({ entry, undoes }) => [undoes, entry]));
  return inColumns([
    ["entry", "began (UTC)", "what", "version table", "rows before", "rows after", "by"],
    ...entries.map((each) => [
      String(each.entry),
      each.beganAt.replace("T", " ").replace("Z", ""),
      `${whatOf(each)}${undone.has(each.entry) ? `, undone by ${undone.get(each.entry)}` : ""}`,
      each.versionTable,
      rowsOf(each.rowsBefore),
      each.rowsAfter === null ? "?" : rowsOf(each.rowsAfter),
      each.role + (each.image === null ? "" : `, image ${each.image}`),
    ]),
  ]);
}

function whatOf({ kind, state, evidence, undoes }: JournalEntry): string {
  switch (kind) {
    case "stamp":
      return `stamp (${evidence.because ?? ""})`;
    case "undo":
      return `undo of ${undoes ?? ""}`;
    case "upgrade":
    case "repair":
      return state === "done"
        ? kind
        : state === "failed"
          ? `${kind}, failed`
          : `${kind}, end not seen`;
    case "widen":
      return "widen";
  }
}

/** 10 comes after 9. */
const byNumber = new Intl.Collator("en", { numeric: true });

/** Of tools with a row for each migration the newest ones tell. */
const shown = 3;

function rowsOf(rows: readonly (string | null)[]): string {
  if (rows.length === 0) return "none";
  const named = rows.map((row) => row ?? "NULL");
  if (named.length <= shown) return enumerate(named).replaceAll("; ", ", ");
  const last = rows.flatMap((row) => row ?? []).toSorted(byNumber.compare);
  return `${named.length}, to ${last.at(-1) ?? "NULL"}`;
}
