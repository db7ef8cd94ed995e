import { touchesRows } from "./ledger.ts";
import type { Knowledge } from "./knowledge.ts";

/**
 * Of these revisions, those that a crash can leave with rows written and no version row: they do not commit all at
 * once, and what they do to rows no schema shows. Without a ledger nobody knows, and they run as the tool itself would run them.
 */
export function commitInParts(
  { ledger, status }: Knowledge,
  ids: readonly string[],
): readonly string[] {
  if (ledger === null || status !== "verified") return [];
  return ids.filter(
    (id) => ledger.revisions.get(id)?.isAtomic === false && touchesRows(ledger, id),
  );
}
