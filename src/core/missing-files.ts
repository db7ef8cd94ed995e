import type { Knowledge } from "./knowledge.ts";
import type { Observation } from "./observation.ts";
import { CannotJudge } from "./outcome.ts";
import type { Plan } from "./step.ts";
import { enumerate } from "./words.ts";

/**
 * Revisions that the ledger calls live, that no file of the image has, and that the rows will not include once the plan is
 * carried out: a start would go on without what they make.
 * @returns `missing-input`; null: there are none
 */
export function missingFiles(
  knowledge: Knowledge,
  observation: Observation,
  plan: Plan,
): CannotJudge | null {
  const { unfiled } = knowledge;
  if (unfiled.length === 0 || plan.kind === "refuse") return null;
  const stamp = plan.kind === "act" ? plan.steps.find(({ kind }) => kind === "stamp") : undefined;
  const rows =
    stamp?.kind === "stamp"
      ? stamp.to
      : (observation.versionTable?.rows ?? []).filter((row) => row !== null);
  const applied = appliedByLedger(knowledge, rows);
  const lost = unfiled.filter((id) => !applied.has(id));
  if (lost.length === 0) return null;
  const [what, are, them] =
    lost.length === 1 ? ["a revision", "is", "it"] : [`${lost.length} revisions`, "are", "them"];
  return new CannotJudge(
    "missing-input",
    `the ledger knows ${what} that ${are} not applied here, and no file of this image has ${them}: ${enumerate(lost)}`,
    [
      "if the files were not copied into the image (.dockerignore, a wrong path, .pyc only): copy them",
      "if they were deleted on purpose: run `preflight bake`, which keeps them as retired, and copy preflight.ledger.json",
    ],
  );
}

/** What rows stand on, by what the ledger remembers of revisions without a file as well. */
export function appliedByLedger(
  knowledge: Knowledge,
  rows: readonly string[],
): ReadonlySet<string> {
  const applied = new Set<string>();
  const open = [...rows];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (applied.has(id)) continue;
    applied.add(id);
    open.push(...needsOf(knowledge, id));
  }
  return applied;
}

export function needsOf({ history, ledger }: Knowledge, id: string): readonly string[] {
  const { parents = [], dependsOn = [] } = ledger?.revisions.get(id) ?? {};
  return history.needs.get(id) ?? [...parents, ...dependsOn];
}
