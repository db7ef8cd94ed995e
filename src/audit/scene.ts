import type { Node, RangeVar } from "libpg-query";
import type { Finding } from "../core/audit.ts";
import { insideAll, isSame, type Name, nameOf, show } from "../pgsql/tree.ts";
import { findTable, type Known } from "./learn.ts";

/** Where a statement stands: what a rule may look at beside the statement itself. */
export type Scene = {
  /** What the statements before it have made. */
  readonly known: Known;
  /** The number of its file. */
  readonly file: number;
  /** Of its first word. */
  readonly line: number;
  /** What this transaction has locked so far against writers or readers. */
  readonly locks: Lock[];
};

export type Lock = { readonly table: Name; readonly line: number };

/** A finding whose place is the statement's, or a byte of the script that the tree knows. */
export type Remark = Omit<Finding, "file" | "line"> & { readonly location?: number | undefined };

/**
 * Does a statement meet a table that others may be using? One that its own file makes is empty, and nobody else has seen
 * it; one that no file makes was there before.
 */
export function isInUse(relation: RangeVar | undefined, scene: Scene): boolean {
  return relation !== undefined && isNameInUse(nameOf(relation), scene);
}

export function isNameInUse(name: Name, { known, file }: Scene): boolean {
  return findTable(known, name)?.file !== file;
}

/** A column that the statement's own file makes: whatever it holds is of the file's own making. */
export function isNewColumn(table: Name, column: string, { known, file }: Scene): boolean {
  return findTable(known, table)?.columns.get(column)?.file === file;
}

/** The names of those that others may be using. */
export function relationsInUse(
  nodes: readonly Node[] | undefined,
  scene: Scene,
): readonly string[] {
  return insideAll("RangeVar", nodes)
    .filter((relation) => isInUse(relation, scene))
    .map((relation) => show(nameOf(relation)));
}

/** The line from which on the table is locked; null: it is not. */
export function lockedSince(relation: RangeVar | undefined, { locks }: Scene): number | null {
  return locks.find(({ table }) => isSame(table, nameOf(relation)))?.line ?? null;
}

/** Why a rewrite is dangerous. */
export const writtenAnew = "the whole table is written anew, and nobody can use it meanwhile";
