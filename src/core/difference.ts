import { extraKind, oursIn } from "./extras.ts";
import {
  type Fact,
  factKey,
  isPlainIndex,
  isPrerequisite,
  isReported,
  isSoft,
  placeKey,
  takenNames,
} from "./facts.ts";
import { ancestors, type History } from "./history.ts";
import { changeOf, factsAt, type OpenLedger, revisionOfState, touchesRows } from "./ledger.ts";
import { asSeen, type LiveSchema } from "./live-schema.ts";
import { byText } from "./migration-tool.ts";

/** One thing by which a database is not what its revisions should have made. */
export type Difference =
  | SchemaDifference
  | {
      /** The file of an applied revision says something else than what was applied. */
      readonly kind: "edited";
      readonly revision: string;
      readonly file: string;
      /** The schema proves what the file says now. */
      readonly tolerable: boolean;
    };

/** One thing by which the live schema is not what a state's facts say. */
export type SchemaDifference =
  | (OfFact & { readonly kind: "missing" })
  | (OfFact & { readonly kind: "changed"; readonly actual: Fact })
  | (OfFact & {
      readonly kind: "extra";
      /** What it does to the application's statements; "": nothing. */
      readonly why: string;
      /** A person should know, although it is tolerable. */
      readonly warns: boolean;
    })
  | (OfFact & {
      /** Stands where a pending revision will work. */
      readonly kind: "in-the-way";
      readonly revision: string;
      /** That revision would fail; otherwise it would go on: whether the rows that are written up to there already are, nobody knows. */
      readonly fails: boolean;
      readonly tolerable: false;
    });

type OfFact = {
  readonly fact: Fact;
  /** The one that adds it, or will; null: none does. */
  readonly revision: string | null;
  readonly tolerable: boolean;
};

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
  const hard = [...wanted].filter((at) => !ledger.soft[at] && !live.ignored.has(at));
  const missing = new Map(
    hard.filter((at) => !live.known.has(at)).map((at) => [placeKey(ledger.facts[at]!), at]),
  );
  const ours = oursIn(factsAt(ledger, hard));
  const unwanted = [...live.known].filter((at) => !wanted.has(at) && !ledger.soft[at]);
  const surplus = [
    ...factsAt(ledger, unwanted).filter((fact) => !isPrerequisite(fact)),
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
    const tolerable = !live.rights.isLostFor(role, fact);
    if (isLacking(position)) found.push({ kind: "missing", fact, revision, tolerable });
  }
  return found.sort(byPlace);
}

/**
 * Places that pending revisions create or drop, and names that they take, with the revision that does it. One that says IF NOT
 * EXISTS takes what is there, and goes on; if rows are written up to there, what is there may be its own work, and they may be written.
 */
function pendingWork(ledger: OpenLedger, history: History, applied: ReadonlySet<string>) {
  const creates = new Map<string, string>();
  const drops = new Set<string>();
  const names = new Map<string, string>();
  const allowed = new Set<string>();
  for (const [id, { saysIfNotExists }] of history.revisions) {
    if (applied.has(id)) continue;
    const change = changeOf(ledger, history, id);
    if (change === null) continue;
    const isLenient = saysIfNotExists && !mayHaveWritten(id);
    for (const fact of factsAt(ledger, change.added)) {
      if (isLenient) {
        allowed.add(factKey(fact));
        continue;
      }
      if (!isSoft(fact)) remember(creates, placeKey(fact), id);
      for (const name of takenNames(fact)) remember(names, name, id);
    }
    for (const fact of factsAt(ledger, change.dropped))
      if (!isSoft(fact)) drops.add(placeKey(fact));
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
    return takenNames(fact).flatMap((name) => names.get(name) ?? [])[0];
  }
}

/** The first revision that wants it. */
function remember(wanted: Map<string, string>, key: string, id: string): void {
  if (!wanted.has(key)) wanted.set(key, id);
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
  return byText(placeKey(one.fact), placeKey(other.fact));
}
