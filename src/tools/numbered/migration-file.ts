import type { AlterEnumStmt, VariableSetStmt } from "libpg-query";
import type { Migration, Statement } from "../../core/migration.ts";
import type { Sketch } from "../../core/revision.ts";
import { isDdl, nameAlone } from "../../pgsql/alone.ts";
import { type Parsed, type ParsedStatement, parseSql, placeAt } from "../../pgsql/parse.ts";
import { GaveUp, withParser } from "../../pgsql/parser.ts";
import { sketchStatement } from "../../pgsql/sketch.ts";
import { inside, isSame, mentions, nameIn } from "../../pgsql/tree.ts";
import { hashOf } from "../file-text.ts";
import { type Flaw, unreadable, type UnreadableFile } from "../files.ts";
import { findMarks, findSubstitution, isLiquibaseSql } from "../other-tools.ts";
import { readHeader } from "./header.ts";
import type { NamedFile, NumberedFiles } from "./list-files.ts";
import { withinOwnTransaction } from "./own-transaction.ts";

export type MigrationFile =
  | { readonly kind: "migration"; readonly migration: Migration; readonly sketch: Sketch }
  | UnreadableFile;

type Rules = Pick<NumberedFiles, "isUnwritten" | "whyOutside">;

/** Reads one file of SQL, or says what is wrong with it. */
export async function readMigrationFile(
  named: NamedFile,
  bytes: Buffer,
  rules: Rules,
): Promise<MigrationFile> {
  const text = decode(bytes);
  if (text === null) return unreadable(named.file, notUtf8(bytes));
  try {
    return await readText(named, text, rules);
  } catch (error) {
    if (error instanceof GaveUp) return unreadable(named.file, { why: error.message });
    throw error;
  }
}

/** A byte order mark is no part of the text. */
function decode(bytes: Buffer): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

async function readText(
  { id, name, file }: NamedFile,
  text: string,
  rules: Rules,
): Promise<MigrationFile> {
  if (rules.isUnwritten(text)) return unreadable(file, { why: unwritten });
  if (isLiquibaseSql(text)) return unreadable(file, { ...placeAt(text, 0), why: ofLiquibase });
  const parsed = await parseSql(text);
  if (parsed.kind === "rejected") {
    const { offset, why } = await explainRejection(text, parsed);
    return unreadable(file, { ...placeAt(text, offset), why });
  }
  const own = withinOwnTransaction(parsed.statements);
  const statements = own?.statements ?? parsed.statements;
  const faults = findFaults(text, statements);
  if (faults.length > 0) return unreadable(file, ...faults);
  const read = await readStatements(statements);
  const asked = rules.whyOutside(text);
  const outside = read.outside ?? (asked === null ? null : { line: 1, why: asked });
  if (own !== null && outside !== null)
    return unreadable(file, {
      ...placeAt(text, own.begin.offset),
      why: `it begins a transaction, and line ${outside.line} allows none: ${outside.why}. Take BEGIN and COMMIT out`,
    });
  const migration: Migration = {
    id,
    name,
    file,
    checksum: hashOf(text),
    header: await readHeader(text.slice(0, parsed.statements[0]?.offset)),
    ...read,
    outside,
    recorded: null,
  };
  return {
    kind: "migration",
    migration,
    sketch: statements.flatMap(({ node }) => sketchStatement(node)),
  };
}

// Faults

const unwritten =
  "it is still as preflight new wrote it: write its statements, or take it out. If it shall do nothing, say so in a comment";

const ofLiquibase =
  "it is a changelog of Liquibase, whose changesets have conditions and an order that preflight does not read. Leave it to Liquibase, without preflight, or take its marks out and make a file of each changeset";

function findFaults(text: string, statements: readonly ParsedStatement[]): readonly Flaw[] {
  const refused = statements.flatMap((statement) => {
    const why = whyRefused(statement);
    return why === null ? [] : [{ offset: statement.offset, why }];
  });
  const faults: Flaw[] = refused
    .slice(0, mostFaults)
    .map(({ offset, why }) => ({ ...placeAt(text, offset), why }));
  if (refused.length > mostFaults)
    faults.push({ why: `${refused.length - mostFaults} more statements are refused` });
  const substitution = findSubstitution(text);
  if (substitution >= 0)
    faults.push({
      ...placeAt(text, substitution),
      why: "from here on goose puts in variables of the environment, and preflight runs the text as it is. Write out the values, and take this line out",
    });
  const down = findDownPart(text, statements);
  if (down === null) return faults;
  const why = `from here on it undoes what it did: it is a file of ${down.tool}, and preflight runs whole files. Move this part into a file of its own, NAME.down.sql, or leave the files to ${down.tool}, without preflight`;
  return [...faults, { ...placeAt(text, down.at), why }];
}

/** Nobody reads more of one file. */
const mostFaults = 20;

/** At the first byte that is not what it would be if the text were written again. */
function notUtf8(bytes: Buffer): Flaw {
  const again = Buffer.from(bytes.toString("utf8"));
  const at = bytes.findIndex((byte, index) => byte !== again[index]);
  const why = /^(?:\xff\xfe|\xfe\xff)/.test(bytes.toString("latin1", 0, 2))
    ? "it is UTF-16, as Windows writes it: save it as UTF-8"
    : "it is not UTF-8 here";
  return { ...placeAt(bytes.toString("utf8", 0, at), at), why };
}

/**
 * Where a file of another tool starts to undo what it did: run as a whole it would do nothing in the end, or worse.
 */
function findDownPart(
  script: string,
  statements: readonly ParsedStatement[],
): { readonly tool: string; readonly at: number } | null {
  for (const mark of findMarks(script, "down")) {
    const before = statements.findLast(({ offset }) => offset < mark.at);
    const isInside = before !== undefined && mark.at < before.offset + before.text.length;
    if (!isInside && statements.some(({ offset }) => offset > mark.at)) return mark;
  }
  return null;
}

/** Why a statement that PostgreSQL's parser takes cannot stand in a migration; null: it can. */
function whyRefused({ node, text }: ParsedStatement): string | null {
  if ("TransactionStmt" in node)
    return `${text.replace(/\s+/g, " ").slice(0, 60)}: preflight runs every file in a transaction of its own, together with its version row. Take it out (one BEGIN before all and one COMMIT behind all may stay)`;
  if ("VariableSetStmt" in node && changesEncoding(node.VariableSetStmt))
    return "SET client_encoding: preflight sends files as UTF-8. Save the file as UTF-8 and take it out";
  if (!("CopyStmt" in node) || node.CopyStmt.filename !== undefined) return null;
  return node.CopyStmt.is_from === true
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

/** What the parser stumbled over: often something that only psql knows. `offset`: where to look. */
async function explainRejection(
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
  const { is_from: isFrom, filename } = inside("CopyStmt", last?.node) ?? {};
  return last !== undefined && isFrom === true && filename === undefined ? last : null;
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
