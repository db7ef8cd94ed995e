import { assumable } from "./assume.ts";
import { placesOf } from "./elsewhere.ts";
import { type Heads, type History, pendingAfter } from "./history.ts";
import * as refusal from "./refusal.ts";
import type { Plan, PlanBasis, Policy, Refusal, Step } from "./step.ts";
import type { Finding, Leftover, Verdict, VerdictOf } from "./verdict.ts";
import { homeInDoubt, refusalOfHome, refuseElsewhere, withOtherHomes } from "./which-home.ts";

export function planFor(verdict: Verdict, policy: Policy, basis: PlanBasis): Plan {
  const { knowledge, observation } = basis;
  const plan = planOnEvidence(verdict, policy, basis);
  switch (plan.kind) {
    case "start":
      return unlessUnverified(plan);
    case "act":
      return unlessUnverified(refusalOfHome(knowledge, observation, plan.steps) ?? plan);
    case "refuse":
      return unlessUnverified(withOtherHomes(plan, placesOf(knowledge, observation)));
  }

  function unlessUnverified(planned: Plan): Plan {
    if (policy.unverified === "start" || knowledge.status === "verified") return planned;
    return planned.kind === "refuse" && planned.outcome !== "unproven"
      ? planned
      : refusal.unverified(knowledge, planned.kind === "refuse" ? planned.reason : null);
  }
}

/** Whether a person's word was given, and the plan is what it would be without it. */
export function isPassedOver(
  plan: Plan,
  verdict: Verdict,
  policy: Policy,
  basis: PlanBasis,
): boolean {
  if (basis.assumption === null) return false;
  const without = planFor(verdict, policy, { ...basis, assumption: null });
  return JSON.stringify(plan) === JSON.stringify(without);
}

/** A verdict with all that decides what comes of it. */
type Case = PlanBasis & { readonly policy: Policy; readonly recorded: readonly string[] };

function planOnEvidence(verdict: Verdict, policy: Policy, basis: PlanBasis): Plan {
  const { knowledge, observation } = basis;
  const { history } = knowledge;
  const { tool } = history;
  const recorded = verdict.kind === "broken-history" ? [] : verdict.recorded;
  const its: Case = { ...basis, policy, recorded };
  switch (verdict.kind) {
    case "current":
      return { kind: "start" };
    case "fresh":
      return upgrade(verdict.pending, its);
    case "behind":
      return upgradeInOrder(verdict, its);
    case "overlapping":
      return stampAndUpgrade(verdict.heads, "proven", its);
    case "unversioned": {
      const { identified, denied, unseen } = verdict;
      if (identified.kind === "proven" && denied !== null)
        return orAsAssumed(refusal.deniedElsewhere(denied, identified.heads, tool), its);
      if (identified.kind === "proven" && unseen.length > 0)
        return orAsAssumed(refusal.dataUnseen(unseen, identified.heads, basis), its);
      return planForFinding(identified, its);
    }
    case "missing-file":
    case "mismatched":
      if (verdict.identified.kind === "proven" && verdict.elsewhere.length > 0)
        return orAsAssumed(refuseElsewhere(verdict, observation), its);
      return verdict.dataMigrations.length > 0
        ? orAsAssumed(refusal.dataMigrationBetween(verdict, tool), its)
        : planForFinding(verdict.identified, its);
    case "ahead":
      return planForAhead(verdict, its);
    case "drifted":
      return verdict.differences.every(({ tolerable }) => tolerable) || policy.drift === "warn"
        ? upgradeInOrder(verdict, its)
        : refusal.drifted(verdict, history);
    case "partial":
      return planForPartial(verdict.left, its);
    case "unknown":
      // No word changes what the table is.
      if (verdict.isOthersTable) return refusal.othersTable(verdict);
      return orAsAssumed(
        verdict.elsewhere.length > 0
          ? homeInDoubt(verdict, observation)
          : refusal.unknown(verdict, assumable(knowledge, observation)),
        its,
      );
    case "broken-history":
      return refusal.brokenHistory(verdict.faults);
  }
}

function planForFinding(finding: Finding, its: Case): Plan {
  const { knowledge, observation } = its;
  if (finding.kind === "proven") return stampAndUpgrade(finding.heads, "proven", its);
  const nearest = finding.kind === "nearest" ? finding.heads : [];
  const words = assumable(knowledge, observation, nearest);
  const plan = orAsAssumed(refusal.unproven(finding, knowledge.history.tool, words), its);
  return plan.kind === "act" && finding.kind === "nearest"
    ? (orAsDrift(finding, its) ?? plan)
    : plan;
}

/** A person says that it shall go on, and nothing of it is in doubt that we can see. What follows, the next look decides. */
function planForPartial(left: Leftover, its: Case): Plan {
  const { policy, knowledge } = its;
  if (!policy.resume || !refusal.canResume(left))
    return refusal.partial(left, knowledge.history.tool);
  return upgrade(left.kind === "begun" ? left.pending : [left.progress.version], its);
}

function upgradeInOrder(claimed: VerdictOf<"behind" | "drifted">, its: Case): Plan {
  return claimed.skipped.length > 0 && !its.policy.allowOutOfOrder
    ? refusal.outOfOrder(claimed)
    : upgrade(claimed.pending, its);
}

function planForAhead(ahead: VerdictOf<"ahead">, { policy, knowledge }: Case): Plan {
  const isCompatible = ahead.lacking.length === 0 && ahead.notRun.length === 0;
  if (policy.ahead === "allow" || (policy.ahead === "compatible" && isCompatible))
    return { kind: "start" };
  return refusal.ahead(ahead, knowledge.history.tool);
}

/** The word says what version rows would say. They would not excuse what differs either. */
function orAsDrift(
  { heads, differences }: Extract<Finding, { readonly kind: "nearest" }>,
  { assumption, policy }: Case,
): Refusal | null {
  const isNearest = assumption?.kind === "holds" && assumption.heads.join() === heads.join();
  const serious = differences.filter(({ tolerable }) => !tolerable);
  return isNearest && serious.length > 0 && policy.drift === "fail"
    ? refusal.driftedFromWord(heads, serious)
    : null;
}

/** A person's word opens what could not be proven, as long as the schema does not contradict it. */
function orAsAssumed(refused: Refusal, its: Case): Plan {
  const { assumption } = its;
  if (assumption?.kind === "holds") return stampAndUpgrade(assumption.heads, "assumed", its);
  if (assumption?.kind === "contradicted") return refusal.contradicted(assumption, refused);
  return refused;
}

function stampAndUpgrade(
  heads: Heads,
  because: "proven" | "assumed",
  { policy, knowledge: { history }, recorded }: Case,
): Plan {
  if (policy.stamp === "never") return refusal.stampNeeded(recorded, heads, because, history.tool);
  const steps: Step[] = [{ kind: "stamp", from: recorded, to: heads, because }];
  const revisions = pendingAfter(history, heads);
  if (revisions.length > 0) steps.push({ kind: "upgrade", revisions });
  return { kind: "act", steps };
}

function upgrade(
  revisions: readonly string[],
  { knowledge: { history }, observation: { versionTable } }: Case,
): Plan {
  if (revisions.length === 0) return { kind: "start" };
  const needed = longest(revisions);
  const width = (versionTable ?? history.tool.versionTable).width ?? Infinity;
  const before: Step[] = needed > width ? [{ kind: "widen", to: needed }] : [];
  return { kind: "act", steps: [...before, { kind: "upgrade", revisions }] };
}

/** How wide the version column must be for every id that a plan may write there. */
export function widthFor(history: History): number {
  return Math.max(history.tool.versionTable.width ?? 0, longest(history.revisions.keys()));
}

function longest(ids: Iterable<string>): number {
  return Math.max(0, ...[...ids].map((id) => [...id].length));
}
