import { createHash } from "node:crypto";
import type { History } from "./history.ts";
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
      /** It only changes or deletes rows, and only of these tables: where they are empty it has nothing to do. */
      readonly kind: "idle";
      readonly tables: readonly string[];
    };

/** By revision. */
export type Traces = ReadonlyMap<string, readonly Trace[]>;

/** So many rows of a table are as good as all of them. */
export const mostHashes = 20;

/** The same for every bake of a history, and another one for another history. */
export function saltOf({ tool, revisions }: History): string {
  const [first = ""] = revisions.keys();
  return sha256(`preflight rows of ${tool} ${first}`);
}

/** No value is in a ledger. PostgreSQL computes the same in `rowsMessage`. */
export function hashRow(salt: string, values: readonly (string | null)[]): string {
  const framed = values.map((value) => (value === null ? "-" : `${[...value].length}:${value}`));
  return sha256(`${salt}${framed.join("")}`);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** @param spelled the home's name as PostgreSQL prints it in a definition */
export function tracesAtHome(traces: Traces, spelled: string): Traces {
  if (traces.size === 0) return traces;
  return new Map(
    [...traces].map(([revision, each]) => [
      revision,
      each.map((trace) =>
        trace.kind === "rows"
          ? { ...trace, table: textAtHome(trace.table, spelled) }
          : { ...trace, tables: trace.tables.map((table) => textAtHome(table, spelled)) },
      ),
    ]),
  );
}

/** As a ledger keeps it. */
export function encodeTraces(traces: Traces): Record<string, readonly unknown[]> {
  return Object.fromEntries([...traces].map(([revision, each]) => [revision, each.map(encode)]));
}

function encode(trace: Trace): unknown {
  switch (trace.kind) {
    case "rows":
      return { table: trace.table, key: trace.columns, rows: trace.hashes };
    case "idle":
      return { idle: trace.tables };
  }
}

export function sameTraces(one: readonly Trace[], other: readonly Trace[]): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
