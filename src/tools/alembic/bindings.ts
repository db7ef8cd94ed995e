import { type Literal, quoteSource, readLiteral } from "./literals.ts";
import { isName, itemsOf, type Node, splitAt } from "./syntax-node.ts";

/** A name that a statement sets; `*` where it can set any. */
export type Binding = { readonly name: string; readonly value: Literal; readonly line: number };

/**
 * The names that a module's statements set, in order. Only a plain assignment at the top level has a value that can be
 * read; one in a block may or may not run. Functions and classes have scopes of their own.
 */
export function moduleBindings(script: Node): readonly Binding[] {
  return script.children.flatMap((statement) =>
    statement.kind === "StatementGroup"
      ? statement.children.flatMap((part) => bindingsOf(part, false))
      : bindingsOf(statement, false),
  );
}

function bindingsOf(node: Node, nested: boolean): readonly Binding[] {
  switch (node.kind) {
    case "LambdaExpression":
      return [];
    case "FunctionDefinition":
    case "ClassDefinition":
      return [...computed(boundBy(node), node), ...globalsIn(node)];
    case "AssignStatement":
      return [...within(node), ...assignmentBindings(node, nested)];
    case "CallExpression":
      return [...within(node), ...anything(node)];
    default:
      return [...computed(boundBy(node), node), ...within(node)];
  }
}

function within(node: Node): readonly Binding[] {
  return node.children.flatMap((child) => bindingsOf(child, true));
}

function computed(names: readonly Node[], by: Node): readonly Binding[] {
  if (names.length === 0) return [];
  const value: Literal = { kind: "computed", source: quoteSource(by) };
  return names.map(({ text, line }) => ({ name: text, value, line }));
}

/** Calls that can set any variable of the module. */
function anything(call: Node): readonly Binding[] {
  const [called] = call.children;
  return called?.kind === "VariableName" && /^(?:exec|globals|locals|vars)$/.test(called.text)
    ? computed([called], call).map((binding) => ({ ...binding, name: "*" }))
    : [];
}

function globalsIn(node: Node): readonly Binding[] {
  if (node.kind !== "ScopeStatement") return node.children.flatMap(globalsIn);
  return node.children.filter(isName).map(({ text, line }) => ({
    name: text,
    value: { kind: "computed", source: `a function may set it ('global ${text}')` },
    line,
  }));
}

// Names bound otherwise than by assignment

function boundBy({ kind, children }: Node): readonly Node[] {
  switch (kind) {
    case "FunctionDefinition":
    case "ClassDefinition":
    case "TypeDefinition":
      return children.filter(isName).slice(0, 1);
    case "ImportStatement":
      return importedNames(children);
    case "ForStatement":
      return (splitAt(children, "in")[0] ?? []).flatMap(targetNames);
    case "WithStatement":
    case "TryStatement":
      return asTargets(children).flatMap(({ target }) => targetNames(target));
    case "DeleteStatement":
      return children.flatMap(targetNames);
    case "UpdateStatement":
    case "NamedExpression":
      return children.slice(0, 1).flatMap(targetNames);
    case "ArgList":
      return children.filter((_, index) => children[index + 1]?.text === ":=");
    case "AsPattern":
    case "CapturePattern":
      return children.filter(isName);
    default:
      return [];
  }
}

/** `import a.b` binds `a`, `import a as b` and `from a import b` bind `b`. */
function importedNames(children: readonly Node[]): readonly Node[] {
  const names = children.slice(children.findIndex((child) => child.kind === "import"));
  return names.filter(
    (child, index) =>
      isName(child) && names[index - 1]?.kind !== "." && names[index + 1]?.kind !== "as",
  );
}

/** What stands on both sides of each `as`. In a `with`, `respell` may have made an expression of them. */
export function asTargets(
  children: readonly Node[],
): readonly { readonly value: Node | undefined; readonly target: Node }[] {
  return children.flatMap((child, index) => {
    const target = children[index + 1];
    if (child.text === "as" && target !== undefined)
      return [{ value: children[index - 1], target }];
    return /^(?:Tuple|Parenthesized|Binary)Expression$/.test(child.kind)
      ? asTargets(child.children)
      : [];
  });
}

/** `a[0]` changes what `a` holds; `a.b` leaves `a` alone. */
function targetNames(target: Node): readonly Node[] {
  switch (target.kind) {
    case "VariableName":
      return [target];
    case "MemberExpression":
      return target.children[1]?.kind === "["
        ? target.children.slice(0, 1).flatMap(targetNames)
        : [];
    case "TupleExpression":
    case "ArrayExpression":
    case "ParenthesizedExpression":
      return target.children.flatMap(targetNames);
    default:
      return [];
  }
}

// Assignments

/** `a = b = v`, `a: t = v`, `a, b = v, w`. An annotation without a value binds nothing. */
function assignmentBindings(statement: Node, nested: boolean): readonly Binding[] {
  const parts = splitAtEquals(statement);
  const [value] = parts.splice(-1);
  if (value === undefined || parts.length === 0) return [];
  const literal: Literal = nested
    ? { kind: "computed", source: `${quoteSource(statement)} inside a block` }
    : readLiteral(value);
  return parts.flatMap((target) => bindTarget(target, literal, value));
}

/** Targets, then the value. A tuple without brackets becomes one; annotations are left out. */
function splitAtEquals({ text, at, children }: Node): Node[] {
  const parts = children.filter(({ kind }) => kind !== "TypeDef");
  return splitAt(parts, "AssignOp").flatMap((part) => {
    const [first] = part;
    const last = part.at(-1);
    if (first === undefined || last === undefined || first === last) return first ?? [];
    const source = text.slice(first.at - at, last.at + last.text.length - at);
    return { ...first, kind: "TupleExpression", text: source, children: part };
  });
}

function bindTarget(target: Node, value: Literal, source: Node): readonly Binding[] {
  const targets = itemsOf(target);
  const [inner] = targets;
  switch (target.kind) {
    case "VariableName":
      return [{ name: target.text, value, line: target.line }];
    case "ParenthesizedExpression":
      return inner === undefined ? [] : bindTarget(inner, value, source);
    case "TupleExpression":
    case "ArrayExpression": {
      const items =
        value.kind === "items" &&
        value.ordered &&
        value.items.length === targets.length &&
        targets.every(({ kind }) => kind !== "*")
          ? value.items
          : [];
      const unknown: Literal = { kind: "computed", source: quoteSource(source) };
      return targets.flatMap((each, index) => bindTarget(each, items[index] ?? unknown, source));
    }
    default:
      return computed(targetNames(target), target);
  }
}

/** A name that an import binds, and the first part of the module that it comes from; "" where that is relative. */
export type Import = { readonly module: string; readonly name: string };

/** Of the whole file, functions included. `*`: all names of a module. */
export function importsOf(node: Node): readonly Import[] {
  if (node.kind !== "ImportStatement") return node.children.flatMap(importsOf);
  const { children } = node;
  const from = children[0]?.kind === "from" ? children[1] : null;
  const imported = children
    .slice(children.findIndex(({ kind }) => kind === "import") + 1)
    .filter(({ kind }) => kind !== "(" && kind !== ")");
  return splitAt(imported, ",").map((part) => {
    const [first] = part;
    const bound = part.some(({ kind }) => kind === "as") ? part.at(-1) : first;
    return { module: moduleName(from === null ? first : from), name: bound?.text ?? "" };
  });
}

function moduleName(node: Node | undefined): string {
  return node?.kind === "VariableName" ? node.text : "";
}

/**
 * Names that a file imports from modules which may do anything with the database: the project's own, and packages
 * other than Alembic, SQLAlchemy and the harmless part of Python's library. `*`: it imports all of such a module.
 */
export function outsideNames(script: Node): ReadonlySet<string> {
  const outside = importsOf(script).filter(({ module }) => !harmless.has(module));
  return new Set(outside.map(({ name }) => name));
}

const harmless: ReadonlySet<string> = new Set(
  `__future__ abc alembic base64 bisect calendar collections contextlib copy csv dataclasses datetime decimal enum
  fractions functools hashlib heapq hmac html io ipaddress itertools json logging math numbers operator os pathlib
  pprint random re secrets sqlalchemy statistics string sys textwrap time traceback types typing typing_extensions
  unicodedata urllib uuid warnings zoneinfo`.split(/\s+/),
);
