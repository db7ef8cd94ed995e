import type { Node, VariableSetStmt } from "libpg-query";
import type { ParsedStatement } from "../../pgsql/parse.ts";
import { inside, insideAll } from "../../pgsql/tree.ts";

/**
 * Where a file begins with BEGIN and ends with COMMIT, what is between them: our runner gives it the same transaction. A `SET` before it
 * holds for the session, and as well from inside of it.
 * @returns null: it has no such pair, or it has more
 */
export function withinOwnTransaction(
  statements: readonly ParsedStatement[],
): { readonly begin: ParsedStatement; readonly statements: readonly ParsedStatement[] } | null {
  const at = statements.findIndex(({ node }) => !isSetForSession(inside("VariableSetStmt", node)));
  const begin = statements[at];
  const commit = statements.at(-1);
  if (begin === undefined || commit === undefined || begin === commit) return null;
  if (!isPlainBegin(begin.node) || !isPlainCommit(commit.node)) return null;
  const rest = [...statements.slice(0, at), ...statements.slice(at + 1, -1)];
  return rest.some(({ node }) => "TransactionStmt" in node) ? null : { begin, statements: rest };
}

function isSetForSession(set: VariableSetStmt | null): boolean {
  // SET TRANSACTION is of several, and means nothing outside of a transaction.
  return set !== null && set.is_local !== true && set.kind !== "VAR_SET_MULTI";
}

/** Of a transaction that is no other than ours. */
function isPlainBegin(node: Node): boolean {
  const begin = inside("TransactionStmt", node);
  return (
    (begin?.kind === "TRANS_STMT_BEGIN" || begin?.kind === "TRANS_STMT_START") &&
    insideAll("DefElem", begin.options).every(({ defname, arg }) => {
      const { sval, ival } = inside("A_Const", arg) ?? {};
      return defname === "transaction_isolation"
        ? sval?.sval === "read committed"
        : defname === "transaction_read_only" && ival?.ival === undefined;
    })
  );
}

function isPlainCommit(node: Node): boolean {
  const commit = inside("TransactionStmt", node);
  return commit?.kind === "TRANS_STMT_COMMIT" && commit.chain !== true;
}
