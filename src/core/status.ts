import { claimOf } from "./claim.ts";
import { ancestors } from "./history.ts";
import type { Plan, PlanBasis } from "./step.ts";
import { provenHeads, type Verdict } from "./verdict.ts";

/** Where one revision stands in a database. */
export type RevisionStatus = {
  readonly id: string;
  readonly title: string;
  /** A version row says that it was applied. */
  readonly recorded: boolean;
  /** The schema is one that has it. */
  readonly proven: boolean;
  /** The next run applies it, or would if it were not refused. */
  readonly pending: boolean;
};

/** Every revision of the image in order, between the rows without a file that are older and those that nobody knows. */
export function statusOf(
  verdict: Verdict,
  plan: Plan,
  { knowledge, observation }: Pick<PlanBasis, "knowledge" | "observation">,
): readonly RevisionStatus[] {
  const { history } = knowledge;
  const rows = (observation.versionTable?.rows ?? []).map((row) => row ?? "NULL");
  const claim = claimOf(history, rows);
  const proven = ancestors(history, provenHeads(verdict) ?? []);
  const pending = pendingOf(plan);
  const known = [...history.revisions.values()].map(({ id, title }) => ({
    id,
    title,
    recorded: claim.applied.has(id),
    proven: proven.has(id),
    pending: pending?.has(id) ?? !(claim.applied.has(id) || proven.has(id)),
  }));
  return [...claim.withoutFile.map(withoutFile), ...known, ...claim.unknownRows.map(withoutFile)];
}

function withoutFile(id: string): RevisionStatus {
  return { id, title: "(no file in this image)", recorded: true, proven: false, pending: false };
}

/** Null: it is refused, and nobody has said what would run. */
function pendingOf(plan: Plan): ReadonlySet<string> | null {
  if (plan.kind === "refuse") return null;
  const steps = plan.kind === "act" ? plan.steps : [];
  return new Set(steps.flatMap((step) => (step.kind === "upgrade" ? step.revisions : [])));
}
