import { createHash } from "node:crypto";
import type { History } from "../core/history.ts";
import { byText } from "../core/migration-tool.ts";
import type { RowsToChange, Trace } from "../core/traces.ts";

/** So many rows of a table are as good as all of them. */
const mostHashes = 20;

/** What one movement showed, as `note_rows` says it. */
export type RowsNoted = {
  readonly touches: readonly Touch[];
  /** UPDATEs and DELETEs by what the client sent. */
  readonly changes: readonly {
    readonly relation: number;
    readonly statement: string;
    readonly times: number;
  }[];
  /** How often a table or one of its indexes was read, by whatever statement but DDL. */
  readonly scans: readonly { readonly relation: number | null; readonly times: number }[];
  /** A sequence that was there before gives other numbers. */
  readonly movesSequences: boolean;
  readonly hasDdl: boolean;
  /** Tables that are not what they were. */
  readonly tables: readonly (TableNoted | { readonly relation: number; readonly name: null })[];
};

type Touch = {
  /** Null: it is gone. */
  readonly relation: number | null;
  /** As it was then. */
  readonly name: string;
  readonly operation: string;
};

/** Of the rows that a statement changes, as `describe_condition` says it. */
export type ConditionNoted = {
  readonly where: string;
  readonly columns: readonly ColumnNamed[];
};

/** Found out after a replay; null: not only a condition on the rows of this table. */
export type DescribeCondition = (
  relation: number,
  statement: string,
) => Promise<ConditionNoted | null>;

type ColumnNamed = { readonly name: string; readonly number: number; readonly type: string };

type TableNoted = {
  readonly relation: number;
  readonly name: string;
  readonly columns: readonly Column[];
  /** Names of the columns of each unique key; the primary one first. */
  readonly keys: readonly (readonly string[])[];
  /** The key by which its rows are told apart; another one: they are not the same rows. Null: nobody can tell whose they are. */
  readonly identity: string | null;
  readonly hasRows: boolean;
  /** Those that a revision wrote, and that are still there. */
  readonly rows: readonly Row[];
};

type Column = ColumnNamed & {
  readonly isText: boolean;
  /** By a sequence: an application's first rows get the same numbers. */
  readonly isNumbered: boolean;
  readonly isComputed: boolean;
};

type Row = { readonly revision: string; readonly values: readonly (string | null)[] };

/** The rows at a state, with what the revisions so far did to them. */
export type RowsAtState = {
  readonly tables: readonly TableNoted[];
  /** By revision, where nothing is left here of what it wrote: what it would do to rows that a new database has not. */
  readonly idle: ReadonlyMap<string, Idle>;
};

type Idle = Omit<Extract<Trace, { readonly kind: "idle" }>, "kind">;

/** In the order of one replay. */
export async function followRows(
  movements: readonly { readonly revision: string; readonly rows: RowsNoted }[],
  describeCondition: DescribeCondition,
): Promise<readonly RowsAtState[]> {
  const tables = new Map<number, TableNoted>();
  const filled = new Set<number>();
  const works = new Map<string, Work>();
  const states: RowsAtState[] = [];
  for (const { revision, rows } of movements) {
    for (const table of rows.tables) {
      if (table.name === null) tables.delete(table.relation);
      else tables.set(table.relation, table);
      if (table.name !== null && table.hasRows) filled.add(table.relation);
    }
    const work = await workOf(rows);
    if (work !== null) works.set(revision, work);
    states.push({ tables: [...tables.values()], idle: rowsToChange(works, tables) });
  }
  return states;

  /** null: it did nothing to rows, or more than that. */
  async function workOf(rows: RowsNoted): Promise<Work | null> {
    const writes = rows.touches.filter(({ operation }) => writesOnly.has(operation));
    if (rows.touches.length === 0 || (rows.movesSequences && writes.length === 0)) return null;
    const changes: Change[] = [];
    const seeds: Seeds[] = [];
    for (const relation of new Set(rows.touches.map((touch) => touch.relation))) {
      if (relation === null) continue;
      const identity = tables.get(relation)?.identity ?? null;
      const isWritten = rows.touches.every(
        (touch) => touch.relation !== relation || writesOnly.has(touch.operation),
      );
      if (filled.has(relation) && isWritten && identity !== null)
        seeds.push({ relation, identity });
      else changes.push(...(await changesOf(relation, rows, tables, describeCondition)));
    }
    // TRUNCATE may also start a sequence anew.
    const truncates = rows.touches.some(({ operation }) => operation === "TRUNCATE");
    return { changes, seeds, besides: rows.hasDdl || truncates };
  }
}

const writesOnly: ReadonlySet<string> = new Set(["INSERT", "CREATE TABLE AS"]);
const changesOnly: ReadonlySet<string> = new Set(["READ", "UPDATE", "DELETE"]);

/** What a revision does to rows. */
type Work = {
  readonly changes: readonly Change[];
  /** Tables into which it wrote, and nothing else. */
  readonly seeds: readonly Seeds[];
  readonly besides: boolean;
};

/** What it does to a table; no condition: to whatever rows there are. */
type Change = { readonly relation: number; readonly condition: ConditionNoted | null };
type Seeds = { readonly relation: number; readonly identity: string };

/**
 * Where each statement on a table says in one condition which rows it changes, and nothing else has read the table: whoever reads
 * what is there may do more where there is something.
 */
async function changesOf(
  relation: number,
  { touches, changes, scans }: RowsNoted,
  tables: ReadonlyMap<number, TableNoted>,
  describeCondition: DescribeCondition,
): Promise<readonly Change[]> {
  const any: readonly Change[] = [{ relation, condition: null }];
  const isHere = (each: { readonly relation: number | null }): boolean =>
    each.relation === relation;
  const mine = changes.filter(isHere);
  const isSimple = touches.every((each) => !isHere(each) || changesOnly.has(each.operation));
  if (mine.length === 0 || !isSimple || count(scans.filter(isHere)) !== count(mine)) return any;
  const found: Change[] = [];
  for (const { statement } of mine) {
    const condition = await describeCondition(relation, statement);
    if (condition === null || !hasColumns(tables.get(relation), condition)) return any;
    found.push({ relation, condition });
  }
  return found;
}

function count(each: readonly { readonly times: number }[]): number {
  return each.reduce((sum, { times }) => sum + times, 0);
}

/** The very columns: not others that were given their names later on. */
function hasColumns(table: TableNoted | undefined, { columns }: ConditionNoted): boolean {
  return columns.every(({ name, number, type }) =>
    table?.columns.some(
      (column) => column.name === name && column.number === number && column.type === type,
    ),
  );
}

/**
 * What a revision did to a table that is gone makes no difference any more, and neither does what it wrote where later ones have
 * deleted it all. Of a table that has rows in every new database it must be known which ones the revision changes.
 */
function rowsToChange(
  works: ReadonlyMap<string, Work>,
  tables: ReadonlyMap<number, TableNoted>,
): RowsAtState["idle"] {
  const idle = new Map<string, Idle>();
  for (const [revision, { changes, seeds, besides }] of works) {
    const unless = changes.flatMap(rowsOf);
    const isKnown = unless.every((each) => each !== null);
    if (isKnown && seeds.every((each) => isDeleted(revision, each)))
      idle.set(revision, { unless, besides });
  }
  return idle;

  function rowsOf({ relation, condition }: Change): readonly (RowsToChange | null)[] {
    const table = tables.get(relation);
    if (table === undefined) return [];
    if (condition !== null && hasColumns(table, condition))
      return [{ table: table.name, where: condition.where }];
    return [table.hasRows ? null : { table: table.name, where: null }];
  }

  function isDeleted(revision: string, { relation, identity }: Seeds): boolean {
    const table = tables.get(relation);
    if (table === undefined) return true;
    return table.identity === identity && table.rows.every((row) => row.revision !== revision);
  }
}

/**
 * What two passes saw alike. Rows whose keys differ are no evidence: nobody can look for a random key.
 * @param spell text of the second pass as the first one would have it
 * @param relate a text of the second pass, relative to the home
 */
export function compareRows(
  history: History,
  spell: (text: string) => string,
  relate: (text: string) => string,
): (one: RowsAtState, other: RowsAtState) => ReadonlyMap<string, readonly Trace[]> {
  const salt = saltOf(history);
  const known = new WeakMap<TableNoted, WeakMap<TableNoted, ReadonlyMap<string, Trace>>>();
  return (one, other) => {
    const traces = new Map<string, readonly Trace[]>();
    const again = new Map(other.tables.map((table) => [spell(table.name), table]));
    for (const table of one.tables.toSorted((a, b) => byText(a.name, b.name))) {
      const twin = again.get(table.name);
      if (twin === undefined) continue;
      for (const [revision, trace] of sameRows(table, twin))
        traces.set(revision, [...(traces.get(revision) ?? []), trace]);
    }
    for (const [revision, { unless, besides }] of one.idle) {
      const again = other.idle.get(revision);
      if (again === undefined || listed(unless, (text) => text) !== listed(again.unless, spell))
        continue;
      const twice = { unless: distinct(again.unless, relate), besides: besides || again.besides };
      traces.set(revision, [{ kind: "idle", ...twice }]);
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

function listed(changes: readonly RowsToChange[], spell: (text: string) => string): string {
  return JSON.stringify(distinct(changes, spell));
}

function distinct(
  changes: readonly RowsToChange[],
  spell: (text: string) => string,
): readonly RowsToChange[] {
  const spelled = changes.map(({ table, where }) =>
    JSON.stringify({ table: spell(table), where: where === null ? null : spell(where) }),
  );
  return [...new Set(spelled)].sort().map((each) => JSON.parse(each) as RowsToChange);
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

/** Every row has it, and both passes have the same in the end. */
function isSaidAlike(name: string, table: TableNoted, twin: TableNoted): boolean {
  const [one, other] = [table, twin].map((each) => {
    const place = each.columns.findIndex((column) => column.name === name);
    const said = each.rows.map(({ values }) => values[place] ?? null);
    return said.toSorted((one, other) => byText(one ?? "", other ?? ""));
  });
  return one!.every((value, index) => value !== null && value === other![index]);
}

/** The same for every bake of a history, and another one for another history. */
export function saltOf({ tool, revisions }: History): string {
  const [first = ""] = revisions.keys();
  return sha256(`preflight rows of ${tool.name} ${first}`);
}

/** No value is in a ledger. PostgreSQL computes the same in `rowsMessage`. */
export function hashRow(salt: string, values: readonly (string | null)[]): string {
  const framed = values.map((value) => (value === null ? "-" : `${[...value].length}:${value}`));
  return sha256(`${salt}${framed.join("")}`);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
