import { importsOf } from "./imports.ts";
import type { Node } from "./syntax-node.ts";

/**
 * Names that a file imports from modules which may do anything with the database: the project's own, and packages
 * other than Alembic, SQLAlchemy and the harmless part of Python's library. `*`: it imports all of such a module.
 */
export function outsideNames(script: Node): ReadonlySet<string> {
  const outside = importsOf(script).filter(({ module }) => !harmless.has(module));
  return new Set(outside.map(({ name }) => name));
}

const harmless: ReadonlySet<string> = new Set(
  `__future__ abc alembic base64 bisect calendar collections contextlib copy csv dataclasses datetime decimal enum
  fractions functools hashlib heapq hmac html io ipaddress itertools json logging math numbers operator os pathlib
  pprint random re secrets sqlalchemy statistics string sys textwrap time traceback types typing typing_extensions
  unicodedata urllib uuid warnings zoneinfo`.split(/\s+/),
);
