import { claimOf } from "./claim.ts";
import type { Knowledge } from "./knowledge.ts";
import type { Observation } from "./observation.ts";
import { CannotJudge } from "./outcome.ts";
import { enumerate } from "./words.ts";

/**
 * Revisions that the ledger calls live, that no row includes, and that no file of the image has: a start would go on without
 * what they make.
 * @returns `missing-input`; null: there are none
 */
export function missingFiles(knowledge: Knowledge, observation: Observation): CannotJudge | null {
  const { unfiled } = knowledge;
  if (unfiled.length === 0) return null;
  const rows = (observation.versionTable?.rows ?? []).filter((row) => row !== null);
  const applied = recorded(knowledge, rows);
  const lost = unfiled.filter((id) => !applied.has(id));
  if (lost.length === 0) return null;
  return new CannotJudge(
    "missing-input",
    `the ledger knows ${lost.length === 1 ? "a revision" : `${lost.length} revisions`} that no version row includes and no file of this image has: ${enumerate(lost)}`,
    [
      "if the files were not copied into the image (.dockerignore, a wrong path, .pyc only): copy them",
      "if they were deleted on purpose: run `preflight bake`, which keeps them as retired, and copy preflight.ledger.json",
    ],
  );
}

/** What the rows stand on, by what the ledger remembers of revisions without a file. */
function recorded({ history, ledger }: Knowledge, rows: readonly string[]): ReadonlySet<string> {
  const applied = new Set(claimOf(history, rows).applied);
  const open = [...rows, ...applied];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    applied.add(id);
    const { parents = [], dependsOn = [] } = ledger?.revisions.get(id) ?? {};
    open.push(...[...parents, ...dependsOn].filter((each) => !applied.has(each)));
  }
  return applied;
}
