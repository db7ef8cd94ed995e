import { type Fact, factKey, type FactKind, isRelation, isSoft } from "./facts.ts";
import { ancestors, type Heads, type History, maximal } from "./history.ts";
import { factAtHome, isInHome, type LedgerHome, textAtHome } from "./home.ts";
import type { Revision } from "./revision.ts";
import { asksForAnyRow, tablesOfTrace, type Trace, type Traces, tracesAtHome } from "./traces.ts";
import type { VersionTableName } from "./version-table.ts";

/** What every revision ever released is known to produce, recorded when the image was built. */
export type Ledger = {
  /** The migration tool's name. */
  readonly tool: string;
  /** Major version of the PostgreSQL that replayed the history. */
  readonly server: number;
  readonly home: LedgerHome;
  /** Where the bake found it; schema null: in the home. Null: a ledger that does not say. */
  readonly versionTable: VersionTableName | null;
  /** Kinds of facts that were looked for. Of others it proves nothing. */
  readonly kinds: readonly FactKind[];
  /** Schemas that stood in the database before its first migration: a platform's; sorted. */
  readonly given: readonly string[];
  /** Extensions that the bake passed over: that one is there proves nothing. Sorted. */
  readonly without: ReadonlyMap<string, PassedOver>;
  /** What was put before the values of rows that the states' traces know by their hashes; "": there are none. */
  readonly salt: string;
  /** Every fact that any state has, relative to the home; states refer to them by position. */
  readonly facts: readonly Fact[];
  /** Each state stands after the one that it is described from. */
  readonly states: readonly State[];
  /** In the history's order; retired ones (their files are gone) first. */
  readonly revisions: ReadonlyMap<string, LedgerRevision>;
  /** Other spellings that dump and restore give a fact, by position of the fact. */
  readonly spellings: readonly { readonly fact: number; readonly definition: string }[];
};

/** Revisions, each by the last that it does to an extension. None creates it: it was not seen where it is created. */
type PassedOver = {
  readonly created: readonly string[];
  readonly dropped: readonly string[];
};

/** As its file was when it was baked; hash "": only git remembers the revision. */
export type LedgerRevision = Pick<
  Revision,
  "id" | "file" | "parents" | "dependsOn" | "labels" | "hash"
> & {
  /**
   * Whether it touches rows of user tables: `writes` was seen to insert, update, delete or truncate
   * (even of no rows); `reads` was seen to read and may write where there are rows; `unknown` left no
   * trace in the schema although its file does something: it may depend on what only a real server has.
   */
  readonly data: "none" | "reads" | "writes" | "unknown";
  /** See `Revision`. Its rows may then be there without its schema change. */
  readonly isAtomic: boolean;
  readonly retired: boolean;
};

/** A set of heads that the history passes through, with its facts as a difference from an earlier state. */
export type State = {
  readonly heads: Heads;
  /** Position of the state that this one is described from; null: from an empty database. */
  readonly from: number | null;
  readonly added: readonly number[];
  readonly dropped: readonly number[];
  /** By revision, where another one than at `from`; empty: no trace is left. */
  readonly traces: Traces;
  /** Some of its heads have no file any more. */
  readonly retired: boolean;
};

/** What a state has that another one has not, and the other way round. */
export type SchemaChange = Pick<State, "added" | "dropped">;

/** A ledger as it reads for a database with a certain home, with the look-ups that a diagnosis needs, each computed once. */
export type OpenLedger = Ledger & {
  readonly positions: ReadonlyMap<string, number>;
  readonly stateByHeads: ReadonlyMap<string, number>;
  readonly soft: readonly boolean[];
  /** Facts that are in the home, and would be in another schema were that the home. */
  readonly inHome: readonly boolean[];
  /** Revisions of the image that the ledger does not know, or not as they are now. */
  readonly lacking: ReadonlySet<string>;
  /** These, and all that stand on them: what they make together is not known. */
  readonly beyond: ReadonlySet<string>;
};

/** The image's history, and its revisions that the ledger does not know, or not as they are now. */
type Image = { readonly history: History; readonly lacking: readonly string[] };

/** @param home the home's name as PostgreSQL prints it in a definition */
export function openLedger(
  ledger: Ledger,
  home = "public",
  image: Image | null = null,
): OpenLedger {
  const facts = ledger.facts.map((fact) => factAtHome(fact, home));
  const positions = new Map<string, number>();
  /** Positions of facts that read alike at this home, and the one that stands for each. */
  const same = new Map<number, number>();
  // What a history names and what it leaves to the search_path can come to the same.
  for (const [position, fact] of facts.entries()) alsoAt(factKey(fact), position);
  const spellings = ledger.spellings.map(({ fact, definition }) => ({
    fact,
    definition: textAtHome(definition, home),
  }));
  for (const { fact, definition } of spellings)
    alsoAt(factKey({ ...facts[fact]!, definition }), fact);
  if (same.size > 0) for (const [key, position] of positions) positions.set(key, first(position));
  const states = ledger.states.map(mergeSpellings);
  return {
    ...ledger,
    facts,
    spellings,
    states,
    positions,
    stateByHeads: new Map(states.map((state, index) => [headsKey(state.heads), index])),
    soft: facts.map(isSoft),
    inHome: ledger.facts.map((fact) => isInHome(fact) || isAtFixedHome(ledger.home, home, fact)),
    lacking: new Set(image?.lacking),
    beyond: image === null ? new Set() : beyondOf(image),
  };

  function alsoAt(key: string, position: number): void {
    const other = positions.get(key);
    if (other === undefined) positions.set(key, position);
    else if (first(other) !== first(position)) same.set(first(other), first(position));
  }

  function first(position: number): number {
    const other = same.get(position);
    return other === undefined ? position : first(other);
  }

  /** A later revision may write a fact as dump and restore would have written an earlier one: nobody can tell them apart. */
  function mergeSpellings(state: State): State {
    const traces = tracesAtHome(state.traces, home);
    if (same.size === 0) return { ...state, traces };
    const [added, dropped] = [state.added.map(first), state.dropped.map(first)];
    return {
      ...state,
      traces,
      added: added.filter((position) => !dropped.includes(position)),
      dropped: dropped.filter((position) => !added.includes(position)),
    };
  }
}

/**
 * Without a replay in another home nobody knows what would move: all of it may. What a program puts into a schema that its files
 * name is told by that name.
 */
function isAtFixedHome(home: LedgerHome, spelled: string, { object }: Fact): boolean {
  switch (home.kind) {
    case "bound":
    case "unknown":
      return object.startsWith("public.");
    case "program":
      return home.isFixed && object.startsWith(`${spelled}.`);
    case "relative":
      return false;
  }
}

/**
 * What shows in the rows that revisions ran. Where the bake never passed through exactly these heads, it is put together from the
 * nearest recorded state below and what each missing revision was seen to leave by itself.
 */
export function tracesOfHeads(ledger: OpenLedger, history: History, heads: Heads): Traces {
  if (isBeyond(ledger, heads)) return new Map();
  const recorded = ledger.stateByHeads.get(headsKey(heads));
  if (recorded !== undefined) return tracesOfState(ledger, recorded);
  const applied = ancestors(history, heads);
  const { index, covers } = highestStateWithin(ledger, history, applied);
  const traces = new Map<string, readonly Trace[]>();
  if (index !== null) keep(tracesOfState(ledger, index), covers);
  for (const id of history.revisions.keys()) {
    const own = ledger.stateByHeads.get(headsKey([id]));
    if (own === undefined || !applied.has(id) || covers.has(id)) continue;
    const trace = tracesOfState(ledger, own).get(id);
    if (trace !== undefined) keep(new Map([[id, trace]]), ancestors(history, [id]));
  }
  return traces;

  /** What was noted when only these revisions had run, and where the others leave the tables alone. */
  function keep(noted: Traces, had: ReadonlySet<string>): void {
    const others = [...applied].filter((id) => !had.has(id));
    const changes = others.flatMap((id) => factsChangedBy(ledger, history, id));
    const changed = new Set(changes.map(({ object }) => object));
    const replaced = new Set(changes.filter(isRelation).map(({ object }) => object));
    for (const [revision, each] of noted) {
      // A table without rows has none to change, whatever columns it has got.
      const isLost = (trace: Trace): boolean =>
        tablesOfTrace(trace).some((table) =>
          (asksForAnyRow(trace) ? replaced : changed).has(table),
        );
      if (!each.some(isLost)) traces.set(revision, each);
    }
  }
}

/** Those that it adds or drops; empty: not in the ledger. */
export function factsChangedBy(ledger: OpenLedger, history: History, id: string): readonly Fact[] {
  const { added, dropped } = changeOf(ledger, history, id) ?? { added: [], dropped: [] };
  return factsAt(ledger, [...added, ...dropped]);
}

export function factsAt({ facts }: Ledger, positions: Iterable<number>): readonly Fact[] {
  return Array.from(positions, (position) => facts[position]!);
}

export function tracesOfState({ states }: Pick<Ledger, "states">, index: number): Traces {
  return new Map(pathTo(states, index).flatMap(({ traces }) => [...traces]));
}

export function headsKey(heads: Heads): string {
  return heads.join("\0");
}

/** Whether a ledger knows any of these revisions. One of the two that is empty speaks against nothing. */
export function sharesRevision({ revisions }: Ledger, history: History): boolean {
  if (revisions.size === 0 || history.revisions.size === 0) return true;
  return [...history.revisions.keys()].some((id) => revisions.has(id));
}

/** Positions of all facts of a state, hard and soft. */
export function factsOfState(ledger: Ledger, index: number): Set<number> {
  const facts = new Set<number>();
  for (const state of pathTo(ledger.states, index)) apply(facts, state);
  return facts;
}

/** The states that this one is described from, and itself; the first one first. */
function pathTo(states: readonly State[], index: number): readonly State[] {
  const path: State[] = [];
  let state = states[index];
  while (state !== undefined) {
    path.push(state);
    state = state.from === null ? undefined : states[state.from];
  }
  return path.reverse();
}

/**
 * The facts that a set of version rows stands for. Where the bake never passed through exactly this
 * set (some branches further than others), the changes of the missing revisions are put on top of
 * the nearest recorded state below. Null: some revision is not in the ledger.
 */
export function factsOfHeads(
  ledger: OpenLedger,
  history: History,
  heads: Heads,
): Set<number> | null {
  if (isBeyond(ledger, heads)) return null;
  const recorded = ledger.stateByHeads.get(headsKey(heads));
  if (recorded !== undefined) return factsOfState(ledger, recorded);
  const applied = ancestors(history, heads);
  const { index, covers } = highestStateWithin(ledger, history, applied);
  const facts = index === null ? new Set<number>() : factsOfState(ledger, index);
  const missing = [...applied].filter((id) => !covers.has(id));
  return factsAfter(ledger, history, facts, new Set(missing));
}

/** What has become of these facts once these revisions have run, too. Null: some revision is not in the ledger. */
export function factsAfter(
  ledger: OpenLedger,
  history: History,
  before: ReadonlySet<number>,
  ids: ReadonlySet<string>,
): Set<number> | null {
  const facts = new Set(before);
  for (const id of history.revisions.keys()) {
    if (!ids.has(id)) continue;
    const change = changeOf(ledger, history, id);
    if (change === null) return null;
    apply(facts, change);
  }
  return facts;
}

/** Whether these heads include a revision of which the ledger does not know what it makes. */
export function isBeyond({ beyond }: OpenLedger, heads: Heads): boolean {
  return beyond.size > 0 && heads.some((head) => beyond.has(head));
}

function beyondOf({ history: { revisions, needs }, lacking }: Image): ReadonlySet<string> {
  const beyond = new Set(lacking);
  if (beyond.size === 0) return beyond;
  for (const id of revisions.keys())
    if (needs.get(id)?.some((need) => beyond.has(need)) === true) beyond.add(id);
  return beyond;
}

/** What one revision alone does to the schema. Null: not in the ledger. */
export function changeOf(ledger: OpenLedger, history: History, id: string): SchemaChange | null {
  if (ledger.lacking.has(id)) return null;
  const after = ledger.stateByHeads.get(headsKey([id]));
  if (after === undefined) return stepOf(ledger, id);
  const state = ledger.states[after]!;
  const before = maximal(history, history.needs.get(id) ?? []);
  const from = state.from === null ? [] : ledger.states[state.from]!.heads;
  if (headsKey(from) === headsKey(before)) return state;
  const earlier = factsOfHeads(ledger, history, before);
  if (earlier === null) return null;
  const later = factsOfState(ledger, after);
  return {
    added: [...later].filter((fact) => !earlier.has(fact)),
    dropped: [...earlier].filter((fact) => !later.has(fact)),
  };
}

/** Some revisions lean on another branch without saying so and never stand alone: any step that made them will do. */
function stepOf(ledger: Ledger, id: string): State | null {
  return ledger.states.find((state) => revisionOfState(ledger, state) === id) ?? null;
}

/** The revision whose application made this state out of the one that it is described from. */
export function revisionOfState(ledger: Ledger, state: State): string | null {
  const before = state.from === null ? [] : (ledger.states[state.from]?.heads ?? []);
  const fresh = state.heads.filter((head) => !before.includes(head));
  return fresh[0] ?? state.heads[0] ?? null;
}

function apply(facts: Set<number>, { added, dropped }: SchemaChange): void {
  for (const fact of dropped) facts.delete(fact);
  for (const fact of added) facts.add(fact);
}

type StateWithin = { readonly index: number | null; readonly covers: ReadonlySet<string> };

/** Of the states that stand on nothing but these revisions, the one that covers most of them; index null: there is none. */
export function highestStateWithin(
  { states }: Pick<Ledger, "states">,
  history: History,
  applied: ReadonlySet<string>,
): StateWithin {
  let best: StateWithin = { index: null, covers: new Set() };
  for (const [index, state] of states.entries()) {
    if (state.retired || !state.heads.every((head) => applied.has(head))) continue;
    const covers = ancestors(history, state.heads);
    if (covers.size > best.covers.size) best = { index, covers };
  }
  return best;
}

/** A revision that the ledger does not know may do anything. */
export function touchesRows(ledger: OpenLedger, id: string): boolean {
  return ledger.revisions.get(id)?.data !== "none";
}
