import { splitAt } from "./syntax-tree.ts";
import type { Node } from "./syntax-node.ts";

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
