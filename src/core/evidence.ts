import type { Difference } from "./difference.ts";
import { isInDoubt } from "./extras.ts";
import { type Fact, placeKey } from "./facts.ts";
import type { Verdict } from "./verdict.ts";

/** The state that the facts were found to equal; null: none, or nothing to compare with. */
export function provenHeads(verdict: Verdict): readonly string[] | null {
  switch (verdict.kind) {
    case "current":
    case "overlapping":
      return verdict.verified ? verdict.heads : null;
    case "behind":
      return verdict.verified && verdict.skipped.length === 0 ? verdict.heads : null;
    case "fresh":
      return [];
    case "unversioned":
    case "mismatched":
    case "missing-file":
      return verdict.identified.kind === "proven" ? verdict.identified.heads : null;
    default:
      return null;
  }
}

export function differencesOf(verdict: Verdict): readonly Difference[] {
  switch (verdict.kind) {
    case "behind":
    case "drifted":
      return verdict.differences;
    case "ahead":
      return verdict.lacking;
    case "unversioned":
    case "mismatched":
    case "missing-file":
      switch (verdict.identified.kind) {
        case "proven":
          return verdict.identified.extras;
        case "nearest":
          return verdict.identified.differences;
        default:
          return [];
      }
    default:
      return [];
  }
}

/**
 * Whether something was concluded from its not being there, or nothing could be concluded at all: it may be in another
 * schema. Rows that are the heads, with the facts that belong to them, need no such question.
 */
export function restsOnAbsence(verdict: Verdict): boolean {
  switch (verdict.kind) {
    case "current":
    case "overlapping":
      return false;
    case "drifted":
      return verdict.differences.some(({ tolerable }) => !tolerable);
    default:
      return true;
  }
}

/** The extras of a verdict whose kind is in doubt. */
export function extrasInDoubt(verdict: Verdict): readonly Fact[] {
  return differencesOf(verdict).flatMap((difference) =>
    difference.kind === "extra" && isInDoubt(difference.fact) ? [difference.fact] : [],
  );
}

/** The facts, with what was found out about those that were in doubt. */
export function withEvaluated(
  facts: readonly Fact[],
  asked: readonly Fact[],
  answers: ReadonlyMap<string, readonly string[]>,
): readonly Fact[] {
  const places = new Set(asked.map(placeKey));
  return facts.map((fact) => {
    const place = placeKey(fact);
    return places.has(place) ? { ...fact, evaluates: answers.get(place) ?? [] } : fact;
  });
}
