import { join, relative } from "node:path";
import type { VersionTableName } from "../../core/version-table.ts";
import { openFile } from "../files.ts";
import type { NamedTable } from "../tool.ts";
import { readOption } from "./configuration.ts";
import { readLiteral } from "./literals.ts";
import type { AlembicLocation } from "./locate.ts";
import { decodeSource } from "./source.ts";
import { calledName, isName, lastName, type Node, nodesIn, splitAt } from "./syntax-node.ts";
import { parsePython } from "./syntax-tree.ts";
import { versionTable } from "./version-table.ts";

/**
 * The version table that `env.py` gives to `context.configure()`: a text, a constant of the file, or a key of the ini file that it asks
 * for. Alembic itself reads neither `version_table` nor `version_table_schema` from its configuration. null: it names none.
 */
export async function readNamedTable(location: AlembicLocation): Promise<NamedTable | null> {
  const file = join(location.scriptDirectory, "env.py");
  const opened = openFile(file, location.scriptDirectory);
  if (!("bytes" in opened)) return null;
  const decoded = decodeSource(opened.bytes);
  const parsed = decoded.kind === "fault" ? decoded : await parsePython(decoded.text);
  if (parsed.kind === "fault") return null;
  const { script } = parsed;
  const calls = nodesIn(script).filter((node) => calledName(node) === "configure");
  const online = calls.filter((call) => argument(call, "connection") !== undefined);
  const tables = await Promise.all(
    (online.length > 0 ? online : calls).map((call) => tableOf(call, script, location)),
  );
  const unread = tables.find((table) => "line" in table);
  const named = new Map(tables.map((table) => [JSON.stringify(table), table]));
  const [table] = named.values();
  if (unread === undefined && named.size > 1) return null;
  if (unread !== undefined && "line" in unread)
    return {
      kind: "unread",
      where: `${relative(location.root, file)}:${unread.line}`,
      says: unread.text,
    };
  if (table === undefined || "line" in table) return null;
  const { usual } = versionTable;
  return table.schema === usual.schema && table.name === usual.name
    ? null
    : { kind: "named", table };
}

/** What cannot be read without running it is the argument itself. */
async function tableOf(
  call: Node,
  script: Node,
  location: AlembicLocation,
): Promise<VersionTableName | Node> {
  const given = async (name: string) => {
    const value = argument(call, name);
    return value === undefined ? null : await valueOf(value, script, location, 3);
  };
  const [schema, name] = [await given("version_table_schema"), await given("version_table")];
  if (schema === undefined) return argument(call, "version_table_schema")!;
  if (name === undefined) return argument(call, "version_table")!;
  return { schema, name: name ?? versionTable.usual.name };
}

function argument(call: Node, name: string): Node | undefined {
  for (const [first, mark, value, ...more] of argumentsOf(call))
    if (first?.text === name && mark?.kind === "AssignOp") return more.length === 0 ? value : call;
  return undefined;
}

function argumentsOf(call: Node): readonly (readonly Node[])[] {
  const given = (call.children.at(-1)?.children ?? []).filter(({ kind }) => !/^[()]$/.test(kind));
  return splitAt(given, ",");
}

/** @returns undefined where only Python knows */
async function valueOf(
  node: Node,
  script: Node,
  location: AlembicLocation,
  depth: number,
): Promise<string | null | undefined> {
  const literal = readLiteral(node);
  if (literal.kind === "none") return null;
  if (literal.kind === "text") return literal.text;
  if (isName(node)) {
    const value = constant(node.text, script);
    return value === undefined || depth === 0
      ? undefined
      : await valueOf(value, script, location, depth - 1);
  }
  return await optionOf(node, script, location);
}

/** What a name stands for that is bound once in the whole file, and that at its top level. */
function constant(name: string, script: Node): Node | undefined {
  const binds = ({ kind, children }: Node): boolean =>
    /^(?:AssignStatement|ParamList|UpdateStatement|ScopeStatement|ForStatement)$/.test(kind) &&
    children.some((child, index) => child.text === name && index < children.length - 1);
  const [only, other] = nodesIn(script).filter(binds);
  if (only === undefined || other !== undefined || !script.children.includes(only))
    return undefined;
  const value = only.children.at(-1);
  return only.kind === "AssignStatement" && only.children[0]?.text === name ? value : undefined;
}

/** `config.get_main_option("key")`, or with a default. */
async function optionOf(
  node: Node,
  script: Node,
  { configFile, section }: AlembicLocation,
): Promise<string | null | undefined> {
  const [callee] = node.children;
  const isAsked = callee !== undefined && lastName(callee) === "get_main_option";
  const isSet = nodesIn(script).some((each) => lastName(each) === "set_section_option");
  if (node.kind !== "CallExpression" || !isAsked || isSet || configFile === null) return undefined;
  const literals = argumentsOf(node).map(([value, more]) =>
    value === undefined || more !== undefined ? null : readLiteral(value),
  );
  const [key, otherwise] = literals;
  if (key?.kind !== "text" || otherwise === null) return undefined;
  const sets = nodesIn(script).filter((each) => calledName(each) === "set_main_option");
  if (sets.some(({ text }) => text.includes(key.text))) return undefined;
  const value = await readOption(configFile, section, key.text);
  if (value !== null) return value;
  return otherwise === undefined || otherwise.kind === "none"
    ? null
    : otherwise.kind === "text"
      ? otherwise.text
      : undefined;
}
