import type { AlterEnumStmt, AlterObjectSchemaStmt, Node, RenameStmt } from "libpg-query";
import { nameOf, quote, show, wordsIn } from "../pgsql/tree.ts";
import { isInUse, type Remark, type Scene } from "./scene.ts";

/** New names for what the application's running version still calls by the old one. */
export function remarkOnRenames(node: Node, scene: Scene): Remark | null {
  if ("RenameStmt" in node) return rename(node.RenameStmt, scene);
  if ("AlterObjectSchemaStmt" in node) return move(node.AlterObjectSchemaStmt, scene);
  return "AlterEnumStmt" in node ? renameValue(node.AlterEnumStmt) : null;
}

const relations: ReadonlySet<string> = new Set(["OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW"]);

function rename(statement: RenameStmt, scene: Scene): Remark | null {
  const { renameType = "OBJECT_TABLE", relation, subname = "", newname = "" } = statement;
  if (renameType === "OBJECT_SCHEMA")
    return renamed("rename-schema", `schema ${quote(subname)} becomes ${quote(newname)}`);
  if (!isInUse(relation, scene)) return null;
  const table = show(nameOf(relation));
  if (relations.has(renameType))
    return {
      ...renamed("rename-table", `${table} becomes ${quote(newname)}`),
      remedy: `until no version uses the old name, leave a view in its place: CREATE VIEW ${table} AS SELECT * FROM ${show({ ...nameOf(relation), name: newname })}`,
    };
  if (renameType !== "OBJECT_COLUMN") return null;
  return renamed("rename-column", `column ${quote(subname)} of ${table} becomes ${quote(newname)}`);
}

function move(
  { objectType = "OBJECT_TABLE", relation, newschema = "" }: AlterObjectSchemaStmt,
  scene: Scene,
): Remark | null {
  if (!relations.has(objectType) || !isInUse(relation, scene)) return null;
  const table = show(nameOf(relation));
  return renamed("rename-table", `${table} moves into schema ${quote(newschema)}`);
}

function renameValue({ typeName = [], oldVal, newVal = "" }: AlterEnumStmt): Remark | null {
  if (oldVal === undefined) return null;
  const type = typeName.flatMap(wordsIn).map(quote).join(".");
  return renamed("rename-value", `value '${oldVal}' of type ${type} becomes '${newVal}'`);
}

function renamed(rule: string, seen: string): Remark {
  return {
    level: "warning",
    rule,
    seen,
    why: "the application's running version still uses the old name, and fails from then on",
    remedy:
      "add the new one beside the old, keep both up to date, and drop the old one when no version uses it",
  };
}
