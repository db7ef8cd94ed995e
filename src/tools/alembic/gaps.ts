import type { Node } from "./syntax-tree.ts";

/**
 * Valid Python that the grammar of `@lezer/python` (1.1.19) does not know, spelled so that it does: same length, same
 * lines, same statements around it. A false refusal would keep a healthy application from starting.
 * What is still an error after this is one for Python too.
 */
export function respell(script: Node, text: string): string {
  const edits: Edit[] = [];
  collect(script, edits);
  return edits.reduce(
    (spelled, { at, write }) => spelled.slice(0, at) + write + spelled.slice(at + write.length),
    text,
  );
}

type Edit = { readonly at: number; readonly write: string };

function collect(node: Node, edits: Edit[]): void {
  edits.push(...gapsIn(node));
  for (const child of node.children) collect(child, edits);
}

function gapsIn(node: Node): readonly Edit[] {
  const { kind, children } = node;
  const [first, second] = children;
  switch (kind) {
    // `1.` → `1_`: a number that ends in its point
    case "MemberExpression":
      return first?.kind === "Number" && /^\d(?:_?\d)*\.$/.test(first.text + second?.text)
        ? write("_", second)
        : errors(children, "*", " ");
    case "LiteralPattern":
      return errors(children, ".", "_");
    // `yield` without a value → a name
    case "YieldStatement":
    case "YieldExpression":
      return second?.kind === "⚠" && second.text === "" ? write("Yield", first) : [];
    // `case A():` → `case A  :`, `case []:` → `case _ :`
    case "PatternArgList":
      return /^\(\s*\)$/.test(node.text) ? [...write(" ", first), ...write(" ", last(node))] : [];
    case "SequencePattern":
    case "MappingPattern":
      return /^(?:\[\s*\]|\(\s*\)|\{\s*\})$/.test(node.text)
        ? [...write("_", first), ...write(" ", last(node))]
        : [];
    // `with f() as (a, b):`, `as a.b`, `with (f() as a, g() as b):` → `,` for each `as`
    case "WithStatement":
      return children.some((child) => child.kind === "⚠" || last(child)?.kind === "⚠")
        ? children.filter((child) => child.text === "as").flatMap((child) => write(", ", child))
        : [];
    // `[a for a, *b in c]`, `tuple[*a]` → without the star
    case "ArrayComprehensionExpression":
    case "ComprehensionExpression":
    case "DictionaryComprehensionExpression":
    case "SetComprehensionExpression":
    case "ArgList":
      return errors(children, "*", " ");
    // `lambda a, /, b: c` → a name for the stroke
    case "ParamList":
      return errors(children, "/", "_");
    // `match a, b:` → `match a+ b:`
    case "MatchStatement":
      return errors(children, ",", "+");
    // `print` is a name, and what Python 2 made of it is an error
    case "PrintStatement":
      return write("Print", first);
    // rf"\{a}": a backslash before a field
    case "FormatString":
      return /^[a-z]*r/i.test(node.text)
        ? [...node.text.matchAll(/\\(?=\{)/g)].map(({ index }) => ({ at: node.at + index, write: "_" }))
        : [];
    default:
      return [];
  }
}

function errors(children: readonly Node[], text: string, instead: string): readonly Edit[] {
  return children
    .filter((child) => child.kind === "⚠" && child.text === text)
    .flatMap((child) => write(instead, child));
}

function write(text: string, over: Node | undefined): readonly Edit[] {
  return over === undefined ? [] : [{ at: over.at, write: text }];
}

function last(node: Node): Node | undefined {
  return node.children.at(-1);
}
