import { type Fact, type FactKind, parentsIn } from "./facts.ts";
import { quoteIdentifier, quoteLiteral } from "./quote.ts";

/*
 * SQL that makes one fact, from its definition as `factsQuery` spells it. Every name in it is qualified. Null: this version does not
 * write such a one.
 */

export function createEnum({ object, definition }: Fact): string {
  return `CREATE TYPE ${object} AS ENUM (${definition})`;
}

const label = /E?'(?:[^'\\]|''|\\.)*'/g;

/** Null: the labels that are there stand in another order, or are not among the wanted ones. */
export function addLabels(wanted: Fact, actual: Fact): readonly string[] | null {
  const labels: readonly string[] = wanted.definition.match(label) ?? [];
  const present: readonly string[] = actual.definition.match(label) ?? [];
  const kept = labels.filter((each) => present.includes(each));
  if (kept.join() !== present.join()) return null;
  const there = new Set(present);
  const statements: string[] = [];
  for (const [index, each] of labels.entries()) {
    if (there.has(each)) continue;
    const before = labels[index - 1];
    const next = labels.slice(index + 1).find((other) => there.has(other));
    const place =
      before === undefined ? (next === undefined ? "" : ` BEFORE ${next}`) : ` AFTER ${before}`;
    statements.push(`ALTER TYPE ${wanted.object} ADD VALUE ${each}${place}`);
    there.add(each);
  }
  return statements;
}

/** @param attributes its columns, in any order */
export function createComposite(type: Fact, attributes: readonly Fact[]): string {
  const names = type.definition.match(/(?:"(?:[^"]|"")*"|[^",])+/g) ?? [];
  const typeOf = (name: string): string =>
    attributes.find((each) => quoteIdentifier(each.name) === quoteIdentifier(unquote(name)))
      ?.definition ?? "";
  return `CREATE TYPE ${type.object} AS (${names.map((name) => `${name} ${typeOf(name)}`).join(", ")})`;
}

export function createDomain({ object, definition }: Fact): string | null {
  if (/ NOT VALID\b/.test(definition)) return null;
  const spelled = definition
    .split(/('(?:[^']|'')*')/)
    .map((part, index) =>
      index % 2 === 1
        ? part
        : part.replaceAll(
            / ("(?:[^"]|"")*"|[a-z_][\w$]*) (?=CHECK \()/g,
            (_, name: string) => ` CONSTRAINT ${name} `,
          ),
    );
  return `CREATE DOMAIN ${object} AS ${spelled.join("")}`;
}

type SequenceParts = {
  readonly type: string;
  readonly options: string;
  readonly unlogged: boolean;
  /** The column, qualified; null: nobody's. */
  readonly owner: string | null;
};

export function sequenceParts(definition: string): SequenceParts | null {
  const [whole, type = "", start, by, min, max, cache, cycle = "", unlogged = "", owner] =
    /^AS (.+?) START (-?\d+) INCREMENT (-?\d+) MIN (-?\d+) MAX (-?\d+) CACHE (\d+)( CYCLE)?( UNLOGGED)?(?: OWNED BY (.+))?$/.exec(
      definition,
    ) ?? [];
  if (whole === undefined) return null;
  return {
    type,
    options: `START WITH ${start} INCREMENT BY ${by} MINVALUE ${min} MAXVALUE ${max} CACHE ${cache}${cycle}`,
    unlogged: unlogged !== "",
    owner: owner ?? null,
  };
}

export function createSequence({ object }: Fact, parts: SequenceParts): string {
  return `CREATE ${parts.unlogged ? "UNLOGGED " : ""}SEQUENCE ${object} AS ${parts.type} ${parts.options}`;
}

type ColumnParts = {
  readonly type: string;
  readonly collation: string | null;
  readonly isNotNull: boolean;
  readonly isNotValid: boolean;
  /** `a`: always, `d`: by default. */
  readonly identity: { readonly when: string; readonly options: string } | null;
  /** `s`: stored, `v`: virtual. */
  readonly generated: { readonly how: string; readonly expression: string } | null;
  readonly default: string | null;
};

export function columnParts(definition: string): ColumnParts {
  const [, type = "", collation, notNull, notValid, when, options, how, expression, given] =
    /^((?:"(?:[^"]|"")*"|[^"])+?)(?: COLLATE ((?:"(?:[^"]|"")*"|[^" ])+))?( NOT NULL)?( NOT VALID)?(?: IDENTITY ([ad]) \(([^)]*)\))?(?: GENERATED ([sv]) ([\s\S]+)| DEFAULT ([\s\S]+))?$/.exec(
      definition,
    ) ?? [];
  return {
    type,
    collation: collation ?? null,
    isNotNull: notNull !== undefined,
    isNotValid: notValid !== undefined,
    identity: when === undefined ? null : { when, options: options ?? "" },
    generated: how === undefined || expression === undefined ? null : { how, expression },
    default: given ?? null,
  };
}

/** A column as CREATE TABLE and ADD COLUMN take it; null: not to be said there. */
export function writeColumn({ name, definition }: Fact): string | null {
  const parts = columnParts(definition);
  if (parts.isNotValid) return null;
  const identity = parts.identity && writeIdentity(parts.identity);
  return [
    `${quoteIdentifier(name)} ${parts.type}`,
    ...(parts.collation === null ? [] : [`COLLATE ${parts.collation}`]),
    ...(identity === null ? [] : [identity]),
    ...(parts.generated === null
      ? []
      : [
          `GENERATED ALWAYS AS (${parts.generated.expression}) ${parts.generated.how === "s" ? "STORED" : "VIRTUAL"}`,
        ]),
    ...(parts.default === null ? [] : [`DEFAULT ${parts.default}`]),
    ...(parts.isNotNull ? ["NOT NULL"] : []),
  ].join(" ");
}

export function writeIdentity({ when, options }: NonNullable<ColumnParts["identity"]>): string {
  const parts = sequenceParts(options);
  const how = when === "a" ? "ALWAYS" : "BY DEFAULT";
  return `GENERATED ${how} AS IDENTITY${parts === null ? "" : ` (${parts.options})`}`;
}

type TableParts = {
  readonly isPartitioned: boolean;
  readonly unlogged: boolean;
  readonly rowSecurity: boolean;
  readonly forced: boolean;
  readonly partitionBy: string | null;
  /** `FOR VALUES …` or `DEFAULT`; null: it is no partition. */
  readonly bound: string | null;
  readonly parents: readonly string[];
  readonly method: string | null;
};

/** Null: of a kind that is not written here, such as a typed table. */
export function tableParts(fact: Fact): TableParts | null {
  const [whole, kind, unlogged, rls, forced, by, bound, , method] =
    /^([rp])( UNLOGGED)?( RLS)?( FORCE RLS)?(?: PARTITION BY (.+?))?(?: (FOR VALUES .+?|DEFAULT))?( INHERITS .+?)?(?: USING (\w+))?$/s.exec(
      fact.definition,
    ) ?? [];
  if (whole === undefined || / (?:DETACH PENDING|OF) /.test(`${fact.definition} `)) return null;
  return {
    isPartitioned: kind === "p",
    unlogged: unlogged !== undefined,
    rowSecurity: rls !== undefined,
    forced: forced !== undefined,
    partitionBy: by ?? null,
    bound: bound ?? null,
    parents: parentsIn(fact),
    method: method ?? null,
  };
}

export function createTable(
  { object }: Fact,
  parts: TableParts,
  columns: readonly string[],
): string {
  const unlogged = parts.unlogged ? "UNLOGGED " : "";
  const by = parts.partitionBy === null ? "" : ` PARTITION BY ${parts.partitionBy}`;
  const using = parts.method === null ? "" : ` USING ${parts.method}`;
  if (parts.bound !== null)
    return `CREATE ${unlogged}TABLE ${object} PARTITION OF ${parts.parents.join(", ")} ${parts.bound}${by}${using}`;
  const list = columns.length === 0 ? "()" : `(\n  ${columns.join(",\n  ")}\n)`;
  const inherits = parts.parents.length === 0 ? "" : ` INHERITS (${parts.parents.join(", ")})`;
  return `CREATE ${unlogged}TABLE ${object} ${list}${inherits}${by}${using}`;
}

export function switchRowSecurity(
  object: string,
  wanted: Pick<TableParts, "rowSecurity" | "forced">,
): readonly string[] {
  return [
    ...(wanted.rowSecurity ? [`ALTER TABLE ${object} ENABLE ROW LEVEL SECURITY`] : []),
    ...(wanted.forced ? [`ALTER TABLE ${object} FORCE ROW LEVEL SECURITY`] : []),
  ];
}

/** @param query as the server prints it */
export function createView(view: Fact, query: string): string {
  const [, options] = / WITH (\S+)$/.exec(view.definition) ?? [];
  const [, method] = / USING (\w+)$/.exec(view.definition) ?? [];
  const what = view.kind === "matview" ? "MATERIALIZED VIEW" : "VIEW";
  const using = method === undefined ? "" : ` USING ${method}`;
  const settings = options === undefined ? "" : ` WITH (${options.split(",").join(", ")})`;
  return `CREATE ${what} ${view.object}${using}${settings} AS\n${query.trim().replace(/;$/, "")}`;
}

/** A unique or primary key that takes over an index which is built before it; null: it has none that could be built apart. */
export function indexOfKey(fact: Fact): { readonly index: string; readonly key: string } | null {
  const [whole, kind, nulls = "", columns = "", include = "", deferrable = ""] =
    /^(PRIMARY KEY|UNIQUE)( NULLS NOT DISTINCT)? (\((?:"(?:[^"]|"")*"|[^")])+\))( INCLUDE \((?:"(?:[^"]|"")*"|[^")])+\))?( DEFERRABLE(?: INITIALLY DEFERRED)?)?$/.exec(
      fact.definition,
    ) ?? [];
  if (whole === undefined || / WITHOUT OVERLAPS\)/.test(columns)) return null;
  const name = quoteIdentifier(fact.name);
  return {
    index: `CREATE UNIQUE INDEX CONCURRENTLY ${name} ON ${fact.object} ${columns}${include}${nulls}`,
    key: `ALTER TABLE ${fact.object} ADD CONSTRAINT ${name} ${kind} USING INDEX ${name}${deferrable}`,
  };
}

export function addConstraint({ object, name, definition }: Fact): string {
  return `ALTER TABLE ${object} ADD CONSTRAINT ${quoteIdentifier(name)} ${definition}`;
}

export function validateConstraint({ object, name }: Fact): string {
  return `ALTER TABLE ${object} VALIDATE CONSTRAINT ${quoteIdentifier(name)}`;
}

export function createPolicy({ object, name, definition }: Fact): string | null {
  const [head, kind, command = "", roles] =
    /^(PERMISSIVE|RESTRICTIVE) FOR (.) TO ((?:"(?:[^"]|"")*"|[^" ])+)/.exec(definition) ?? [];
  const verb = { r: "SELECT", a: "INSERT", w: "UPDATE", d: "DELETE", "*": "ALL" }[command];
  if (head === undefined || verb === undefined) return null;
  let rest = definition.slice(head.length);
  const clauses: string[] = [];
  for (const [word, written] of [
    ["USING", "USING"],
    ["CHECK", "WITH CHECK"],
  ] as const) {
    if (!rest.startsWith(` ${word} (`)) continue;
    const end = closing(rest, word.length + 2);
    if (end === null) return null;
    clauses.push(`${written} ${rest.slice(word.length + 2, end + 1)}`);
    rest = rest.slice(end + 1);
  }
  if (rest !== "") return null;
  return [
    `CREATE POLICY ${quoteIdentifier(name)} ON ${object} AS ${kind} FOR ${verb} TO ${roles}`,
    ...clauses,
  ].join(" ");
}

/** Where the bracket closes that opens there. */
function closing(text: string, from: number): number | null {
  let depth = 0;
  const tokens = /'(?:[^']|'')*'|"(?:[^"]|"")*"|[()]/g;
  tokens.lastIndex = from;
  for (let token = tokens.exec(text); token !== null; token = tokens.exec(text)) {
    if (token[0] === "(") depth += 1;
    if (token[0] === ")") depth -= 1;
    if (depth === 0) return token.index;
  }
  return null;
}

/** A trigger or a rule, and whether it is on. */
export function createSwitched({ kind, object, name, definition }: Fact): readonly string[] {
  const [, text = "", enabled] = /^([\s\S]*?)(?: ENABLED=(.))?$/.exec(definition) ?? [];
  const what = kind === "rule" ? "RULE" : "TRIGGER";
  const how = { D: "DISABLE", R: "ENABLE REPLICA", A: "ENABLE ALWAYS" }[enabled ?? ""];
  return [
    text.replace(/;$/, ""),
    ...(how === undefined ? [] : [`ALTER TABLE ${object} ${how} ${what} ${quoteIdentifier(name)}`]),
  ];
}

/** @param relation the fact of what is commented on, or whose column is */
export function writeComment({ object, name, definition }: Fact, relation: Fact): string | null {
  const what =
    name !== ""
      ? "COLUMN"
      : {
          table: "TABLE",
          partition: "TABLE",
          ftable: "FOREIGN TABLE",
          view: "VIEW",
          matview: "MATERIALIZED VIEW",
          sequence: "SEQUENCE",
        }[relation.kind as string];
  if (what === undefined) return null;
  const place = name === "" ? object : `${object}.${quoteIdentifier(name)}`;
  return `COMMENT ON ${what} ${place} IS ${quoteLiteral(definition).trim()}`;
}

/** What privileges are given on, as GRANT names it. */
export const grantable: ReadonlyMap<FactKind, string> = new Map([
  ["table", "TABLE"],
  ["partition", "TABLE"],
  ["view", "TABLE"],
  ["matview", "TABLE"],
  ["sequence", "SEQUENCE"],
  ["function", "FUNCTION"],
  ["procedure", "PROCEDURE"],
  ["schema", "SCHEMA"],
]);

/** Null: of what gets no privileges. */
export function grant({ object, name, definition }: Fact, of: FactKind): string | null {
  const what = grantable.get(of);
  const receiver = name === "PUBLIC" ? name : quoteIdentifier(name);
  return what === undefined ? null : `GRANT ${definition} ON ${what} ${object} TO ${receiver}`;
}

/** As CONCURRENTLY, which writes are not held up by. */
export function concurrently(definition: string): string {
  return definition.replace(/^CREATE (UNIQUE )?INDEX /, "CREATE $1INDEX CONCURRENTLY ");
}

/** The same index on one partition, under a name of its own. */
export function indexOnPartition(
  { name, definition }: Fact,
  partition: string,
): { readonly sql: string; readonly name: string } {
  const own = cut(`${nameIn(partition)}_${name}`);
  const [, head = "", rest = ""] =
    /^(CREATE (?:UNIQUE )?INDEX )(?:"(?:[^"]|"")*"|[^" ]+) ON (?:ONLY )?(?:(?:"(?:[^"]|"")*"|[^" ])+)( [\s\S]*)$/.exec(
      definition,
    ) ?? [];
  const sql = `${head}${quoteIdentifier(own)} ON ${partition}${rest}`;
  return { sql, name: `${schemaIn(partition)}.${quoteIdentifier(own)}` };
}

/** PostgreSQL would cut it, too; at a whole character. */
function cut(name: string): string {
  let end = name.length;
  while (new TextEncoder().encode(name.slice(0, end)).length > 63) end -= 1;
  return name.slice(0, end);
}

const qualified = /^("(?:[^"]|"")*"|[^".]+)\.("(?:[^"]|"")*"|.+)$/s;

/** As it is written. */
export function schemaIn(object: string): string {
  return qualified.exec(object)?.[1] ?? "";
}

function nameIn(object: string): string {
  return unquote(qualified.exec(object)?.[2] ?? object);
}

export function unquote(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}
