import { extraKind, oursIn } from "./extras.ts";
import {
  type Fact,
  factKey,
  isPlainIndex,
  isPrerequisite,
  isReported,
  placeKey,
  takenNames,
} from "./facts.ts";
import { ancestors, type History } from "./history.ts";
import { changeOf, type OpenLedger, revisionOfState, touchesRows } from "./ledger.ts";
import { asSeen, type LiveSchema } from "./live-schema.ts";

/** One thing by which the live schema is not what a state's facts say. */
export type Difference =
  | {
      readonly kind: "missing";
      readonly fact: Fact;
      /** The revision that adds it. */
      readonly revision: string | null;
      readonly tolerable: boolean;
    }
  | {
      readonly kind: "changed";
      readonly fact: Fact;
      readonly actual: Fact;
      readonly revision: string | null;
      readonly tolerable: boolean;
    }
  | {
      readonly kind: "extra";
      readonly fact: Fact;
      /** Null: in no revision's work. */
      readonly revision: string | null;
      /** What it does to the application's statements; "": nothing. */
      readonly why: string;
      /** A person should know, although it is tolerable. */
      readonly warns: boolean;
      readonly tolerable: boolean;
    }
  | {
      /** The file of an applied revision says something else than what was applied. */
      readonly kind: "edited";
      readonly revision: string;
      readonly file: string;
      /** The schema proves what the file says now. */
      readonly tolerable: boolean;
    }
  | {
      /** Stands where a pending revision will work. */
      readonly kind: "in-the-way";
      readonly fact: Fact;
      readonly revision: string;
      /** That revision would fail; otherwise it would go on: whether the rows that are written up to there already are, nobody knows. */
      readonly fails: boolean;
      readonly tolerable: false;
    };

export type SchemaDifference = Exclude<Difference, { readonly kind: "edited" }>;

/**
 * How the live schema differs from what a set of revisions should have made.
 * @param applied these revisions
 * @param expected positions of the facts that they make together
 */
export function differences(
  ledger: OpenLedger,
  history: History,
  applied: ReadonlySet<string>,
  expected: ReadonlySet<number>,
  live: LiveSchema,
): readonly SchemaDifference[] {
  const pending = pendingWork(ledger, history, applied);
  const makers = makersOfFacts(ledger);
  const wanted = asSeen(live, expected);
  const expectedFacts = [...wanted].filter(
    (position) => !ledger.soft[position] && !live.ignored.has(position),
  );
  const missing = new Map(
    expectedFacts
      .filter((position) => !live.known.has(position))
      .map((position) => [placeKey(ledger.facts[position]!), position]),
  );
  const ours = oursIn(expectedFacts.map((position) => ledger.facts[position]!));
  const surplus = [
    ...[...live.known]
      .filter((position) => !wanted.has(position) && !ledger.soft[position])
      .map((position) => ledger.facts[position]!)
      .filter((fact) => !isPrerequisite(fact)),
    ...live.unknownFacts,
  ];

  const found: SchemaDifference[] = [];
  for (const fact of surplus) {
    const place = placeKey(fact);
    const expectedHere = missing.get(place);
    if (expectedHere !== undefined) {
      missing.delete(place);
      found.push({
        kind: "changed",
        fact: ledger.facts[expectedHere]!,
        actual: fact,
        revision: makers.get(expectedHere) ?? null,
        tolerable: false,
      });
      continue;
    }
    const blocked = pending.creates.get(place) ?? pending.namedBy(fact);
    if (blocked !== undefined)
      found.push({
        kind: "in-the-way",
        fact,
        revision: blocked,
        fails: history.revisions.get(blocked)?.saysIfNotExists !== true,
        tolerable: false,
      });
    else if (pending.allows(fact))
      found.push({ kind: "extra", fact, revision: null, why: "", warns: false, tolerable: true });
    else found.push(extra(fact));
  }
  for (const [place, position] of missing) {
    const fact = ledger.facts[position]!;
    found.push({
      kind: "missing",
      fact,
      revision: makers.get(position) ?? null,
      tolerable: isPlainIndex(fact) && !pending.drops.has(place),
    });
  }
  return found.sort(byPlace);

  function extra(seen: Fact): SchemaDifference {
    const evaluates = live.evaluates.get(placeKey(seen));
    const isKnown = seen.evaluates !== undefined || evaluates === undefined;
    const fact = isKnown ? seen : { ...seen, evaluates };
    const { answer, why } = extraKind(fact, ours);
    const [warns, tolerable] = [answer === "warn", answer !== "refuse"];
    return { kind: "extra", fact, revision: null, why, warns, tolerable };
  }
}

/**
 * What these facts leave to each deployment, and is not so here: publications, the part in replication, owners, privileges, an
 * extension's schema.
 * @param role the one that we have connected as: without what a migration gave it, the application may fail
 */
export function lackingOfDeployment(
  ledger: OpenLedger,
  expected: ReadonlySet<number>,
  live: LiveSchema,
  role: string,
): readonly SchemaDifference[] {
  const isLacking = (position: number): boolean =>
    isReported(ledger.facts[position]!) && !live.known.has(position) && !live.ignored.has(position);
  const positions = [...expected].filter((at) => isLacking(at) || live.movedExtensions.has(at));
  if (positions.length === 0) return [];
  const makers = makersOfFacts(ledger);
  const found: SchemaDifference[] = [];
  for (const position of positions) {
    const fact = ledger.facts[position]!;
    const revision = makers.get(position) ?? null;
    const actual = live.movedExtensions.get(position);
    if (actual !== undefined)
      found.push({ kind: "changed", fact, actual, revision, tolerable: true });
    if (!isLacking(position)) continue;
    const tolerable = !live.rights.isLostFor(role, fact);
    found.push({ kind: "missing", fact, revision, tolerable });
  }
  return found.sort(byPlace);
}

/**
 * Places that pending revisions create or drop, and names that they take, with the revision that does it. One that says IF NOT
 * EXISTS takes what is there, and goes on; if rows are written up to there, what is there may be its own work, and they may be written.
 */
function pendingWork(ledger: OpenLedger, history: History, applied: ReadonlySet<string>) {
  const creates = new Map<string, string>();
  const drops = new Map<string, string>();
  const names = new Map<string, string>();
  const allowed = new Set<string>();
  for (const [id, { saysIfNotExists }] of history.revisions) {
    if (applied.has(id)) continue;
    const change = changeOf(ledger, history, id);
    if (change === null) continue;
    const isLenient = saysIfNotExists && !mayHaveWritten(id);
    for (const position of change.added) {
      if (isLenient) {
        allowed.add(factKey(ledger.facts[position]!));
        continue;
      }
      remember(creates, position, id);
      for (const name of takenNames(ledger.facts[position]!))
        if (!names.has(name)) names.set(name, id);
    }
    for (const position of change.dropped) remember(drops, position, id);
  }
  return { creates, drops, namedBy, allows };

  function mayHaveWritten(id: string): boolean {
    const upToThere = [...ancestors(history, [id])].filter((each) => !applied.has(each));
    return upToThere.some((each) => touchesRows(ledger, each));
  }

  /** It is just what a pending revision would make, if it were not there. */
  function allows(fact: Fact): boolean {
    return allowed.has(factKey(fact));
  }

  /** The revision that wants a name which the fact has taken. */
  function namedBy(fact: Fact): string | undefined {
    if (names.size === 0) return undefined;
    const taken = takenNames(fact).find((name) => names.has(name));
    return taken === undefined ? undefined : names.get(taken);
  }

  function remember(places: Map<string, string>, position: number, id: string): void {
    const fact = ledger.facts[position]!;
    const place = placeKey(fact);
    if (!places.has(place) && !ledger.soft[position]) places.set(place, id);
  }
}

/** For every fact the last revision that adds it. */
function makersOfFacts(ledger: OpenLedger): ReadonlyMap<number, string> {
  const makers = new Map<number, string>();
  for (const state of ledger.states) {
    const revision = revisionOfState(ledger, state);
    if (revision !== null) for (const position of state.added) makers.set(position, revision);
  }
  return makers;
}

function byPlace(one: SchemaDifference, other: SchemaDifference): number {
  const [a, b] = [placeKey(one.fact), placeKey(other.fact)];
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
