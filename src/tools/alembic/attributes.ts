import { type Binding, moduleBindings } from "./bindings.ts";
import type { Literal } from "./literals.ts";
import type { Node } from "./syntax-node.ts";

/** The names that Alembic reads from a revision file, and nothing else (1.20). */
export type AttributeName = (typeof attributeNames)[number];

/** What stands in a module's variable once Python has run the file. */
export type Attribute =
  | { readonly kind: "absent" }
  | { readonly kind: "literal"; readonly literal: Literal; readonly line: number }
  | { readonly kind: "computed"; readonly why: string; readonly line: number };

export type Attributes = Readonly<Record<AttributeName, Attribute>>;

/**
 * Follows the module's statements in order; the last binding wins, as in Python. A binding that is not a plain
 * assignment of a literal at the top level is `computed`. A star import is taken to bind none of these names:
 * projects import their helpers so, never their revision ids.
 */
export function readAttributes(script: Node): Attributes {
  const found: Record<AttributeName, Attribute> = {
    revision: { kind: "absent" },
    down_revision: { kind: "absent" },
    branch_labels: { kind: "absent" },
    depends_on: { kind: "absent" },
  };
  for (const binding of moduleBindings(script))
    for (const name of namesMeant(binding.name)) found[name] = attributeOf(binding);
  return found;
}

/** Python folds identifiers by NFKC; `*` stands for code that can bind any name, such as `exec`. */
function namesMeant(name: string): readonly AttributeName[] {
  const plain = name.normalize("NFKC");
  return plain === "*" ? attributeNames : attributeNames.filter((known) => known === plain);
}

const attributeNames = ["revision", "down_revision", "branch_labels", "depends_on"] as const;

function attributeOf(binding: Binding): Attribute {
  const { value, line } = binding;
  return value.kind === "computed"
    ? { kind: "computed", why: `computed: ${value.source}`, line }
    : { kind: "literal", literal: value, line };
}
