import type { DeleteStmt, Node, UpdateStmt } from "libpg-query";
import { parseSql } from "./parse.ts";
import { GaveUp, withParser } from "./parser.ts";
import { objectsIn } from "./tree.ts";

/** The rows that a statement changes or deletes: those of one table of which this is true. */
export type Condition = {
  /** Without its schema, as the catalog has it. */
  readonly table: string;
  /** In the statement's own words. */
  readonly where: string;
};

/** Of a script that is one UPDATE or DELETE with a WHERE that looks at no other table and takes no parameter; else null. */
export async function conditionOf(script: string): Promise<Condition | null> {
  const parsed = await parseSql(script);
  if (parsed.kind !== "parsed" || parsed.statements.length !== 1) return null;
  const { node, text } = parsed.statements[0]!;
  const changed = changeOf(node);
  if (changed?.relation === undefined || changed.whereClause === undefined) return null;
  const { relation, whereClause, withClause } = changed;
  if (relation.relname === undefined || relation.alias !== undefined) return null;
  if (withClause !== undefined || [...objectsIn(whereClause)].some(looksBeyond)) return null;
  const where = await whereOf(text);
  return where === null ? null : { table: relation.relname, where };
}

function changeOf(node: Node): UpdateStmt | DeleteStmt | null {
  if ("UpdateStmt" in node)
    return node.UpdateStmt.fromClause === undefined ? node.UpdateStmt : null;
  if ("DeleteStmt" in node)
    return node.DeleteStmt.usingClause === undefined ? node.DeleteStmt : null;
  return null;
}

function looksBeyond(part: object): boolean {
  return "SubLink" in part || "ParamRef" in part || "CurrentOfExpr" in part;
}

/** The tree has no end of an expression: what stands between the statement's own WHERE and its RETURNING. */
async function whereOf(statement: string): Promise<string | null> {
  const bytes = Buffer.from(statement);
  const tokens = await withParser((parser) => parser.scan(statement)).catch((error: unknown) => {
    if (error instanceof GaveUp) return [];
    throw error;
  });
  let depth = 0;
  let from: number | null = null;
  for (const { start, end } of tokens) {
    const word = bytes.toString("utf8", start, end).toLowerCase();
    if (word === "(") depth += 1;
    if (word === ")") depth -= 1;
    if (depth > 0) continue;
    if (word === "where") from = end;
    if (word === "returning" && from !== null) return bytes.toString("utf8", from, start).trim();
  }
  const last = tokens.findLast(({ isComment }) => !isComment);
  return from === null || last === undefined ? null : bytes.toString("utf8", from, last.end).trim();
}
