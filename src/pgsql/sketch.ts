import type { AlterTableCmd, IntoClause, Node, RangeVar, RenameStmt } from "libpg-query";
import type { Sketch, SketchStep, TableName } from "../core/revision.ts";
import { commandsOf, nameIn, nameOf, wordsIn } from "./tree.ts";

/**
 * The tables and columns that a statement creates and drops, as far as it names them: what `LIKE`, a parent or `*` brings
 * along is not known here.
 */
export function sketchStatement(node: Node): Sketch {
  if ("CreateStmt" in node) {
    const { relation, tableElts = [] } = node.CreateStmt;
    return create(relation, tableElts.flatMap(columnIn));
  }
  if ("CreateTableAsStmt" in node) {
    const { into, query, objtype } = node.CreateTableAsStmt;
    return objtype === "OBJECT_TABLE" ? createFrom(into, query) : [];
  }
  if ("SelectStmt" in node) return createFrom(node.SelectStmt.intoClause, node);
  if ("DropStmt" in node) {
    const { removeType, objects = [] } = node.DropStmt;
    if (removeType !== "OBJECT_TABLE") return [];
    return objects.map((object) => ({ kind: "drop-table", table: nameIn(object) }));
  }
  if ("AlterTableStmt" in node) {
    const { relation, objtype } = node.AlterTableStmt;
    const table = nameOf(relation);
    if (objtype !== "OBJECT_TABLE") return [];
    return commandsOf(node).flatMap((command) => alter(table, command));
  }
  if ("RenameStmt" in node) return rename(node.RenameStmt);
  if ("AlterObjectSchemaStmt" in node) {
    const { objectType, relation, newschema = null } = node.AlterObjectSchemaStmt;
    const table = nameOf(relation);
    if (objectType !== "OBJECT_TABLE") return [];
    return [
      { kind: "drop-table", table },
      { kind: "create-table", table: { ...table, schema: newschema }, columns: [] },
    ];
  }
  return [];
}

/** A temporary table is gone when its session ends. */
function create(relation: RangeVar | undefined, columns: readonly string[]): Sketch {
  if (relation === undefined || relation.relpersistence === "t") return [];
  return [{ kind: "create-table", table: nameOf(relation), columns }];
}

function columnIn(element: Node): readonly string[] {
  return "ColumnDef" in element ? [element.ColumnDef.colname ?? ""] : [];
}

function createFrom(into: IntoClause | undefined, query: Node | undefined): Sketch {
  const named = into?.colNames?.flatMap(wordsIn) ?? [];
  const selected = query !== undefined && "SelectStmt" in query ? query.SelectStmt.targetList : [];
  return create(into?.rel, [...named, ...(selected ?? []).slice(named.length).flatMap(outputName)]);
}

function outputName(target: Node): readonly string[] {
  if (!("ResTarget" in target)) return [];
  const { name, val } = target.ResTarget;
  if (name !== undefined) return [name];
  if (val === undefined || !("ColumnRef" in val)) return [];
  const last = val.ColumnRef.fields?.at(-1);
  return wordsIn(last);
}

function alter(
  table: TableName,
  { subtype, name = "", def }: AlterTableCmd,
): readonly SketchStep[] {
  if (subtype === "AT_DropColumn") return [{ kind: "drop-column", table, column: name }];
  if (subtype !== "AT_AddColumn" || def === undefined) return [];
  return columnIn(def).map((column) => ({ kind: "add-column", table, column }));
}

function rename(statement: RenameStmt): Sketch {
  const { renameType, relationType, relation, subname = "", newname: to = "" } = statement;
  const table = nameOf(relation);
  if (renameType === "OBJECT_TABLE") return [{ kind: "rename-table", table, to }];
  return renameType === "OBJECT_COLUMN" && relationType === "OBJECT_TABLE"
    ? [{ kind: "rename-column", table, column: subname, to }]
    : [];
}
