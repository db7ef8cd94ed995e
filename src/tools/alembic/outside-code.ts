import { type Node, splitAt } from "./syntax-tree.ts";

/**
 * Names that a file imports from modules which may do anything with the database: the project's own, and packages
 * other than Alembic, SQLAlchemy and the harmless part of Python's library. "anything": it imports all of such a module.
 */
export function outsideNames(script: Node): ReadonlySet<string> | "anything" {
  const names = new Set<string>();
  for (const { children } of importsIn(script)) {
    const isFrom = children[0]?.kind === "from";
    if (isFrom && isHarmless(children[1])) continue;
    const imported = children.slice(children.findIndex(({ kind }) => kind === "import") + 1);
    if (imported.some(({ kind }) => kind === "*")) return "anything";
    for (const [module, ...rest] of splitAt(imported.filter(isPart), ","))
      if (isFrom || !isHarmless(module)) {
        const bound = rest.some(({ kind }) => kind === "as") ? rest.at(-1) : module;
        if (bound !== undefined) names.add(bound.text);
      }
  }
  return names;
}

function importsIn(node: Node): readonly Node[] {
  return node.kind === "ImportStatement" ? [node] : node.children.flatMap(importsIn);
}

function isPart({ kind }: Node): boolean {
  return kind !== "(" && kind !== ")";
}

function isHarmless(module: Node | undefined): boolean {
  return module?.kind === "VariableName" && harmless.has(module.text);
}

const harmless: ReadonlySet<string> = new Set(
  `__future__ abc alembic base64 bisect calendar collections contextlib copy csv dataclasses datetime decimal enum
  fractions functools hashlib heapq hmac html io ipaddress itertools json logging math numbers operator os pathlib
  pprint random re secrets sqlalchemy statistics string sys textwrap time traceback types typing typing_extensions
  unicodedata urllib uuid warnings zoneinfo`.split(/\s+/),
);
