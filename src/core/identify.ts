import { differences, type SchemaDifference } from "./difference.ts";
import { extraKind, oursIn } from "./extras.ts";
import {
  type Fact,
  isPlainIndex,
  isPrerequisite,
  isReported,
  isSoft,
  someHoldRows,
  tellsApart,
} from "./facts.ts";
import { ancestors, type Heads, type History, maximal } from "./history.ts";
import {
  changeOf,
  factsAt,
  factsChangedBy,
  factsOfHeads,
  headsKey,
  isBeyond,
  type OpenLedger,
  type State,
  touchesRows,
} from "./ledger.ts";
import { asSeen, type LiveSchema } from "./live-schema.ts";
import { evidenceOf, type RowBasis } from "./row-evidence.ts";

/** What the facts alone say about where a database stands. */
export type Identification =
  | {
      /** Exactly one state's facts are present, or several that no data migration tells apart. */
      readonly kind: "proven";
      readonly heads: Heads;
      /** How one state was chosen where several have the same facts. */
      readonly by: "facts" | "soft-facts" | "data" | "no-ops" | "rows";
      /** Harmless things that the ledger has never seen. */
      readonly extras: readonly SchemaDifference[];
    }
  | {
      /** Several states have these facts, and what tells them apart is data, or cannot be compared on this server. */
      readonly kind: "ambiguous";
      readonly candidates: readonly Heads[];
      readonly dataMigrations: readonly string[];
      readonly notCompared: readonly Fact[];
      /** Plain indexes that some of them have and others do not: they come and go by hand, and tell nothing. */
      readonly indexes: readonly Fact[];
    }
  | {
      /** Only revisions that are no longer in this image have these facts. */
      readonly kind: "retired";
      readonly heads: Heads;
    }
  | {
      /** No state has these facts. */
      readonly kind: "nearest";
      readonly heads: Heads;
      readonly differences: readonly SchemaDifference[];
    };

/** What is searched, and by what. */
export type Search = RowBasis & {
  readonly live: LiveSchema;
  /** What another tool's rows say: it decides between states that the facts cannot tell apart. */
  readonly recorded: Heads | null;
};

/** Never picks the first or the last of several: what is left must be one, or equal in effect. */
export function identify(search: Search): Identification {
  const { ledger } = search;
  const distances = distancesToStates(search);
  // What an edited revision makes now, the ledger does not know.
  const isAsBaked = ({ heads }: Distance): boolean => !isBeyond(ledger, heads);
  const candidates = matching(distances).filter(isAsBaked);
  const present = candidates.filter(({ retired }) => !retired);
  const nearest = nearestOf(distances.filter((each) => !each.retired && isAsBaked(each)));
  const composed = candidates.length > 0 || nearest === null ? null : composedFrom(nearest, search);
  const exact = composed === null ? present.map(({ heads }) => heads) : [composed];
  if (exact.length > 0) {
    const extras = differencesTo(exact[0]!, search);
    if (extras.every((extra) => extra.tolerable)) return narrow(exact, extras, search);
  } else if (candidates.length > 0 && hasOnlyHarmlessExtras(search)) {
    const heads = candidates.flatMap((each) => each.heads);
    return { kind: "retired", heads: [...new Set(heads)].sort() };
  }
  if (nearest === null) return { kind: "nearest", heads: [], differences: [] };
  const { heads } = nearest;
  return { kind: "nearest", heads, differences: differencesTo(heads, search) };
}

function differencesTo(
  heads: Heads,
  { ledger, history, live }: Search,
): readonly SchemaDifference[] {
  const expected = factsOfHeads(ledger, history, heads) ?? new Set();
  return differences(ledger, history, ancestors(history, heads), expected, live);
}

function hasOnlyHarmlessExtras({ ledger, live }: Search): boolean {
  const ours = oursIn(factsAt(ledger, live.known));
  return live.unknownFacts.every((fact) => extraKind(fact, ours).answer !== "refuse");
}

/** Head sets that no bake passed through: from the nearest state a revision more or less at a time, as long as that comes nearer. */
function composedFrom(nearest: Distance, search: Search): Heads | null {
  let { heads } = nearest;
  let distance = total(nearest);
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
function neighboursOf(history: History, heads: Heads): readonly Heads[] {
  const applied = ancestors(history, heads);
  const less = heads.map((head) => [...applied].filter((id) => id !== head));
  const more = nextAfter(history, applied).map((id) => [...applied, id]);
  return [...less, ...more].map((ids) => maximal(history, ids));
}

/** What is not applied, and all that it needs is. */
function nextAfter({ revisions, needs }: History, applied: ReadonlySet<string>): readonly string[] {
  return [...revisions.keys()].filter(
    (id) => !applied.has(id) && needs.get(id)?.every((need) => applied.has(need)) === true,
  );
}

function distanceTo(heads: Heads, { ledger, history, live }: Search): number {
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
  exact: readonly Heads[],
  extras: readonly SchemaDifference[],
  search: Search,
): Identification {
  const { ledger, history, live, recorded } = search;
  const equal = withUnrecorded(exact, search);
  const alike = alikeButForIndexes(equal, search);
  if (alike.length > 0) {
    const candidates = [...equal, ...alike];
    const dataMigrations = dataBetween(candidates, search);
    const hard = differencesBetween(candidates, search).filter((at) => !ledger.soft[at]);
    const indexes = factsAt(ledger, hard).filter(isPlainIndex);
    return { kind: "ambiguous", candidates, dataMigrations, notCompared: [], indexes };
  }
  const softly = equal.filter((heads) => hasSameSoftFacts(heads, search));
  const possible = softly.length > 0 ? [...softly, ...maybeToo(softly, equal, search)] : equal;
  const left = withWhatRan(possible, search);
  if (left.length === 1) {
    const by = left.length < possible.length ? "data" : equal.length === 1 ? "facts" : "soft-facts";
    return { kind: "proven", heads: left[0]!, by, extras };
  }
  const latest = latestOf(history, left);
  const dataMigrations = dataBetween(left, search);
  // Nobody knows whether they are there.
  const ignored = differencesBetween(left, search).filter((at) => live.ignored.has(at));
  const notCompared = factsAt(ledger, ignored);
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
function alikeButForIndexes(equal: readonly Heads[], search: Search): readonly Heads[] {
  const { history } = search;
  const here = latestOf(history, equal) ?? equal[0]!;
  const applied = ancestors(history, here);
  const next = nextAfter(history, applied).filter((id) => hasOnlyIndexes(id, search));
  const alike = next.map((id) => maximal(history, [...applied, id]));
  return dataBetween([here, ...alike], search).length > 0 ? alike : [];
}

function hasOnlyIndexes(id: string, { ledger, history }: Search): boolean {
  const facts = factsChangedBy(ledger, history, id).filter((fact) => !isSoft(fact));
  return facts.length > 0 && facts.every(isPlainIndex);
}

/** Positions of facts that some of these states have and others do not. */
function differencesBetween(
  headSets: readonly Heads[],
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
  softly: readonly Heads[],
  equal: readonly Heads[],
  search: Search,
): readonly Heads[] {
  const others = equal.filter((heads) => !softly.includes(heads) && !isRefuted(heads, search));
  return dataBetween([...softly, ...others], search).length > 0 ? others : [];
}

/**
 * Where branches lie side by side, a bake does not pass through every head set: one branch may have
 * gone further, or less far, without a trace in the schema. Such sets are candidates as well.
 */
function withUnrecorded(baked: readonly Heads[], { ledger, history }: Search): readonly Heads[] {
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

/** How far the live schema is from a state, in hard facts. */
type Distance = Pick<State, "heads" | "retired"> & {
  /** Facts of the state that are not there. */
  readonly missing: number;
  /** Facts of other states that are there. */
  readonly surplus: number;
  /** Of `surplus`: schemas and extensions, which others may have made beforehand. */
  readonly prerequisites: number;
};

/** One walk over all changes. */
function distancesToStates({ ledger, live }: Search): readonly Distance[] {
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
  for (const { heads, retired, from, added, dropped } of ledger.states) {
    const distance = { ...(from === null ? empty : distances[from]!), heads, retired };
    for (const position of asSeen(live, added)) move(position, 1);
    for (const position of asSeen(live, dropped)) move(position, -1);
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
function matching(distances: readonly Distance[]): readonly Distance[] {
  const exact = distances.filter(({ missing, surplus }) => missing === 0 && surplus === 0);
  if (exact.length > 0) return exact;
  return distances.filter(
    ({ missing, surplus, prerequisites }) => missing === 0 && surplus === prerequisites,
  );
}

/** A diagnosis, never proof. Ties go to the later state, whose differences read better. */
function nearestOf(distances: readonly Distance[]): Distance | null {
  return distances.reduce<Distance | null>(
    (nearest, each) => (nearest === null || total(each) <= total(nearest) ? each : nearest),
    null,
  );
}

function total({ missing, surplus }: Distance): number {
  return missing + surplus;
}

/** What states are told apart by that differ in soft facts alone. */
export type SoftSearch = Pick<Search, "ledger" | "history" | "live">;

export function hasSameSoftFacts(heads: Heads, { ledger, history, live }: SoftSearch): boolean {
  const expected = factsOfHeads(ledger, history, heads);
  return ledger.facts.every(
    (fact, position) =>
      !tellsApart(fact) || (expected?.has(position) ?? false) === live.known.has(position),
  );
}

/** A soft fact is there that the state has not, or has in other words. */
function isRefuted(heads: Heads, { ledger, history, live }: Search): boolean {
  const expected = factsOfHeads(ledger, history, heads);
  return [...live.known].some(
    (position) => tellsApart(ledger.facts[position]!) && expected?.has(position) !== true,
  );
}

/**
 * Without those that lack a revision whose rows are there, or that does nothing but grant, give away or publish, and has done it.
 * That rows, or any of this, are absent says nothing.
 */
function withWhatRan(headSets: readonly Heads[], search: Search): readonly Heads[] {
  const { ledger, history, live } = search;
  const closures = headSets.map((heads) => ancestors(history, heads));
  const ran = [...history.revisions.keys()].filter((id) =>
    headSets.some(
      (heads, index) =>
        closures[index]!.has(id) && (evidenceOf(id, heads, search).hasRun || hasDoneItsOwn(id)),
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
function latestOf(history: History, headSets: readonly Heads[]): Heads | null {
  const all = ancestors(history, headSets.flat());
  return headSets.find((heads) => ancestors(history, heads).size === all.size) ?? null;
}

/** Revisions that some of the head sets include and others do not, and that touch rows. All sets have the same facts. */
function dataBetween(headSets: readonly Heads[], search: Search): readonly string[] {
  const { ledger, history } = search;
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
      (heads, index) => !closures[index]!.has(id) || evidenceOf(id, heads, search).isIdle,
    );
  }

  /** It drops a table or a column that all of them have: a later one has made it anew, and empty. */
  function losesRows(id: string): boolean {
    const dropped = changeOf(ledger, history, id)?.dropped ?? [];
    const madeAnew = dropped.filter((fact) => shared.has(fact));
    return someHoldRows(factsAt(ledger, madeAnew), ledger.facts);
  }
}
