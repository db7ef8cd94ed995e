import { isSame, type Name } from "../pgsql/names.ts";
import type { ColumnType } from "./types.ts";

/** What the statements read so far have made, as far as the rules ask for it. */
export type Known = {
  readonly tables: Table[];
  /** By name: is it volatile? */
  readonly functions: Map<string, boolean>;
  /** Names of domains whose values are checked. */
  readonly checkedDomains: Set<string>;
};

export type Table = {
  name: Name;
  /** The number of the file that made it. */
  readonly file: number;
  readonly isPartitioned: boolean;
  readonly columns: Map<string, Column>;
  readonly checks: Map<string, Check>;
};

type Column = {
  readonly file: number;
  readonly type: ColumnType;
  readonly isNotNull: boolean;
};

/** Of a table; `notNull` are the columns that it proves to hold no NULL. */
type Check = { readonly isValid: boolean; readonly notNull: readonly string[] };

export function nothingKnown(): Known {
  return { tables: [], functions: new Map(), checkedDomains: new Set() };
}

/** The newest of that name: without a schema in the statement there may be several. */
export function findTable({ tables }: Known, name: Name): Table | null {
  return tables.findLast((table) => isSame(table.name, name)) ?? null;
}

/** A valid constraint, or the column itself, says that there is no NULL. */
export function isKnownNotNull(table: Table | null, column: string): boolean {
  if (table === null) return false;
  if (table.columns.get(column)?.isNotNull === true) return true;
  return [...table.checks.values()].some(
    ({ isValid, notNull }) => isValid && notNull.includes(column),
  );
}
