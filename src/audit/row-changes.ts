import type { DeleteStmt, Node, UpdateStmt } from "libpg-query";
import { insideAll, nameOf, quote, show } from "../pgsql/tree.ts";
import { isInUse, isNewColumn, lockedSince, type Remark, type Scene } from "./scene.ts";

/** `UPDATE` and `DELETE` of every row, or while the file keeps everybody else out. */
export function remarkOnRowChanges(node: Node, scene: Scene): readonly Remark[] {
  return changesIn(node)
    .filter(({ relation }) => isInUse(relation, scene))
    .flatMap((change) => remarkOnChange(change, scene) ?? []);
}

type Change =
  | ({ readonly kind: "update" } & UpdateStmt)
  | ({ readonly kind: "delete" } & DeleteStmt);

/** The statement itself, and those in its `WITH`. */
function changesIn(node: Node | undefined): readonly Change[] {
  if (node === undefined) return [];
  const [statement] = Object.values(node) as [{ withClause?: { ctes?: Node[] } }];
  const inner = insideAll("CommonTableExpr", statement.withClause?.ctes).flatMap(({ ctequery }) =>
    changesIn(ctequery),
  );
  if ("UpdateStmt" in node) return [...inner, { kind: "update", ...node.UpdateStmt }];
  if ("DeleteStmt" in node) return [...inner, { kind: "delete", ...node.DeleteStmt }];
  return inner;
}

function remarkOnChange(change: Change, scene: Scene): Remark | null {
  const table = show(nameOf(change.relation));
  const since = lockedSince(change.relation, scene);
  const { location } = change.relation ?? {};
  if (change.whereClause !== undefined)
    return since === null ? null : { ...underLock(change, table, since), location };
  return change.kind === "delete"
    ? { ...deleteAll(table), location }
    : { ...updateAll(change, table, since, scene), location };
}

function underLock({ kind }: Change, table: string, since: number): Remark {
  return {
    level: "warning",
    rule: "change-under-lock",
    seen: `rows of ${table} are ${kind}d while line ${since} holds the table locked`,
    why: "a lock lasts until the end of the transaction: nobody can use the table until the last row is done",
    remedy: "move it into the next file, unless it is about few rows",
  };
}

function deleteAll(table: string): Remark {
  return {
    level: "danger",
    rule: "delete-all",
    seen: `every row of ${table} is deleted: there is no WHERE`,
    why: "the data is gone",
    remedy: "say with WHERE which rows shall go; keep a copy if anybody may want them",
  };
}

function updateAll(
  { relation, targetList }: UpdateStmt,
  table: string,
  since: number | null,
  scene: Scene,
): Remark {
  const columns = insideAll("ResTarget", targetList).map(({ name = "" }) => name);
  const isNew = columns.every((column) => isNewColumn(nameOf(relation), column, scene));
  const held = since === null ? "each row stays locked" : `line ${since} holds the table locked`;
  return {
    level: "danger",
    rule: "update-all",
    seen: `${columns.map(quote).join(", ")} of every row of ${table} is set: there is no WHERE`,
    why: `${isNew ? "" : "what stood there is gone; "}the whole table is written in one go, and ${held} until the file is done`,
    remedy: isNew
      ? "ADD COLUMN … DEFAULT with a constant fills every row at no cost; what must be computed is better filled in batches, outside of a migration"
      : "say with WHERE which rows are meant; many rows are better changed in batches, outside of a migration",
  };
}
