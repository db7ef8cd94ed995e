import type { Node } from "libpg-query";
import { parseSql } from "./parse.ts";
import { inside, wordsIn } from "./tree.ts";

/** A statement that creates an extension or drops it. */
export type ExtensionStatement = {
  readonly name: string;
  readonly does: "creates" | "drops";
  /** It creates the extension where there is none, and does nothing where there is. */
  readonly saysIfNotExists: boolean;
  readonly line: number;
};

/** A block of `DO` may have asked first whether the server has one: what it creates is left out. */
export async function extensionStatementsIn(
  script: string,
): Promise<readonly ExtensionStatement[]> {
  if (!/\bEXTENSION\b/i.test(script)) return [];
  const parsed = await parseSql(script);
  if (parsed.kind === "rejected") return [];
  return parsed.statements.flatMap(({ node, line }): readonly ExtensionStatement[] => {
    const created = inside("CreateExtensionStmt", node);
    const saysIfNotExists = created?.if_not_exists === true;
    if (created?.extname !== undefined)
      return [{ name: created.extname, does: "creates", saysIfNotExists, line }];
    return droppedBy(node).map((name) => ({ name, does: "drops", saysIfNotExists, line }));
  });
}

function droppedBy(node: Node): readonly string[] {
  const drop = inside("DropStmt", node);
  return drop?.removeType === "OBJECT_EXTENSION" ? (drop.objects ?? []).flatMap(wordsIn) : [];
}

/** Whether one of its statements `asks`. */
export async function asksForExtensions(script: string): Promise<boolean> {
  const parsed = await parseSql(script);
  if (parsed.kind === "rejected") return false;
  const found = parsed.statements.map(async ({ text }) => await relationToExtensions(text));
  return (await Promise.all(found)).some(({ kind }) => kind === "asks");
}

/**
 * - `manages`: it creates, changes or drops these extensions, and does nothing else
 * - `asks`: it looks which there are, or goes on where what an extension brings is not there, and may make other things then
 */
export type RelationToExtensions =
  | { readonly kind: "manages"; readonly names: readonly string[] }
  | { readonly kind: "asks" | "none" };

export async function relationToExtensions(statement: string): Promise<RelationToExtensions> {
  if (!/EXTENSION|\bDO\b/i.test(statement)) return { kind: "none" };
  const parsed = await parseSql(statement);
  const node = parsed.kind === "parsed" ? parsed.statements[0]?.node : undefined;
  if (node === undefined) return { kind: "none" };
  const names = managedBy(node);
  if (names !== null) return { kind: "manages", names };
  // The body of a function runs elsewhere, and is compared as text.
  const runsLater = "CreateFunctionStmt" in node;
  const asks = /\bpg_(?:available_)?extension/i.test(statement) && !runsLater;
  const swallows = "DoStmt" in node && handler.test(statement) && changes.test(statement);
  return { kind: asks || swallows ? "asks" : "none" };
}

const handler =
  /\bWHEN\b[^;]*\b(?:OTHERS|SQLSTATE|UNDEFINED_\w+|INVALID_SCHEMA_NAME|FEATURE_NOT_SUPPORTED)\b[^;]*\bTHEN\b/i;
/** `create_hypertable()` is one, too. */
const changes =
  /\b(?:ALTER|COMMENT|CREATE|DELETE|DROP|EXECUTE|GRANT|INSERT|REVOKE|TRUNCATE|UPDATE)/i;

function managedBy(node: Node): readonly string[] | null {
  const { extname } =
    inside("CreateExtensionStmt", node) ??
    inside("AlterExtensionStmt", node) ??
    inside("AlterExtensionContentsStmt", node) ??
    {};
  if (extname !== undefined) return [extname];
  const dropped = droppedBy(node);
  if (dropped.length > 0) return dropped;
  const comment = inside("CommentStmt", node);
  if (comment?.objtype === "OBJECT_EXTENSION") return wordsIn(comment.object);
  const moved = inside("AlterObjectSchemaStmt", node);
  return moved?.objectType === "OBJECT_EXTENSION" ? wordsIn(moved.object) : null;
}
