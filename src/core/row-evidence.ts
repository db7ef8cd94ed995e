import type { History } from "./history.ts";
import { type OpenLedger, tracesOfHeads } from "./ledger.ts";
import type { RowAnswer } from "./observation.ts";
import type { RowsToChange, Trace } from "./traces.ts";

type TraceOf<Kind extends Trace["kind"]> = Extract<Trace, { readonly kind: Kind }>;

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

/**
 * Whether the rows show that a revision of this state ran: all that is left of what it wrote there is in its place. A part
 * may be what a run that stopped half-way has left, or what the application has left.
 */
export function hasRun(
  ledger: OpenLedger,
  history: History,
  heads: readonly string[],
  id: string,
  answers: readonly RowAnswer[],
): boolean {
  const traces = tracesOfHeads(ledger, history, heads).get(id) ?? [];
  return (
    traces.some(({ kind }) => kind === "rows") &&
    traces.every((trace) => lacksOf(trace, answers).length === 0)
  );
}

/** Whether any of the rows that a revision leaves at this state is there: then it ran, be it once undone by hand. */
export function hasLeftRows(
  ledger: OpenLedger,
  history: History,
  heads: readonly string[],
  id: string,
  answers: readonly RowAnswer[],
): boolean {
  const traces = tracesOfHeads(ledger, history, heads).get(id) ?? [];
  return traces.some(
    (trace) =>
      trace.kind === "rows" &&
      lacksOf(trace, answers).every((lack) => lack.kind === "absent" && lack.absent < lack.of),
  );
}

/** Whether a revision of this state would find nothing to do now: to run it and to pass it over are the same. */
export function isIdle(
  ledger: OpenLedger,
  history: History,
  heads: readonly string[],
  id: string,
  answers: readonly RowAnswer[],
): boolean {
  const traces = tracesOfHeads(ledger, history, heads).get(id) ?? [];
  return (
    hasNoRowsToChange(ledger, history, heads, id, answers) &&
    traces.every((trace) => trace.kind === "idle" && !trace.besides)
  );
}

/** Whether it would find no rows to change now. What else it does, the facts of a state tell. */
export function hasNoRowsToChange(
  ledger: OpenLedger,
  history: History,
  heads: readonly string[],
  id: string,
  answers: readonly RowAnswer[],
): boolean {
  const traces = tracesOfHeads(ledger, history, heads).get(id) ?? [];
  return (
    traces.length > 0 &&
    traces.every((trace) => trace.kind === "idle" && lacksOf(trace, answers).length === 0)
  );
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

function lackOfRows(trace: TraceOf<"rows">, answers: readonly RowAnswer[]): readonly Lack[] {
  const { table, columns, hashes } = trace;
  const unreadable = answers.find((each) => each.table === table && each.kind === "unreadable");
  if (unreadable?.kind === "unreadable") return [unreadable];
  const found = new Set(
    answers.flatMap((each) =>
      each.kind === "rows" &&
      each.table === table &&
      JSON.stringify(each.columns) === JSON.stringify(columns)
        ? each.found
        : [],
    ),
  );
  const absent = hashes.filter((hash) => !found.has(hash)).length;
  return absent === 0 ? [] : [{ kind: "absent", table, absent, of: hashes.length }];
}
