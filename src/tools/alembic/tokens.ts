/**
 * Python source as logical lines of tokens, after the language reference's chapter on lexical analysis.
 *
 * Written here because the parsers on npm refuse valid Python (`1.`, `yield` without a value, `case Name():`) in some
 * files of every hundred, and a false refusal would keep a healthy application from starting. This one refuses only what
 * Python certainly refuses.
 */

export type Token = {
  readonly kind: "name" | "number" | "string" | "operator";
  /** As written. */
  readonly text: string;
  /** What a string holds; null where that cannot be read without running it (f-strings, bytes, `\N{…}`). */
  readonly value: string | null;
  readonly line: number;
};

/** One logical line: brackets and backslashes join physical lines. `depth` counts the blocks around it. */
export type Line = { readonly depth: number; readonly tokens: readonly Token[] };

export type SyntaxFault = { readonly line: number; readonly why: string };

export type Source =
  | { readonly kind: "lines"; readonly lines: readonly Line[] }
  | { readonly kind: "fault"; readonly fault: SyntaxFault };

/** `text` has `\n` line ends only. */
export function tokenize(text: string): Source {
  try {
    return { kind: "lines", lines: readLines(text) };
  } catch (error) {
    if (error instanceof Refused) return { kind: "fault", fault: error.fault };
    throw error;
  }
}

function readLines(text: string): readonly Line[] {
  const lines: Line[] = [];
  const blocks: Indent[] = [{ columns: 0, characters: 0 }];
  const brackets: Token[] = [];
  let tokens: Token[] = [];
  let number = 1;
  let at = 0;
  let atLineStart = true;

  while (at < text.length) {
    if (atLineStart) {
      refuseConflictMarker(text, at, number);
      atLineStart = false;
      if (tokens.length === 0) {
        const end = match(blank, text, at);
        if (isBlankLine(text, end)) {
          at = end;
          if (at === text.length) break;
        } else {
          changeBlock(blocks, text.slice(at, end), lines.at(-1), number);
          at = end;
          continue;
        }
      }
    }
    const character = text.charAt(at);
    if (character === "\n") {
      number += 1;
      at += 1;
      atLineStart = true;
      if (brackets.length > 0 || tokens.length === 0) continue;
      lines.push({ depth: blocks.length - 1, tokens });
      tokens = [];
    } else if (character === " " || character === "\t" || character === "\f") {
      at += 1;
    } else if (character === "#") {
      at = lineEnd(text, at);
    } else if (character === "\\") {
      if (text.charAt(at + 1) !== "\n") throw new Refused(number, "a stray backslash");
      number += 1;
      at += 2;
      if (at >= text.length) throw new Refused(number, "the file ends after a backslash");
    } else {
      const token = readToken(text, at, number);
      tokens.push(token);
      trackBracket(brackets, token);
      at += token.text.length;
      if (token.kind === "string") number += countLineEnds(token.text);
    }
  }
  const open = brackets.at(-1);
  if (open !== undefined) throw new Refused(open.line, `'${open.text}' is never closed`);
  if (tokens.length > 0) lines.push({ depth: blocks.length - 1, tokens });
  const last = lines.at(-1);
  if (last !== undefined && opensBlock(last))
    throw new Refused(lineOf(last), "an indented block is missing");
  return lines;
}

class Refused extends Error {
  readonly fault: SyntaxFault;
  constructor(line: number, why: string) {
    super(why);
    this.fault = { line, why };
  }
}

const blank = /[ \t\f]*/y;
/** Nearly all names: the pattern for the rest is several times slower. */
const asciiName = /[A-Za-z_][A-Za-z0-9_]*(?![\w\x80-\uffff])/y;
const unicodeName = /[\p{ID_Start}_][\p{ID_Continue}]*/uy;
const numeral =
  /(?:0[xXoObB][0-9a-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d[\d_]*)?[jJ]?)/y;
const operator =
  /(?:\*\*=|\/\/=|>>=|<<=|\.\.\.|:=|->|==|!=|<=|>=|\+=|-=|\*=|\/=|%=|@=|&=|\|=|\^=|\*\*|\/\/|<<|>>|[-+*/%@&|^~<>()[\]{},:;.=])/y;
const quote = /(?:[rRuUbBfFtT]|[rR][bBfFtT]|[bBfFtT][rR])?("""|'''|"|')/y;
const conflict = /(?:<{7}|={7}|>{7}|\|{7})(?=[ \n]|$)/y;

/** End of the match of a sticky pattern, or `at` where it does not match. */
function match(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}

function nameEnd(text: string, at: number): number {
  const end = match(asciiName, text, at);
  return end > at ? end : match(unicodeName, text, at);
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end === -1 ? text.length : end;
}

function countLineEnds(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) count += 1;
  return count;
}

/** Inside a string a marker is only text: strings are skipped whole, so their lines never come here. */
function refuseConflictMarker(text: string, at: number, line: number): void {
  if (match(conflict, text, at) > at) throw new Refused(line, "a merge conflict is not resolved");
}

function isBlankLine(text: string, at: number): boolean {
  const character = text.charAt(at);
  return character === "" || character === "\n" || character === "#" || text.startsWith("\\\n", at);
}

// Blocks

/** A tab goes to the next multiple of 8 columns; Python refuses indentation whose order depends on that width. */
type Indent = { readonly columns: number; readonly characters: number };

function changeBlock(
  blocks: Indent[],
  white: string,
  before: Line | undefined,
  line: number,
): void {
  const indent = measure(white);
  const current = blocks.at(-1) ?? indent;
  const deeper = indent.columns > current.columns;
  if (deeper !== indent.characters > current.characters)
    throw new Refused(line, "tabs and spaces are mixed in the indentation");
  const opened = before !== undefined && opensBlock(before);
  if (deeper && !opened) throw new Refused(line, "unexpected indentation");
  if (!deeper && opened) throw new Refused(line, "an indented block is missing");
  if (deeper) blocks.push(indent);
  while ((blocks.at(-1)?.columns ?? 0) > indent.columns) blocks.pop();
  const outer = blocks.at(-1);
  if (outer?.columns !== indent.columns || outer.characters !== indent.characters)
    throw new Refused(line, "the indentation matches no outer block");
}

function measure(white: string): Indent {
  let columns = 0;
  let characters = 0;
  for (const character of white) {
    if (character === "\f") columns = characters = 0;
    else {
      columns = character === "\t" ? (Math.floor(columns / 8) + 1) * 8 : columns + 1;
      characters += 1;
    }
  }
  return { columns, characters };
}

function opensBlock(line: Line): boolean {
  return line.tokens.at(-1)?.text === ":";
}

function lineOf(line: Line): number {
  return line.tokens[0]?.line ?? 1;
}

// Tokens

function readToken(text: string, at: number, line: number): Token {
  if (match(quote, text, at) > at) return readString(text, at, line);
  const wordEnd = nameEnd(text, at);
  if (wordEnd > at) return plainToken("name", text.slice(at, wordEnd), line);
  const numberEnd = match(numeral, text, at);
  if (numberEnd > at) return plainToken("number", text.slice(at, numberEnd), line);
  const operatorEnd = match(operator, text, at);
  if (operatorEnd > at) return plainToken("operator", text.slice(at, operatorEnd), line);
  throw new Refused(line, `unexpected character ${JSON.stringify(text.charAt(at))}`);
}

function plainToken(kind: "name" | "number" | "operator", text: string, line: number): Token {
  return { kind, text, value: null, line };
}

const closers: Readonly<Record<string, string>> = { ")": "(", "]": "[", "}": "{" };

function trackBracket(brackets: Token[], token: Token): void {
  if (token.kind !== "operator") return;
  if (token.text === "(" || token.text === "[" || token.text === "{") brackets.push(token);
  const opener = closers[token.text];
  if (opener !== undefined && brackets.pop()?.text !== opener)
    throw new Refused(token.line, `'${token.text}' closes nothing`);
}

// Strings

function readString(text: string, at: number, line: number): Token {
  const bodyStart = match(quote, text, at);
  const opening = text.slice(at, bodyStart);
  const mark = opening.replace(/^[a-zA-Z]+/, "");
  const prefix = opening.slice(0, opening.length - mark.length).toLowerCase();
  const raw = prefix.includes("r");
  const formatted = prefix.includes("f") || prefix.includes("t");
  const body = formatted
    ? readFormatted(text, bodyStart, mark, raw, line)
    : { end: plainEnd(text, bodyStart, mark, line), replaced: false };
  const inner = text.slice(bodyStart, body.end);
  const readable = !body.replaced && !prefix.includes("b") && !prefix.includes("t");
  const value = readable ? decode(inner, raw, formatted) : null;
  return { kind: "string", text: text.slice(at, body.end + mark.length), value, line };
}

/** Where the closing mark stands. */
function plainEnd(text: string, from: number, mark: string, line: number): number {
  for (let at = from; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === "\\") at += 1;
    else if (character === "\n" && mark.length === 1) break;
    else if (character === mark.charAt(0) && text.startsWith(mark, at)) return at;
  }
  throw new Refused(line, "a string is never closed");
}

/**
 * The end of an f-string's text, and whether it has a replacement field. Since Python 3.12 a field may hold any
 * expression, with the same quotes as the string around it.
 */
function readFormatted(
  text: string,
  from: number,
  mark: string,
  raw: boolean,
  line: number,
): { readonly end: number; readonly replaced: boolean } {
  let replaced = false;
  for (let at = from; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === "\\") {
      if (!raw && text.startsWith("N{", at + 1)) at = text.indexOf("}", at);
      else if (text.charAt(at + 1) !== "{" && text.charAt(at + 1) !== "}") at += 1;
      if (at < from) break;
    } else if (character === "\n" && mark.length === 1) break;
    else if (text.startsWith(mark, at)) return { end: at, replaced };
    else if (character === "{" && text.charAt(at + 1) === "{") at += 1;
    else if (character === "{") {
      replaced = true;
      at = fieldEnd(text, at + 1, mark, raw, line);
    }
  }
  throw new Refused(line, "a string is never closed");
}

/** Where the `}` stands that closes the replacement field whose expression begins at `from`. */
function fieldEnd(text: string, from: number, mark: string, raw: boolean, line: number): number {
  let depth = 0;
  let at = from;
  while (at < text.length) {
    const character = text.charAt(at);
    if (character === "}" && depth === 0) return at;
    if (character === ":" && depth === 0) return specEnd(text, at + 1, mark, raw, line);
    if (match(quote, text, at) > at) {
      // Before Python 3.12 the mark of the string around it ends the string: a field is open, and Python refuses.
      at += readString(text, at, line).text.length;
      continue;
    }
    const word = nameEnd(text, at);
    if (word > at) {
      at = word;
      continue;
    }
    if ("([{".includes(character)) depth += 1;
    if (")]}".includes(character)) depth -= 1;
    at += 1;
  }
  throw new Refused(line, "a field of an f-string is never closed");
}

/** A format specification is text again, with fields of its own. */
function specEnd(text: string, from: number, mark: string, raw: boolean, line: number): number {
  for (let at = from; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === "}") return at;
    if (character === "{") at = fieldEnd(text, at + 1, mark, raw, line);
    else if (text.startsWith(mark, at)) break;
  }
  throw new Refused(line, "a field of an f-string is never closed");
}

const escape = /\\(\n|[0-7]{1,3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[\s\S])/g;
const simpleEscapes: Readonly<Record<string, string>> = {
  "\n": "",
  "\\": "\\",
  "'": "'",
  '"': '"',
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

/** What the text of a string means, or null where an escape needs a table of names or is not valid. */
function decode(inner: string, raw: boolean, formatted: boolean): string | null {
  const text = formatted ? inner.replaceAll("{{", "{").replaceAll("}}", "}") : inner;
  if (raw || !text.includes("\\")) return text;
  let readable = true;
  const value = text.replace(escape, (all: string, code: string) => {
    const simple = simpleEscapes[code];
    if (simple !== undefined) return simple;
    if (/^[0-7]/.test(code)) return String.fromCodePoint(Number.parseInt(code, 8));
    const point = code.length > 1 ? Number.parseInt(code.slice(1), 16) : null;
    if (point !== null && point <= 0x10ffff) return String.fromCodePoint(point);
    if (/^[xuUN]/.test(code)) readable = false;
    // Python keeps the backslash of an escape that it does not know.
    return all;
  });
  return readable ? value : null;
}
