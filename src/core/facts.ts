/** One thing that is true of a schema, as PostgreSQL spells it with only pg_catalog on the search path. */
export type Fact = {
  readonly kind: FactKind;
  /** The qualified, quoted name of the object, such as `public.users`; a bare name for schemas and extensions. */
  readonly object: string;
  /** The name inside the object (a column, an index, a constraint), or "". */
  readonly name: string;
  readonly definition: string;
  /**
   * Functions, other constructs and constrained domains that PostgreSQL evaluates for it whenever a row is written. Only of live
   * facts, and only where it was asked: see `isInDoubt`.
   */
  readonly evaluates?: readonly string[];
};

/** The last six are soft. */
export type FactKind = (typeof factKinds)[number];

export const factKinds = [
  "schema",
  "extension",
  "table",
  "partition",
  "ftable",
  "view",
  "matview",
  "viewdef",
  "rule",
  "column",
  "constraint",
  "index",
  "invalid",
  "trigger",
  "policy",
  "sequence",
  "enum",
  "domain",
  "range",
  "type",
  "function",
  "procedure",
  "aggregate",
  "statistics",
  "eventtrigger",
  "operator",
  "opclass",
  "opfamily",
  "tsconfig",
  "tsdictionary",
  "tsparser",
  "tstemplate",
  "collation",
  "conversion",
  "cast",
  "transform",
  "language",
  "accessmethod",
  "fdw",
  "server",
  "publication",
  "replica",
  "grant",
  "owner",
  "comment",
  "colorder",
] as const;

/** Kinds that few histories have: a look does not ask for them in vain. What is there besides is harmless. */
export function isRare({ kind }: Fact): boolean {
  return rareKinds.includes(kind);
}

const rareKinds: readonly FactKind[] = factKinds.slice(
  factKinds.indexOf("operator"),
  factKinds.indexOf("grant"),
);

/** Soft facts are no evidence of a revision by their absence, and never make a schema another one. */
export function isSoft(fact: Fact): boolean {
  return tellsApart(fact) || isReported(fact);
}

/** What dump and restore may leave behind, and what helps to tell revisions apart that are alike in all else. */
export function tellsApart({ kind }: Fact): boolean {
  return kind === "comment" || kind === "colorder";
}

/** What is each deployment's own: where it lacks what the history has made of it, a person is told. */
export function isReported({ kind }: Fact): boolean {
  return kind === "publication" || kind === "replica" || kind === "grant" || kind === "owner";
}

/** The role that an ownership or a privilege is given to; null: it is another kind. */
export function receiverOf({ kind, name, definition }: Fact): string | null {
  return kind === "grant" ? name : kind === "owner" ? definition : null;
}

/**
 * Often made by a database's owner or by the platform, because an application's role may not; they
 * hold no data. Being there is no evidence of anything and no drift; being absent where needed is.
 */
export function isPrerequisite({ kind }: Fact): boolean {
  return prerequisiteKinds.includes(kind);
}

export const prerequisiteKinds: readonly FactKind[] = [
  "schema",
  "extension",
  "eventtrigger",
  "cast",
  "transform",
  "language",
  "accessmethod",
  "fdw",
  "server",
];

/** The schema that holds the object, unquoted; null for what lives in none, such as an extension. */
export function schemaOf({ kind, object }: Fact): string | null {
  if (kind === "publication" || (kind !== "schema" && prerequisiteKinds.includes(kind)))
    return null;
  const [, quoted, plain] = /^(?:"((?:[^"]|"")*)"|([^".]+))(?:\.|$)/.exec(object) ?? [];
  return quoted?.replaceAll('""', '"') ?? plain ?? null;
}

/** The fact that there is a table, a view or the like, which other facts then hang on. */
export function isRelation({ kind }: Fact): boolean {
  return relationKinds.includes(kind);
}

const relationKinds: readonly FactKind[] = ["table", "partition", "ftable", "view", "matview"];

/** What takes rows, or a part of each, along when it is dropped. */
export function holdsRows({ kind }: Fact): boolean {
  return kind === "table" || kind === "partition" || kind === "column";
}

/** @param all facts among which their tables are: views and composite types have columns, too, and no rows */
export function someHoldRows(facts: readonly Fact[], all: readonly Fact[]): boolean {
  const holders = facts.filter(holdsRows);
  if (holders.length === 0) return false;
  const tables = all.filter(({ kind }) => kind === "table" || kind === "partition");
  const names = new Set(tables.map(({ object }) => object));
  return holders.some(({ object }) => names.has(object));
}

/** Text that is equal exactly for equal facts. PostgreSQL's text never holds a NUL. */
export function factKey(fact: Fact): string {
  return `${placeKey(fact)}\0${fact.definition}`;
}

/** Where the fact stands: two facts at one place cannot be true together. */
export function placeKey(fact: Fact): string {
  return `${fact.kind}\0${fact.object}\0${fact.name}`;
}

/**
 * The names that the fact takes from others in its schema: PostgreSQL has one space for tables, views, sequences and indexes, also
 * those of constraints, together, and one for types, to which the rows of a table belong. Sources: pg_class and pg_type, whose unique indexes they are.
 */
export function takenNames(fact: Fact): readonly string[] {
  const { kind, object, name } = fact;
  const relation = `relation\0${object}`;
  const type = `type\0${object}`;
  if (isRelation(fact) || kind === "type") return [relation, type];
  if (kind === "sequence") return [relation];
  if (kind === "enum" || kind === "domain" || kind === "range") return [type];
  const hasIndex =
    kind === "index" ||
    (kind === "constraint" && /^(?:PRIMARY KEY|UNIQUE|EXCLUDE)\b/.test(fact.definition));
  return hasIndex ? [`relation\0${siblingOf(object, name)}`] : [];
}

/** An index is in the schema of its table. Quoted where the server would, but for key words. */
function siblingOf(table: string, name: string): string {
  const [, schema = ""] = /^("(?:[^"]|"")*"|[^".]+)\./.exec(table) ?? [];
  const quoted = /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
  return `${schema}.${quoted}`;
}

/** An index that makes queries fast and forbids nothing: its absence is reported and tolerated. */
export function isPlainIndex(fact: Fact): boolean {
  return fact.kind === "index" && fact.definition.startsWith("CREATE INDEX ");
}

/** What an interrupted CREATE INDEX CONCURRENTLY leaves behind. */
export function isInvalidIndex(fact: Fact): boolean {
  return fact.kind === "invalid" || (fact.kind === "index" && fact.definition.endsWith(" INVALID"));
}

/** The tables that a table inherits from, or is a partition of; qualified and quoted. */
export function parentsIn({ definition }: Fact): readonly string[] {
  const [, parents = ""] = / INHERITS (\S.*?)(?= OF | USING | SERVER |$)/.exec(definition) ?? [];
  return parents.match(/(?:"(?:[^"]|"")*"|[^",])+/g) ?? [];
}

/**
 * The same without what changes nothing that an application could notice: an index's storage parameters and its part in
 * replication, the order of a view's options, and that of the columns of statistics, which is that of their table.
 */
export function withoutStorage(fact: Fact): Fact {
  if (fact.kind === "view") return { ...fact, definition: withSortedOptions(fact.definition) };
  if (fact.kind === "statistics") return withSortedColumns(fact);
  const hasStorage = fact.kind === "index" || fact.definition.startsWith("EXCLUDE ");
  if (!hasStorage || !/ WITH \(| REPLICA IDENTITY$/.test(fact.definition)) return fact;
  const definition = fact.definition.replace(storage, "").replace(/ REPLICA IDENTITY$/, "");
  return { ...fact, definition };
}

/** Where it is about columns alone. */
function withSortedColumns(statistics: Fact): Fact {
  const definition = statistics.definition.replace(
    / ON ((?:(?:"(?:[^"]|"")*"|[a-z_][\w$]*)(?:, )?)+) FROM /,
    (_, columns: string) =>
      ` ON ${(columns.match(/"(?:[^"]|"")*"|[^", ]+/g) ?? []).toSorted().join(", ")} FROM `,
  );
  return definition === statistics.definition ? statistics : { ...statistics, definition };
}

function withSortedOptions(definition: string): string {
  return definition.replace(
    / WITH (\S+)$/,
    (_, options: string) => ` WITH ${options.split(",").toSorted().join(",")}`,
  );
}

const storage =
  / WITH \((?:\w+=(?:'[^']*'|\w+)(?:, )?)+\)(?= WHERE | DEFERRABLE| INVALID| REPLICA IDENTITY|$)/;
