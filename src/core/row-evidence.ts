import type { Heads, History } from "./history.ts";
import { type OpenLedger, tracesOfHeads } from "./ledger.ts";
import type { RowAnswer } from "./observation.ts";
import type { RowsToChange, Trace } from "./traces.ts";

/** What keeps a revision's trace from showing that it ran, table by table. */
export type Lack =
  | {
      readonly kind: "absent";
      readonly table: string;
      /** How many of its rows are not there. */
      readonly absent: number;
      readonly of: number;
    }
  /** It has rows that the revision would change, or, where it is not known which those are, any rows. */
  | { readonly kind: "filled"; readonly table: string; readonly where: string | null }
  | { readonly kind: "unreadable"; readonly table: string; readonly why: string };

/** What rows are judged by. */
export type RowBasis = {
  readonly ledger: OpenLedger;
  readonly history: History;
  /** What was found of the rows that data migrations leave. */
  readonly answers: readonly RowAnswer[];
};

/** What the rows show of a revision at a state. */
export type RowEvidence = {
  /** All that is left there of what it wrote is in its place. A part may be what a run that stopped half-way has left, or the application. */
  readonly hasRun: boolean;
  /** Some of it is: then it ran, be it once undone by hand. */
  readonly hasLeftRows: boolean;
  /** It would find no rows to change now. What else it does, the facts of a state tell. */
  readonly hasNoRowsToChange: boolean;
  /** It would find nothing to do at all: to run it and to pass it over are the same. */
  readonly isIdle: boolean;
};

export function evidenceOf(
  id: string,
  heads: Heads,
  { ledger, history, answers }: RowBasis,
): RowEvidence {
  const traces = tracesOfHeads(ledger, history, heads).get(id) ?? [];
  const isShown = (trace: Trace): boolean => lacksOf(trace, answers).length === 0;
  const isPartlyShown = (trace: Trace): boolean =>
    lacksOf(trace, answers).every((lack) => lack.kind === "absent" && lack.absent < lack.of);
  const rows = traces.filter(({ kind }) => kind === "rows");
  const hasNoRowsToChange = traces.length > 0 && rows.length === 0 && traces.every(isShown);
  return {
    hasRun: rows.length > 0 && traces.every(isShown),
    hasLeftRows: rows.some(isPartlyShown),
    hasNoRowsToChange,
    isIdle: hasNoRowsToChange && traces.every((trace) => trace.kind === "idle" && !trace.besides),
  };
}

/** Empty: the trace is there. Nobody asked: it is not. */
export function lacksOf(trace: Trace, answers: readonly RowAnswer[]): readonly Lack[] {
  switch (trace.kind) {
    case "rows":
      return lackOfRows(trace, answers);
    case "idle":
      return trace.unless.flatMap((rows) => lackOfNothing(rows, answers));
  }
}

function lackOfNothing(
  { table, where }: RowsToChange,
  answers: readonly RowAnswer[],
): readonly Lack[] {
  const here = answers.filter((each) => each.table === table);
  if (here.some((each) => each.kind === "emptiness" && each.where === where && each.isEmpty))
    return [];
  const unreadable = here.find((each) => each.kind === "unreadable");
  return [unreadable ?? { kind: "filled", table, where }];
}

function lackOfRows(
  { table, columns, hashes }: Extract<Trace, { readonly kind: "rows" }>,
  answers: readonly RowAnswer[],
): readonly Lack[] {
  const here = answers.filter((each) => each.table === table);
  const unreadable = here.find((each) => each.kind === "unreadable");
  if (unreadable !== undefined) return [unreadable];
  const asked = JSON.stringify(columns);
  const answer = here
    .filter((each) => each.kind === "rows")
    .filter((each) => JSON.stringify(each.columns) === asked);
  const found = new Set(answer.flatMap((each) => each.found));
  const absent = hashes.filter((hash) => !found.has(hash)).length;
  return absent === 0 ? [] : [{ kind: "absent", table, absent, of: hashes.length }];
}
