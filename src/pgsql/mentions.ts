import type { A_Const, DefElem, Node } from "libpg-query";
import { wordsIn } from "./names.ts";
import { objectsIn } from "./walk.ts";

/** Whether a text stands in a statement as a value, alone or in an array, or quoted in the body of a function or a `DO`. */
export function mentions(statement: Node, text: string): boolean {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  for (const node of objectsIn(statement)) {
    if (isConstant(node) && elementsOf(node.A_Const.sval?.sval ?? "").includes(text)) return true;
    if (isBody(node) && wordsIn(node.DefElem.arg).some((body) => body.includes(quoted)))
      return true;
  }
  return false;
}

function isConstant(node: object): node is { readonly A_Const: A_Const } {
  return "A_Const" in node;
}

/** Of an array's text; any other text stands for itself. */
function elementsOf(value: string): readonly string[] {
  const [, elements] = /^\{(.*)\}$/s.exec(value) ?? [];
  return (
    elements?.split(",").map((element) => element.trim().replace(/^"(.*)"$/s, "$1")) ?? [value]
  );
}

function isBody(node: object): node is { readonly DefElem: DefElem } {
  return "DefElem" in node && (node.DefElem as DefElem).defname === "as";
}
