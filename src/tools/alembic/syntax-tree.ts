import type { parser as grammar } from "@lezer/python";
import { respell } from "./gaps.ts";
import type { Fault } from "./source.ts";
import type { Node } from "./syntax-node.ts";

export type Parsed =
  | { readonly kind: "tree"; readonly script: Node }
  | { readonly kind: "fault"; readonly fault: Fault };

/** `source` has `\n` line ends only. A fault is what Python itself refuses. */
export async function parsePython(source: string): Promise<Parsed> {
  // A form feed puts the column back to 0 (in a string it means itself; nothing that is read here has one), and blanks
  // after the last line are no indentation.
  const text = `${source.replace(/^[ \t\f]*\f/gm, "").trimEnd()}\n`;
  const script = await parse(text);
  const fault = findFault(script, text, { columns: 0, characters: 0 });
  if (fault === null) return { kind: "tree", script };
  return { kind: "fault", fault: findConflict(script, text) ?? fault };
}

/** Of vouched files nothing is parsed: a healthy start does without the grammar. */
async function parse(text: string): Promise<Node> {
  const { parser } = await import("@lezer/python");
  let spelled = text;
  for (let round = 1; ; round += 1) {
    const tree = parser.parse(spelled);
    const script = toNode(tree.cursor(), spelled);
    const respelled = round < mostRounds ? respell(script, spelled) : spelled;
    if (respelled === spelled) return spelled === text ? script : toNode(tree.cursor(), text);
    spelled = respelled;
  }
}

/** Each takes 200 operators off a chain; Python gives up one of some thousands. */
const mostRounds = 50;

type Cursor = ReturnType<ReturnType<typeof grammar.parse>["cursor"]>;

const none: readonly Node[] = [];

function toNode(cursor: Cursor, text: string): Node {
  let line = 1;
  let lineEnd = text.indexOf("\n");
  return read();

  function read(): Node {
    const { name: kind, from: at, to } = cursor;
    countLines(at);
    return { kind, text: text.slice(at, to), at, line, children: readChildren() };
  }

  function readChildren(): readonly Node[] {
    if (!cursor.firstChild()) return none;
    const children: Node[] = [];
    do if (cursor.name !== "Comment") children.push(read());
    while (cursor.nextSibling());
    cursor.parent();
    return children;
  }

  function countLines(to: number): void {
    while (lineEnd !== -1 && lineEnd < to) {
      line += 1;
      lineEnd = text.indexOf("\n", lineEnd + 1);
    }
  }
}

// Faults: what the grammar says, and what it lets pass and Python refuses (indentation, open strings, odd characters)

const blocks = new Set(["Script", "Body", "MatchBody"]);
const clauses = new Set(["elif", "else", "except", "finally"]);

/** The first fault in `node`. `outer`: the indentation of the statement around it. */
function findFault(node: Node, text: string, outer: Indent): Fault | null {
  const isBlock = blocks.has(node.kind);
  let indent = node.kind === "Script" ? outer : null;
  for (const child of node.children) {
    const fault = tokenFault(child, node, text);
    if (fault !== null) return fault;
    const isClause = clauses.has(child.kind) && node.kind.endsWith("Statement");
    const own = isBlock || isClause ? indentOf(child, text) : null;
    if (own !== null) {
      const order = compareIndents(own, indent ?? outer);
      if (order === null)
        return { line: child.line, why: "tabs and spaces are mixed in the indentation" };
      if (order !== (isBlock && indent === null ? 1 : 0))
        return { line: child.line, why: "the indentation fits no block around it" };
      indent = own;
    }
    const inner = findFault(child, text, (isBlock ? own : null) ?? outer);
    if (inner !== null) return inner;
  }
  return null;
}

function tokenFault(node: Node, parent: Node, text: string): Fault | null {
  if (node.kind === "⚠") return unclosedBracket(node, parent, text) ?? syntaxError(node, text);
  if (isString(node) && !isClosed(node.text))
    return { line: node.line, why: "a string is never closed" };
  if (node.kind === "VariableName" && /[^\0-\x7f]/.test(node.text) && !identifier.test(node.text))
    return syntaxError(node, text);
  return null;
}

const identifier = /^[\p{ID_Start}_][\p{ID_Continue}]*$/u;

function isString(node: Node): boolean {
  return node.kind === "String" || node.kind === "FormatString";
}

function isClosed(string: string): boolean {
  const [opening = "", mark = ""] = /^[a-z]*("""|'''|"|')/i.exec(string) ?? [];
  const body = string.slice(opening.length);
  return body.endsWith(mark) && /(?:^|[^\\])(?:\\\\)*$/.test(body.slice(0, -mark.length));
}

function unclosedBracket(error: Node, parent: Node, text: string): Fault | null {
  const [opener] = parent.children;
  const open =
    opener !== undefined && /^[([{]$/.test(opener.kind) && parent.children.at(-1) === error;
  return open && /^\s*(?:\n|$)/.test(text.slice(error.at))
    ? { line: opener.line, why: `'${opener.text}' is never closed` }
    : null;
}

/** With the rest of the line, or where nothing is left on it, the line that ends too early. */
function syntaxError(error: Node, text: string): Fault {
  const before = text.slice(0, error.at).trimEnd();
  const [rest = ""] = text.slice(error.at).split("\n", 1);
  const near = rest.trim() === "" ? before.slice(before.lastIndexOf("\n") + 1) : rest;
  const line = rest.trim() === "" ? before.split("\n").length : error.line;
  const start = near.trim();
  // With dots: redaction knows by them that a word may be cut in half.
  return {
    line,
    why: `syntax error near '${start.length > 40 ? `${start.slice(0, 40)}...` : start}'`,
  };
}

/** A tab goes to the next multiple of 8 columns; Python refuses indentation whose order depends on that width. */
type Indent = { readonly columns: number; readonly characters: number };

/** Null where something stands before it on its line. */
function indentOf(node: Node, text: string): Indent | null {
  const start = text.lastIndexOf("\n", node.at - 1) + 1;
  const white = text.slice(start, node.at);
  if (!/^[ \t]*$/.test(white) || text.endsWith("\\\n", start)) return null;
  let columns = 0;
  for (const character of white)
    columns = character === "\t" ? (Math.floor(columns / 8) + 1) * 8 : columns + 1;
  return { columns, characters: white.length };
}

function compareIndents(a: Indent, b: Indent): number | null {
  const order = Math.sign(a.columns - b.columns);
  return order === Math.sign(a.characters - b.characters) ? order : null;
}

/** In a string a marker is only text. */
function findConflict(script: Node, text: string): Fault | null {
  for (const { index } of text.matchAll(/^(?:<{7}|={7}|>{7}|\|{7})(?= |$)/gm))
    if (!isInString(script, index))
      return {
        line: text.slice(0, index).split("\n").length,
        why: "a merge conflict is not resolved",
      };
  return null;
}

function isInString(node: Node, at: number): boolean {
  const child = node.children.find((child) => child.at <= at && at < child.at + child.text.length);
  return child !== undefined && (isString(child) || isInString(child, at));
}
