import type { AlterTableCmd, Node, RangeVar } from "libpg-query";

type KeyOf<One> = One extends unknown ? keyof One : never;
type Kind = KeyOf<Node>;
type Inside<Of extends Kind> = Extract<Node, Record<Of, unknown>>[Of];

/** What a node holds if it is of this kind, else null. */
export function inside<Of extends Kind>(kind: Of, node: object | undefined): Inside<Of> | null {
  const held: Partial<Record<Kind, unknown>> = node ?? {};
  return (held[kind] ?? null) as Inside<Of> | null;
}

/** What those nodes hold that are of this kind. */
export function insideAll<Of extends Kind>(
  kind: Of,
  nodes: Iterable<object> | undefined,
): readonly Inside<Of>[] {
  return [...(nodes ?? [])].flatMap((node) => inside(kind, node) ?? []);
}

/** Each action of an `ALTER TABLE` as a statement of its own: it meets what those before it have made. */
export function actionsOf(node: Node): readonly Node[] {
  if (!("AlterTableStmt" in node)) return [node];
  const { cmds = [], ...statement } = node.AlterTableStmt;
  return cmds.map((command) => ({ AlterTableStmt: { ...statement, cmds: [command] } }));
}

export function commandsOf(node: Node): readonly AlterTableCmd[] {
  return insideAll("AlterTableCmd", inside("AlterTableStmt", node)?.cmds);
}

/** Every object in a tree. Without recursion: an expression can be nested deeper than the stack allows. */
export function* objectsIn(tree: unknown): Generator<object> {
  const open = [tree];
  while (open.length > 0) {
    const next = open.pop();
    if (typeof next !== "object" || next === null) continue;
    if (!Array.isArray(next)) yield next;
    for (const part of Object.values(next)) open.push(part);
  }
}

/** An object as a statement names it; schema null: found on the search path. */
export type Name = { readonly schema: string | null; readonly name: string };

export function nameOf(relation: RangeVar | undefined): Name {
  return { schema: relation?.schemaname ?? null, name: relation?.relname ?? "" };
}

/** Of a list of strings (`app.orders`) or of one; the words before the last two are a database's. */
export function nameIn(node: Node | undefined): Name {
  const words = wordsIn(node);
  return { schema: words.at(-2) ?? null, name: words.at(-1) ?? "" };
}

/** The strings of a name's parts, whatever kind of node holds them. */
export function wordsIn(node: Node | undefined): readonly string[] {
  if (node === undefined) return [];
  if ("String" in node) return [node.String.sval ?? ""];
  if ("List" in node) return (node.List.items ?? []).flatMap(wordsIn);
  if ("TypeName" in node) return (node.TypeName.names ?? []).flatMap(wordsIn);
  if ("ObjectWithArgs" in node) return (node.ObjectWithArgs.objname ?? []).flatMap(wordsIn);
  return [];
}

/** The last of a name's parts: what it names, without its schema. */
export function lastWord(parts: readonly Node[] | undefined): string {
  return (parts ?? []).flatMap(wordsIn).at(-1) ?? "";
}

/** The search path is not known: a name without a schema can be that of any schema. */
export function isSame(a: Name, b: Name): boolean {
  return a.name === b.name && (a.schema === null || b.schema === null || a.schema === b.schema);
}

/** As it can be pasted into SQL. */
export function show({ schema, name }: Name): string {
  return schema === null ? quote(name) : `${quote(schema)}.${quote(name)}`;
}

export function quote(name: string): string {
  const isPlain = /^[a-z_][a-z0-9_]*$/.test(name) && !reserved.has(name);
  return isPlain ? name : `"${name.replaceAll('"', '""')}"`;
}

/** Of `pg_get_keywords()`, those that cannot be a column or a table without quotes. */
const reserved: ReadonlySet<string> = new Set(
  `all analyse analyze and any array as asc asymmetric authorization binary both case cast check
  collate collation column concurrently constraint create cross current_catalog current_date
  current_role current_schema current_time current_timestamp current_user default deferrable desc
  distinct do else end except false fetch for foreign freeze from full grant group having ilike in
  initially inner intersect into is isnull join lateral leading left like limit localtime
  localtimestamp natural not notnull null offset on only or order outer overlaps placing primary
  references returning right select session_user similar some symmetric system_user table
  tablesample then to trailing true union unique user using variadic verbose when where window with`.split(
    /\s+/,
  ),
);

/** Whether a text stands in a statement as a value, alone or in an array, or quoted in the body of a function or a `DO`. */
export function mentions(statement: Node, text: string): boolean {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  for (const node of objectsIn(statement)) {
    const constant = inside("A_Const", node);
    if (constant !== null && elementsOf(constant.sval?.sval ?? "").includes(text)) return true;
    const { defname, arg } = inside("DefElem", node) ?? {};
    if (defname === "as" && wordsIn(arg).some((body) => body.includes(quoted))) return true;
  }
  return false;
}

/** Of an array's text; any other text stands for itself. */
function elementsOf(value: string): readonly string[] {
  const [, elements] = /^\{(.*)\}$/s.exec(value) ?? [];
  return (
    elements?.split(",").map((element) => element.trim().replace(/^"(.*)"$/s, "$1")) ?? [value]
  );
}
