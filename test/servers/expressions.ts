/** Kinds of expressions, as somebody writes them, and every place of a schema where one can stand. */

/** Gives a column's name, with whatever stands before it there. */
type Names = (column: Column) => string;
type Column = keyof typeof columns;

/** With a value for the places where no column is. */
export const columns = {
  a: ["varchar(9)", "'x'::varchar"],
  b: ["int", "1"],
  d: ["text", "'ab'::text"],
  e: ["timestamp", "'2020-01-01'::timestamp"],
  j: ["jsonb", `'{"k": 1}'::jsonb`],
  l: ["int[]", "(ARRAY[1, 2])"],
  n: ["numeric", "1.5"],
} as const;

export const expressions: readonly ((of: Names) => string)[] = [
  (of) => `${of("a")} IN ('x', 'y')`,
  (of) => `${of("a")} NOT IN ('x', 'y')`,
  (of) => `${of("a")} IN ('x')`,
  (of) => `${of("d")} IN ('x', 'y')`,
  (of) => `${of("b")} IN (1, 2, 3)`,
  (of) => `${of("b")} BETWEEN 1 AND 5 AND ${of("b")} <> 3`,
  (of) => `${of("b")} NOT BETWEEN 1 AND 5 OR ${of("b")} = 3 OR ${of("b")} = 4`,
  (of) => `${of("b")} BETWEEN SYMMETRIC 5 AND 1`,
  (of) => `${of("a")} LIKE 'x%' OR ${of("a")} NOT ILIKE 'y%'`,
  (of) => `${of("d")} ~ '^x' AND ${of("d")} !~* 'y'`,
  (of) => `${of("d")} SIMILAR TO '(x|y)%'`,
  (of) => `(${of("a")} IS NOT NULL) = (${of("d")} IS NOT NULL)`,
  (of) => `${of("b")} IS DISTINCT FROM 3`,
  (of) => `CASE WHEN ${of("a")} = 'x' THEN ${of("b")} > 1 ELSE ${of("b")} < 1 END`,
  (of) => `CASE ${of("a")} WHEN 'x' THEN true WHEN 'y' THEN false END`,
  (of) => `coalesce(${of("a")}, ${of("d")}) = 'x'`,
  (of) => `nullif(${of("b")}, 1) IS NULL`,
  (of) => `greatest(${of("b")}, 1) > least(${of("b")}, 2)`,
  (of) => `${of("b")} = ANY (ARRAY[1, 2])`,
  (of) => `${of("b")} = ANY ('{1,2}')`,
  (of) => `${of("a")} = ANY (ARRAY['x', 'y']::varchar[])`,
  (of) => `${of("a")} <> ALL ('{x,y}'::text[])`,
  (of) => `(${of("a")}, ${of("d")}) = ('x', 'y')`,
  (of) => `(${of("b")}, ${of("b")}) < (1, 2)`,
  (of) => `length(${of("a")}) + char_length(${of("d")}) > 3`,
  (of) => `upper(${of("a")}) = lower(${of("d")})`,
  (of) => `substring(${of("d")} FROM 1 FOR 2) = 'ab'`,
  (of) => `substring(${of("d")} FROM '^a') IS NULL`,
  (of) => `position('x' IN ${of("d")}) > 0`,
  (of) => `trim(BOTH FROM ${of("d")}) <> '' AND trim(LEADING 'x' FROM ${of("d")}) <> ''`,
  (of) => `overlay(${of("d")} PLACING 'x' FROM 1) = 'x'`,
  (of) => `extract(year FROM ${of("e")}) = 2020 AND extract(epoch FROM ${of("e")}) > 0.5`,
  (of) => `date_part('year', ${of("e")}) = 2020`,
  (of) => `date_trunc('day', ${of("e")}) > '2020-01-01'`,
  (of) => `${of("e")} + interval '1 year 2 mons' > ${of("e")}`,
  (of) => `(${of("e")}, ${of("e")}) OVERLAPS (${of("e")}, interval '1 day')`,
  (of) => `(${of("j")} ->> 'k') = 'v' AND ${of("j")} ? 'k'`,
  (of) => `${of("j")} @> '{"k": 1}' AND ${of("j")} #>> '{k,0}' IS NULL`,
  (of) => `${of("l")}[1] = 1 AND ${of("l")}[1:2] = ARRAY[1, 2]`,
  (of) => `${of("l")} @> ARRAY[1] AND cardinality(${of("l")}) > 1`,
  (of) => `${of("d")} COLLATE "C" < 'x'`,
  (of) => `(${of("b")}::numeric / 2)::int = 1`,
  (of) => `${of("b")}::text || ${of("d")} = '1x'`,
  (of) => `${of("b")} % 2 = 0 AND -${of("b")} < 0 AND ${of("b")} # 1 << 1 > 2`,
  (of) => `NOT (${of("b")} > 1 OR ${of("b")} < 0) AND (${of("b")} > 3 OR ${of("b")} < 5)`,
  (of) => `(${of("b")} > 1) IS TRUE AND (${of("b")} > 2) IS NOT UNKNOWN`,
  (of) => `${of("d")} IS NFC NORMALIZED`,
  (of) => `normalize(${of("d")}, NFC) = ${of("d")}`,
  (of) => `${of("n")} > 0.5 AND ${of("n")} < 1e10 AND round(${of("n")}, 2) = -1.50`,
  (of) => `${of("a")} >= 'a' AND ${of("a")} < 'x' AND ${of("a")} <> 'm'`,
  (of) => `${of("a")}::char(3) = 'abc'`,
  (of) => `${of("e")} > timestamp '2020-01-01 00:00' AND ${of("e")}::date = date '2020-02-02'`,
];

export type Ability = "virtual columns" | "no enforcement";

/**
 * Every place, for one expression.
 * @param key tells the objects of one expression from those of another
 * @param abilities what only some servers have
 */
export function placesOf(
  expression: (of: Names) => string,
  key: number,
  abilities: ReadonlySet<Ability>,
): string {
  const named = (prefix: string): string => expression((column) => `${prefix}${column}`);
  const fixed = expression((column) => columns[column][1]);
  const used = new Set<Column>();
  expression((column) => {
    used.add(column);
    return column;
  });
  const table = `t${key}`;
  const list = Object.entries(columns)
    .map(([name, [type]]) => `${name} ${type}`)
    .join(", ");
  const [only, ...others] = used;
  const own = named("");
  return `
CREATE TABLE ${table} (id int PRIMARY KEY, ${list},
  g bool GENERATED ALWAYS AS (${own}) STORED,
  ${abilities.has("virtual columns") ? `v bool GENERATED ALWAYS AS (${own}) VIRTUAL,` : ""}
  ${abilities.has("no enforcement") ? `CONSTRAINT ${table}_lax CHECK (${own}) NOT ENFORCED,` : ""}
  f bool DEFAULT (${fixed}),
  CONSTRAINT ${table}_check CHECK (${own}),
  CONSTRAINT ${table}_own CHECK (${own}) NO INHERIT,
  CONSTRAINT ${table}_excluded EXCLUDE USING btree (b WITH =) WHERE (${own}));
ALTER TABLE ${table} ADD CONSTRAINT ${table}_later CHECK (${own}) NOT VALID;
CREATE INDEX ${table}_partial ON ${table} (b) WHERE ${own};
CREATE UNIQUE INDEX ${table}_expression ON ${table} ((${own}), id);
CREATE STATISTICS ${table}_statistics ON (${own}), b FROM ${table};
ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY;
CREATE POLICY ${table}_rows ON ${table} FOR UPDATE USING (${own}) WITH CHECK (${own});
CREATE POLICY ${table}_new ON ${table} FOR INSERT WITH CHECK (${own});
CREATE TRIGGER ${table}_when BEFORE INSERT OR UPDATE ON ${table} FOR EACH ROW WHEN (${named("new.")}) EXECUTE FUNCTION nothing();
CREATE RULE ${table}_rule AS ON INSERT TO ${table} WHERE (${named("new.")}) DO ALSO DELETE FROM log WHERE ${fixed};
CREATE VIEW ${table}_view AS SELECT id, ${own} AS fits FROM ${table} WHERE ${own};
CREATE MATERIALIZED VIEW ${table}_kept AS SELECT count(*) FILTER (WHERE ${own}) AS n FROM ${table} GROUP BY ${own} HAVING bool_or(${own});
CREATE FUNCTION ${table}_returned(${list}) RETURNS bool LANGUAGE sql IMMUTABLE RETURN ${own};
CREATE FUNCTION ${table}_atomic() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM ${table} WHERE ${named(`${table}.`)}; END;
CREATE FUNCTION ${table}_default(x bool DEFAULT (${fixed})) RETURNS bool LANGUAGE sql AS 'SELECT x';
CREATE TABLE ${table}_parts (${list}) PARTITION BY LIST ((${own}));
CREATE TABLE ${table}_part PARTITION OF ${table}_parts FOR VALUES IN (true) PARTITION BY LIST ((${own}));
CREATE INDEX ${table}_parts_index ON ${table}_parts (b) WHERE ${own};
CREATE TABLE ${table}_heir (CHECK (${own})) INHERITS (${table}_old);
${only !== undefined && others.length === 0 ? `CREATE DOMAIN ${table}_domain AS ${columns[only][0]} DEFAULT (CASE WHEN ${fixed} THEN ${columns[only][1]} END) CHECK (${expression(() => "VALUE")});` : ""}
`
    .replace(`INHERITS (${table}_old)`, "INHERITS (elder)")
    .replace(/\n\s*\n/g, "\n");
}

/** What the places above need. */
export const beforehand = `
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE TABLE log (at timestamp);
CREATE TABLE elder (${Object.entries(columns)
  .map(([name, [type]]) => `${name} ${type}`)
  .join(", ")});
`;
