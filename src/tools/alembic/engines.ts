import { calledName, isName, type Node, nodesIn, splitAt } from "./syntax-node.ts";

/** Something in a Python file that may lead to a database of its own. */
export type Suspect = { readonly line: number; readonly what: string };

const creators =
  "create_engine|create_async_engine|engine_from_config|async_engine_from_config|create_pool|ConnectionPool|AsyncConnectionPool";
const isCreator = new RegExp(`^(?:${creators})$`);
const drivers = /^(?:psycopg|psycopg2|asyncpg|pg8000)\b/;

/** A call, with what stands around it, the innermost last. */
type Call = {
  readonly node: Node;
  readonly callee: Node;
  readonly around: readonly Node[];
};

/**
 * What `env.py` connects to beyond its first engine. Read, not run: an engine that another module makes is one where
 * `env.py` uses it, and who is called in a loop or from two places works twice.
 */
export function secondEngines(script: Node): readonly Suspect[] {
  const calls = callsIn(script);
  const made = calls.filter((call) => makesEngine(call, script));
  const isMade = (node: Node): boolean => made.some((call) => call.node === node);
  const known = new Set(connectionsIn(script, isMade));
  const sources: Suspect[] = [];
  const more: Suspect[] = [];
  const seen = new Set<string>();
  for (const call of calls) {
    const { node, callee } = call;
    const [receiver] = callee.children;
    const connects = /^(?:connect|begin|raw_connection)$/.test(calledName(node));
    if (isMade(node)) sources.push(...often(call, script, "makes an engine"));
    else if (receiver === undefined || !connects) continue;
    else if (nodesIn(receiver).some(isMade) || known.has(receiver.text)) continue;
    else if (boundAnew(call).has(receiver.text)) {
      // What is handed over was counted where it comes from; a connection begins a transaction, too.
      if (!/conn|session/i.test(receiver.text))
        more.push(...often(call, script, `connects with ${receiver.text}`).slice(1));
    } else if (!seen.has(receiver.text)) {
      seen.add(receiver.text);
      const [first, ...again] = often(call, script, `connects with ${receiver.text}`);
      sources.push(first!, ...(isAssignedIn(call, receiver.text) ? again : []));
    }
  }
  return [...sources.slice(1), ...more];
}

const ownEngine = /(?:^|_)engine$|^(?:async)?_?session_?(?:local|maker|factory)$/i;

/** Engines in a revision file: `op.get_bind()` is the only connection that is the history's own. */
export function engines(script: Node): readonly Suspect[] {
  const made = callsIn(script)
    .filter((call) => makesEngine(call, script))
    .map(({ node }) => ({ line: node.line, what: "makes an engine of its own" }));
  const imported = importsIn(script)
    .filter(({ text }) => !/^from\s+(?:sqlalchemy|alembic)\b/.test(text))
    .flatMap(({ children }) => children)
    .filter((child) => isName(child) && ownEngine.test(child.text))
    .map(({ text, line }) => ({ line, what: `uses the application's own ${text}` }));
  return [...made, ...imported];
}

/** Reading a file; `load_dotenv()` and its like leave alone what the environment has. */
export function filesRead(script: Node): readonly Suspect[] {
  return callsIn(script).flatMap(({ node }) => {
    const name = calledName(node);
    const given = node.children.at(-1)?.text ?? "";
    const reads =
      (name === "open" && !/,\s*(?:mode\s*=\s*)?["'][wax]/.test(given)) ||
      (name === "load_dotenv" && given !== "()") ||
      /^(?:read_text|read_bytes|dotenv_values|ConfigParser|RawConfigParser)$/.test(name);
    return reads ? [{ line: node.line, what: `reads a file (${name})` }] : [];
  });
}

function importsIn(script: Node): readonly Node[] {
  return nodesIn(script).filter(({ kind }) => kind === "ImportStatement");
}

function makesEngine({ node, callee }: Call, script: Node): boolean {
  const name = calledName(node);
  if (isCreator.test(name)) return true;
  if (name === "connect" && drivers.test(callee.text)) return true;
  return isName(callee) && aliasesIn(script).has(name);
}

/** `from sqlalchemy import create_engine as make`. */
function aliasesIn(script: Node): ReadonlySet<string> {
  const pattern = new RegExp(String.raw`\b(?:${creators})\s+as\s+(\w+)`, "g");
  return new Set(
    importsIn(script).flatMap(({ text }) =>
      [...text.matchAll(pattern)].map(([, alias = ""]) => alias),
    ),
  );
}

/** Names of engines that were counted where they are made, and of connections. */
function connectionsIn(script: Node, isMade: (node: Node) => boolean): readonly string[] {
  const names: string[] = [];
  const isKnown = (value: Node | undefined): boolean =>
    value !== undefined &&
    (nodesIn(value).some(isMade) ||
      names.includes(value.text) ||
      /\.(?:connect|begin)\(\)$/.test(value.text));
  for (const node of nodesIn(script)) {
    if (node.kind === "AssignStatement" && isKnown(node.children.at(-1)))
      names.push(...assignedNames(node));
    if (node.kind === "WithStatement")
      for (const [index, { kind }] of node.children.entries())
        if (kind === "as") names.push(node.children[index + 1]?.text ?? "");
  }
  return names;
}

function assignedNames({ children }: Node): readonly string[] {
  return children
    .slice(0, -1)
    .filter(isName)
    .map(({ text }) => text);
}

/** As often as it may happen: once, or twice for "more than once". */
function often(call: Call, script: Node, what: string): readonly Suspect[] {
  const { line } = call.node;
  const again = { line, what: `${what}, more than once` };
  return [{ line, what }, ...(timesReached(call.around, script, []) > 1 ? [again] : [])];
}

const loops = /^(?:For|While)Statement$|ComprehensionExpression$/;

function timesReached(around: readonly Node[], script: Node, seen: readonly string[]): number {
  const inner = around.findLastIndex(({ kind }) => kind === "FunctionDefinition");
  if (around.slice(inner + 1).some(({ kind }) => loops.test(kind))) return Infinity;
  const definition = around[inner];
  if (definition === undefined) return 1;
  const name = definition.children.find(isName)?.text ?? "";
  if (seen.includes(name)) return Infinity;
  const references = withAround(script, []).filter(
    ({ node, around }) =>
      (isName(node) || node.kind === "PropertyName") &&
      node.text === name &&
      around.at(-1) !== definition,
  );
  const times = references
    .map((each) => timesReached(each.around, script, [...seen, name]))
    .reduce((all, each) => all + each, 0);
  return Math.max(1, times);
}

/** In the loop or the function around the call: it need not be the same each time. */
function isAssignedIn({ around }: Call, name: string): boolean {
  return around
    .filter(({ kind }) => loops.test(kind) || kind === "FunctionDefinition")
    .flatMap(nodesIn)
    .some((node) => node.kind === "AssignStatement" && assignedNames(node).includes(name));
}

/** What the functions and loops around a call bind: another engine each time. */
function boundAnew({ around }: Call): ReadonlySet<string> {
  const bound = around.flatMap((node) => {
    if (node.kind === "FunctionDefinition")
      return splitAt(
        node.children.find(({ kind }) => kind === "ParamList")?.children ?? [],
        ",",
      ).flatMap((param) => param.filter(isName).slice(0, 1));
    if (node.kind !== "ForStatement") return [];
    const [targets = []] = splitAt(node.children, "in");
    return targets.flatMap(nodesIn).filter(isName);
  });
  return new Set(bound.map(({ text }) => text));
}

function callsIn(script: Node): readonly Call[] {
  return withAround(script, []).flatMap(({ node, around }) => {
    const [callee] = node.children;
    return node.kind === "CallExpression" && callee !== undefined ? [{ node, callee, around }] : [];
  });
}

function withAround(
  node: Node,
  around: readonly Node[],
): readonly { readonly node: Node; readonly around: readonly Node[] }[] {
  const inside = [...around, node];
  return [{ node, around }, ...node.children.flatMap((child) => withAround(child, inside))];
}
