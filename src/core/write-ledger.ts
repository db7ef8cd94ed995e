import { type Fact, factKey, factKinds, isSoft } from "./facts.ts";
import { ancestors, type Heads, type History, maximal } from "./history.ts";
import { escapeFact, factAtHome, type LedgerHome } from "./home.ts";
import {
  factsAt,
  factsOfState,
  headsKey,
  highestStateWithin,
  type Ledger,
  type LedgerRevision,
  sharesRevision,
  type State,
  tracesOfState,
} from "./ledger.ts";
import { isGiven } from "./live-schema.ts";
import type { Revision } from "./revision.ts";
import { sameTraces, type Traces } from "./traces.ts";
import type { VersionTableName } from "./version-table.ts";

/** What replaying a history on a scratch server showed. */
export type Replay = {
  /** `server_version_num`. */
  readonly serverVersion: number;
  readonly home: LedgerHome;
  /** Schema null: it stood in the home. */
  readonly versionTable: VersionTableName;
  /** Schemas that stood in the database before the first migration; sorted. Their own facts are in no snapshot. */
  readonly given: readonly string[];
  /** See `Ledger`. */
  readonly without: Ledger["without"];
  /** One for every head set that was passed. */
  readonly snapshots: readonly Snapshot[];
  /** What each revision did to the rows of user tables. */
  readonly data: ReadonlyMap<string, LedgerRevision["data"]>;
  /** Revisions that were seen to change what they change in one transaction, their version row included. */
  readonly atomic: ReadonlySet<string>;
  readonly spellings: readonly { readonly fact: Fact; readonly definition: string }[];
  /** What was put before the values of rows that the traces know by their hashes. */
  readonly salt: string;
};

type Snapshot = {
  readonly heads: Heads;
  /** Relative to the home. */
  readonly facts: readonly Fact[];
  /** What shows in the rows that revisions ran; those without a trace may be left out. */
  readonly traces: Traces;
};

/** A revision whose file is gone. */
export type Deleted = Pick<LedgerRevision, "id" | "file" | "parents" | "dependsOn">;

/**
 * Whether the history that a ledger was written for goes on from what it kept of an earlier one: it shares a revision with it, or, where
 * its files replace all those before them, it makes at least half of what they made.
 */
export function continues(ledger: Ledger, previous: Ledger, history: History): boolean {
  if (sharesRevision(previous, history)) return true;
  const before = newestFacts(({ retired }) => retired);
  const now = newestFacts(({ retired }) => !retired);
  const kept = [...before].filter((fact) => now.has(fact)).length;
  // Nothing in common is no evidence, also where there was nothing.
  return kept > 0 && kept * 2 >= before.size;

  function newestFacts(isOne: (state: State) => boolean): ReadonlySet<number> {
    const all = factsOfState(ledger, ledger.states.findLastIndex(isOne));
    return new Set([...all].filter((position) => !isSoft(ledger.facts[position]!)));
  }
}

/**
 * The ledger of a replayed history. Append-only: what an earlier ledger knew of revisions that have
 * no file any more stays, as retired.
 */
export function writeLedger(
  history: History,
  replay: Replay,
  previous: Ledger | null,
  deleted: readonly Deleted[],
): Ledger {
  const draft = emptyDraft();
  const { facts, states } = draft;
  for (const snapshot of inOrder(history, replay.snapshots))
    append(draft, history, snapshot, closestBelow(snapshot.heads, states, history));
  const inTheseWords = sameWords(facts, previous?.home ?? null, replay.home);
  for (const [index, { heads }] of (previous?.states ?? []).entries()) {
    if (heads.every((head) => history.revisions.has(head))) continue;
    const then = factsAt(previous!, factsOfState(previous!, index)).map(inTheseWords);
    const from = nearest(draft, new Set(then.map((fact) => intern(draft, fact))));
    append(draft, history, { heads, facts: then, traces: null }, from);
  }
  const revisions = [
    ...retiredRevisions(history, previous, deleted),
    ...presentRevisions(history, replay, draft),
  ];
  return {
    tool: history.tool.name,
    server: Math.floor(replay.serverVersion / 10_000),
    home: replay.home,
    versionTable: replay.versionTable,
    kinds: factKinds,
    given: replay.given,
    without: replay.without,
    salt: states.some(({ traces }) => traces.size > 0) ? replay.salt : "",
    facts,
    states,
    revisions: new Map(revisions.map((each) => [each.id, each])),
    spellings: spellingsOf(draft, [
      ...(previous?.spellings ?? []).map(({ fact, definition }) => ({
        fact: inTheseWords(previous!.facts[fact]!),
        definition,
      })),
      ...replay.spellings,
    ]),
  };
}

/** The states so far: each is written as a difference from an earlier one, whose facts must be at hand. */
type Draft = {
  readonly facts: Fact[];
  readonly positions: Map<string, number>;
  readonly states: State[];
  /** By state: positions of all its facts. */
  readonly contents: ReadonlySet<number>[];
};

function emptyDraft(): Draft {
  const empty = {
    heads: [],
    from: null,
    added: [],
    dropped: [],
    traces: new Map(),
    retired: false,
  };
  return { facts: [], positions: new Map(), states: [empty], contents: [new Set()] };
}

function intern({ facts, positions }: Draft, fact: Fact): number {
  const key = factKey(fact);
  const position = positions.get(key) ?? facts.push(fact) - 1;
  positions.set(key, position);
  return position;
}

/** Traces null: a retired state, which nobody asks about. */
type Passed = Omit<Snapshot, "traces"> & { readonly traces: Traces | null };

function append(
  draft: Draft,
  history: History,
  { heads, facts: all, traces }: Passed,
  from: number,
): void {
  const { facts, states, contents } = draft;
  const sorted = all.filter((fact) => !isGiven(fact)).toSorted(byKey);
  const now = new Set(sorted.map((fact) => intern(draft, fact)));
  const before = contents[from]!;
  states.push({
    heads,
    from,
    added: [...now].filter((fact) => !before.has(fact)),
    dropped: [...before]
      .filter((fact) => !now.has(fact))
      .sort((one, other) => byKey(facts[one]!, facts[other]!)),
    traces:
      traces === null ? new Map() : newTraces(history, traces, tracesOfState({ states }, from)),
    retired: traces === null,
  });
  contents.push(now);
}

/** In the history's order, whatever order they were found in. */
function newTraces(history: History, now: Traces, before: Traces): Traces {
  const changed = [...history.revisions.keys()].filter(
    (id) => !sameTraces(now.get(id) ?? [], before.get(id) ?? []),
  );
  return new Map(changed.map((id) => [id, now.get(id) ?? []]));
}

/** The state just before, so that the difference is one revision's own change wherever possible. */
function closestBelow(heads: Heads, states: readonly State[], history: History): number {
  const known = new Map(states.map((state, index) => [headsKey(state.heads), index]));
  for (const head of heads) {
    const others = heads.filter((each) => each !== head);
    const before = maximal(history, [
      ...ancestors(history, history.needs.get(head) ?? []),
      ...ancestors(history, others),
    ]);
    const index = known.get(headsKey(before));
    if (index !== undefined) return index;
  }
  return highestStateWithin({ states }, history, ancestors(history, heads)).index ?? 0;
}

function nearest({ states, contents }: Draft, wanted: ReadonlySet<number>): number {
  const distance = (index: number): number =>
    [...wanted].filter((fact) => !contents[index]!.has(fact)).length +
    [...contents[index]!].filter((fact) => !wanted.has(fact)).length;
  return states
    .map((_, index) => index)
    .reduce((best, index) => (distance(index) < distance(best) ? index : best), 0);
}

function presentRevisions(
  history: History,
  replay: Replay,
  draft: Draft,
): readonly LedgerRevision[] {
  return [...history.revisions.values()].map((revision) => {
    const { id, file, parents, dependsOn, labels, hash, isAtomic } = revision;
    return {
      id,
      file,
      parents,
      dependsOn,
      labels,
      hash,
      data: dataOf(revision, replay, draft),
      isAtomic: isAtomic && replay.atomic.has(id),
      retired: false,
    };
  });
}

/** Nothing seen proves nothing where nothing shows: a migration may ask for the time zone, or grant rights. */
function dataOf(
  { id, isEmpty }: Revision,
  replay: Replay,
  { facts, states }: Draft,
): LedgerRevision["data"] {
  const seen = replay.data.get(id) ?? "none";
  const leavesTrace = states.some(
    (state) =>
      state.heads.length === 1 &&
      state.heads[0] === id &&
      [...state.added, ...state.dropped].some((fact) => !isSoft(facts[fact]!)),
  );
  return seen === "none" && !leavesTrace && !isEmpty ? "unknown" : seen;
}

function retiredRevisions(
  history: History,
  previous: Ledger | null,
  deleted: readonly Deleted[],
): readonly LedgerRevision[] {
  const unknown = { labels: [], hash: "", data: "writes", isAtomic: false } as const;
  const known = new Map<string, LedgerRevision>();
  for (const { id, file, parents, dependsOn } of deleted)
    known.set(id, { id, file, parents, dependsOn, ...unknown, retired: true });
  for (const revision of previous?.revisions.values() ?? [])
    known.set(revision.id, { ...revision, retired: true });
  return [...known.values()]
    .filter(({ id }) => !history.revisions.has(id))
    .sort((one, other) => (one.id < other.id ? -1 : 1));
}

/** Of facts that no state has, nobody needs another spelling. */
function spellingsOf({ positions }: Draft, given: Replay["spellings"]): Ledger["spellings"] {
  const all = new Map<string, { readonly fact: number; readonly definition: string }>();
  for (const { fact, definition } of given) {
    const position = positions.get(factKey(fact));
    if (position !== undefined)
      all.set(`${factKey(fact)}\0${definition}`, { fact: position, definition });
  }
  return [...all].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, spelling]) => spelling);
}

/**
 * What an earlier ledger says, as this one says it: a project that was bound to its home may move by now, or the other way
 * round. In `public` both read the same.
 */
function sameWords(
  facts: readonly Fact[],
  before: LedgerHome | null,
  now: LedgerHome,
): (fact: Fact) => Fact {
  if (before === null || before.kind === now.kind) return (fact) => fact;
  const known = new Map(facts.map((fact) => [factKey(factAtHome(fact, "public")), fact]));
  return (fact) => {
    const there = factAtHome(fact, "public");
    return known.get(factKey(there)) ?? escapeFact(there);
  };
}

function byKey(one: Fact, other: Fact): number {
  return factKey(one) < factKey(other) ? -1 : 1;
}

/** As the history orders revisions: a state stands after its ancestors. */
function inOrder(history: History, snapshots: Replay["snapshots"]): Replay["snapshots"] {
  const rank = new Map([...history.revisions.keys()].map((id, index) => [id, index]));
  return snapshots
    .filter(({ heads }) => heads.length > 0)
    .map((snapshot) => ({
      snapshot,
      size: ancestors(history, snapshot.heads).size,
      latest: Math.max(...snapshot.heads.map((head) => rank.get(head) ?? 0)),
    }))
    .sort((one, other) => one.latest - other.latest || one.size - other.size)
    .map(({ snapshot }) => snapshot);
}
