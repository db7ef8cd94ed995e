import { type Node, nodesIn } from "./syntax-node.ts";

/**
 * Valid Python that the grammar of `@lezer/python` (1.1.19) does not know, spelled so that it does: same length, same
 * lines, same statements around it. A false refusal would keep a healthy application from starting.
 * What is still an error after this is one for Python too, except in forms that no real revision file was seen to have:
 * decorators that are not names and calls, `*args: *Ts`, `match x,:`, `lambda a,: b`, `{a := 1}`, `for a in *b, c:`,
 * `except A, B, C:`, defaults of type parameters, and a backslash before an empty line.
 */
export function respell(script: Node, text: string): string {
  const edits: Edit[] = [];
  collect(script, text, edits);
  if (edits.length === 0) return text;
  const units = text.split("");
  for (const { at, write } of edits)
    for (let index = 0; index < write.length; index += 1) units[at + index] = write.charAt(index);
  return units.slice(0, text.length).join("");
}

type Edit = { readonly at: number; readonly write: string };

function collect(node: Node, text: string, edits: Edit[]): void {
  for (const edit of gapsIn(node, text)) edits.push(edit);
  for (const child of node.children) collect(child, text, edits);
}

function gapsIn(node: Node, text: string): readonly Edit[] {
  const { kind, children } = node;
  const [first, second] = children;
  switch (kind) {
    // `1.` → `1_`: a number that ends in its point; `tuple[*a]` → `tuple[ a]`
    case "MemberExpression":
      return first?.kind === "Number" && /^\d(?:_?\d)*\.$/.test(text.slice(first.at, endOf(second)))
        ? write("_", second)
        : errors(children, text, "*", " ");
    case "LiteralPattern":
      return errors(children, text, ".", "_");
    // `yield` without a value → a name
    case "YieldStatement":
    case "YieldExpression":
      return second?.kind === "⚠" && second.text === "" ? write("Yield", first) : [];
    // `case A():` → `case A  :`, `case []:` → `case _ :`
    case "PatternArgList":
      return emptied(node, text, " ");
    case "SequencePattern":
    case "MappingPattern":
      return emptied(node, text, "_");
    // `with f() as (a, b):`, `as a.b`, `with (f() as a, g() as b):` → `or` for each `as`
    case "WithStatement": {
      const header = children.filter((child) => child.kind !== "Body").flatMap(nodesIn);
      return header.some((inner) => inner.kind === "⚠")
        ? header.filter((inner) => inner.text === "as").flatMap((as) => write("or", as))
        : [];
    }
    // `[a for a, *b in c]` → without the star
    case "ArrayComprehensionExpression":
    case "ComprehensionExpression":
    case "DictionaryComprehensionExpression":
    case "SetComprehensionExpression":
    case "ArgList":
      return errors(children, text, "*", " ");
    // `lambda a, /, b: c` → a name for the stroke
    case "ParamList":
      return errors(children, text, "/", "_");
    // `match a, b:` → `match a+ b:`
    case "MatchStatement":
      return errors(children, text, ",", "+");
    // `print` is a name; what Python 2 made of it is an error
    case "PrintStatement":
      return write("Print", first);
    // f"{a:=9}" → f"{a:_9}"
    case "FormatReplacement":
      return children
        .filter((child) => child.kind === "⚠" && text.startsWith(":=", child.at))
        .map(({ at }) => ({ at: at + 1, write: "_" }));
    // rf"\{a}": the backslash is text, and a field follows
    case "FormatString":
      return /^(?:r[ft]|[ft]r)/i.test(node.text)
        ? [...node.text.matchAll(/\\(?=\{)/g)].map(({ index }) => ({
            at: node.at + index,
            write: "_",
          }))
        : [];
    // A chain of more than 300 operators, which the parser gives up → a comma some way before that
    case "BinaryExpression":
      return node.text.length > 2000 && children.at(-1)?.kind === "⚠" ? breakChain(node) : [];
    // t"…" of Python 3.14 → f"…"
    case "VariableName":
      return /^(?:t|rt|tr)$/i.test(node.text) && /["']/.test(text.charAt(endOf(node)))
        ? [{ at: node.at, write: node.text.replace(/t/i, "f") }]
        : [];
    default:
      return [];
  }
}

/** Overwrites `mark` where the grammar stumbles over it. */
function errors(
  children: readonly Node[],
  text: string,
  mark: string,
  instead: string,
): readonly Edit[] {
  return children
    .filter((child) => child.kind === "⚠" && text.startsWith(mark, child.at))
    .flatMap((error) => write(instead, error));
}

/** Overwrites two brackets with nothing between them. */
function emptied({ at }: Node, text: string, instead: string): readonly Edit[] {
  const [empty = ""] = /^(?:\(\s*\)|\[\s*\]|\{\s*\})/.exec(text.slice(at, at + 80)) ?? [];
  return empty === "" ? [] : [{ at, write: instead.padEnd(empty.length) }];
}

function breakChain(chain: Node): readonly Edit[] {
  let link = chain;
  for (let back = 0; back < 100; back += 1) link = link.children[0] ?? link;
  const operator = link.children[1];
  return write(",".padEnd(operator?.text.length ?? 0), operator);
}

function write(text: string, over: Node | undefined): readonly Edit[] {
  return over === undefined ? [] : [{ at: over.at, write: text }];
}

function endOf(node: Node | undefined): number {
  return node === undefined ? 0 : node.at + node.text.length;
}
