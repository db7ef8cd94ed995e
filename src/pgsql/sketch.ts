import type { AlterTableCmd, IntoClause, Node, RangeVar, RenameStmt } from "libpg-query";
import type { Sketch, SketchStep, TableName } from "../core/revision.ts";
import { commandsOf, inside, insideAll, nameIn, nameOf, wordsIn } from "./tree.ts";

/**
 * The tables and columns that a statement creates and drops, as far as it names them: what `LIKE`, a parent or `*` brings
 * along is not known here.
 */
export function sketchStatement(node: Node): Sketch {
  if ("CreateStmt" in node) {
    const { relation, tableElts = [] } = node.CreateStmt;
    return create(relation, namesOfColumns(tableElts));
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

function namesOfColumns(elements: readonly Node[]): readonly string[] {
  return insideAll("ColumnDef", elements).map(({ colname = "" }) => colname);
}

function createFrom(into: IntoClause | undefined, query: Node | undefined): Sketch {
  const named = into?.colNames?.flatMap(wordsIn) ?? [];
  const selected = inside("SelectStmt", query)?.targetList ?? [];
  return create(into?.rel, [...named, ...selected.slice(named.length).flatMap(outputName)]);
}

function outputName(target: Node): readonly string[] {
  const { name, val } = inside("ResTarget", target) ?? {};
  return name === undefined ? wordsIn(inside("ColumnRef", val)?.fields?.at(-1)) : [name];
}

function alter(
  table: TableName,
  { subtype, name = "", def }: AlterTableCmd,
): readonly SketchStep[] {
  if (subtype === "AT_DropColumn") return [{ kind: "drop-column", table, column: name }];
  if (subtype !== "AT_AddColumn" || def === undefined) return [];
  return namesOfColumns([def]).map((column) => ({ kind: "add-column", table, column }));
}

function rename(statement: RenameStmt): Sketch {
  const { renameType, relationType, relation, subname = "", newname: to = "" } = statement;
  const table = nameOf(relation);
  if (renameType === "OBJECT_TABLE") return [{ kind: "rename-table", table, to }];
  return renameType === "OBJECT_COLUMN" && relationType === "OBJECT_TABLE"
    ? [{ kind: "rename-column", table, column: subname, to }]
    : [];
}
