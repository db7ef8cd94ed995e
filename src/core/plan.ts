import { assumable } from "./assume.ts";
import { placesInDoubt } from "./elsewhere.ts";
import { ancestors, type Heads, type History, pendingAfter } from "./history.ts";
import { contradicted, refuse, seriousOf, type UnprovenExtension } from "./refusals.ts";
import type { Plan, PlanBasis, Policy, Refusal, Step } from "./step.ts";
import type { Finding, Leftover, Verdict, VerdictOf } from "./verdict.ts";
import { canResume } from "./ways-out.ts";
import { refusalOfHome, withOtherHomes } from "./which-home.ts";

export function planFor(verdict: Verdict, policy: Policy, basis: PlanBasis): Plan {
  const { knowledge, observation } = basis;
  const plan = planOnEvidence(verdict, policy, basis);
  switch (plan.kind) {
    case "start":
      return unlessUnverified(plan);
    case "act":
      return unlessUnverified(refusalOfHome(knowledge, observation, plan.steps) ?? plan);
    case "refuse":
      return unlessUnverified(withOtherHomes(plan, placesInDoubt(basis, "taken back")));
  }

  function unlessUnverified(planned: Plan): Plan {
    if (policy.unverified === "start" || knowledge.status === "verified") return planned;
    return planned.kind === "refuse" && planned.outcome !== "unproven"
      ? planned
      : refuse("unverified", knowledge, planned.kind === "refuse" ? planned.reason : null);
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
        return orAsAssumed(refuse("data-denied", denied, identified.heads, history), its);
      if (identified.kind === "proven" && unseen.length > 0)
        return orAsAssumed(refuse("data-unseen", unseen, identified.heads, basis), its);
      return planForFinding(identified, its);
    }
    case "missing-file":
    case "mismatched":
      if (verdict.identified.kind === "proven" && verdict.elsewhere.length > 0)
        return orAsAssumed(refuse("elsewhere", verdict, observation.home.schema, history), its);
      return verdict.dataMigrations.length > 0
        ? orAsAssumed(refuse("data-between", verdict, history), its)
        : planForFinding(verdict.identified, its);
    case "ahead":
      return planForAhead(verdict, its);
    case "drifted":
      return verdict.differences.every(({ tolerable }) => tolerable) || policy.drift === "warn"
        ? upgradeInOrder(verdict, its)
        : refuseDrift(verdict, history);
    case "partial":
      return planForPartial(verdict.left, its);
    case "unknown":
      // No word changes what the table is.
      if (verdict.isOthersTable) return refuse("table-of-others", verdict);
      if (verdict.inDoubt.length > 0)
        return orAsAssumed(refuse("number-of-several", verdict, observation.versionTable), its);
      return orAsAssumed(
        verdict.elsewhere.length > 0
          ? refuse("home-in-doubt", verdict.why, observation.home.schema)
          : refuse("unknown-database", verdict, assumable(knowledge, observation)),
        its,
      );
    case "broken-history":
      return refuse("broken-history", verdict.faults);
  }
}

function planForFinding(finding: Finding, its: Case): Plan {
  const { knowledge, observation } = its;
  if (finding.kind === "proven") return stampAndUpgrade(finding.heads, "proven", its);
  const nearest = finding.kind === "nearest" ? finding.heads : [];
  const words = assumable(knowledge, observation, nearest);
  const plan = orAsAssumed(refuseUnproven(finding, knowledge.history, words), its);
  return plan.kind === "act" && finding.kind === "nearest"
    ? (orAsDrift(finding, its) ?? plan)
    : plan;
}

function refuseUnproven(
  finding: Exclude<Finding, { readonly kind: "proven" }>,
  history: History,
  assumable: readonly string[],
): Refusal {
  switch (finding.kind) {
    case "ambiguous":
      return refuse("ambiguous", finding, history);
    case "retired":
      return refuse("retired", finding, assumable);
    case "nearest":
      return refuse("nearest", finding, history, assumable);
    case "sketched":
      return refuse("nothing-to-compare", finding, assumable);
  }
}

/** A person says that it shall go on, and nothing of it is in doubt that we can see. What follows, the next look decides. */
function planForPartial(left: Leftover, its: Case): Plan {
  const { policy, knowledge } = its;
  if (!policy.resume || !canResume(left)) return refusePartial(left, knowledge.history);
  return upgrade(left.kind === "begun" ? left.pending : [left.progress.version], its);
}

function refusePartial(left: Leftover, history: History): Refusal {
  switch (left.kind) {
    case "invalid-index":
      return refuse("invalid-index", left);
    case "interrupted":
      return refuse("interrupted", left);
    case "begun":
      return refuse("begun", left, history);
    case "dirty":
      return refuse("dirty", left);
    case "half-done":
      return refuse("half-done", left, history);
  }
}

function refuseDrift(drifted: VerdictOf<"drifted">, history: History): Refusal {
  const serious = seriousOf(drifted.differences);
  return serious.every(({ kind }) => kind === "edited")
    ? refuse("file-edited", serious, history)
    : refuse("schema-differs", drifted, history);
}

function upgradeInOrder(claimed: VerdictOf<"behind" | "drifted">, its: Case): Plan {
  return claimed.skipped.length > 0 && !its.policy.allowOutOfOrder
    ? refuse("out-of-order", claimed, its.knowledge.history)
    : upgrade(claimed.pending, its);
}

function planForAhead(ahead: VerdictOf<"ahead">, { policy, knowledge }: Case): Plan {
  const isCompatible = ahead.lacking.length === 0 && ahead.notRun.length === 0;
  if (policy.ahead === "allow" || (policy.ahead === "compatible" && isCompatible))
    return { kind: "start" };
  const { history } = knowledge;
  if (ahead.lacking.length > 0) return refuse("newer-and-lacking", ahead, history);
  return ahead.notRun.length > 0
    ? refuse("newer-and-not-run", ahead, history)
    : refuse("newer-forbidden", ahead, history);
}

/** The word says what version rows would say. They would not excuse what differs either. */
function orAsDrift(
  { heads, differences }: Extract<Finding, { readonly kind: "nearest" }>,
  { assumption, policy, knowledge }: Case,
): Refusal | null {
  const isNearest = assumption?.kind === "holds" && assumption.heads.join() === heads.join();
  const serious = seriousOf(differences);
  return isNearest && serious.length > 0 && policy.drift === "fail"
    ? refuse("word-differs", heads, serious, knowledge.history)
    : null;
}

/** A person's word opens what could not be proven, as long as the schema does not contradict it. */
function orAsAssumed(refused: Refusal, its: Case): Plan {
  const { assumption } = its;
  if (assumption?.kind === "holds") return stampAndUpgrade(assumption.heads, "assumed", its);
  if (assumption?.kind === "contradicted") return contradicted(assumption, refused);
  return refused;
}

function stampAndUpgrade(heads: Heads, because: "proven" | "assumed", its: Case): Plan {
  const {
    policy,
    knowledge: { history },
    recorded,
  } = its;
  if (policy.stamp === "never") return refuse("stamp-forbidden", recorded, heads, because, history);
  const unseen = because === "proven" ? unprovenExtensions(heads, its) : [];
  if (unseen.length > 0)
    return orAsAssumed(refuse("extension-unseen", unseen, heads, history), its);
  const steps: Step[] = [{ kind: "stamp", from: recorded, to: heads, because }];
  const revisions = pendingAfter(history, heads);
  if (revisions.length > 0) steps.push({ kind: "upgrade", revisions });
  return { kind: "act", steps };
}

/** What the bake passed over, and would be said to have been created or dropped where the contrary is seen. */
function unprovenExtensions(heads: Heads, its: Case): readonly UnprovenExtension[] {
  const {
    knowledge: { history, ledger },
    observation: { facts },
    recorded,
  } = its;
  const before = ancestors(history, recorded);
  const reached = ancestors(history, heads);
  const claims = (ids: Iterable<string>): boolean =>
    [...ids].some((id) => reached.has(id) && !before.has(id));
  return [...(ledger?.without ?? [])].flatMap(([name, { created, dropped }]) => {
    const isThere = facts.some(({ kind, object }) => kind === "extension" && object === name);
    const drops = dropped.filter((id) => reached.has(id)).map((id) => ancestors(history, [id]));
    const isCreated = created.some(
      (id) => reached.has(id) && !drops.some((until) => until.has(id)),
    );
    // Any revision may be what creates it, unseen.
    const isUnseen = created.length === 0;
    const isExpected = isUnseen ? drops.length === 0 : isCreated;
    const because = isExpected ? (isUnseen ? reached : created) : dropped;
    return isExpected === isThere || !claims(because) ? [] : [{ name, isThere }];
  });
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
