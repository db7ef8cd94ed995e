import { itemsOf, type Node } from "./syntax-node.ts";

/** What an expression is without running it. */
export type Literal =
  | { readonly kind: "none" }
  | { readonly kind: "text"; readonly text: string }
  /** A tuple, list or set. `ordered`: it can be unpacked. */
  | { readonly kind: "items"; readonly items: readonly Literal[]; readonly ordered: boolean }
  /** `name`: it is what that name stands for. */
  | { readonly kind: "computed"; readonly source: string; readonly name?: string };

/** Reads exactly the forms that hold a revision's attributes in real files; everything else is `computed`. */
export function readLiteral(expression: Node): Literal {
  const computed: Literal = { kind: "computed", source: quoteSource(expression) };
  switch (expression.kind) {
    case "None":
      return { kind: "none" };
    case "String":
    case "FormatString":
    case "ContinuedString":
      return readText(expression) ?? computed;
    case "ParenthesizedExpression": {
      const [inner, ...more] = itemsOf(expression);
      return inner === undefined || more.length > 0 ? computed : readLiteral(inner);
    }
    case "TupleExpression":
    case "ArrayExpression":
    case "SetExpression": {
      const items = itemsOf(expression).map(readLiteral);
      const ordered = expression.kind !== "SetExpression";
      return items.some(({ kind }) => kind === "computed")
        ? computed
        : { kind: "items", items, ordered };
    }
    case "VariableName":
      return { ...computed, name: expression.text };
    default:
      return computed;
  }
}

/** The source on one line, cut short. */
export function quoteSource({ text }: Node): string {
  const line = text.trim().replace(/\s+/g, " ");
  return line.length > 60 ? `${line.slice(0, 57)}...` : line;
}

/** Adjacent strings are one. */
function readText(expression: Node): Literal | null {
  const parts = expression.kind === "ContinuedString" ? expression.children : [expression];
  let text = "";
  for (const part of parts) {
    const value = decode(part.text);
    if (value === null) return null;
    text += value;
  }
  return { kind: "text", text };
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

/** What a string holds; null for bytes, for an f-string with braces, and where an escape is not valid or needs a table of names. */
function decode(source: string): string | null {
  const [, prefix = "", , inner = ""] = /^([a-z]*)("""|'''|"|')([^]*)\2$/i.exec(source) ?? [];
  if (/[bt]/i.test(prefix) || (/f/i.test(prefix) && /[{}]/.test(inner))) return null;
  if (/r/i.test(prefix)) return inner;
  let readable = true;
  const value = inner.replace(escape, (all: string, code: string) => {
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
