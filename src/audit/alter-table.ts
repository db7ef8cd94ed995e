import type { AlterTableCmd, Node } from "libpg-query";
import { commandsOf, inside, type Name, nameOf, quote, show } from "../pgsql/tree.ts";
import { remarkOnConstraint } from "./add-constraint.ts";
import { remarkOnNewColumn, remarkOnTypeChange } from "./columns.ts";
import { findTable, isKnownNotNull } from "./learn.ts";
import {
  isInUse,
  isNewColumn,
  lockedSince,
  type Remark,
  type Scene,
  writtenAnew,
} from "./scene.ts";

/**
 * One action of an `ALTER TABLE` on a table that others use. A lock that is short is nothing to report: the runner waits
 * for it only for a moment, and tries again.
 */
export function remarkOnAction(node: Node, scene: Scene): Remark | readonly Remark[] | null {
  const [action] = commandsOf(node);
  if (!("AlterTableStmt" in node) || action === undefined) return null;
  const { relation, objtype } = node.AlterTableStmt;
  if (objtype !== "OBJECT_TABLE") return null;
  if (action.subtype === "AT_AttachPartition") return attachPartition(action, scene);
  if (!isInUse(relation, scene)) return null;
  const table = nameOf(relation);
  switch (action.subtype) {
    case "AT_AddColumn":
      return remarkOnNewColumn(action, table, scene);
    case "AT_AddConstraint":
      return remarkOnConstraint(inside("Constraint", action.def), table, scene);
    case "AT_AlterColumnType":
      return remarkOnTypeChange(action, table, scene);
    case "AT_SetNotNull":
      return setNotNull(action, table, scene);
    case "AT_ValidateConstraint":
      return validateConstraint(action, table, lockedSince(relation, scene));
    case "AT_DropColumn":
      return dropColumn(action, table, scene);
    case "AT_DropConstraint":
      return dropConstraint(action, table);
    default:
      return rewriteTable(action, table);
  }
}

/** Takes the table from its writers at least, until the transaction ends. */
export function isLocking({ subtype = "AT_AddColumn" }: AlterTableCmd): boolean {
  return !lenient.has(subtype);
}

const lenient: ReadonlySet<string> = new Set([
  "AT_AttachPartition",
  "AT_ClusterOn",
  "AT_DropCluster",
  "AT_ResetOptions",
  "AT_ResetRelOptions",
  "AT_SetOptions",
  "AT_SetRelOptions",
  "AT_SetStatistics",
  "AT_ValidateConstraint",
]);

function attachPartition({ def }: AlterTableCmd, scene: Scene): Remark | null {
  const partition = inside("PartitionCmd", def)?.name;
  if (!isInUse(partition, scene)) return null;
  // Whoever has prepared it with a CHECK of the bounds spares PostgreSQL the reading.
  const checks = findTable(scene.known, nameOf(partition))?.checks.values() ?? [];
  if ([...checks].some(({ isValid }) => isValid)) return null;
  const name = show(nameOf(partition));
  return {
    level: "danger",
    rule: "attach-partition",
    seen: `${name}, a table that may have rows, becomes a partition`,
    why: `every row is read to see whether it belongs there, and nobody can use ${name} meanwhile, nor a default partition`,
    remedy: `in a file before: ALTER TABLE ${name} ADD CONSTRAINT … CHECK (the bounds) NOT VALID; in the next: ALTER TABLE ${name} VALIDATE CONSTRAINT …; then attach it`,
    location: partition?.location,
  };
}

function setNotNull(
  { name: column = "" }: AlterTableCmd,
  table: Name,
  scene: Scene,
): Remark | null {
  if (isKnownNotNull(scene.known, table, column)) return null;
  const [on, name] = [`ALTER TABLE ${show(table)}`, quote(column)];
  const check = quote(`${table.name}_${column}_check`);
  return {
    level: "danger",
    rule: "set-not-null",
    seen: `${name} of ${show(table)} becomes NOT NULL in one step`,
    why: "every row is read to see whether it is NULL, and nobody can use the table meanwhile",
    remedy: isNewColumn(table, column, scene)
      ? `say it when the column is added: ADD COLUMN ${name} … NOT NULL DEFAULT … costs nothing if the default is constant`
      : `${on} ADD CONSTRAINT ${check} CHECK (${name} IS NOT NULL) NOT VALID; in the next file: ${on} VALIDATE CONSTRAINT ${check}; ${on} ALTER COLUMN ${name} SET NOT NULL; ${on} DROP CONSTRAINT ${check}`,
  };
}

function validateConstraint(
  { name = "" }: AlterTableCmd,
  table: Name,
  since: number | null,
): Remark | null {
  if (since === null) return null;
  return {
    level: "danger",
    rule: "validate-under-lock",
    seen: `${quote(name)} is validated while line ${since} holds ${show(table)} locked`,
    why: "a lock lasts until the end of the transaction, so NOT VALID has saved nothing: every row is read under it",
    remedy: `move it into the next file: ALTER TABLE ${show(table)} VALIDATE CONSTRAINT ${quote(name)}`,
  };
}

function dropColumn(
  { name = "", behavior }: AlterTableCmd,
  table: Name,
  scene: Scene,
): Remark | null {
  if (isNewColumn(table, name, scene)) return null;
  return {
    level: "danger",
    rule: "drop-column",
    seen: `column ${quote(name)} of ${show(table)} is dropped${behavior === "DROP_CASCADE" ? ", and with it whatever uses it" : ""}`,
    why: "its data is gone, and the application's running version may still read it",
    remedy:
      "release a version of the application that does not use it, and drop it in a later one; keep a copy if anybody may want it",
  };
}

function dropConstraint({ name = "", behavior }: AlterTableCmd, table: Name): Remark | null {
  if (behavior !== "DROP_CASCADE") return null;
  return {
    level: "warning",
    rule: "drop-cascade",
    seen: `constraint ${quote(name)} of ${show(table)} is dropped with CASCADE`,
    why: "foreign keys of other tables can go with it, unnamed",
    remedy: "drop those by name first, then the constraint without CASCADE",
  };
}

function rewriteTable({ subtype }: AlterTableCmd, table: Name): Remark | null {
  const words = subtype === undefined ? undefined : rewrites[subtype];
  if (words === undefined) return null;
  return {
    level: "danger",
    rule: "rewrite-table",
    seen: `${show(table)} is altered with ${words}`,
    why: writtenAnew,
    remedy:
      "do it when nobody needs the table; or fill a new table in batches and let the two change names",
  };
}

const rewrites: Readonly<Record<string, string>> = {
  AT_SetAccessMethod: "SET ACCESS METHOD",
  AT_SetExpression: "SET EXPRESSION",
  AT_SetLogged: "SET LOGGED",
  AT_SetTableSpace: "SET TABLESPACE",
  AT_SetUnLogged: "SET UNLOGGED",
};
