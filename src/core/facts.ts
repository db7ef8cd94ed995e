/** One thing that is true of a schema, as PostgreSQL spells it with only pg_catalog on the search path. */
export type Fact = {
  readonly kind: FactKind;
  /** The qualified, quoted name of the object, such as `public.users`; a bare name for schemas and extensions. */
  readonly object: string;
  /** The name inside the object (a column, an index, a constraint), or "". */
  readonly name: string;
  readonly definition: string;
};

export type FactKind = (typeof hardKinds)[number] | (typeof softKinds)[number];

/** What a schema consists of. */
const hardKinds = [
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
] as const;

/** What helps to tell revisions apart and is never drift. */
const softKinds = ["comment", "colorder"] as const;
