import type { Claim } from "./claim.ts";
import type { Difference } from "./difference.ts";
import { someHoldRows } from "./facts.ts";
import { ancestors, type Heads, type History } from "./history.ts";
import type { Knowledge } from "./knowledge.ts";
import { factsChangedBy, type OpenLedger, touchesRows, tracesOfHeads } from "./ledger.ts";
import type { VersionTable } from "./observation.ts";
import { evidenceOf, lacksOf, type RowBasis } from "./row-evidence.ts";
import type { Trace } from "./traces.ts";
import { type PassedOver, statesOf, type UnseenData, type Verdict } from "./verdict.ts";

export const nothingPassedOver: PassedOver = { dataMigrations: [], direction: "backwards" };

/**
 * Data migrations that a stamp from what the rows claim to `proven` would skip, or make run again.
 * @param edited applied revisions whose files have changed: what they once did, nobody knows
 */
export function dataPassedOver(
  { applied, heads }: Claim,
  edited: readonly string[],
  proven: Heads,
  basis: RowBasis,
): PassedOver {
  const { ledger, history } = basis;
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
    if (evidenceOf(id, heads, basis).hasLeftRows) return true;
    return proven.length > 0 && touchesRows(ledger, id) && (!isAtomic || leavesNoTrace(id));
  }

  function leavesNoTrace(id: string): boolean {
    return !someHoldRows(factsChangedBy(ledger, history, id), ledger.facts);
  }
}

/** Applied revisions whose files say something else by now than the version table remembers. */
export function editedRevisions(
  { digests }: Knowledge,
  { applied }: Claim,
  table: VersionTable | null,
): readonly string[] {
  return [...applied].filter((id) => {
    const [remembered, present] = [table?.digests.get(id), digests.get(id)];
    return remembered !== undefined && present !== undefined && remembered !== present;
  });
}

/**
 * The same as differences. What such a file does now is proven where nothing of it is missing, and where it does
 * nothing to rows, which no schema shows. Where another file has the text that was applied, that one ran, and would run again.
 * @param found by what else the schema differs; null: it was not compared
 */
export function editedFiles(
  knowledge: Knowledge,
  { edited, table }: { readonly edited: readonly string[]; readonly table: VersionTable | null },
  found: readonly Difference[] | null,
): readonly Difference[] {
  const { history, ledger, digests } = knowledge;
  const texts = new Set(digests.values());
  const lacking = new Set(found?.map(({ revision }) => revision));
  return edited.map((revision) => ({
    kind: "edited",
    revision,
    file: history.revisions.get(revision)!.file,
    tolerable:
      found !== null &&
      ledger !== null &&
      !lacking.has(revision) &&
      !touchesRows(ledger, revision) &&
      !texts.has(table?.digests.get(revision) ?? ""),
  }));
}

/**
 * Of these revisions, those that a crash can leave with rows written and no version row: they do not commit all at
 * once, and what they do to rows no schema shows. Without a ledger nobody knows, and they run as the tool itself would run them.
 */
export function commitInParts(
  { ledger, status }: Knowledge,
  ids: readonly string[],
): readonly string[] {
  if (ledger === null || status !== "verified") return [];
  return ids.filter(
    (id) => ledger.revisions.get(id)?.isAtomic === false && touchesRows(ledger, id),
  );
}

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
  heads: Heads,
  recorded: ReadonlySet<string>,
  basis: RowBasis,
): readonly UnseenData[] {
  const { ledger, history, answers } = basis;
  const traces = tracesOfHeads(ledger, history, heads);
  return dataBelow(ledger, history, heads)
    .filter((id) => {
      const { hasRun, hasNoRowsToChange } = evidenceOf(id, heads, basis);
      return !recorded.has(id) && !hasRun && !hasNoRowsToChange;
    })
    .map((id) => ({
      revision: id,
      file: history.revisions.get(id)?.file ?? "",
      lacks: (traces.get(id) ?? []).flatMap((trace) => lacksOf(trace, answers)),
    }));
}

/** Of a revision that did nothing at all when it was replayed, nobody says that it changes rows. */
function dataBelow(ledger: OpenLedger, history: History, heads: Heads): readonly string[] {
  const applied = ancestors(history, heads);
  return [...history.revisions.keys()].filter(
    (id) =>
      applied.has(id) && touchesRows(ledger, id) && ledger.revisions.get(id)?.data !== "unknown",
  );
}
