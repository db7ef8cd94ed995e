import type { Fact } from "./facts.ts";
import { ancestors, type Heads, type History } from "./history.ts";
import type { Knowledge } from "./knowledge.ts";
import { changeOf, factsAt, factsOfHeads, type OpenLedger, touchesRows } from "./ledger.ts";
import type { Observation } from "./observation.ts";
import { absentFrom, sketchOf, type Tables, tablesOf, unquoted } from "./sketch.ts";

/** A person's word for an unproven database, held against the tables and columns that it needs. */
export type Assumption =
  | {
      readonly kind: "holds";
      readonly revision: string;
      readonly heads: Heads;
      /** How much of what the revision needs was looked for, and is there. */
      readonly checked: { readonly tables: number; readonly columns: number };
    }
  | {
      readonly kind: "contradicted";
      readonly revision: string;
      readonly absent: readonly string[];
    };

/** @param revision a revision id of the history, or `base` for "nothing of it is applied" */
export function checkAssumption(
  revision: string,
  knowledge: Knowledge,
  observation: Observation,
): Assumption {
  if (revision === "base") return holds([], new Map());
  const needed = tablesNeeded(revision, knowledge, observation);
  const absent = absentFrom(tablesOf(observation.facts), needed);
  return absent.length === 0
    ? holds([revision], needed)
    : { kind: "contradicted", revision, absent };

  function holds(heads: Heads, needed: Tables): Assumption {
    const checked = { tables: needed.size, columns: countColumns(needed) };
    return { kind: "holds", revision, heads, checked };
  }
}

/**
 * The revisions for which a person's word would hold, and of them those that explain the most of the live tables and
 * columns. They differ in what tables and columns do not show: which of them it is, only the person knows. Not among
 * them: one whose pending revisions would make a table or column that is there already, and fail.
 * Empty: nothing but `base` would hold.
 * @param nearest the state that comes nearest by more than tables and columns: it alone, where a word for it would hold
 */
export function assumable(
  knowledge: Knowledge,
  observation: Observation,
  nearest: Heads = [],
): readonly string[] {
  const [one, ...others] = nearest;
  if (one !== undefined && others.length === 0)
    if (checkAssumption(one, knowledge, observation).kind === "holds") return nearest;
  const live = tablesOf(observation.facts);
  if (live.size === 0) return ["base"];
  const { ledger, history } = knowledge;
  const isThere = ledger === null ? [] : presenceOf(ledger.facts, live);
  let most = 1;
  let found: string[] = [];
  for (const id of history.revisions.keys()) {
    const explained = countWhereAllIsThere(id);
    if (explained > most) [most, found] = [explained, []];
    if (explained === most) found.push(id);
  }
  if (ledger === null) return found;
  const inTheEnd = tablesOf(factsMadeOnlyOnce(ledger, history));
  const left = found.filter((id) => !isInTheWay(tablesNeeded(id, knowledge, observation)));
  return left.length > 0 || isInTheWay(new Map()) ? left : ["base"];

  function isInTheWay(applied: Tables): boolean {
    return [...inTheEnd].some(([table, columns]) => {
      const present = live.get(table);
      if (present === undefined) return false;
      const had = applied.get(table);
      return had === undefined || [...columns].some((each) => present.has(each) && !had.has(each));
    });
  }

  /** Of its tables and columns; 0: one is not there. */
  function countWhereAllIsThere(id: string): number {
    const baked = bakedFacts(id, knowledge);
    if (baked === null) {
      const needed = sketchOf(history, [id], observation.home.schema);
      return absentFrom(live, needed).length > 0 ? 0 : needed.size + countColumns(needed);
    }
    let count = 0;
    for (const position of baked) {
      if (isThere[position] === false) return 0;
      if (isThere[position] === true) count++;
    }
    return count;
  }
}

/** What the whole history makes, but for what it makes only if it is not there. Rows are not written twice on our advice. */
function factsMadeOnlyOnce(ledger: OpenLedger, history: History): readonly Fact[] {
  const made = factsOfHeads(ledger, history, history.heads) ?? new Set();
  const lenient = new Set<number>();
  for (const [id, { saysIfNotExists }] of history.revisions)
    if (saysIfNotExists && ![...ancestors(history, [id])].some((each) => touchesRows(ledger, each)))
      for (const position of changeOf(ledger, history, id)?.added ?? []) lenient.add(position);
  const madeOnce = [...made].filter((position) => !lenient.has(position));
  return factsAt(ledger, madeOnce);
}

/** Of each fact whether it is a table or a column that is there, or that is not; null: it is neither. Once, for all revisions. */
function presenceOf(facts: readonly Fact[], live: Tables): readonly (boolean | null)[] {
  const known = tablesOf(facts);
  return facts.map((fact) => {
    if (fact.kind !== "table" && fact.kind !== "partition" && fact.kind !== "column") return null;
    const object = unquoted(fact.object);
    if (!known.has(object)) return null;
    return fact.kind === "column" ? live.get(object)?.has(fact.name) === true : live.has(object);
  });
}

function tablesNeeded(revision: string, knowledge: Knowledge, observation: Observation): Tables {
  const baked = bakedFacts(revision, knowledge);
  if (baked === null) return sketchOf(knowledge.history, [revision], observation.home.schema);
  return tablesOf(factsAt(knowledge.ledger!, baked));
}

/** Null: the ledger does not have it as it is now. */
function bakedFacts(
  revision: string,
  { history, ledger, lacking }: Knowledge,
): ReadonlySet<number> | null {
  if (ledger === null) return null;
  const applied = lacking.length === 0 ? null : ancestors(history, [revision]);
  if (lacking.some((id) => applied?.has(id) === true)) return null;
  return factsOfHeads(ledger, history, [revision]);
}

function countColumns(tables: Tables): number {
  return [...tables.values()].reduce((sum, each) => sum + each.size, 0);
}
