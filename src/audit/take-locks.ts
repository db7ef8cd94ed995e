import type { Node, RangeVar } from "libpg-query";
import { isLocking } from "./alter-table.ts";
import { nameOf } from "../pgsql/names.ts";
import { isInUse, type Scene } from "./scene.ts";
import { commandsOf } from "../pgsql/tree.ts";
import { objectsIn } from "../pgsql/walk.ts";

/** Notes which tables a statement keeps from their writers, for as long as its transaction lasts. */
export function takeLocks(node: Node, scene: Scene): void {
  for (const relation of lockedBy(node))
    if (isInUse(relation, scene)) scene.locks.push({ table: nameOf(relation), line: scene.line });
}

function lockedBy(node: Node): readonly (RangeVar | undefined)[] {
  if ("RenameStmt" in node) return [node.RenameStmt.relation];
  if ("CreateStmt" in node) return referredTo(node);
  if (!("AlterTableStmt" in node)) return [];
  return commandsOf(node).some(isLocking)
    ? [node.AlterTableStmt.relation, ...referredTo(node)]
    : [];
}

/** A new foreign key locks the table that it refers to as well. */
function referredTo(node: Node): readonly RangeVar[] {
  return [...objectsIn(node)].flatMap((part) =>
    "pktable" in part ? (part.pktable as RangeVar) : [],
  );
}
