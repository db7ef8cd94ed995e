import { ancestors, type History } from "./history.ts";
import type { Knowledge } from "./knowledge.ts";
import { factsOfHeads } from "./ledger.ts";
import type { Observation } from "./observation.ts";
import { absentFrom, sketchOf, tablesOf } from "./sketch.ts";

/** A person's word for an unproven database, held against the tables and columns that it needs. */
export type Assumption =
  | { readonly kind: "holds"; readonly heads: readonly string[] }
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
  const { history } = knowledge;
  if (revision === "base") return { kind: "holds", heads: [] };
  const absent = absentFrom(tablesOf(observation.facts), neededTables());
  return absent.length === 0
    ? { kind: "holds", heads: [revision] }
    : { kind: "contradicted", revision, absent };

  function neededTables(): ReadonlyMap<string, ReadonlySet<string>> {
    const { ledger } = knowledge;
    const facts = isBakedAsItIs(history) && ledger && factsOfHeads(ledger, history, [revision]);
    if (!facts) return sketchOf(history, [revision], observation.home.schema);
    return tablesOf([...facts].map((position) => ledger.facts[position]!));
  }

  function isBakedAsItIs(graph: History): boolean {
    const applied = ancestors(graph, [revision]);
    return knowledge.lacking.every((id) => !applied.has(id));
  }
}
