import { type Literal, quoteSource, readLiteral, splitAt, splitAtCommas } from "./literals.ts";
import type { Token } from "./tokens.ts";

/** A name that a statement sets; `*` where it can set any. */
export type Binding = { readonly name: string; readonly value: Literal; readonly line: number };

/** The names that one logical line sets in its own scope. `nested`: it stands in a block that may or may not run. */
export function bindingsOf(tokens: readonly Token[], nested: boolean): readonly Binding[] {
  const { head, body } = splitHeader(tokens);
  if (isScope(head)) return scopeName(head);
  const conditional = nested || head.length > 0;
  return [
    ...sideBindings(head),
    ...splitAt(body, ";").flatMap((statement) => [
      ...sideBindings(statement),
      ...assignmentBindings(statement, conditional),
    ]),
  ];
}

// Headers

const compound = new Set(
  "if elif else for while try except finally with def class async match case".split(" "),
);

/** `if x: y = 1` → the header without its colon, and what follows on the same line. */
function splitHeader(tokens: readonly Token[]): {
  readonly head: readonly Token[];
  readonly body: readonly Token[];
} {
  const [first, second] = tokens;
  const whole = { head: [], body: tokens };
  if (first?.kind !== "name" || !compound.has(first.text)) return whole;
  // `match = 1` and `case: int = 2` are assignments to variables of that name.
  const soft = first.text === "match" || first.text === "case";
  if (soft && second?.kind === "operator" && !/^[-([{*]$/.test(second.text)) return whole;
  const parts = splitAt(tokens, ":");
  if (parts.length === 1) return whole;
  // The colon of a lambda is not the header's.
  let taken = 1;
  while (taken < parts.length && lambdas(parts.slice(0, taken)) >= taken) taken += 1;
  const head = parts.slice(0, taken).flat();
  return { head, body: tokens.slice(head.length + taken) };
}

function lambdas(parts: readonly (readonly Token[])[]): number {
  return parts.flat().filter((token) => token.kind === "name" && token.text === "lambda").length;
}

function isScope(head: readonly Token[]): boolean {
  const word = head[0]?.text === "async" ? head[1]?.text : head[0]?.text;
  return word === "def" || word === "class";
}

function scopeName(head: readonly Token[]): readonly Binding[] {
  const name = head[head[0]?.text === "async" ? 2 : 1];
  return name === undefined ? [] : [computed(name, head)];
}

function computed(name: Token, source: readonly Token[]): Binding {
  return {
    name: name.text,
    value: { kind: "computed", source: quoteSource(source) },
    line: name.line,
  };
}

// Bindings other than assignments

/** Calls that can set any variable of the module. */
const runsCode = new Set(["exec", "globals", "locals", "vars"]);

function sideBindings(statement: readonly Token[]): readonly Binding[] {
  const bound = statement.filter((token, index) => binds(statement, token, index));
  const anything = statement.find(
    (token, index) =>
      runsCode.has(token.text) &&
      statement[index + 1]?.text === "(" &&
      statement[index - 1]?.text !== ".",
  );
  return [
    ...bound.map((token) => computed(token, statement)),
    ...(anything === undefined ? [] : [{ ...computed(anything, statement), name: "*" }]),
  ];
}

/** Comprehensions have a scope of their own: only a statement that starts with `for` sets its targets. */
function binds(statement: readonly Token[], token: Token, index: number): boolean {
  if (token.kind !== "name") return false;
  const before = statement[index - 1]?.text;
  const after = statement[index + 1]?.text;
  if (after === ":=") return true;
  const first = statement[0]?.text === "async" ? statement[1]?.text : statement[0]?.text;
  switch (first) {
    case "import":
    case "from":
      return index > positionOf(statement, "import") && after !== "as" && before !== ".";
    case "for":
      return index < positionOf(statement, "in") && before !== "." && after !== ".";
    case "case":
      return before !== "." && after !== ".";
    case "del":
      return before !== "." && after !== ".";
    default:
      return before === "as";
  }
}

function positionOf(statement: readonly Token[], word: string): number {
  return statement.findIndex((token) => token.kind === "name" && token.text === word);
}

// Assignments

/** `a = b = v`, `a: t = v`, `a, b = v, w`, and `a += v`, which is never a literal. */
function assignmentBindings(statement: readonly Token[], conditional: boolean): readonly Binding[] {
  const parts = splitAt(statement, "=");
  const lambda = parts.findIndex((part) => lambdas([part]) > 0);
  const count = lambda === -1 ? parts.length - 1 : lambda;
  if (count < 1) return augmentedBindings(statement);
  const targets = parts.slice(0, count);
  const value = statement.slice(targets.flat().length + count);
  const literal: Literal = conditional
    ? { kind: "computed", source: `${quoteSource(statement)} inside a block` }
    : readLiteral(value);
  return targets.flatMap((target, index) =>
    bindTarget(index === 0 ? withoutAnnotation(target) : target, literal, value),
  );
}

function augmentedBindings(statement: readonly Token[]): readonly Binding[] {
  const [first, second] = statement;
  const augmented =
    second?.kind === "operator" && /^(?:[-+*/%@&|^]|\*\*|\/\/|<<|>>)=$/.test(second.text);
  return first !== undefined && augmented ? [computed(first, statement)] : [];
}

function withoutAnnotation(target: readonly Token[]): readonly Token[] {
  return splitAt(target, ":")[0] ?? target;
}

function bindTarget(
  target: readonly Token[],
  value: Literal,
  source: readonly Token[],
): readonly Binding[] {
  const [first, second] = target;
  if (first === undefined) return [];
  const bracketed =
    (first.text === "(" || first.text === "[") && splitAtCommas(target).length === 1;
  const parts = splitAtCommas(bracketed ? target.slice(1, -1) : target);
  if (first.text === "(" && parts.length === 1)
    return bindTarget(target.slice(1, -1), value, source);
  if (bracketed || parts.length > 1) return unpack(parts, value, source);
  if (target.length === 1) return [{ name: first.text, value, line: first.line }];
  // `*a` collects, `a[0] = v` changes what `a` holds; `a.b = v` leaves `a` alone.
  if (first.text === "*" && second !== undefined) return [computed(second, target)];
  return second?.text === "[" ? [computed(first, target)] : [];
}

function unpack(
  targets: readonly (readonly Token[])[],
  value: Literal,
  source: readonly Token[],
): readonly Binding[] {
  const filled = targets.filter((target) => target.length > 0);
  const items =
    value.kind === "items" &&
    value.ordered &&
    value.items.length === filled.length &&
    filled.every((target) => target[0]?.text !== "*")
      ? value.items
      : [];
  return filled.flatMap((target, index) =>
    bindTarget(target, items[index] ?? { kind: "computed", source: quoteSource(source) }, source),
  );
}
