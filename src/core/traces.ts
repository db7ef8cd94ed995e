import { textAtHome } from "./home.ts";

/** What shows in a database's rows that a revision ran, or that it makes no difference whether it did. */
export type Trace =
  | {
      /** Rows that it wrote and no later revision took away. */
      readonly kind: "rows";
      /** As facts name it: qualified, quoted, relative to the home. */
      readonly table: string;
      /** What the rows are known by; sorted like the key. */
      readonly columns: readonly string[];
      /** Of the values in these columns, see `hashRow`; sorted. */
      readonly hashes: readonly string[];
    }
  | {
      /** It only changes or deletes rows, and only these: where there are none it has nothing to do. */
      readonly kind: "idle";
      readonly unless: readonly RowsToChange[];
      /** It does more than that, of which neither rows nor facts need to tell: DDL such as a GRANT. */
      readonly besides: boolean;
    };

export type RowsToChange = {
  /** As facts name it. */
  readonly table: string;
  /** An expression over its columns, as the server prints it; null: every row. */
  readonly where: string | null;
};

/** By revision. */
export type Traces = ReadonlyMap<string, readonly Trace[]>;

export function tracesAtHome(traces: Traces, spelled: string): Traces {
  if (traces.size === 0) return traces;
  return new Map(
    [...traces].map(([revision, each]) => [
      revision,
      each.map((trace) =>
        trace.kind === "rows"
          ? { ...trace, table: textAtHome(trace.table, spelled) }
          : { ...trace, unless: trace.unless.map((each) => rowsAtHome(each, spelled)) },
      ),
    ]),
  );
}

function rowsAtHome({ table, where }: RowsToChange, spelled: string): RowsToChange {
  return {
    table: textAtHome(table, spelled),
    where: where === null ? null : textAtHome(where, spelled),
  };
}

export function tablesOfTrace(trace: Trace): readonly string[] {
  return trace.kind === "rows" ? [trace.table] : trace.unless.map(({ table }) => table);
}

/** Whether it is enough that the tables are empty. */
export function asksForAnyRow(trace: Trace): boolean {
  return trace.kind === "idle" && trace.unless.every(({ where }) => where === null);
}

export function sameTraces(one: readonly Trace[], other: readonly Trace[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
