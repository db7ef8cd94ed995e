import type { Line, SyntaxFault, Token } from "./tokens.ts";

/**
 * The first place where two tokens stand together that no Python allows, or null. A net for what people really leave
 * behind (a lost comma, a doubled `=`, a header without its colon); grammar beyond that is Python's business.
 */
export function findSyntaxFault(lines: readonly Line[]): SyntaxFault | null {
  for (const { tokens } of lines) {
    const fault = misplaced(tokens) ?? headless(tokens);
    if (fault !== null) return { line: fault.line, why: `syntax error near '${fault.text}'` };
  }
  return null;
}

const words = (list: string): ReadonlySet<string> => new Set(list.split(" "));

const keywords = words(
  "and as assert async await break class continue def del elif else except finally for from global if import in is " +
    "lambda nonlocal not or pass raise return try while with yield",
);
/** Keywords only at the start of a statement: `match x:`, `case A():`, `type T = int`. */
const softKeywords = words("match case type");
const openers = words("( [ {");
const closers = words(") ] }");
/** Operators that need something on both sides. Not here: signs, stars, and the marks of parameter lists and slices. */
const binary = words(
  "= == != < <= > >= // % & | ^ << >> := -> += -= *= /= //= %= @= &= |= ^= >>= <<= **=",
);

function misplaced(tokens: readonly Token[]): Token | null {
  let before: Token | null = null;
  let ends = false;
  for (const token of tokens) {
    if (!canFollow(before, ends, token)) return token;
    if (token.text === "." && !hasObject(before) && tokens[0]?.text !== "from") return token;
    ends = endsOperand(token) && !(before === null && softKeywords.has(token.text));
    before = token;
  }
  return before !== null && needsMore(before) ? before : null;
}

/** `ends`: an operand is complete before `token`. */
function canFollow(before: Token | null, ends: boolean, token: Token): boolean {
  if (token.kind === "string") return !ends || before?.kind === "string";
  if (token.kind === "number") return !ends;
  if (token.kind === "name") return !ends || keywords.has(token.text);
  if (token.text === "{" || token.text === "~") return !ends;
  const needsOperand = binary.has(token.text) || token.text === "," || token.text === ";";
  if (needsOperand)
    return (
      before !== null && !needsMore(before) && !openers.has(before.text) && !isComma(before, token)
    );
  return !closers.has(token.text) || (before !== null && !needsMore(before));
}

/** Only `from .package import x` has dots after nothing. */
function hasObject(before: Token | null): boolean {
  return before !== null && (before.kind !== "operator" || closers.has(before.text));
}

function isComma(before: Token, token: Token): boolean {
  return before.text === "," && token.text !== "=";
}

function endsOperand(token: Token): boolean {
  // `...` is an operand, and in `from ...package import x` it is not: nothing is said after it.
  if (token.kind === "operator") return closers.has(token.text);
  return token.kind !== "name" || !keywords.has(token.text);
}

function needsMore(token: Token): boolean {
  return token.kind === "operator" && (binary.has(token.text) || token.text === ".");
}

const headers = words("if elif else for while try except finally with def class");

/** The last token of a statement whose first word opens a block, where it has no colon. */
function headless(tokens: readonly Token[]): Token | null {
  const first = tokens[tokens[0]?.text === "async" ? 1 : 0];
  if (first?.kind !== "name" || !headers.has(first.text)) return null;
  return tokens.some((token) => token.text === ":") ? null : (tokens.at(-1) ?? null);
}
