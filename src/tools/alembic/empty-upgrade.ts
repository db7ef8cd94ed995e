import { importsOf, moduleBindings } from "./bindings.ts";
import { type Node, nodesIn, rootName, splitAt } from "./syntax-node.ts";

/**
 * `upgrade()` is one plain function at the top level that holds nothing but `pass`, `...`, strings and a bare `return`,
 * and nothing else in the module can put another in its place: what cannot be seen to be harmless is not.
 */
export function isEmptyUpgrade(script: Node): boolean {
  const statements = script.children.flatMap((each) =>
    each.kind === "StatementGroup" ? each.children : each,
  );
  const upgrade = statements.find(isUpgrade);
  if (upgrade === undefined || !isHarmlessFunction(upgrade) || !holdsNothing(upgrade)) return false;
  const bound = moduleBindings(script).map(({ name }) => name.normalize("NFKC"));
  const makers = new Set(
    importsOf(script).flatMap(({ module, name }) =>
      /^(?:logging|sqlalchemy)$/.test(module) && name !== "*" ? [name] : [],
    ),
  );
  return (
    bound.filter((name) => name === "upgrade").length === 1 &&
    statements.every((each) => each === upgrade || isHarmless(each, each.at > upgrade.at, makers))
  );
}

function isUpgrade({ kind, children }: Node): boolean {
  return kind === "FunctionDefinition" && children[1]?.text === "upgrade";
}

// The body

function holdsNothing({ children }: Node): boolean {
  const bodies = children.filter(({ kind }) => kind === "Body");
  return bodies.length > 0 && bodies.every((body) => body.children.every(doesNothing));
}

function doesNothing(statement: Node): boolean {
  const { kind, children, text: source } = statement;
  switch (kind) {
    case ":":
    case "PassStatement":
      return true;
    case "ReturnStatement":
      return source === "return" || source === "return None";
    case "IfStatement":
      return (
        holdsNothing(statement) &&
        children.every((child) => child.kind === "Body" || callsOnlyFor(child))
      );
    case "ExpressionStatement":
      return standsForItself(statement);
    default:
      return false;
  }
}

/** A condition may ask for the dialect. */
function callsOnlyFor(condition: Node): boolean {
  return callsIn(condition).every(({ text }) => /^op\.get_(?:bind|context)\(\)$/.test(text));
}

function standsForItself(statement: Node): boolean {
  return (
    statement.children.every(({ kind, text }) => kind.endsWith("String") || text === "...") &&
    callsIn(statement).length === 0
  );
}

// The rest of the module

/** @param isLater a star import before it is of no matter: the definition comes after */
function isHarmless(statement: Node, isLater: boolean, makers: ReadonlySet<string>): boolean {
  switch (statement.kind) {
    case ";":
    case "PassStatement":
      return true;
    case "ExpressionStatement":
      return standsForItself(statement);
    case "ImportStatement":
      return !isLater || statement.children.every(({ kind }) => kind !== "*");
    case "FunctionDefinition":
      return isHarmlessFunction(statement);
    case "AssignStatement":
      return isHarmlessAssignment(statement, makers);
    default:
      return false;
  }
}

/** What stands in its head runs when the module is loaded. */
function isHarmlessFunction({ children }: Node): boolean {
  return children.every((child) => child.kind === "Body" || callsIn(child).length === 0);
}

/** Only of whole names: `upgrade.__code__ = …` puts another body in it. Tables and loggers may be made. */
function isHarmlessAssignment({ children }: Node, makers: ReadonlySet<string>): boolean {
  const parts = splitAt(
    children.filter(({ kind }) => kind !== "TypeDef"),
    "AssignOp",
  );
  return (
    parts.slice(0, -1).flat().every(isNames) &&
    children.flatMap(callsIn).every((call) => makers.has(rootName(call)))
  );
}

function isNames({ kind, children }: Node): boolean {
  switch (kind) {
    case "VariableName":
    case ",":
    case "(":
    case ")":
    case "[":
    case "]":
      return true;
    case "TupleExpression":
    case "ArrayExpression":
    case "ParenthesizedExpression":
      return children.every(isNames);
    default:
      return false;
  }
}

function callsIn(node: Node): readonly Node[] {
  return nodesIn(node).filter(({ kind }) => kind === "CallExpression");
}
