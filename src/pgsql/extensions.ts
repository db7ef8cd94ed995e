import { parseSql } from "./parse.ts";
import { inside } from "./tree.ts";

/**
 * The extensions that a script creates, each with the line of its statement. A block of `DO` may have asked first whether
 * the server has one: what it creates is left out.
 */
export async function extensionsCreatedIn(
  script: string,
): Promise<readonly { readonly name: string; readonly line: number }[]> {
  if (!/\bEXTENSION\b/i.test(script)) return [];
  const parsed = await parseSql(script);
  if (parsed.kind === "rejected") return [];
  return parsed.statements.flatMap(({ node, line }) => {
    const name = inside("CreateExtensionStmt", node)?.extname;
    return name === undefined ? [] : [{ name, line }];
  });
}
