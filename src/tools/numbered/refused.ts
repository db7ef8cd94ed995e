import type { CopyStmt, VariableSetStmt } from "libpg-query";
import { type Parsed, type ParsedStatement, parseSql } from "../../pgsql/parse.ts";

/** Why a statement that PostgreSQL's parser takes cannot stand in a migration; null: it can. */
export function whyRefused({ node, text }: ParsedStatement): string | null {
  if ("TransactionStmt" in node)
    return `${text.replace(/\s+/g, " ").slice(0, 60)}: preflight runs every file in a transaction of its own, together with its version row. Take it out`;
  if ("VariableSetStmt" in node && changesEncoding(node.VariableSetStmt))
    return "SET client_encoding: preflight sends files as UTF-8. Save the file as UTF-8 and take it out";
  if (!("CopyStmt" in node) || node.CopyStmt.filename !== undefined) return null;
  return isCopyFromClient(node.CopyStmt)
    ? copyFromClient
    : "COPY ... TO stdout: nobody reads what it sends. Take it out";
}

function changesEncoding({ kind, name, args = [] }: VariableSetStmt): boolean {
  if (name !== "client_encoding" || kind !== "VAR_SET_VALUE") return false;
  return !args.some(
    (arg) => "A_Const" in arg && /^(?:utf-?8|unicode)$/i.test(arg.A_Const.sval?.sval ?? ""),
  );
}

const copyFromClient =
  "COPY ... FROM stdin: the rows after it are data for psql, not SQL. Write them as INSERT";

function isCopyFromClient({ is_from: isFrom, filename }: CopyStmt): boolean {
  return isFrom === true && filename === undefined;
}

/** What the parser stumbled over: often something that only psql knows. `offset`: where to look. */
export async function explainRejection(
  script: string,
  { offset, why }: Extract<Parsed, { readonly kind: "rejected" }>,
): Promise<{ readonly offset: number; readonly why: string }> {
  const copy = await findCopy(script.slice(0, offset));
  if (copy !== null) return { offset: copy.offset, why: copyFromClient };
  const [, command] = /^\\(\S*)/.exec(script.slice(offset, offset + 80)) ?? [];
  if (command === undefined) return { offset, why };
  return { offset, why: `\\${command} is a command of psql, not SQL. ${remedyFor(command)}` };
}

/** The rows of a COPY start right after its semicolon. */
async function findCopy(before: string): Promise<ParsedStatement | null> {
  const script = before.slice(0, before.lastIndexOf(";") + 1);
  const parsed = await parseSql(script);
  const last = parsed.kind === "parsed" ? parsed.statements.at(-1) : undefined;
  return last !== undefined && "CopyStmt" in last.node && isCopyFromClient(last.node.CopyStmt)
    ? last
    : null;
}

function remedyFor(command: string): string {
  switch (command) {
    case "i":
    case "include":
    case "ir":
    case "include_relative":
      return "Put the statements of that file here";
    case "copy":
      return "Write the rows as INSERT";
    case "c":
    case "connect":
      return "A history belongs to one database: take it out";
    default:
      return "Take it out";
  }
}
