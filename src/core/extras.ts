import { type Fact, type FactKind, parentsIn, prerequisiteKinds } from "./facts.ts";

/** What may be added to a schema by others than the history, and what that does to an application that knows nothing of it. */
export type ExtraKind = {
  /** In words, for the documentation. */
  readonly what: string;
  readonly of: readonly FactKind[];
  /** `warn`: the application starts, and a person should know. */
  readonly answer: "start" | "warn" | "refuse";
  /** What it does to the application's statements; "": nothing. */
  readonly why: string;
  readonly isIt: (fact: Fact, ours: Ours) => boolean;
};

/** What the history has made here. */
export type Ours = {
  /** @param object qualified and quoted */
  readonly makes: (object: string) => boolean;
  /** Another table that inherits from this one. */
  readonly inheritsFrom: (object: string) => boolean;
  /** An index, or a constraint with one, of this name. */
  readonly makesIndex: (object: string, name: string) => boolean;
  /** The index of which this is the name of REINDEX's copy; of a partition's indexes, which follow the parent's, any. */
  readonly makesOriginal: (object: string, copy: string) => boolean;
};

const always = (): boolean => true;
const mayRaise = "it may raise an error for a row that the application writes";
const mayRefuse = "it refuses rows that the application may write";
const harmless = { answer: "start", why: "", isIt: always } as const;

/**
 * The closed table: of each fact that no revision makes, the first kind that it is. Whatever is not here does not get in. The
 * documentation is made from it: `npm run docs`.
 */
export const extraKinds: readonly ExtraKind[] = [
  {
    what: "a table that inherits from one of the history's, where no table of the history inherits from that one. (One more child is what a partition is. Schemas that the history does not use are not looked at)",
    of: ["table", "ftable"],
    answer: "refuse",
    why: "its rows are read, changed and deleted with the parent's",
    isIt: (fact, ours) =>
      parentsIn(fact).some((parent) => ours.makes(parent) && !ours.inheritsFrom(parent)),
  },
  {
    what: "a table, a foreign table, a partition, a view, a materialized view, a sequence",
    of: ["table", "ftable", "partition", "view", "viewdef", "matview", "sequence"],
    ...harmless,
  },
  {
    what: "a type, a domain, a function, a procedure, an aggregate, extended statistics",
    of: ["enum", "domain", "range", "type", "function", "procedure", "aggregate", "statistics"],
    ...harmless,
  },
  {
    what: "an operator, an operator class or family, a collation, a conversion, a text search configuration, dictionary, parser or template",
    of: [
      "operator",
      "opclass",
      "opfamily",
      "collation",
      "conversion",
      "tsconfig",
      "tsdictionary",
      "tsparser",
      "tstemplate",
    ],
    ...harmless,
  },
  {
    what: "a schema, an extension, an event trigger, a cast, a transform, a language, an access method, a foreign-data wrapper, a foreign server",
    of: prerequisiteKinds,
    ...harmless,
  },
  {
    what: "a publication, a part in replication (REPLICA IDENTITY), another owner, a privilege, a comment, another order of columns",
    of: ["publication", "replica", "owner", "grant", "comment", "colorder"],
    ...harmless,
  },
  {
    what: "a foreign key from somebody else's table onto one of the history's. (Schemas that the history does not use are not looked at)",
    of: ["constraint"],
    answer: "warn",
    why: "it may stop the application's DELETE or UPDATE of a row that it refers to",
    isIt: ({ object, definition }, ours) =>
      !ours.makes(object) && ours.makes(referredIn(definition)),
  },
  {
    what: "anything else on a table of somebody else's, also on a partition: a constraint, a trigger or a unique index there refuses rows of the parent's, too",
    of: ["column", "constraint", "index", "invalid", "trigger", "policy", "rule"],
    ...harmless,
    isIt: ({ object }, ours) => !ours.makes(object),
  },
  {
    what: "a column that is NOT NULL and has no default",
    of: ["column"],
    answer: "refuse",
    why: "the application's INSERT, which does not name it, fails",
    isIt: ({ definition }) =>
      definition.includes(" NOT NULL") && !/ (DEFAULT|IDENTITY|GENERATED) /.test(definition),
  },
  {
    what: "a column of a domain that is NOT NULL or has a CHECK",
    of: ["column"],
    answer: "refuse",
    why: "the domain may refuse what the column holds where an INSERT does not name it",
    isIt: (fact) =>
      fact.evaluates === undefined
        ? isInDoubt(fact) && !fact.definition.includes(" GENERATED ")
        : fact.evaluates.some((each) => each.startsWith(domainMark)),
  },
  {
    what: "a generated column that is NOT NULL, or whose expression calls anything but the functions below",
    of: ["column"],
    answer: "refuse",
    why: mayRaise,
    isIt: (fact) =>
      fact.definition.includes(" GENERATED ") &&
      (fact.definition.includes(" NOT NULL") || mayFail(fact)),
  },
  { what: "any other column", of: ["column"], ...harmless },
  {
    what: "an INVALID copy of one of the history's indexes that a failed REINDEX left: NAME_ccnew, NAME_ccold",
    of: ["index"],
    answer: "warn",
    why: "it costs time at every write, serves no query, and can be dropped",
    isIt: ({ object, name, definition }, ours) =>
      definition.endsWith(" INVALID") && ours.makesOriginal(object, name),
  },
  {
    what: "a unique index",
    of: ["index"],
    answer: "refuse",
    why: mayRefuse,
    isIt: ({ definition }) => definition.startsWith("CREATE UNIQUE INDEX "),
  },
  {
    what: "an index with an expression or a condition that calls anything but the functions below",
    of: ["index"],
    answer: "refuse",
    why: mayRaise,
    isIt: (fact) => hasExpression(fact) && mayFail(fact),
  },
  {
    what: "any other index. (One whose entry is too large, such as 2,704 bytes in a btree, refuses the row all the same)",
    of: ["index"],
    ...harmless,
  },
  {
    what: "a constraint, also one whose index is INVALID",
    of: ["constraint", "invalid"],
    answer: "refuse",
    why: mayRefuse,
    isIt: always,
  },
  {
    what: "a trigger, a policy, a rule",
    of: ["trigger", "policy", "rule"],
    answer: "refuse",
    why: "it does something else than the application's statement says",
    isIt: always,
  },
];

export function extraKind(fact: Fact, ours: Ours): ExtraKind {
  const found = extraKinds.find(({ of, isIt }) => of.includes(fact.kind) && isIt(fact, ours));
  if (found === undefined) throw new Error(`an extra of no kind: ${fact.kind} ${fact.object}`);
  return found;
}

/** @param made facts that the history has made here */
export function oursIn(made: Iterable<Fact>): Ours {
  const objects = new Set<string>();
  const ancestors = new Set<string>();
  const indexes = new Set<string>();
  const partitions = new Set<string>();
  for (const fact of made) {
    const { kind, object, name } = fact;
    objects.add(object);
    if (kind === "partition") partitions.add(object);
    if (kind === "table" || kind === "ftable")
      for (const parent of parentsIn(fact)) ancestors.add(parent);
    if (kind === "index" || kind === "constraint") indexes.add(`${object}\0${name}`);
  }
  return {
    makes: (object) => objects.has(object),
    inheritsFrom: (object) => ancestors.has(object),
    makesIndex: (object, name) => indexes.has(`${object}\0${name}`),
    makesOriginal: (object, copy) => {
      const [, original] = /^(.+)_cc(?:new|old)\d*$/.exec(copy) ?? [];
      if (original === undefined) return false;
      const key = `${object}\0${original}`;
      if (partitions.has(object) || indexes.has(key)) return true;
      return isCutShort(copy) && [...indexes].some((each) => each.startsWith(key));
    },
  };
}

/** Of a name with its suffix PostgreSQL keeps 63 bytes, and cuts no character in two. */
function isCutShort(name: string): boolean {
  return new TextEncoder().encode(name).length >= 60;
}

/** Whether what it is can be told only from what PostgreSQL evaluates when a row is written: `Fact.evaluates`. */
export function isInDoubt(fact: Fact): boolean {
  if (fact.evaluates !== undefined) return false;
  if (fact.kind === "index") return hasExpression(fact);
  // A domain's name has a schema, as every name that is not the system's.
  return (
    fact.kind === "column" &&
    (fact.definition.includes(" GENERATED ") || /^(?:"|\S+\.)/.test(fact.definition))
  );
}

/** How `Fact.evaluates` names a domain that is NOT NULL or has a CHECK. */
export const domainMark = "domain ";

/** How `Fact.evaluates` names the comparison of two values of a built-in type, by =, <>, <, <=, > or >=. */
export const comparison = "comparison";

/**
 * Built-in functions that give a result for every value. Not here, because they can raise an error: arithmetic (overflow, division by
 * zero), casts by way of text, LIKE and regular expressions (the pattern), json (but not jsonb) operators, date_trunc and extract
 * (the unit), to_tsvector (1 MB of text), md5 (where the server is in FIPS mode). As the server spells them.
 */
export const totalFunctions: readonly string[] = [
  "lower(text)",
  "upper(text)",
  "initcap(text)",
  "btrim(text)",
  "ltrim(text)",
  "rtrim(text)",
  "btrim(text,text)",
  "reverse(text)",
  '"left"(text,integer)',
  '"right"(text,integer)',
  "length(text)",
  "octet_length(text)",
  "textcat(text,text)",
  "starts_with(text,text)",
  "text(character)",
  "text(name)",
  "name(text)",
  "date(timestamp without time zone)",
  "int4(smallint)",
  "int8(smallint)",
  "int8(integer)",
  '"numeric"(smallint)',
  '"numeric"(integer)',
  '"numeric"(bigint)',
  "jsonb_object_field(jsonb,text)",
  "jsonb_object_field_text(jsonb,text)",
  "jsonb_array_element(jsonb,integer)",
  "jsonb_array_element_text(jsonb,integer)",
  "jsonb_extract_path(jsonb,text[])",
  "jsonb_extract_path_text(jsonb,text[])",
  "jsonb_exists(jsonb,text)",
  "jsonb_contains(jsonb,jsonb)",
  "jsonb_typeof(jsonb)",
];

/** What an expression is made of besides functions; each gives a result for every value. As node trees name them, in PostgreSQL 13 to 18. */
const totalConstructs: readonly string[] = [
  "VAR",
  "CONST",
  "FUNCEXPR",
  "OPEXPR",
  "DISTINCTEXPR",
  "NULLIFEXPR",
  "SCALARARRAYOPEXPR",
  "BOOLEXPR",
  "RELABELTYPE",
  "COLLATEEXPR",
  "COLLATE",
  "NULLTEST",
  "BOOLEANTEST",
  "CASEEXPR",
  "CASE",
  "CASEWHEN",
  "WHEN",
  "CASETESTEXPR",
  "COALESCEEXPR",
  "COALESCE",
  "MINMAXEXPR",
  "MINMAX",
  "ARRAYEXPR",
  "ARRAY",
  "ARRAYCOERCEEXPR",
];

const total: ReadonlySet<string> = new Set([...totalFunctions, ...totalConstructs, comparison]);

/** What was not asked for may be anything. */
function mayFail({ evaluates }: Fact): boolean {
  return evaluates?.every((each) => total.has(each)) !== true;
}

/** More than columns, each with a collation, an operator class and an order. */
function hasExpression({ definition }: Fact): boolean {
  const keys = definition.slice(definition.indexOf(" USING ") + 1);
  return /\(.*[(']| WHERE /.test(keys);
}

/** The table that a foreign key refers to; "": it is none. */
export function referredIn(definition: string): string {
  const [, table = ""] =
    /^FOREIGN KEY .* REFERENCES ((?:"(?:[^"]|"")*"|[^"( ])+)\(/.exec(definition) ?? [];
  return table;
}
