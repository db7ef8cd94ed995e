import { ancestors, type History } from "./history.ts";
import { type OpenLedger, tracesOfHeads, touchesRows } from "./ledger.ts";
import type { RowAnswer } from "./observation.ts";
import { evidenceOf, lacksOf } from "./row-evidence.ts";
import type { Trace } from "./traces.ts";
import { statesOf, type UnseenData, type Verdict } from "./verdict.ts";

/**
 * The traces to look for before a database is stamped. Without version rows those of the data migrations that its state, or
 * one of the states that it could be at, includes; where rows would be taken back, those of what would run again. Empty: there
 * is nothing to ask.
 */
export function tracesToAsk(
  ledger: OpenLedger | null,
  history: History,
  verdict: Verdict,
): readonly Trace[] {
  if (ledger === null) return [];
  if (verdict.kind === "mismatched" && verdict.identified.kind === "proven") {
    const traces = tracesOfHeads(ledger, history, verdict.claimed);
    const kept = ancestors(history, verdict.identified.heads);
    return dataBelow(ledger, history, verdict.claimed)
      .filter((id) => !kept.has(id))
      .flatMap((id) => (traces.get(id) ?? []).filter(({ kind }) => kind === "rows"));
  }
  if (verdict.kind !== "unversioned") return [];
  return statesOf(verdict.identified).flatMap((heads) => {
    const traces = tracesOfHeads(ledger, history, heads);
    return dataBelow(ledger, history, heads).flatMap((id) => traces.get(id) ?? []);
  });
}

/**
 * Tables can be there without the rows that migrations put into them: made by create_all(), from a dump of the schema, or by
 * a script that stopped. Only what is there proves anything.
 * @param recorded revisions that another tool's rows say were applied
 */
export function unseenData(
  ledger: OpenLedger,
  history: History,
  heads: readonly string[],
  answers: readonly RowAnswer[],
  recorded: ReadonlySet<string>,
): readonly UnseenData[] {
  const traces = tracesOfHeads(ledger, history, heads);
  return dataBelow(ledger, history, heads)
    .filter((id) => {
      const { hasRun, hasNoRowsToChange } = evidenceOf(ledger, history, heads, id, answers);
      return !recorded.has(id) && !hasRun && !hasNoRowsToChange;
    })
    .map((id) => ({
      revision: id,
      file: history.revisions.get(id)?.file ?? "",
      lacks: (traces.get(id) ?? []).flatMap((trace) => lacksOf(trace, answers)),
    }));
}

/** Of a revision that did nothing at all when it was replayed, nobody says that it changes rows. */
function dataBelow(
  ledger: OpenLedger,
  history: History,
  heads: readonly string[],
): readonly string[] {
  const applied = ancestors(history, heads);
  return [...history.revisions.keys()].filter(
    (id) =>
      applied.has(id) && touchesRows(ledger, id) && ledger.revisions.get(id)?.data !== "unknown",
  );
}
