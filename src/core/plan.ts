import { assumable } from "./assume.ts";
import { placesOf } from "./elsewhere.ts";
import { ancestors, type History } from "./history.ts";
import * as refusal from "./refusal.ts";
import type { Plan, Policy, Refusal, Situation, Step } from "./step.ts";
import type { Finding, Leftover, Verdict } from "./verdict.ts";
import * as homeRefusal from "./which-home.ts";

/** Alembic makes its column this wide, whatever the ids are. */
export function planFor(verdict: Verdict, policy: Policy, situation: Situation): Plan {
  const { knowledge, observation } = situation;
  const plan = planOnEvidence(verdict, policy, situation);
  switch (plan.kind) {
    case "start":
      return unlessUnverified(plan);
    case "act":
      return unlessUnverified(homeRefusal.ofHome(knowledge, observation, plan.steps) ?? plan);
    case "refuse":
      return unlessUnverified(homeRefusal.withOtherHomes(plan, placesOf(knowledge, observation)));
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
  situation: Situation,
): boolean {
  if (situation.assumption === null) return false;
  const without = planFor(verdict, policy, { ...situation, assumption: null });
  return JSON.stringify(plan) === JSON.stringify(without);
}

function planOnEvidence(verdict: Verdict, policy: Policy, situation: Situation): Plan {
  const { knowledge, observation } = situation;
  const { history } = knowledge;
  const { tool } = history;
  switch (verdict.kind) {
    case "current":
      return { kind: "start" };
    case "fresh":
      return upgrade(verdict.pending);
    case "behind":
      return upgradeInOrder(verdict);
    case "overlapping":
      return stampAndUpgrade(verdict.heads);
    case "unversioned":
      return verdict.denied !== null && verdict.identified.kind === "proven"
        ? orAsAssumed(refusal.deniedElsewhere(verdict.denied, verdict.identified.heads, tool))
        : verdict.unseen.length > 0 && verdict.identified.kind === "proven"
          ? orAsAssumed(refusal.dataUnseen(verdict.unseen, verdict.identified.heads, situation))
          : planForFinding(verdict.identified);
    case "missing-file":
    case "mismatched":
      if (verdict.identified.kind === "proven" && verdict.elsewhere.length > 0)
        return orAsAssumed(homeRefusal.elsewhere(verdict, situation.observation));
      return verdict.dataMigrations.length > 0
        ? orAsAssumed(refusal.dataMigrationBetween(verdict, tool))
        : planForFinding(verdict.identified);
    case "ahead":
      return planForAhead(verdict);
    case "drifted":
      return verdict.differences.every(({ tolerable }) => tolerable) || policy.drift === "warn"
        ? upgradeInOrder(verdict)
        : refusal.drifted(verdict, history);
    case "partial":
      return planForPartial(verdict.left);
    case "unknown":
      // No word changes what the table is.
      if (verdict.isOthersTable) return refusal.othersTable(verdict);
      return orAsAssumed(
        verdict.elsewhere.length > 0
          ? homeRefusal.homeInDoubt(verdict, observation)
          : refusal.unknown(verdict, assumable(knowledge, observation)),
      );
    case "broken-history":
      return refusal.brokenHistory(verdict.faults);
  }

  function planForFinding(finding: Finding): Plan {
    if (finding.kind === "proven") return stampAndUpgrade(finding.heads);
    const nearest = finding.kind === "nearest" ? finding.heads : [];
    const words = assumable(knowledge, observation, nearest);
    const plan = orAsAssumed(refusal.unproven(finding, tool, words));
    return plan.kind === "act" && finding.kind === "nearest" ? (orAsDrift(finding) ?? plan) : plan;
  }

  /** A person says that it shall go on, and nothing of it is in doubt that we can see. What follows, the next look decides. */
  function planForPartial(left: Leftover): Plan {
    if (!policy.resume || !refusal.canResume(left)) return refusal.partial(left, tool);
    return upgrade(left.kind === "begun" ? left.pending : [left.progress.version]);
  }

  function upgradeInOrder(claimed: Verdict & { readonly kind: "behind" | "drifted" }): Plan {
    return claimed.skipped.length > 0 && !policy.allowOutOfOrder
      ? refusal.outOfOrder(claimed)
      : upgrade(claimed.pending);
  }

  function planForAhead(ahead: Verdict & { readonly kind: "ahead" }): Plan {
    const isCompatible = ahead.lacking.length === 0 && ahead.notRun.length === 0;
    if (policy.ahead === "allow" || (policy.ahead === "compatible" && isCompatible))
      return { kind: "start" };
    return refusal.ahead(ahead, tool);
  }

  /** The word says what version rows would say. They would not excuse what differs either. */
  function orAsDrift({
    heads,
    differences,
  }: Extract<Finding, { kind: "nearest" }>): Refusal | null {
    const { assumption } = situation;
    const isNearest = assumption?.kind === "holds" && assumption.heads.join() === heads.join();
    const serious = differences.filter(({ tolerable }) => !tolerable);
    return isNearest && serious.length > 0 && policy.drift === "fail"
      ? refusal.driftedFromWord(heads, serious)
      : null;
  }

  /** A person's word opens what could not be proven, as long as the schema does not contradict it. */
  function orAsAssumed(refused: Refusal): Plan {
    const { assumption } = situation;
    if (assumption?.kind === "holds") return stampAndUpgrade(assumption.heads, "assumed");
    if (assumption?.kind === "contradicted") return refusal.contradicted(assumption, refused);
    return refused;
  }

  function stampAndUpgrade(
    heads: readonly string[],
    because: "proven" | "assumed" = "proven",
  ): Plan {
    if (policy.stamp === "never") return refusal.stampNeeded(recorded(), heads, because, tool);
    const steps: Step[] = [{ kind: "stamp", from: recorded(), to: heads, because }];
    const applied = ancestors(history, heads);
    const revisions = [...history.revisions.keys()].filter((id) => !applied.has(id));
    if (revisions.length > 0) steps.push({ kind: "upgrade", revisions });
    return { kind: "act", steps };
  }

  function upgrade(revisions: readonly string[]): Plan {
    if (revisions.length === 0) return { kind: "start" };
    const needed = longest(revisions);
    return {
      kind: "act",
      steps: [
        ...(needed > columnWidth() ? [{ kind: "widen", to: needed } as const] : []),
        { kind: "upgrade", revisions },
      ],
    };
  }

  function columnWidth(): number {
    const table = observation.versionTable;
    if (table !== null) return table.width ?? Infinity;
    return tool.versionTable.width ?? Infinity;
  }

  function recorded(): readonly string[] {
    return verdict.kind === "broken-history" ? [] : verdict.recorded;
  }
}

/** How wide the version column must be for every id that a plan may write there. */
export function widthFor(history: History): number {
  return Math.max(history.tool.versionTable.width ?? 0, longest(history.revisions.keys()));
}

function longest(ids: Iterable<string>): number {
  return Math.max(0, ...[...ids].map((id) => [...id].length));
}
