import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { outsideNames } from "./bindings.ts";
import { readLiteral } from "./literals.ts";
import { decodeSource } from "./source.ts";
import { calledName, itemsOf, lastName, type Node, rootName } from "./syntax-node.ts";
import { parsePython } from "./syntax-tree.ts";

/**
 * Whether a revision file holds nothing that may end or leave the transaction that it runs in, and no code that cannot
 * be read here. A replay on empty tables cannot show all of it: a loop that commits after each thousand rows is not
 * entered there.
 */
export function keepsTransaction(script: Node): boolean {
  const outside = outsideNames(script);
  if (outside.has("*")) return false;
  return !placesIn(script).some(
    (place) => endsTransaction(place) || leavesSession(place) || isUnreadable(place, outside),
  );
}

/**
 * The same of `env.py`, whose own engine and transaction are no second ones. What it imports is not followed: a replay
 * shows what that does. One that cannot be read is in doubt.
 */
export async function keepsRevisionsWhole(scriptDirectory: string): Promise<boolean> {
  const bytes = await readFile(join(scriptDirectory, "env.py")).catch(() => null);
  const decoded = bytes === null ? null : decodeSource(bytes);
  if (decoded?.kind !== "text") return false;
  const parsed = await parsePython(decoded.text);
  if (parsed.kind === "fault") return false;
  const places = placesIn(parsed.script);
  const engines = places.filter(({ node }) => engineMakers.test(calledName(node)));
  return (
    engines.length <= 1 && !places.some((place) => endsTransaction(place) || setsUpOtherwise(place))
  );
}

type Place = {
  readonly node: Node;
  readonly parent: Node | null;
  /** Among the arguments of a column: what is called there is a type or a default. */
  readonly inColumn: boolean;
};

/** Everything but strings that stand for themselves, which are comments. */
function placesIn(script: Node): readonly Place[] {
  const places: Place[] = [];
  visit(script, null, false);
  return places;

  function visit(node: Node, parent: Node | null, inColumn: boolean): void {
    if (node.kind === "ExpressionStatement" && node.children.every(isText)) return;
    places.push({ node, parent, inColumn });
    const isColumn = /^(?:column|alter_column|cast)$/i.test(calledName(node));
    for (const child of node.children) visit(child, node, inColumn || isColumn);
  }
}

// What ends a transaction

function endsTransaction({ node, parent, inColumn }: Place): boolean {
  switch (node.kind) {
    case "VariableName":
      return modes.test(node.text);
    case "PropertyName":
      return modes.test(node.text) || /^(?:commit|rollback)$/.test(node.text);
    case "String":
    case "FormatString":
    case "ContinuedString":
      if (parent?.kind === "ContinuedString") return false;
      if (modes.test(node.text)) return true;
      if (inColumn || isKey(node, parent)) return false;
      return (isPieced(parent) ? namesTransaction : mayLeaveTransaction)(textOf(node));
    default:
      return false;
  }
}

const modes = /autocommit|isolation_level|transactional_ddl/i;

/** `"UPDATE … '" + name + "'"`: a quote may begin in one piece and end in another. */
function isPieced(parent: Node | null): boolean {
  return parent?.kind === "BinaryExpression" && parent.children[1]?.text === "+";
}

/** Of a dictionary, such as a row to insert. */
function isKey(node: Node, parent: Node | null): boolean {
  if (parent?.kind !== "DictionaryExpression") return false;
  return parent.children[parent.children.indexOf(node) + 1]?.text === ":";
}

function isText({ kind }: Node): boolean {
  return /^(?:Format|Continued)?String$/.test(kind);
}

/** Fields of an f-string become `field`. */
function textOf(node: Node): string {
  if (node.kind === "ContinuedString") return node.children.map(textOf).join("");
  const literal = readLiteral(node);
  if (literal.kind === "text") return literal.text;
  let text = node.text;
  for (const { kind, at, text: inner } of node.children.toReversed())
    if (kind === "FormatReplacement")
      text = `${text.slice(0, at - node.at)}${field}${text.slice(at - node.at + inner.length)}`;
  const [, , body = text] = /^[a-z]*("""|'''|"|')([^]*)\1$/i.exec(text) ?? [];
  return body.replaceAll(/\\[a-z]?/g, " ");
}

const field = "\0";

// What works beside it

const engineMakers =
  /^(?:async_engine_from_config|create_async_engine|create_engine|engine_from_config)$/;

function leavesSession({ node, parent }: Place): boolean {
  switch (node.kind) {
    case "VariableName":
      return engineMakers.test(node.text);
    case "PropertyName":
      return (
        engineMakers.test(node.text) ||
        /^(?:begin_transaction|connect|invalidate|raw_connection)$/.test(node.text)
      );
    case "MemberExpression": {
      const asked = parent === null ? "" : lastName(parent);
      return lastName(node) === "engine" && !/^(?:dialect|driver|name|url)$/.test(asked);
    }
    default:
      return false;
  }
}

function setsUpOtherwise({ node }: Place): boolean {
  const [called] = node.kind === "CallExpression" ? node.children : [];
  return (
    (called?.kind === "VariableName" && /^(?:compile|eval|exec)$/.test(called.text)) ||
    (calledName(node) === "connect" &&
      /^(?:aiopg|asyncpg|pg8000|psycopg2?)$/.test(rootName(called)))
  );
}

// What cannot be read

function isUnreadable({ node, inColumn }: Place, outside: ReadonlySet<string>): boolean {
  const [called] = node.children;
  switch (node.kind) {
    case "VariableName":
      return /^(?:__import__|compile|eval|exec|getattr|globals|locals|open|popen|setattr|system|vars)$/.test(
        node.text,
      );
    case "PropertyName":
      return /^(?:popen|Popen|read_bytes|read_text|system)$/.test(node.text);
    case "Decorator":
      return node.children.some(({ text }) => outside.has(text));
    case "CallExpression":
      return (
        (!inColumn && outside.has(rootName(called))) ||
        (/(?:^|\.)op$/.test(called?.children[0]?.text ?? "") &&
          !operations.test(calledName(node))) ||
        (/^(?:DDL|exec_driver_sql|execute|text)$/.test(calledName(node)) &&
          (node.children[1]?.children ?? []).some(isVerbComputed))
      );
    default:
      return false;
  }
}

/** Alembic's own; others are a project's or an extension's. */
const operations =
  /^(?:add_column|alter_column|batch_alter_table|bulk_insert|(?:create|drop)_\w+|execute|f|get_bind|get_context|inline_literal|rename_table)$/;

/** SQL text of which not even the first word stands here. */
function isVerbComputed(argument: Node): boolean {
  if (isText(argument)) return /^\s*(?:\0|%[s(]|\{)/.test(textOf(argument));
  switch (argument.kind) {
    case "ParenthesizedExpression":
      return itemsOf(argument).some(isVerbComputed);
    case "BinaryExpression": {
      const [left] = argument.children;
      return left !== undefined && (left.kind === "VariableName" || isVerbComputed(left));
    }
    case "CallExpression": {
      const [receiver] = argument.children[0]?.children ?? [];
      return (
        receiver !== undefined && calledName(argument) === "format" && isVerbComputed(receiver)
      );
    }
    default:
      return false;
  }
}

/**
 * Whether SQL text, or what is left of it in a Python string, may end the transaction that it is sent in, or work
 * outside of it. Words in quotes and comments do not count; what stands in dollars may be a block that PostgreSQL runs.
 * Rather too often than not at all.
 */
function mayLeaveTransaction(text: string): boolean {
  // The body of such a block may be an ordinary string.
  const keepsQuotes = /(?:^|;)\s*do\b/i.test(text);
  const bodies: string[] = [];
  const plain = text.replace(pieces, (piece, dollars?: string, body?: string) => {
    if (dollars !== undefined) bodies.push(body ?? "");
    return /^e?'/i.test(piece) && keepsQuotes ? piece : " q ";
  });
  return namesTransaction(plain) || bodies.some((body) => words.test(body.replace(pieces, " q ")));
}

/** As `mayLeaveTransaction`, of a piece of which nobody knows in what quotes it will stand. */
function namesTransaction(text: string): boolean {
  return words.test(text) || begins.test(text);
}

const pieces =
  /--[^\n]*|\/\*[^]*?\*\/|\be'(?:[^'\\]|\\[^]|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$)([^]*?)\1/gi;

/** `ON COMMIT DROP` and `ROLLBACK TO SAVEPOINT` end nothing, and `t.commit` is a column. */
const words =
  /(?<![\w$.]|\bon\s+)commit(?![\w$])|(?<![\w$.])rollback(?![\w$])(?!\s+(?:(?:work|transaction)\s+)?to\b)|\bprepare\s+transaction\b|\bcall\s[^(;]+\(|\bplpy\.(?:commit|rollback)\b|\bdblink|\bautocommit\b/i;

/** Inside of a body these are the ends of its blocks. */
const begins =
  /(?:^|;)\s*(?:(?:begin|abort|end)(?:\s+(?:work|transaction))?\s*(?:;|$)|begin\s+(?:isolation|read|not\s+deferrable|deferrable)\b|start\s+transaction\b)/i;
