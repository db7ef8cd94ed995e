import type { Token } from "./tokens.ts";

/** What an expression is without running it. */
export type Literal =
  | { readonly kind: "none" }
  | { readonly kind: "text"; readonly text: string }
  /** A tuple, list or set. `ordered`: it can be unpacked. */
  | { readonly kind: "items"; readonly items: readonly Literal[]; readonly ordered: boolean }
  | { readonly kind: "computed"; readonly source: string };

/** Reads exactly the forms that hold a revision's attributes in real files; everything else is `computed`. */
export function readLiteral(tokens: readonly Token[]): Literal {
  const parts = splitAtCommas(tokens);
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return readOperand(only);
  return readItems(parts, tokens, true);
}

/** The parts between commas outside brackets; a trailing comma leaves an empty last part. */
export function splitAtCommas(tokens: readonly Token[]): readonly (readonly Token[])[] {
  return splitAt(tokens, ",");
}

export function splitAt(
  tokens: readonly Token[],
  separator: string,
): readonly (readonly Token[])[] {
  const parts: Token[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (token.kind === "operator") {
      if (openers.has(token.text)) depth += 1;
      if (closers.has(token.text)) depth -= 1;
      if (depth === 0 && token.text === separator) {
        parts.push([]);
        continue;
      }
    }
    parts.at(-1)?.push(token);
  }
  return parts;
}

/** The tokens as a person would read them, cut short. */
export function quoteSource(tokens: readonly Token[]): string {
  let text = "";
  let before: Token | null = null;
  for (const token of tokens) {
    const apart = before !== null && before.kind !== "operator" && token.kind !== "operator";
    const comma = before?.text === "," && !closers.has(token.text);
    text += (apart || comma ? " " : "") + token.text;
    before = token;
  }
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

const openers = new Set(["(", "[", "{"]);
const closers = new Set([")", "]", "}"]);

function readOperand(tokens: readonly Token[]): Literal {
  const [first] = tokens;
  const computed: Literal = { kind: "computed", source: quoteSource(tokens) };
  if (first === undefined) return computed;
  if (tokens.every((token) => token.kind === "string")) return joinStrings(tokens) ?? computed;
  if (tokens.length === 1) return first.text === "None" ? { kind: "none" } : computed;
  if (first.kind !== "operator" || !openers.has(first.text) || !spansAll(tokens)) return computed;
  const inner = tokens.slice(1, -1);
  const parts = splitAtCommas(inner);
  switch (first.text) {
    case "(":
      return inner.length > 0 && parts.length === 1
        ? readOperand(inner)
        : readItems(parts, tokens, true);
    case "[":
      return readItems(parts, tokens, true);
    case "{":
      // `{}` and `{a: b}` are dictionaries.
      return inner.length === 0 ? computed : readItems(parts, tokens, false);
    default:
      return computed;
  }
}

function joinStrings(tokens: readonly Token[]): Literal | null {
  let text = "";
  for (const token of tokens) {
    if (token.value === null) return null;
    text += token.value;
  }
  return { kind: "text", text };
}

/** Whether the bracket that opens first closes last, as in `(a, b)` and not `(a) + (b)`. */
function spansAll(tokens: readonly Token[]): boolean {
  let depth = 0;
  for (const [index, token] of tokens.entries()) {
    if (token.kind !== "operator") continue;
    if (openers.has(token.text)) depth += 1;
    if (closers.has(token.text)) depth -= 1;
    if (depth === 0) return index === tokens.length - 1;
  }
  return false;
}

function readItems(
  parts: readonly (readonly Token[])[],
  whole: readonly Token[],
  ordered: boolean,
): Literal {
  const filled = parts.at(-1)?.length === 0 ? parts.slice(0, -1) : parts;
  const items = filled.map((part) => readOperand(part));
  return items.some((item) => item.kind === "computed")
    ? { kind: "computed", source: quoteSource(whole) }
    : { kind: "items", items, ordered };
}
