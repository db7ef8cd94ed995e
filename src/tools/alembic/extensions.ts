import { asksForExtensions, extensionStatementsIn } from "../../pgsql/extensions.ts";
import { openFile } from "../files.ts";
import type { ManagedExtension } from "../tool.ts";
import { moduleBindings } from "./bindings.ts";
import { readLiteral } from "./literals.ts";
import type { AlembicLocation } from "./locate.ts";
import { listRevisionFiles } from "./read.ts";
import { decodeSource } from "./source.ts";
import { calledName, itemsOf, type Node, nodesIn } from "./syntax-node.ts";
import { parsePython } from "./syntax-tree.ts";

/** In the order of the files' names. What a downgrade() does is left out. */
export async function readExtensions(
  location: AlembicLocation,
): Promise<readonly ManagedExtension[]> {
  return await inEachRevision(location, /\bEXTENSION\b/i, async (script, file) => {
    const sure = surelyCalled(script);
    const found = forwards(script).map(async (call) => {
      const statements = await extensionStatementsIn(executedText(call) ?? "");
      const isSure = sure.has(call);
      return statements.map((each) => ({ ...each, isSure, file, line: call.line }));
    });
    return (await Promise.all(found)).flat();
  });
}

/**
 * Where a revision looks which extensions there are, or goes on where a statement failed: on a server that lacks one it
 * may make other things.
 */
export async function readAsking(location: AlembicLocation): Promise<readonly string[]> {
  const telling = /\bpg_(?:available_)?extension|\btry\b|\bsuppress\b|\bDO\b/i;
  return await inEachRevision(location, telling, async (script, file) => {
    const places = forwards(script).map(async (node) =>
      (await asks(node)) ? [`${file}:${node.line}`] : [],
    );
    return [...new Set((await Promise.all(places)).flat())];
  });
}

async function asks(node: Node): Promise<boolean> {
  const { kind, text } = node;
  if (kind === "TryStatement" || (kind === "WithStatement" && /^with [^:]*\bsuppress\(/.test(text)))
    return /\bop\s*\.|\bexecute\b/.test(text);
  if (kind === "String" || kind === "FormatString")
    return /\bpg_(?:available_)?extension/i.test(text);
  const sql = executedText(node);
  return sql !== null && /\bDO\b/i.test(sql) && (await asksForExtensions(sql));
}

async function inEachRevision<One>(
  location: AlembicLocation,
  telling: RegExp,
  read: (script: Node, file: string) => Promise<readonly One[]>,
): Promise<readonly One[]> {
  const { root } = location;
  const files = (await listRevisionFiles(location)).map((path) => openFile(path, root));
  const found = files.map(async (each) => {
    if (!("bytes" in each)) return [];
    const decoded = decodeSource(each.bytes);
    if (decoded.kind === "fault" || !telling.test(decoded.text)) return [];
    const parsed = await parsePython(decoded.text);
    return parsed.kind === "fault" ? [] : await read(parsed.script, each.file);
  });
  return (await Promise.all(found)).flat();
}

/** All that stands in a file outside of its downgrade(). */
function forwards({ children }: Node): readonly Node[] {
  return children.filter((child) => definedName(child) !== "downgrade").flatMap(nodesIn);
}

function surelyCalled(script: Node): ReadonlySet<Node> {
  const upgrade = script.children.find((statement) => definedName(statement) === "upgrade");
  const isBoundOnce = moduleBindings(script).filter(({ name }) => name === "upgrade").length === 1;
  return new Set(upgrade !== undefined && isBoundOnce ? surelyRun(upgrade) : []);
}

function definedName({ kind, children }: Node): string | null {
  return kind === "FunctionDefinition" ? (children[1]?.text ?? null) : null;
}

/** What `upgrade()` calls whatever it finds: what follows a condition under which it may return is left out. */
function surelyRun(block: Node): readonly Node[] {
  const statements = block.children
    .filter(({ kind }) => kind === "Body")
    .flatMap(({ children }) => children);
  const end = statements.findIndex((statement) =>
    nodesIn(statement).some(({ kind }) => /^(?:Return|Raise)Statement$/.test(kind)),
  );
  return statements.slice(0, end === -1 ? undefined : end).flatMap((statement) => {
    switch (statement.kind) {
      case "ExpressionStatement":
        return statement.children.slice(0, 1);
      case "WithStatement":
        // Others may swallow what fails.
        return /^with [^:]*\bautocommit_block\(\)/.test(statement.text) ? surelyRun(statement) : [];
      default:
        return [];
    }
  });
}

/** The SQL that a call executes, where it stands there as it is. */
function executedText(call: Node): string | null {
  if (!/^(?:execute|exec_driver_sql)$/.test(calledName(call))) return null;
  const [given] = itemsOf(call.children[1] ?? call);
  const text =
    given !== undefined && /^(?:text|DDL)$/.test(calledName(given))
      ? itemsOf(given.children[1] ?? given)[0]
      : given;
  const literal = text === undefined ? null : readLiteral(text);
  return literal?.kind === "text" ? literal.text : null;
}
