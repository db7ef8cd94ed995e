import type { Claim } from "./claim.ts";
import type { Difference } from "./difference.ts";
import { touchesRows } from "./ledger.ts";
import type { Knowledge } from "./knowledge.ts";
import type { VersionTable } from "./observation.ts";

/** Applied revisions whose files say something else by now than the version table remembers. */
export function editedRevisions(
  { digests }: Knowledge,
  { applied }: Claim,
  table: VersionTable | null,
): readonly string[] {
  return [...applied].filter((id) => {
    const [remembered, present] = [table?.digests.get(id), digests.get(id)];
    return remembered !== undefined && present !== undefined && remembered !== present;
  });
}

/**
 * The same as differences. What such a file does now is proven where nothing of it is missing, and where it does
 * nothing to rows, which no schema shows.
 * @param found by what else the schema differs; null: it was not compared
 */
export function editedFiles(
  knowledge: Knowledge,
  edited: readonly string[],
  found: readonly Difference[] | null,
): readonly Difference[] {
  const { history, ledger } = knowledge;
  const lacking = new Set(found?.map(({ revision }) => revision));
  return edited.map((revision) => ({
    kind: "edited",
    revision,
    file: history.revisions.get(revision)!.file,
    tolerable:
      found !== null && ledger !== null && !lacking.has(revision) && !touchesRows(ledger, revision),
  }));
}
