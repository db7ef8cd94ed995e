import { type Fact, factKey } from "../core/facts.ts";
import { type History, maximal } from "../core/history.ts";
import type { LedgerHome } from "../core/home.ts";
import { headsKey } from "../core/ledger.ts";
import { byText } from "../core/migration-tool.ts";
import { CannotJudge } from "../core/outcome.ts";
import { varies } from "../core/varying.ts";
import type { VersionTableName } from "../core/version-table.ts";
import { enumerate } from "../core/words.ts";
import type { Replay } from "../core/write-ledger.ts";
import { compareRows, type RowsAtState } from "./rows.ts";

/** What a revision did to rows of user tables, besides its DDL; sorted. */
export type DataAccess = {
  /** Such as `UPDATE public.users`; also where no row matched. */
  readonly writes: readonly string[];
  /** Tables that were read: it may write where there are rows. */
  readonly reads: readonly string[];
  /** In each replay, all that it changed was changed in the transaction that wrote its version row. */
  readonly isAtomic: boolean;
};

/** All states that one pass went through. */
export type Pass = {
  readonly states: Map<
    string,
    {
      readonly heads: readonly string[];
      readonly revision: string;
      readonly facts: ReadonlyMap<string, Fact>;
      readonly rows: RowsAtState;
    }
  >;
  readonly access: Map<string, Access>;
  /** By `factKey`. */
  readonly aliases: Map<string, Alias>;
  readonly givenSchemas: Set<string>;
  readonly unreachable: Set<string>;
  programsHome: string | null;
  replays: number;
};

/** Of one revision, in all replays of a pass. */
type Access = { readonly writes: Set<string>; readonly reads: Set<string>; isAtomic: boolean };

/** A second spelling that dump and restore would give a fact. */
export type Alias = Replay["spellings"][number];

/** A second pass, and how what it saw is said in the words of the first one. */
export type SecondPass = {
  readonly pass: Pass;
  readonly home: LedgerHome;
  readonly versionTable: VersionTableName;
  /** A fact of the second pass, relative to the home. */
  readonly relate: (fact: Fact) => Fact;
  /** Text of the second pass as the first one would have it. */
  readonly spell: (text: string) => string;
};

/**
 * What two passes make differently of the same place.
 * @param expected places that may differ, as `placeKey` has them in the first pass's words
 */
export function firstDifference(
  first: Pass,
  second: SecondPass,
  expected: ReadonlySet<string>,
): string | null {
  for (const [revision, access] of first.access) {
    const [difference] = differencesOf(access, accessOf(second, revision));
    if (difference !== undefined) return `revision ${revision}, ${difference}`;
  }
  const odd = differingFacts(first, second).find(({ place }) => !expected.has(place));
  return odd === undefined ? null : `revision ${odd.revision}, ${describe(odd.fact)}`;
}

type Differing = {
  /** As `placeKey` has it in the first pass's words. */
  readonly place: string;
  readonly fact: Fact;
  /** Of the state where it differs. */
  readonly revision: string;
  readonly heads: readonly string[];
  /** Something is there in both. */
  readonly isInBoth: boolean;
};

/** In states that both have passed through. */
export function differingFacts(first: Pass, { pass, spell }: SecondPass): readonly Differing[] {
  const found: Differing[] = [];
  for (const [key, { heads, revision, facts }] of first.states) {
    const again = pass.states.get(key);
    if (again === undefined) continue;
    const there = new Map(
      [...again.facts].map(([fact, each]) => [spell(fact), inWordsOfFirst(each, spell)]),
    );
    const odd = [
      ...[...facts].filter(([fact]) => !there.has(fact)),
      ...[...there].filter(([fact]) => !facts.has(fact)),
    ];
    const count = new Map<string, number>();
    for (const [fact] of odd) count.set(placeOf(fact), (count.get(placeOf(fact)) ?? 0) + 1);
    for (const [fact, each] of odd) {
      const place = placeOf(fact);
      found.push({ place, fact: each, revision, heads, isInBoth: count.get(place) === 2 });
    }
  }
  return found;
}

/** Of a `factKey`. */
function placeOf(key: string): string {
  return key.slice(0, key.lastIndexOf("\0"));
}

/**
 * What depends on the time or the environment on the way is no evidence. At a head it is a refusal, unless a person allows for it.
 * @param odd what differs between two passes of the same home
 * @returns places of which the definitions are not compared, and places that are left out
 * @throws CannotJudge `verify-failed`
 */
function varyingOf(
  history: History,
  odd: readonly Differing[],
  isAllowed: (fact: Fact) => boolean,
): { readonly places: ReadonlySet<string>; readonly left: ReadonlySet<string> } {
  const head = headsKey(maximal(history, history.heads));
  const atHead = odd.filter(({ heads }) => headsKey(heads) === head);
  const refused = atHead.filter(({ fact, isInBoth }) => !isInBoth || !isAllowed(fact));
  const places = new Set(refused.map(({ place }) => place));
  const first = odd.find(({ place }) => places.has(place));
  if (first !== undefined) throw unstable(first.revision, refused);
  const left = new Set(odd.filter(({ isInBoth }) => !isInBoth).map(({ place }) => place));
  return {
    left,
    places: new Set(odd.map(({ place }) => place).filter((place) => !left.has(place))),
  };
}

/** States that only one of the two passed through depend on chance, and are left out. */
export function compareStates(
  history: History,
  first: Pass,
  second: SecondPass,
  isVarying: (fact: Fact) => boolean,
): Replay["snapshots"] {
  const { pass, home, relate, spell } = second;
  const varying = varyingOf(history, differingFacts(first, second), isVarying);
  const sameRows = compareRows(
    history,
    spell,
    (definition) => relate({ kind: "table", object: "", name: "", definition }).definition,
  );
  const snapshots: Replay["snapshots"][number][] = [];
  for (const [key, { heads, rows }] of first.states) {
    const again = pass.states.get(key);
    if (again === undefined) continue;
    const made = [...again.facts].flatMap(([fact, each]): readonly Fact[] => {
      const place = placeOf(spell(fact));
      if (isHomeItself(home, each) || varying.left.has(place)) return [];
      const related = relate(each);
      const isOpen = varying.places.has(place) || isVarying(inWordsOfFirst(each, spell));
      return [isOpen ? { ...related, definition: varies } : related];
    });
    snapshots.push({ heads, facts: sortFacts(made), traces: sameRows(rows, again.rows) });
  }
  return snapshots.sort((a, b) => byText(headsKey(a.heads), headsKey(b.heads)));
}

function inWordsOfFirst(fact: Fact, spell: (text: string) => string): Fact {
  const { kind, object, name, definition } = fact;
  return { kind, object: spell(object), name: spell(name), definition: spell(definition) };
}

/** The schema that a program puts first is there before the first revision, whoever makes it. */
function isHomeItself(home: LedgerHome, { kind, object }: Fact): boolean {
  return home.kind === "program" && kind === "schema" && object === home.schema;
}

export function compareAccess(
  history: History,
  first: Pass,
  second: SecondPass,
): ReadonlyMap<string, DataAccess> {
  const all = new Map<string, DataAccess>();
  for (const revision of history.revisions.keys()) {
    const one = first.access.get(revision);
    const two = accessOf(second, revision);
    const differing = differencesOf(one, two);
    if (differing.length > 0) throw notTheSame(revision, differing);
    all.set(revision, {
      writes: [...(one?.writes ?? [])].sort(),
      // What another session has read may be told late, or with the next revision: one that was seen to read in either may do so.
      reads: [...new Set([...(one?.reads ?? []), ...(two?.reads ?? [])])].sort(),
      isAtomic: one?.isAtomic === true && two?.isAtomic === true,
    });
  }
  return all;
}

/** As the first pass would have it. */
function accessOf({ pass, spell }: SecondPass, revision: string): Access | undefined {
  const seen = pass.access.get(revision);
  return (
    seen && {
      writes: new Set([...seen.writes].map(spell)),
      reads: new Set([...seen.reads].map(spell)),
      isAtomic: seen.isAtomic,
    }
  );
}

function differencesOf(one: Access | undefined, two: Access | undefined): readonly string[] {
  const onlyIn = (these?: ReadonlySet<string>, those?: ReadonlySet<string>): readonly string[] =>
    [...(these ?? [])].filter((each) => those?.has(each) !== true);
  return [...onlyIn(one?.writes, two?.writes), ...onlyIn(two?.writes, one?.writes)];
}

function unstable(revision: string, differing: readonly Differing[]): CannotJudge {
  const inBoth = differing.filter(({ isInBoth }) => isInBoth);
  const objects = [...new Set(inBoth.map(({ fact }) => nameOf(fact)))];
  return notTheSame(
    revision,
    differing.map(({ fact }) => describe(fact)),
    ...(inBoth.length < differing.length
      ? []
      : [
          `or, if it shall differ from one deployment to the next: --varies '${objects.join("; ")}'; that it is there is then all that is asked`,
        ]),
  );
}

/** As `--varies` takes it. */
function nameOf({ object, name }: Fact): string {
  return name === "" ? object : `${object}.${name}`;
}

function notTheSame(
  revision: string,
  differing: readonly string[],
  ...more: readonly string[]
): CannotJudge {
  return new CannotJudge(
    "verify-failed",
    `Two replays differ: migration ${revision} depends on time or environment. Only in one of the two: ${enumerate(differing, 10)}.`,
    ["make the migration do the same every time, then bake again", ...more],
  );
}

function describe({ kind, object, name, definition }: Fact): string {
  return `${kind} ${object}${name === "" ? "" : ` ${name}`} ${definition}`.trim();
}

function sortFacts(facts: readonly Fact[]): readonly Fact[] {
  return facts
    .map((fact) => [factKey(fact), fact] as const)
    .sort(([a], [b]) => byText(a, b))
    .map(([, fact]) => fact);
}
