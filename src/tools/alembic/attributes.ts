import { bindingsOf, type Binding } from "./bindings.ts";
import { type Literal, splitAt } from "./literals.ts";
import type { Line, Token } from "./tokens.ts";

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
 * assignment of a literal at the top level is `computed`. Functions and classes have scopes of their own. A star import is
 * taken to bind none of these names: projects import their helpers so, never their revision ids.
 */
export function readAttributes(lines: readonly Line[]): Attributes {
  const found: Record<AttributeName, Attribute> = {
    revision: { kind: "absent" },
    down_revision: { kind: "absent" },
    branch_labels: { kind: "absent" },
    depends_on: { kind: "absent" },
  };
  for (const binding of moduleBindings(lines))
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

function moduleBindings(lines: readonly Line[]): readonly Binding[] {
  const bindings: Binding[] = [];
  /** Depth of the function or class whose body is being passed over. */
  let scope: number | null = null;
  for (const { tokens, depth } of lines) {
    if (scope !== null && depth > scope) {
      if (tokens.some((token) => token.text === "global")) bindings.push(...globalsOf(tokens));
    } else {
      scope = opensScope(tokens) ? depth : null;
      bindings.push(...bindingsOf(tokens, depth > 0));
    }
  }
  return bindings;
}

function opensScope(tokens: readonly Token[]): boolean {
  const first = tokens[0]?.text === "async" ? tokens[1]?.text : tokens[0]?.text;
  return first === "def" || first === "class";
}

function globalsOf(tokens: readonly Token[]): readonly Binding[] {
  return splitAt(tokens, ";")
    .filter((statement) => statement[0]?.text === "global")
    .flatMap((statement) => statement.slice(1))
    .map((token) => ({
      name: token.text,
      value: { kind: "computed", source: `a function may set it ('global ${token.text}')` },
      line: token.line,
    }));
}
