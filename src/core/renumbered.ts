import type { Knowledge } from "./knowledge.ts";
import type { VersionTable } from "./observation.ts";

/**
 * Rows that no file has and that keep the very text of a file without a row: the same migration under another number, such as one
 * that Supabase's dashboard has recorded with a time of its own. Only where each text is that of one row and of one file.
 * @returns the file's id by the row's
 */
export function renumberedRows(
  { history, digests }: Knowledge,
  table: VersionTable | null,
): ReadonlyMap<string, string> {
  const rows = (table?.rows ?? []).filter((row) => row !== null);
  const strangers = byText(
    rows.filter((row) => !history.revisions.has(row)),
    table?.digests,
  );
  const files = byText(
    [...history.revisions.values()]
      .filter(({ id, isEmpty }) => !isEmpty && !rows.includes(id))
      .map(({ id }) => id),
    digests,
  );
  const same = new Map<string, string>();
  for (const [text, [row, another]] of strangers) {
    const [file, secondFile] = files.get(text) ?? [];
    if (row === undefined || file === undefined) continue;
    if (another === undefined && secondFile === undefined) same.set(row, file);
  }
  return same;
}

function byText(
  ids: readonly string[],
  digests: ReadonlyMap<string, string> | undefined,
): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const id of ids) {
    const text = digests?.get(id);
    if (text !== undefined) found.set(text, [...(found.get(text) ?? []), id]);
  }
  return found;
}
