import type { AlterEnumStmt } from "libpg-query";
import type { Migration, Statement } from "../../core/migration.ts";
import { nameAlone } from "../../pgsql/alone.ts";
import { isSame, nameIn } from "../../pgsql/names.ts";
import { isDdl } from "../../pgsql/ddl.ts";
import { mentions } from "../../pgsql/mentions.ts";
import type { ParsedStatement } from "../../pgsql/parse.ts";
import { withParser } from "../../pgsql/parser.ts";

/** What the runner must know of a file's statements. Throws `GaveUp`. */
export async function readStatements(
  parsed: readonly ParsedStatement[],
): Promise<Pick<Migration, "statements" | "outside">> {
  const statements: Statement[] = [];
  let outside: Migration["outside"] = null;
  for (const each of parsed) {
    const { node, text, line } = each;
    const alone = nameAlone(node) ?? ("DoStmt" in node ? await nameCommit(text) : null);
    if (alone !== null) outside ??= { line, why: `${alone} cannot run inside a transaction block` };
    statements.push({ text, line, isAlone: alone !== null, isDdl: alone === null && isDdl(each) });
  }
  return { statements, outside: outside ?? findEarlyUse(parsed) };
}

async function nameCommit(text: string): Promise<string | null> {
  if (!/\b(?:commit|rollback)\b/i.test(text)) return null;
  const commits = await withParser((parser) => parser.endsTransaction(text));
  return commits ? "DO with COMMIT or ROLLBACK" : null;
}

/** A value that `ALTER TYPE` adds can be used once it is committed, unless the type is as new as the value. */
function findEarlyUse(parsed: readonly ParsedStatement[]): Migration["outside"] {
  for (const [index, { node, line }] of parsed.entries()) {
    if (!("AlterEnumStmt" in node) || isNewType(node.AlterEnumStmt, parsed.slice(0, index)))
      continue;
    const { oldVal, newVal = "" } = node.AlterEnumStmt;
    const use = parsed.slice(index + 1).find((later) => mentions(later.node, newVal));
    if (oldVal === undefined && use !== undefined)
      return {
        line: use.line,
        why: `it uses the value '${newVal}', which PostgreSQL allows only after line ${line}, which adds it to its type, is committed`,
      };
  }
  return null;
}

function isNewType({ typeName }: AlterEnumStmt, before: readonly ParsedStatement[]): boolean {
  const name = nameIn({ List: { items: typeName ?? [] } });
  return before.some(
    ({ node }) =>
      "CreateEnumStmt" in node &&
      isSame(name, nameIn({ List: { items: node.CreateEnumStmt.typeName ?? [] } })),
  );
}
