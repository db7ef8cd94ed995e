import type { Claim } from "./claim.ts";
import { holdsRows, tablesAmong } from "./facts.ts";
import { ancestors, type History } from "./history.ts";
import { changeOf, type OpenLedger, touchesRows } from "./ledger.ts";
import type { RowAnswer } from "./observation.ts";
import { evidenceOf } from "./row-evidence.ts";
import type { PassedOver } from "./verdict.ts";

export const nothingPassedOver: PassedOver = { dataMigrations: [], direction: "backwards" };

/**
 * Data migrations that a stamp from what the rows claim to `proven` would skip, or make run again.
 * @param edited applied revisions whose files have changed: what they once did, nobody knows
 * @param answers what was found of the rows that they leave
 */
export function dataPassedOver(
  ledger: OpenLedger,
  history: History,
  { applied, heads }: Claim,
  edited: readonly string[],
  proven: readonly string[],
  answers: readonly RowAnswer[],
): PassedOver {
  const after = ancestors(history, proven);
  const skipped = [...after].filter((id) => !applied.has(id) && touchesRows(ledger, id));
  const repeated = [...applied].filter(
    (id) => !after.has(id) && (edited.includes(id) || mayHaveRows(id)),
  );
  return {
    dataMigrations: [...skipped, ...repeated],
    direction: skipped.length > 0 ? "forwards" : "backwards",
  };

  /**
   * An empty database holds no rows that could be migrated twice. Elsewhere, a revision whose table or column is absent
   * cannot have committed its rows either, if it commits all at once: unless they are there. Indexes, constraints, views and the
   * like come and go by hand: that one is absent says nothing of rows.
   */
  function mayHaveRows(id: string): boolean {
    // The first release took a revision's word for it.
    const isSeen = ledger.home.kind !== "unknown" || history.tool.appliedBy === "preflight";
    const isAtomic = isSeen && ledger.revisions.get(id)?.isAtomic === true;
    if (evidenceOf(ledger, history, heads, id, answers).hasLeftRows) return true;
    return proven.length > 0 && touchesRows(ledger, id) && (!isAtomic || leavesNoTrace(id));
  }

  function leavesNoTrace(id: string): boolean {
    const change = changeOf(ledger, history, id);
    const traces = [...(change?.added ?? []), ...(change?.dropped ?? [])];
    const tables = tablesAmong(ledger.facts);
    const facts = traces.map((position) => ledger.facts[position]!);
    return !facts.some((fact) => holdsRows(fact) && tables.has(fact.object));
  }
}
