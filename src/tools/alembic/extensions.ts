import { extensionsCreatedIn } from "../../pgsql/extensions.ts";
import { openFile } from "../files.ts";
import type { CreatedExtension } from "../tool.ts";
import { moduleBindings } from "./bindings.ts";
import { readLiteral } from "./literals.ts";
import type { AlembicLocation } from "./locate.ts";
import { listRevisionFiles } from "./read.ts";
import { decodeSource } from "./source.ts";
import { calledName, itemsOf, type Node, nodesIn } from "./syntax-node.ts";
import { parsePython } from "./syntax-tree.ts";

/** In the order of the files' names. */
export async function readExtensions(
  location: AlembicLocation,
): Promise<readonly CreatedExtension[]> {
  const { root } = location;
  const files = (await listRevisionFiles(location)).map((path) => openFile(path, root));
  const found = files.map(async (each) =>
    "bytes" in each
      ? (await createdIn(each.bytes)).map((created) => ({ ...created, file: each.file }))
      : [],
  );
  return (await Promise.all(found)).flat();
}

async function createdIn(bytes: Buffer): Promise<readonly Omit<CreatedExtension, "file">[]> {
  const decoded = decodeSource(bytes);
  if (decoded.kind === "fault" || !/\bEXTENSION\b/i.test(decoded.text)) return [];
  const parsed = await parsePython(decoded.text);
  if (parsed.kind === "fault") return [];
  const { script } = parsed;
  const upgrade = script.children.find(
    ({ kind, children }) => kind === "FunctionDefinition" && children[1]?.text === "upgrade",
  );
  const isBoundOnce = moduleBindings(script).filter(({ name }) => name === "upgrade").length === 1;
  const found = (upgrade !== undefined && isBoundOnce ? surelyRun(upgrade) : []).map(
    async ({ line, sql }) => (await extensionsCreatedIn(sql)).map(({ name }) => ({ name, line })),
  );
  return (await Promise.all(found)).flat();
}

/** SQL that `upgrade()` executes whatever it finds: what follows a condition under which it may return is left out. */
function surelyRun(block: Node): readonly { readonly line: number; readonly sql: string }[] {
  const statements = block.children
    .filter(({ kind }) => kind === "Body")
    .flatMap(({ children }) => children);
  const end = statements.findIndex((statement) =>
    nodesIn(statement).some(({ kind }) => /^(?:Return|Raise)Statement$/.test(kind)),
  );
  return statements.slice(0, end === -1 ? undefined : end).flatMap((statement) => {
    switch (statement.kind) {
      case "ExpressionStatement":
        return executed(statement.children[0]);
      case "WithStatement":
        // Others may swallow what fails.
        return /^with [^:]*\bautocommit_block\(\)/.test(statement.text) ? surelyRun(statement) : [];
      default:
        return [];
    }
  });
}

function executed(
  call: Node | undefined,
): readonly { readonly line: number; readonly sql: string }[] {
  if (call === undefined || !/^(?:execute|exec_driver_sql)$/.test(calledName(call))) return [];
  const [given] = itemsOf(call.children[1] ?? call);
  const text =
    given !== undefined && /^(?:text|DDL)$/.test(calledName(given))
      ? itemsOf(given.children[1] ?? given)[0]
      : given;
  const literal = text === undefined ? null : readLiteral(text);
  return literal?.kind === "text" ? [{ line: call.line, sql: literal.text }] : [];
}
