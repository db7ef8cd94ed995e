/** A piece of Python, without its comments. */
export type Node = {
  /** A name of `@lezer/python`'s grammar; of a keyword or a mark the token itself; "⚠" where the grammar is at a loss. */
  readonly kind: string;
  /** As written. */
  readonly text: string;
  /** Offset in the text, and line from 1. */
  readonly at: number;
  readonly line: number;
  readonly children: readonly Node[];
};

/** The node and all below it, in the order of the text. */
export function nodesIn(node: Node): readonly Node[] {
  return [node, ...node.children.flatMap(nodesIn)];
}

/** What stands in brackets, between commas. A star is an item of its own. */
export function itemsOf(bracketed: Node): readonly Node[] {
  return bracketed.children.filter(({ kind }) => !/^[()[\]{},]$/.test(kind));
}

/** The parts between marks of one kind, without empty ones. */
export function splitAt(nodes: readonly Node[], mark: string): readonly (readonly Node[])[] {
  const parts: Node[][] = [[]];
  for (const node of nodes)
    if (node.kind === mark) parts.push([]);
    else parts.at(-1)?.push(node);
  return parts.filter((part) => part.length > 0);
}

export function isName({ kind }: Node): boolean {
  return kind === "VariableName";
}

/** `b` of `a.b(…)` and of `b(…)`; "" where nothing is called. */
export function calledName(node: Node): string {
  const [called] = node.children;
  return node.kind === "CallExpression" && called !== undefined ? lastName(called) : "";
}

export function lastName({ kind, text, children }: Node): string {
  const last = children.at(-1);
  if (kind === "VariableName") return text;
  return kind === "MemberExpression" && last?.kind === "PropertyName" ? last.text : "";
}

/** `a` of `a.b[0].c(…).d`. */
export function rootName(node: Node | undefined): string {
  if (node === undefined) return "";
  return node.kind === "MemberExpression" || node.kind === "CallExpression"
    ? rootName(node.children[0])
    : node.text;
}
