import type { History } from "../core/history.ts";
import type { Trace } from "../core/traces.ts";
import { hashRow, saltOf } from "./hash-row.ts";

/** So many rows of a table are as good as all of them. */
const mostHashes = 20;

/** What one movement showed, as `note_rows` says it. */
export type RowsNoted = {
  readonly touches: readonly { readonly relation: number | null; readonly operation: string }[];
  /** Tables that are not what they were. */
  readonly tables: readonly (TableNoted | { readonly relation: number; readonly name: null })[];
};

type TableNoted = {
  readonly relation: number;
  readonly name: string;
  readonly columns: readonly Column[];
  /** Names of the columns of each unique key; the primary one first. */
  readonly keys: readonly (readonly string[])[];
  readonly hasRows: boolean;
  /** Those that a revision wrote, and that are still there. */
  readonly rows: readonly Row[];
};

type Column = {
  readonly name: string;
  readonly isText: boolean;
  /** By a sequence: an application's first rows get the same numbers. */
  readonly isNumbered: boolean;
  readonly isComputed: boolean;
};

type Row = { readonly revision: string; readonly values: readonly (string | null)[] };

/** The rows at a state, with what the revisions so far did to them. */
export type RowsAtState = {
  readonly tables: readonly TableNoted[];
  /** Tables by revision, where all that it did was to change rows of tables that had none. */
  readonly idle: ReadonlyMap<string, readonly string[]>;
};

/** In the order of one replay. */
export function followRows(
  movements: readonly { readonly revision: string; readonly rows: RowsNoted }[],
): readonly RowsAtState[] {
  const tables = new Map<number, TableNoted>();
  const filled = new Set<number>();
  const idle = new Map<string, readonly number[]>();
  return movements.map(({ revision, rows }) => {
    for (const table of rows.tables) {
      if (table.name === null) tables.delete(table.relation);
      else tables.set(table.relation, table);
      if (table.name !== null && table.hasRows) filled.add(table.relation);
    }
    const touched = [...new Set(rows.touches.map(({ relation }) => relation))];
    const hadNothingToDo =
      touched.length > 0 &&
      rows.touches.every(({ operation }) => changesOnly.has(operation)) &&
      touched.every((relation) => relation !== null && !filled.has(relation));
    if (hadNothingToDo)
      idle.set(
        revision,
        touched.filter((relation) => relation !== null),
      );
    return { tables: [...tables.values()], idle: namesOf(idle, tables) };
  });
}

const changesOnly: ReadonlySet<string> = new Set(["READ", "UPDATE", "DELETE", "TRUNCATE"]);

/** What it may have read or changed and is gone, nobody can look at. */
function namesOf(
  idle: ReadonlyMap<string, readonly number[]>,
  tables: ReadonlyMap<number, TableNoted>,
): ReadonlyMap<string, readonly string[]> {
  return new Map(
    [...idle]
      .filter(([, relations]) => relations.every((relation) => tables.has(relation)))
      .map(([revision, relations]) => [
        revision,
        relations.map((relation) => tables.get(relation)!.name),
      ]),
  );
}

/**
 * What two passes saw alike. Rows whose keys differ are no evidence: nobody can look for a random key.
 * @param spell text of the second pass as the first one would have it
 * @param relate a table of the second pass, relative to the home
 */
export function compareRows(
  history: History,
  spell: (text: string) => string,
  relate: (table: string) => string,
): (one: RowsAtState, other: RowsAtState) => ReadonlyMap<string, readonly Trace[]> {
  const salt = saltOf(history);
  const known = new WeakMap<TableNoted, WeakMap<TableNoted, ReadonlyMap<string, Trace>>>();
  return (one, other) => {
    const traces = new Map<string, readonly Trace[]>();
    const again = new Map(other.tables.map((table) => [spell(table.name), table]));
    for (const table of one.tables.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const twin = again.get(table.name);
      if (twin === undefined) continue;
      for (const [revision, trace] of sameRows(table, twin))
        traces.set(revision, [...(traces.get(revision) ?? []), trace]);
    }
    for (const [revision, tables] of one.idle) {
      const twins = other.idle.get(revision) ?? [];
      if (tables.toSorted().join() === twins.map(spell).toSorted().join())
        traces.set(revision, [{ kind: "idle", tables: twins.map(relate).toSorted() }]);
    }
    return new Map(
      [...history.revisions.keys()].flatMap((id) => {
        const found = traces.get(id);
        return found === undefined ? [] : [[id, found] as const];
      }),
    );
  };

  function sameRows(table: TableNoted, twin: TableNoted): ReadonlyMap<string, Trace> {
    const twins = known.get(table) ?? new WeakMap<TableNoted, ReadonlyMap<string, Trace>>();
    known.set(table, twins);
    const found = twins.get(twin) ?? tracesOf(table, twin);
    twins.set(twin, found);
    return found;
  }

  function tracesOf(table: TableNoted, twin: TableNoted): ReadonlyMap<string, Trace> {
    const traces = new Map<string, Trace>();
    const revisions = new Set(table.rows.map(({ revision }) => revision));
    for (const columns of waysToKnow(table, twin)) {
      for (const revision of revisions) {
        if (traces.has(revision)) continue;
        const again = hashesOf(twin, revision, columns);
        const both = [...hashesOf(table, revision, columns)].filter((hash) => again.has(hash));
        if (both.length > 0)
          traces.set(revision, {
            kind: "rows",
            table: relate(twin.name),
            columns,
            hashes: both.sort().slice(0, mostHashes),
          });
      }
    }
    return traces;
  }

  function hashesOf(
    table: TableNoted,
    revision: string,
    columns: readonly string[],
  ): ReadonlySet<string> {
    const places = columns.map((name) => table.columns.findIndex((column) => column.name === name));
    return new Set(
      table.rows
        .filter((row) => row.revision === revision)
        .map(({ values }) =>
          hashRow(
            salt,
            places.map((place) => values[place] ?? null),
          ),
        ),
    );
  }
}

/**
 * Columns by which a row is known, best first: a key that somebody wrote down. A number that a sequence gives says nothing by
 * itself: then what is said in words has to be the same as well.
 */
function waysToKnow(table: TableNoted, twin: TableNoted): readonly (readonly string[])[] {
  const named = new Map(table.columns.map((column) => [column.name, column]));
  const isNumbered = (key: readonly string[]): boolean =>
    key.some((name) => named.get(name)?.isNumbered === true);
  const written = table.keys.filter((key) => !isNumbered(key));
  const words = table.columns
    .filter(({ isText, isComputed, isNumbered: isNumber }) => isText && !isComputed && !isNumber)
    .map(({ name }) => name)
    .filter((name) => isSaidAlike(name, table, twin));
  const numbered = words.length === 0 ? [] : table.keys.filter(isNumbered);
  return [...written, ...numbered.map((key) => [...new Set([...key, ...words])])];
}

function byText(one: string | null, other: string | null): number {
  return (one ?? "") < (other ?? "") ? -1 : 1;
}

/** Every row has it, and both passes have the same in the end. */
function isSaidAlike(name: string, table: TableNoted, twin: TableNoted): boolean {
  const [one, other] = [table, twin].map((each) => {
    const place = each.columns.findIndex((column) => column.name === name);
    return each.rows.map(({ values }) => values[place] ?? null).toSorted(byText);
  });
  return one!.every((value, index) => value !== null && value === other![index]);
}
