import { isPremise, placeKey } from "./facts.ts";
import { ancestors, type History, maximal } from "./history.ts";
import { changeOf, factsOfHeads, type OpenLedger, touchesRows } from "./ledger.ts";
import { asSeen, type Sighting } from "./sighting.ts";
import type { Change, Leftover } from "./verdict.ts";

/**
 * The revision of whose change a part is done and a part is not, everything else being in place.
 * @param claimed what the rows say was applied; a revision that they claim has finished and cannot be half
 * done. Empty: there are no rows, so every revision comes into question.
 */
export function findHalfDone(
  ledger: OpenLedger,
  history: History,
  claimed: ReadonlySet<string>,
  live: Sighting,
): (Leftover & { kind: "half-done" }) | null {
  const isHard = (position: number): boolean =>
    !ledger.soft[position] && !live.ignored.has(position);
  const surplusCounts = (position: number): boolean =>
    isHard(position) && !isPremise(ledger.facts[position]!);
  const foreignPlaces = new Set(live.foreign.map(placeKey));

  for (const [id, { saysIfNotExists }] of history.revisions) {
    if (claimed.has(id)) continue;
    // What it finds, it leaves; what is missing, it makes. Rows it may have written before it stopped.
    if (saysIfNotExists && !touchesRows(ledger, id)) continue;
    const below = maximal(history, [
      ...claimed,
      ...ancestors(history, history.needs.get(id) ?? []),
    ]);
    const before = factsOfHeads(ledger, history, below);
    const change = changeOf(ledger, history, id);
    if (before === null || change === null) continue;
    const added = new Set(change.added.filter(isHard));
    const dropped = new Set(change.dropped.filter(isHard));
    const there = asSeen(live, before);
    const gone = [...there].filter((fact) => isHard(fact) && !live.known.has(fact));
    const surplus = [...live.known].filter((fact) => surplusCounts(fact) && !there.has(fact));
    if (!gone.every((fact) => dropped.has(fact)) || !surplus.every((fact) => added.has(fact)))
      continue;

    const changes: readonly (Change & { readonly isDone: boolean })[] = [
      ...[...added].map((fact) => step("adds", fact, live.known.has(fact))),
      ...[...dropped].map((fact) => step("drops", fact, !live.known.has(fact))),
    ];
    if (changes.some(({ fact }) => foreignPlaces.has(placeKey(fact)))) continue;
    const done = changes.filter(({ isDone }) => isDone);
    const undone = changes.filter(({ isDone }) => !isDone);
    if (done.some(({ fact }) => !isPremise(fact)) && undone.length > 0)
      return { kind: "half-done", revision: id, done, undone };
  }
  return null;

  function step(kind: Change["kind"], position: number, isDone: boolean) {
    return { kind, fact: ledger.facts[position]!, isDone };
  }
}
