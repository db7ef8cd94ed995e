import type { DropStmt, Node, TruncateStmt } from "libpg-query";
import { nameIn, quote, show, wordsIn } from "../pgsql/tree.ts";
import { isNameInUse, relationsInUse, type Remark, type Scene } from "./scene.ts";

/** Statements that take objects away with what is in them. */
export function remarkOnLosses(node: Node, scene: Scene): Remark | null {
  if ("DropStmt" in node)
    return node.DropStmt.removeType === "OBJECT_TABLE"
      ? dropTable(node.DropStmt, scene)
      : dropCascade(node.DropStmt);
  if ("DropOwnedStmt" in node) return dropOwned;
  return "TruncateStmt" in node ? truncate(node.TruncateStmt, scene) : null;
}

function dropTable({ objects = [], behavior }: DropStmt, scene: Scene): Remark | null {
  const tables = objects.map(nameIn).filter((name) => isNameInUse(name, scene));
  if (tables.length === 0) return null;
  return {
    level: "danger",
    rule: "drop-table",
    seen: `${listTables(tables.map(show))} dropped${behavior === "DROP_CASCADE" ? " with whatever uses it" : ""}`,
    why: "the data is gone, and the application's running version may still read it",
    remedy:
      "release a version of the application that does not use it, and drop it in a later one; keep a copy if anybody may want it: pg_dump --table",
  };
}

function dropCascade(statement: DropStmt): Remark | null {
  const { removeType = "OBJECT_VIEW", objects = [], behavior, missing_ok = false } = statement;
  if (behavior !== "DROP_CASCADE" || leaves.has(removeType)) return null;
  const kind = removeType.replace("OBJECT_", "").replace("MATVIEW", "materialized view");
  const words = kind.replaceAll("_", " ").toLowerCase();
  const names = objects.map((object) => wordsIn(object).map(quote).join(".")).join(", ");
  return {
    level: holdsData.has(removeType) ? "danger" : "warning",
    rule: removeType === "OBJECT_SCHEMA" ? "drop-schema" : "drop-cascade",
    seen: `${words} ${names} is dropped with CASCADE`,
    why:
      removeType === "OBJECT_SCHEMA"
        ? "every table in it goes too, with its data"
        : `whatever uses it goes too, unnamed${holdsData.has(removeType) ? ": columns of that type, with their data" : ""}`,
    remedy: `drop by name what shall go, then: DROP ${words.toUpperCase()} ${missing_ok ? "IF EXISTS " : ""}${names}`,
  };
}

/** Nothing can stand on these. */
const leaves: ReadonlySet<string> = new Set(["OBJECT_POLICY", "OBJECT_RULE", "OBJECT_TRIGGER"]);

const holdsData: ReadonlySet<string> = new Set([
  "OBJECT_DOMAIN",
  "OBJECT_EXTENSION",
  "OBJECT_SCHEMA",
  "OBJECT_TYPE",
]);

const dropOwned: Remark = {
  level: "danger",
  rule: "drop-owned",
  seen: "DROP OWNED",
  why: "every table that the role owns goes, with its data",
  remedy: "REASSIGN OWNED BY … TO …, and drop by name what shall go",
};

function truncate({ relations, behavior }: TruncateStmt, scene: Scene): Remark | null {
  const tables = relationsInUse(relations, scene);
  if (tables.length === 0) return null;
  return {
    level: "danger",
    rule: "truncate",
    seen: `${listTables(tables)} emptied${behavior === "DROP_CASCADE" ? ", and so is every table that refers to it" : ""}`,
    why: "the rows are gone, and nobody can use the table until the file is done",
    remedy: "DELETE … WHERE … names the rows that shall go; keep a copy if anybody may want them",
  };
}

function listTables(tables: readonly string[]): string {
  return tables.length === 1 ? `table ${tables[0]} is` : `tables ${tables.join(", ")} are`;
}
