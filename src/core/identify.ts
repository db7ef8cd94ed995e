import { differences, type SchemaDifference } from "./difference.ts";
import { extraKind, oursIn } from "./extras.ts";
import {
  type Fact,
  holdsRows,
  isPlainIndex,
  isPrerequisite,
  isReported,
  tablesAmong,
  tellsApart,
} from "./facts.ts";
import { ancestors, type History, maximal } from "./history.ts";
import {
  changeOf,
  factsOfHeads,
  headsKey,
  isBeyond,
  type OpenLedger,
  touchesRows,
} from "./ledger.ts";
import { asSeen, type LiveSchema } from "./live-schema.ts";
import type { RowAnswer } from "./observation.ts";
import { evidenceOf } from "./row-evidence.ts";

/** What the facts alone say about where a database stands. */
export type Identification =
  | {
      /** Exactly one state's facts are present, or several that no data migration tells apart. */
      readonly kind: "proven";
      readonly heads: readonly string[];
      /** How one state was chosen where several have the same facts. */
      readonly by: "facts" | "soft-facts" | "data" | "no-ops" | "rows";
      /** Harmless things that the ledger has never seen. */
      readonly extras: readonly SchemaDifference[];
    }
  | {
      /** Several states have these facts, and what tells them apart is data, or cannot be compared on this server. */
      readonly kind: "ambiguous";
      readonly candidates: readonly (readonly string[])[];
      readonly dataMigrations: readonly string[];
      readonly notCompared: readonly Fact[];
      /** Plain indexes that some of them have and others do not: they come and go by hand, and tell nothing. */
      readonly indexes: readonly Fact[];
    }
  | {
      /** Only revisions that are no longer in this image have these facts. */
      readonly kind: "retired";
      readonly heads: readonly string[];
    }
  | {
      /** No state has these facts. */
      readonly kind: "nearest";
      readonly heads: readonly string[];
      readonly differences: readonly SchemaDifference[];
    };

/** What is searched, and by what. */
type Search = {
  readonly ledger: OpenLedger;
  readonly history: History;
  readonly live: LiveSchema;
  /** What another tool's rows say: it decides between states that the facts cannot tell apart. */
  readonly recorded: readonly string[] | null;
  /** What was found of the rows that data migrations leave. */
  readonly answers: readonly RowAnswer[];
};

/**
 * Never picks the first or the last of several: what is left must be one, or equal in effect.
 * @param recorded see `Search`
 * @param answers see `Search`
 */
export function identify(
  ledger: OpenLedger,
  history: History,
  live: LiveSchema,
  recorded: readonly string[] | null = null,
  answers: readonly RowAnswer[] = [],
): Identification {
  const search: Search = { ledger, history, live, recorded, answers };
  // What an edited revision makes now, the ledger does not know.
  const isAsBaked = (index: number): boolean => !isBeyond(ledger, ledger.states[index]!.heads);
  const distances = distancesToStates(ledger, live);
  const candidates = matchingStates(distances).filter(isAsBaked);
  const present = candidates.filter((index) => !ledger.states[index]!.retired);
  const nearest = nearestState(ledger, distances, isAsBaked);
  const composed =
    candidates.length > 0 || nearest === null
      ? null
      : composedFrom(ledger.states[nearest]!.heads, total(distances[nearest]!), search);
  const exact =
    composed === null ? present.map((index) => ledger.states[index]!.heads) : [composed];
  if (exact.length > 0) {
    const extras = differencesTo(exact[0]!, search);
    if (extras.every((extra) => extra.tolerable)) return narrow(exact, extras, search);
  } else if (candidates.length > 0 && hasOnlyHarmlessExtras(search)) {
    const heads = candidates.map((index) => ledger.states[index]!.heads);
    return { kind: "retired", heads: [...new Set(heads.flat())].sort() };
  }
  const heads = nearest === null ? [] : ledger.states[nearest]!.heads;
  return {
    kind: "nearest",
    heads,
    differences: nearest === null ? [] : differencesTo(heads, search),
  };
}

function differencesTo(
  heads: readonly string[],
  { ledger, history, live }: Search,
): readonly SchemaDifference[] {
  const expected = factsOfHeads(ledger, history, heads) ?? new Set();
  return differences(ledger, history, ancestors(history, heads), expected, live);
}

function hasOnlyHarmlessExtras({ ledger, live }: Search): boolean {
  const ours = oursIn(ledger.facts.filter((_, position) => live.known.has(position)));
  return live.unknownFacts.every((fact) => extraKind(fact, ours).answer !== "refuse");
}

/** Head sets that no bake passed through: from the nearest state a revision more or less at a time, as long as that comes nearer. */
function composedFrom(
  nearest: readonly string[],
  itsDistance: number,
  search: Search,
): readonly string[] | null {
  let heads = nearest;
  let distance = itsDistance;
  for (let step = 0; step < mostComposed && distance > 0; step += 1) {
    const next = neighboursOf(search.history, heads)
      .map((each) => ({ heads: each, distance: distanceTo(each, search) }))
      .reduce((one, other) => (other.distance < one.distance ? other : one), { heads, distance });
    if (next.distance >= distance) return null;
    ({ heads, distance } = next);
  }
  return distance === 0 ? heads : null;
}

/** Steps from the nearest state: further away it is nobody's. */
const mostComposed = 100;

/** One revision more, or without one of the last. */
function neighboursOf(history: History, heads: readonly string[]): readonly (readonly string[])[] {
  const applied = ancestors(history, heads);
  const less = heads.map((head) => [...applied].filter((id) => id !== head));
  const more = [...history.revisions.keys()]
    .filter((id) => !applied.has(id))
    .filter((id) => history.needs.get(id)?.every((need) => applied.has(need)) === true)
    .map((id) => [...applied, id]);
  return [...less, ...more].map((ids) => maximal(history, ids));
}

function distanceTo(heads: readonly string[], { ledger, history, live }: Search): number {
  const made = factsOfHeads(ledger, history, heads);
  if (made === null) return Number.POSITIVE_INFINITY;
  const facts = asSeen(live, made);
  return ledger.facts.filter(
    (_, position) =>
      !ledger.soft[position] &&
      !live.ignored.has(position) &&
      facts.has(position) !== live.known.has(position),
  ).length;
}

/** Of states with the same hard facts: the one, by comments, by data, by another tool's rows; or nobody knows. */
function narrow(
  exact: readonly (readonly string[])[],
  extras: readonly SchemaDifference[],
  search: Search,
): Identification {
  const { ledger, history, live, recorded, answers } = search;
  const equal = withUnrecorded(ledger, history, exact);
  const alike = alikeButForIndexes(equal, search);
  if (alike.length > 0) {
    const candidates = [...equal, ...alike];
    const dataMigrations = dataBetween(ledger, history, candidates, answers);
    const indexes = differencesBetween(candidates, search)
      .filter((position) => !ledger.soft[position])
      .map((position) => ledger.facts[position]!)
      .filter(isPlainIndex);
    return { kind: "ambiguous", candidates, dataMigrations, notCompared: [], indexes };
  }
  const softly = equal.filter((heads) => hasSameSoftFacts(ledger, history, heads, live));
  const possible = softly.length > 0 ? [...softly, ...maybeToo(softly, equal, search)] : equal;
  const left = withWhatRan(ledger, history, possible, live, answers);
  if (left.length === 1) {
    const by = left.length < possible.length ? "data" : equal.length === 1 ? "facts" : "soft-facts";
    return { kind: "proven", heads: left[0]!, by, extras };
  }
  const latest = latestOf(history, left);
  const dataMigrations = dataBetween(ledger, history, left, answers);
  // Nobody knows whether they are there.
  const notCompared = differencesBetween(left, search)
    .filter((position) => live.ignored.has(position))
    .map((position) => ledger.facts[position]!);
  if (latest !== null && dataMigrations.length === 0 && notCompared.length === 0)
    return { kind: "proven", heads: latest, by: "no-ops", extras };
  if (recorded !== null && left.some((heads) => headsKey(heads) === headsKey(recorded)))
    return { kind: "proven", heads: recorded, by: "rows", extras };
  return { kind: "ambiguous", candidates: left, dataMigrations, notCompared, indexes: [] };
}

/**
 * A plain index comes and goes by hand: where a revision changes rows and makes or drops nothing but such indexes, they do not
 * tell whether it has run.
 */
function alikeButForIndexes(
  equal: readonly (readonly string[])[],
  { ledger, history, answers }: Search,
): readonly (readonly string[])[] {
  const here = latestOf(history, equal) ?? equal[0]!;
  const applied = ancestors(history, here);
  const next = [...history.revisions.keys()].filter(
    (id) =>
      !applied.has(id) &&
      history.needs.get(id)?.every((need) => applied.has(need)) === true &&
      hasOnlyIndexes(ledger, history, id),
  );
  const alike = next.map((id) => maximal(history, [...applied, id]));
  return dataBetween(ledger, history, [here, ...alike], answers).length > 0 ? alike : [];
}

function hasOnlyIndexes(ledger: OpenLedger, history: History, id: string): boolean {
  const change = changeOf(ledger, history, id);
  const facts = [...(change?.added ?? []), ...(change?.dropped ?? [])]
    .filter((position) => !ledger.soft[position])
    .map((position) => ledger.facts[position]!);
  return facts.length > 0 && facts.every(isPlainIndex);
}

/** Positions of facts that some of these states have and others do not. */
function differencesBetween(
  headSets: readonly (readonly string[])[],
  { ledger, history }: Search,
): readonly number[] {
  const made = headSets.map((heads) => factsOfHeads(ledger, history, heads) ?? new Set<number>());
  return [...ledger.facts.keys()].filter(
    (position) =>
      made.some((facts) => facts.has(position)) && !made.every((facts) => facts.has(position)),
  );
}

/** A dump may leave comments behind: that one is absent tells no state apart from which it would differ in data as well. */
function maybeToo(
  softly: readonly (readonly string[])[],
  equal: readonly (readonly string[])[],
  { ledger, history, live, answers }: Search,
): readonly (readonly string[])[] {
  const others = equal.filter(
    (heads) => !softly.includes(heads) && !isRefuted(ledger, history, heads, live),
  );
  return dataBetween(ledger, history, [...softly, ...others], answers).length > 0 ? others : [];
}

/**
 * Where branches lie side by side, a bake does not pass through every head set: one branch may have
 * gone further, or less far, without a trace in the schema. Such sets are candidates as well.
 */
function withUnrecorded(
  ledger: OpenLedger,
  history: History,
  baked: readonly (readonly string[])[],
): readonly (readonly string[])[] {
  const all = new Map(baked.map((heads) => [headsKey(heads), heads]));
  const below = new Map([...history.revisions.keys()].map((id) => [id, ancestors(history, [id])]));
  for (const heads of baked) {
    const applied = ancestors(history, heads);
    const facts = factsOfHeads(ledger, history, heads) ?? new Set();
    for (const id of history.revisions.keys()) {
      const others = applied.has(id)
        ? [...applied].filter((each) => !below.get(each)!.has(id))
        : [...applied, ...below.get(id)!];
      const nearby = maximal(history, others);
      if (ledger.stateByHeads.has(headsKey(nearby))) continue;
      const made = factsOfHeads(ledger, history, nearby);
      if (made !== null && hasSameHardFacts(ledger, made, facts)) all.set(headsKey(nearby), nearby);
    }
  }
  return [...all.values()];
}

function hasSameHardFacts(
  ledger: OpenLedger,
  one: ReadonlySet<number>,
  other: ReadonlySet<number>,
): boolean {
  return ledger.soft.every((soft, position) => soft || one.has(position) === other.has(position));
}

type Distance = {
  /** Facts of the state that are not there. */
  readonly missing: number;
  /** Facts of other states that are there. */
  readonly surplus: number;
  /** Of `surplus`: schemas and extensions, which others may have made beforehand. */
  readonly prerequisites: number;
};

/** By how many hard facts the live schema is away from every state; one walk over all changes. */
function distancesToStates(ledger: OpenLedger, live: LiveSchema): readonly Distance[] {
  const isCounted = ledger.facts.map(
    (_, position) => !ledger.soft[position] && !live.ignored.has(position),
  );
  const isThere = ledger.facts.map((_, position) => live.known.has(position));
  const isPrerequisiteAt = ledger.facts.map(isPrerequisite);
  const empty = { missing: 0, surplus: 0, prerequisites: 0 };
  for (const [position, counted] of isCounted.entries()) {
    if (!counted || !isThere[position]) continue;
    empty.surplus += 1;
    if (isPrerequisiteAt[position]) empty.prerequisites += 1;
  }
  const distances: Distance[] = [];
  for (const state of ledger.states) {
    const distance = { ...(state.from === null ? empty : distances[state.from]!) };
    for (const position of asSeen(live, state.added)) move(position, 1);
    for (const position of asSeen(live, state.dropped)) move(position, -1);
    distances.push(distance);

    function move(position: number, direction: 1 | -1): void {
      if (!isCounted[position]) return;
      if (!isThere[position]) distance.missing += direction;
      else {
        distance.surplus -= direction;
        if (isPrerequisiteAt[position]) distance.prerequisites -= direction;
      }
    }
  }
  return distances;
}

/** States whose facts are exactly the ones there; else those that differ by prerequisites alone. */
function matchingStates(distances: readonly Distance[]): readonly number[] {
  const indexes = distances.map((_, index) => index);
  const exact = indexes.filter(
    (index) => distances[index]!.missing === 0 && distances[index]!.surplus === 0,
  );
  if (exact.length > 0) return exact;
  return indexes.filter((index) => {
    const { missing, surplus, prerequisites } = distances[index]!;
    return missing === 0 && surplus === prerequisites;
  });
}

/** A diagnosis, never proof. Ties go to the later state, whose differences read better. */
function nearestState(
  ledger: OpenLedger,
  distances: readonly Distance[],
  isAsBaked: (index: number) => boolean,
): number | null {
  let nearest: number | null = null;
  for (const [index, distance] of distances.entries()) {
    if (ledger.states[index]!.retired || !isAsBaked(index)) continue;
    if (nearest === null || total(distance) <= total(distances[nearest]!)) nearest = index;
  }
  return nearest;
}

function total(distance: Distance): number {
  return distance.missing + distance.surplus;
}

export function hasSameSoftFacts(
  ledger: OpenLedger,
  history: History,
  heads: readonly string[],
  live: LiveSchema,
): boolean {
  const expected = factsOfHeads(ledger, history, heads);
  return ledger.facts.every(
    (fact, position) =>
      !tellsApart(fact) || (expected?.has(position) ?? false) === live.known.has(position),
  );
}

/** A soft fact is there that the state has not, or has in other words. */
function isRefuted(
  ledger: OpenLedger,
  history: History,
  heads: readonly string[],
  live: LiveSchema,
): boolean {
  const expected = factsOfHeads(ledger, history, heads);
  return [...live.known].some(
    (position) => tellsApart(ledger.facts[position]!) && expected?.has(position) !== true,
  );
}

/**
 * Without those that lack a revision whose rows are there, or that does nothing but grant, give away or publish, and has done it.
 * That rows, or any of this, are absent says nothing.
 */
function withWhatRan(
  ledger: OpenLedger,
  history: History,
  headSets: readonly (readonly string[])[],
  live: LiveSchema,
  answers: readonly RowAnswer[],
): readonly (readonly string[])[] {
  const closures = headSets.map((heads) => ancestors(history, heads));
  const ran = [...history.revisions.keys()].filter((id) =>
    headSets.some(
      (heads, index) =>
        closures[index]!.has(id) &&
        (evidenceOf(ledger, history, heads, id, answers).hasRun || hasDoneItsOwn(id)),
    ),
  );
  const left = headSets.filter((_, index) => ran.every((id) => closures[index]!.has(id)));
  return left.length > 0 ? left : headSets;

  function hasDoneItsOwn(id: string): boolean {
    const added = changeOf(ledger, history, id)?.added ?? [];
    const isAllThere = added.every(
      (position) => isReported(ledger.facts[position]!) && live.known.has(position),
    );
    return added.length > 0 && isAllThere && ledger.revisions.get(id)?.data === "unknown";
  }
}

/** The one that has all others among its ancestors, if there is one. */
function latestOf(
  history: History,
  headSets: readonly (readonly string[])[],
): readonly string[] | null {
  const all = new Set(headSets.flatMap((heads) => [...ancestors(history, heads)]));
  return headSets.find((heads) => ancestors(history, heads).size === all.size) ?? null;
}

/** Revisions that some of the head sets include and others do not, and that touch rows. All sets have the same facts. */
function dataBetween(
  ledger: OpenLedger,
  history: History,
  headSets: readonly (readonly string[])[],
  answers: readonly RowAnswer[],
): readonly string[] {
  const closures = headSets.map((heads) => ancestors(history, heads));
  const inSome = new Set(closures.flatMap((closure) => [...closure]));
  const shared = factsOfHeads(ledger, history, headSets[0] ?? []) ?? new Set();
  return [...inSome].filter(
    (id) =>
      closures.some((closure) => !closure.has(id)) &&
      ((touchesRows(ledger, id) && !hasNothingToDo(id)) || losesRows(id)),
  );

  function hasNothingToDo(id: string): boolean {
    return headSets.every(
      (heads, index) =>
        !closures[index]!.has(id) || evidenceOf(ledger, history, heads, id, answers).isIdle,
    );
  }

  /** It drops a table or a column that all of them have: a later one has made it anew, and empty. */
  function losesRows(id: string): boolean {
    const dropped = (changeOf(ledger, history, id)?.dropped ?? []).filter((fact) =>
      shared.has(fact),
    );
    if (dropped.length === 0) return false;
    const tables = tablesAmong(ledger.facts);
    return dropped
      .map((position) => ledger.facts[position]!)
      .some((fact) => holdsRows(fact) && tables.has(fact.object));
  }
}
