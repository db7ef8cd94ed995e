import type { Node, RawStmt } from "libpg-query";
import { GaveUp, type Parser, withParser } from "./parser.ts";

/** One statement of a script, with PostgreSQL's own tree of it. */
export type ParsedStatement = {
  readonly node: Node;
  /** From its first word to its last: no leading comments, no semicolon. */
  readonly text: string;
  /** Of its first word, in UTF-16 units from the script's start. */
  readonly offset: number;
  /** Of its first word; from 1. */
  readonly line: number;
};

export type Parsed =
  | { readonly kind: "parsed"; readonly statements: readonly ParsedStatement[] }
  | {
      readonly kind: "rejected";
      /** From 1. */
      readonly line: number;
      /** From 1, in characters. */
      readonly column: number;
      /** The same place in UTF-16 units from the script's start. */
      readonly offset: number;
      /** PostgreSQL's message. */
      readonly why: string;
    };

/**
 * Cuts a script with PostgreSQL's own parser, which takes 30 ms to load: only where a file must be read.
 * A byte order mark counts as white space.
 */
export async function parseSql(script: string): Promise<Parsed> {
  const source = script.replace(/^\uFEFF/, " ");
  const nul = source.indexOf("\0");
  if (nul !== -1) return rejected(source, nul, "a NUL character: PostgreSQL takes none in SQL");
  if (source === "") return { kind: "parsed", statements: [] };
  try {
    return await withParser((parser) => parse(source, parser));
  } catch (error) {
    if (error instanceof GaveUp) return rejected(source, 0, error.message);
    throw error;
  }
}

/** From 1, columns in characters. */
export function placeAt(
  script: string,
  offset: number,
): { readonly line: number; readonly column: number } {
  const before = script.slice(0, offset);
  return { line: 1 + countLineEnds(before), column: 1 + [...lastLineOf(before)].length };
}

function parse(source: string, parser: Parser): Parsed {
  const parsed = parser.parse(source);
  if (parsed.kind === "tree")
    return { kind: "parsed", statements: cut(source, parsed.tree.stmts ?? [], parser) };
  const { message, position } = parsed;
  const at = position === 0 ? searchError(source, message, parser) : indexOf(source, position);
  return rejected(source, at, message);
}

function cut(
  source: string,
  trees: readonly RawStmt[],
  parser: Parser,
): readonly ParsedStatement[] {
  const bytes = Buffer.from(source);
  let [read, offset, line] = [0, 0, 1];
  return trees.flatMap(({ stmt: node, stmt_location: from = 0, stmt_len: length }) => {
    const before = bytes.toString("utf8", read, from);
    read = from;
    offset += before.length;
    line += countLineEnds(before);
    const to = length === undefined ? bytes.length : from + length;
    const text = withoutTail(bytes.toString("utf8", from, to), parser);
    return node === undefined ? [] : { node, text, offset, line };
  });
}

/** PostgreSQL counts what stands before the semicolon to the statement, comments and all. */
function withoutTail(statement: string, parser: Parser): string {
  const text = statement.slice(0, endOfText(statement));
  if (!text.endsWith("*/") && !lastLineOf(text).includes("--")) return text;
  const last = parser.scan(text).findLast(({ isComment }) => !isComment);
  return Buffer.from(text).toString("utf8", 0, last?.end ?? 0);
}

/** What PostgreSQL takes for white space is less than what JavaScript does. */
function endOfText(text: string): number {
  let end = text.length;
  while (end > 0 && " \t\n\r\f\v".includes(text.charAt(end - 1))) end -= 1;
  return end;
}

// Errors

/** Not after the text's end: nobody looks there. */
function rejected(source: string, at: number, why: string): Parsed {
  const offset = Math.min(at, endOfText(source));
  return { kind: "rejected", ...placeAt(source, offset), offset, why: shorten(why) };
}

/** An open string is quoted to the end of the file. */
function shorten(message: string): string {
  const line = message.replace(/\s+/g, " ");
  return line.length <= 160 ? line : `${line.slice(0, 157)}...`;
}

/** Of the character that PostgreSQL counts as the `position`th. */
function indexOf(source: string, position: number): number {
  let [index, count] = [0, 1];
  for (const character of source) {
    if (count === position) break;
    index += character.length;
    count += 1;
  }
  return index;
}

/** Of some strings PostgreSQL does not say where they stand: at the end of the shortest script that it refuses so. */
function searchError(source: string, message: string, parser: Parser): number {
  let [taken, refused] = [0, source.length];
  while (refused - taken > 1) {
    const middle = (taken + refused) >>> 1;
    const parsed = parser.parse(source.slice(0, middle));
    if (parsed.kind === "error" && parsed.message === message) refused = middle;
    else taken = middle;
  }
  return taken;
}

function lastLineOf(text: string): string {
  return text.slice(Math.max(text.lastIndexOf("\n"), text.lastIndexOf("\r")) + 1);
}

function countLineEnds(text: string): number {
  return text.match(/\r\n|[\r\n]/g)?.length ?? 0;
}
