/** One object of each kind, and what people do to it behind its history's back. */

/** What is right then. `said`: the application starts, and the log names it. */
export type Answer = "nothing" | "said" | "drift";

export type Alteration = {
  readonly sql: string;
  readonly answer: Answer;
  /** What is compared only between servers that print views alike. */
  readonly isAboutView?: true;
  /** The first major version that knows these words. Default: 13. */
  readonly since?: number;
};

export type SchemaObject = {
  readonly make: string;
  readonly alterations: readonly Alteration[];
};

/** What differs from one object of a kind to the next. */
export type Details = {
  /** Follows the names of all that it makes. */
  readonly n: string;
  /** A truth of the columns of `list`. */
  readonly truth: (prefix?: string) => string;
  /** The same, of no column. */
  readonly constant: string;
  /** The columns of a table that such a truth needs. */
  readonly list: string;
  readonly choose: <Choice>(...choices: readonly Choice[]) => Choice;
};

export type SchemaKind = {
  readonly since?: number;
  readonly of: (details: Details) => SchemaObject;
};

const drift = (sql: string, since?: number): Alteration => ({
  sql,
  answer: "drift",
  ...(since !== undefined && { since }),
});
const said = (sql: string): Alteration => ({ sql, answer: "said" });
const nothing = (sql: string, since?: number): Alteration => ({
  sql,
  answer: "nothing",
  ...(since !== undefined && { since }),
});
const ofView = (sql: string): Alteration => ({ sql, answer: "drift", isAboutView: true });

/** No truth that a schema is made with says this. */
const other = "b > 7700";

export const schemaKinds = {
  table: {
    of: ({ n, choose }) => ({
      make: `CREATE TABLE t${n} (id int PRIMARY KEY, a text${choose("", " NOT NULL", " DEFAULT 'x'")}, b ${choose("int", "bigint", "numeric(9, 2)")})`,
      alterations: [
        drift(`DROP TABLE t${n}`),
        drift(`ALTER TABLE t${n} RENAME TO other${n}`),
        drift(`ALTER TABLE t${n} SET UNLOGGED`),
        drift(`ALTER TABLE t${n} ENABLE ROW LEVEL SECURITY`),
        drift(`ALTER TABLE t${n} FORCE ROW LEVEL SECURITY`),
        nothing(`ALTER TABLE t${n} SET (fillfactor = 50, autovacuum_enabled = off)`),
        nothing(`COMMENT ON TABLE t${n} IS 'by hand'`),
        nothing(`ALTER TABLE t${n} CLUSTER ON t${n}_pkey`),
      ],
    }),
  },
  column: {
    of: ({ n, choose }) => {
      const type = choose("int", "varchar(9)", "numeric(8, 2)", "timestamptz(3)", "jsonb", "int[]");
      return {
        make: `CREATE TABLE t${n} (id int, x ${type}${choose("", " NOT NULL")}, y text NOT NULL DEFAULT 'a')`,
        alterations: [
          drift(`ALTER TABLE t${n} DROP COLUMN x`),
          drift(`ALTER TABLE t${n} RENAME x TO z`),
          drift(`ALTER TABLE t${n} ALTER x TYPE text`),
          drift(`ALTER TABLE t${n} ALTER y DROP NOT NULL`),
          drift(`ALTER TABLE t${n} ALTER y DROP DEFAULT`),
          drift(`ALTER TABLE t${n} ALTER y SET DEFAULT 'b'`),
          drift(`ALTER TABLE t${n} ALTER id SET NOT NULL`),
          drift(`ALTER TABLE t${n} ALTER y TYPE text COLLATE "POSIX"`),
          nothing(`ALTER TABLE t${n} ALTER y SET STATISTICS 500`),
          nothing(`ALTER TABLE t${n} ALTER y SET STORAGE external`),
          nothing(`ALTER TABLE t${n} ALTER y SET (n_distinct = -0.5)`),
        ],
      };
    },
  },
  identity: {
    of: ({ n, choose }) => ({
      make: `CREATE TABLE t${n} (id bigint GENERATED ${choose("ALWAYS", "BY DEFAULT")} AS IDENTITY${choose("", " (START 100 INCREMENT 7)")}, k serial)`,
      alterations: [
        drift(`ALTER TABLE t${n} ALTER id DROP IDENTITY`),
        drift(`ALTER TABLE t${n} ALTER k DROP DEFAULT`),
        drift(`ALTER TABLE t${n} ALTER k TYPE bigint`),
        nothing(`ALTER SEQUENCE t${n}_k_seq RESTART 50`),
      ],
    }),
  },
  "generated column": {
    of: ({ n, list, truth }) => ({
      make: `CREATE TABLE t${n} (${list}, g bool GENERATED ALWAYS AS (${truth()}) STORED)`,
      alterations: [
        drift(`ALTER TABLE t${n} ALTER g DROP EXPRESSION`),
        drift(`ALTER TABLE t${n} DROP COLUMN g`),
        drift(
          `ALTER TABLE t${n} DROP COLUMN g; ALTER TABLE t${n} ADD g bool GENERATED ALWAYS AS (${other}) STORED`,
        ),
      ],
    }),
  },
  "virtual column": {
    since: 18,
    of: ({ n, list, truth }) => ({
      make: `CREATE TABLE t${n} (${list}, g bool GENERATED ALWAYS AS (${truth()}) VIRTUAL)`,
      alterations: [
        drift(`ALTER TABLE t${n} ALTER g SET EXPRESSION AS (${other})`),
        drift(`ALTER TABLE t${n} DROP COLUMN g`),
      ],
    }),
  },
  default: {
    of: ({ n, constant, choose }) => ({
      make: `CREATE TABLE t${n} (id int, f bool DEFAULT (${constant}), u text DEFAULT ${choose("CURRENT_USER", "current_setting('server_version')", "upper('a')")}, at timestamptz DEFAULT now())`,
      alterations: [
        drift(`ALTER TABLE t${n} ALTER f DROP DEFAULT`),
        drift(`ALTER TABLE t${n} ALTER f SET DEFAULT (1 > 7700)`),
        drift(`ALTER TABLE t${n} ALTER at SET DEFAULT clock_timestamp()`),
      ],
    }),
  },
  "primary key": {
    of: ({ n, choose }) => ({
      make: `CREATE TABLE t${n} (a int, b int, CONSTRAINT t${n}_key PRIMARY KEY (${choose("a", "a, b")})${choose("", " DEFERRABLE")})`,
      alterations: [
        drift(`ALTER TABLE t${n} DROP CONSTRAINT t${n}_key`),
        drift(
          `ALTER TABLE t${n} DROP CONSTRAINT t${n}_key; ALTER TABLE t${n} ADD CONSTRAINT t${n}_key PRIMARY KEY (b)`,
        ),
        nothing(`REINDEX TABLE t${n}`),
      ],
    }),
  },
  "foreign key": {
    of: ({ n, choose }) => ({
      make: `CREATE TABLE t${n} (id int PRIMARY KEY);
CREATE TABLE u${n} (of int CONSTRAINT u${n}_of REFERENCES t${n}${choose("", " ON DELETE CASCADE", " ON UPDATE SET NULL DEFERRABLE INITIALLY DEFERRED")})`,
      alterations: [
        drift(`ALTER TABLE u${n} DROP CONSTRAINT u${n}_of`),
        drift(
          `ALTER TABLE u${n} DROP CONSTRAINT u${n}_of; ALTER TABLE u${n} ADD CONSTRAINT u${n}_of FOREIGN KEY (of) REFERENCES t${n} ON DELETE SET DEFAULT`,
        ),
        drift(
          `ALTER TABLE u${n} DROP CONSTRAINT u${n}_of; ALTER TABLE u${n} ADD CONSTRAINT u${n}_of FOREIGN KEY (of) REFERENCES t${n} NOT VALID`,
        ),
        drift(`ALTER TABLE u${n} DISABLE TRIGGER ALL`),
      ],
    }),
  },
  check: {
    of: ({ n, list, truth, choose }) => ({
      make: `CREATE TABLE t${n} (${list}, CONSTRAINT t${n}_check CHECK (${truth()})${choose("", " NO INHERIT")})`,
      alterations: [
        drift(`ALTER TABLE t${n} DROP CONSTRAINT t${n}_check`),
        drift(
          `ALTER TABLE t${n} DROP CONSTRAINT t${n}_check; ALTER TABLE t${n} ADD CONSTRAINT t${n}_check CHECK (${other})`,
        ),
      ],
    }),
  },
  "constraint that is not validated": {
    of: ({ n, list, truth }) => ({
      make: `CREATE TABLE t${n} (${list}); ALTER TABLE t${n} ADD CONSTRAINT t${n}_later CHECK (${truth()}) NOT VALID`,
      alterations: [
        nothing(`ALTER TABLE t${n} VALIDATE CONSTRAINT t${n}_later`),
        drift(`ALTER TABLE t${n} DROP CONSTRAINT t${n}_later`),
      ],
    }),
  },
  "foreign key that is not validated": {
    of: ({ n }) => ({
      make: `CREATE TABLE t${n} (id int PRIMARY KEY, up int); ALTER TABLE t${n} ADD CONSTRAINT t${n}_up FOREIGN KEY (up) REFERENCES t${n} NOT VALID`,
      alterations: [
        nothing(`ALTER TABLE t${n} VALIDATE CONSTRAINT t${n}_up`),
        drift(`ALTER TABLE t${n} DROP CONSTRAINT t${n}_up`),
      ],
    }),
  },
  "unique constraint": {
    of: ({ n, choose }) => ({
      make: `CREATE TABLE t${n} (a int, b text, CONSTRAINT t${n}_once UNIQUE (a${choose("", ", b")})${choose("", " DEFERRABLE INITIALLY DEFERRED")})`,
      alterations: [
        drift(`ALTER TABLE t${n} DROP CONSTRAINT t${n}_once`),
        drift(
          `ALTER TABLE t${n} DROP CONSTRAINT t${n}_once; CREATE UNIQUE INDEX t${n}_once ON t${n} (b)`,
        ),
        nothing(`ALTER INDEX t${n}_once SET (fillfactor = 60)`),
      ],
    }),
  },
  exclusion: {
    of: ({ n, list, truth }) => ({
      make: `CREATE TABLE t${n} (${list}, r int4range, CONSTRAINT t${n}_apart EXCLUDE USING gist (r WITH &&) WHERE (${truth()}))`,
      alterations: [
        nothing(`ALTER INDEX t${n}_apart SET (fillfactor = 70)`),
        drift(`ALTER TABLE t${n} DROP CONSTRAINT t${n}_apart`),
        drift(
          `ALTER TABLE t${n} DROP CONSTRAINT t${n}_apart; ALTER TABLE t${n} ADD CONSTRAINT t${n}_apart EXCLUDE USING gist (r WITH &&) WHERE (${other})`,
        ),
      ],
    }),
  },
  index: {
    of: ({ n, list, truth, choose }) => {
      const inverted = "USING gin (j)";
      const on = choose(
        "(b)",
        "USING hash (d)",
        inverted,
        '(a COLLATE "C" text_pattern_ops DESC NULLS LAST) INCLUDE (b)',
        `((${truth()}))`,
        `(b) WHERE ${truth()}`,
      );
      const parameter = on === inverted ? "fastupdate = off" : "fillfactor = 60";
      return {
        make: `CREATE TABLE t${n} (${list}); CREATE INDEX t${n}_by ON t${n} ${on}`,
        alterations: [
          said(`DROP INDEX t${n}_by`),
          nothing(`ALTER INDEX t${n}_by SET (${parameter})`),
          nothing(`REINDEX INDEX t${n}_by`),
        ],
      };
    },
  },
  "index on the parent only": {
    of: ({ n }) => ({
      make: `CREATE TABLE t${n} (x int) PARTITION BY LIST (x); CREATE TABLE t${n}_1 PARTITION OF t${n} FOR VALUES IN (1); CREATE INDEX t${n}_x ON ONLY t${n} (x)`,
      alterations: [
        nothing(
          `CREATE INDEX t${n}_1x ON t${n}_1 (x); ALTER INDEX t${n}_x ATTACH PARTITION t${n}_1x`,
        ),
        said(`DROP INDEX t${n}_x`),
      ],
    }),
  },
  "unique index": {
    of: ({ n, list, truth, choose }) => ({
      make: `CREATE TABLE t${n} (${list}); CREATE UNIQUE INDEX t${n}_once ON t${n} ${choose("(b)", "(lower(d))", `(b, (${truth()}))`, `(b) WHERE ${truth()}`)}`,
      alterations: [
        drift(`DROP INDEX t${n}_once`),
        drift(`DROP INDEX t${n}_once; CREATE INDEX t${n}_once ON t${n} (b)`),
        nothing(`ALTER INDEX t${n}_once SET (fillfactor = 60)`),
      ],
    }),
  },
  view: {
    of: ({ n, list, truth }) => ({
      make: `CREATE TABLE t${n} (${list}); CREATE VIEW v${n} AS SELECT a, b, ${truth()} AS fits FROM t${n} WHERE ${truth()}`,
      alterations: [
        drift(`DROP VIEW v${n}`),
        ofView(`CREATE OR REPLACE VIEW v${n} AS SELECT a, b, ${other} AS fits FROM t${n}`),
        drift(`ALTER VIEW v${n} ALTER b SET DEFAULT 5`),
        drift(`ALTER VIEW v${n} SET (security_barrier)`),
      ],
    }),
  },
  "materialized view": {
    of: ({ n, list, truth }) => {
      const query = (where: string): string =>
        `SELECT b, count(*) FILTER (WHERE ${where}) AS n FROM t${n} GROUP BY b`;
      return {
        make: `CREATE TABLE t${n} (${list}); CREATE MATERIALIZED VIEW m${n} AS ${query(truth())}; CREATE UNIQUE INDEX m${n}_b ON m${n} (b)`,
        alterations: [
          drift(`DROP MATERIALIZED VIEW m${n}`),
          drift(`DROP INDEX m${n}_b`),
          ofView(
            `DROP MATERIALIZED VIEW m${n}; CREATE MATERIALIZED VIEW m${n} AS ${query(other)}; CREATE UNIQUE INDEX m${n}_b ON m${n} (b)`,
          ),
          nothing(`REFRESH MATERIALIZED VIEW m${n}`),
        ],
      };
    },
  },
  rule: {
    of: ({ n, list, truth }) => {
      const rule = (where: string): string =>
        `RULE r${n} AS ON DELETE TO t${n} WHERE ${where} DO INSTEAD NOTHING`;
      return {
        make: `CREATE TABLE t${n} (${list}); CREATE ${rule(truth("old."))}`,
        alterations: [
          drift(`DROP RULE r${n} ON t${n}`),
          drift(`CREATE OR REPLACE ${rule(`old.${other}`)}`),
          drift(`ALTER TABLE t${n} DISABLE RULE r${n}`),
        ],
      };
    },
  },
  sequence: {
    of: ({ n, choose }) => ({
      make: `CREATE SEQUENCE s${n}${choose("", " AS smallint INCREMENT -1 MINVALUE -100 MAXVALUE 10 START 5 CYCLE", " START 10 CACHE 20")}`,
      alterations: [
        drift(`DROP SEQUENCE s${n}`),
        drift(`ALTER SEQUENCE s${n} INCREMENT 2`),
        nothing(`SELECT nextval('s${n}')`),
      ],
    }),
  },
  enum: {
    of: ({ n }) => ({
      make: `CREATE TYPE e${n} AS ENUM ('sad', 'so so', 'happy')`,
      alterations: [
        drift(`ALTER TYPE e${n} ADD VALUE 'odd' BEFORE 'happy'`),
        drift(`ALTER TYPE e${n} RENAME VALUE 'sad' TO 'blue'`),
        drift(`DROP TYPE e${n}`),
      ],
    }),
  },
  domain: {
    of: ({ n, choose }) => ({
      make: `CREATE DOMAIN d${n} AS ${choose("int CHECK (VALUE > 0)", "text COLLATE \"C\" DEFAULT 'x' CHECK (VALUE IN ('x', 'y'))", "varchar(9) CONSTRAINT fit CHECK (length(VALUE) > 1)")}`,
      alterations: [
        drift(`ALTER DOMAIN d${n} SET NOT NULL`),
        drift(`ALTER DOMAIN d${n} ADD CONSTRAINT more CHECK (VALUE IS NOT NULL)`),
        drift(`ALTER DOMAIN d${n} SET DEFAULT NULL; ALTER DOMAIN d${n} ADD CHECK (true)`),
        drift(`DROP DOMAIN d${n}`),
      ],
    }),
  },
  "composite type": {
    of: ({ n }) => ({
      make: `CREATE TYPE c${n} AS (a int, b text COLLATE "C")`,
      alterations: [drift(`ALTER TYPE c${n} ADD ATTRIBUTE c int`), drift(`DROP TYPE c${n}`)],
    }),
  },
  "range type": {
    of: ({ n }) => ({
      make: `CREATE TYPE r${n} AS RANGE (subtype = float8, subtype_diff = float8mi)`,
      alterations: [
        drift(`DROP TYPE r${n}`),
        drift(`DROP TYPE r${n}; CREATE TYPE r${n} AS RANGE (subtype = float4)`),
      ],
    }),
  },
  function: {
    of: ({ n, constant, choose }) => {
      const [language, before, after] = choose(
        ["sql", "SELECT a", ""] as const,
        ["plpgsql", "BEGIN RETURN a", "; END"] as const,
      );
      const make = (more: string): string =>
        `FUNCTION f${n}(a int, b bool DEFAULT (${constant})) RETURNS int LANGUAGE ${language} STABLE AS '${before}${more}${after}'`;
      return {
        make: `CREATE ${make("")}`,
        alterations: [
          drift(`DROP FUNCTION f${n}`),
          drift(`CREATE OR REPLACE ${make(" + 1")}`),
          drift(`ALTER FUNCTION f${n} VOLATILE`),
          drift(`ALTER FUNCTION f${n} SECURITY DEFINER`),
          drift(`ALTER FUNCTION f${n} SET work_mem = '5MB'`),
        ],
      };
    },
  },
  "function in SQL's own words": {
    since: 14,
    of: ({ n, list, truth }) => ({
      make: `CREATE TABLE t${n} (${list}); CREATE FUNCTION f${n}() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM t${n} WHERE ${truth(`t${n}.`)}; END`,
      alterations: [
        drift(`DROP FUNCTION f${n}`),
        drift(
          `CREATE OR REPLACE FUNCTION f${n}() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM t${n} WHERE t${n}.${other}; END`,
        ),
      ],
    }),
  },
  procedure: {
    of: ({ n, constant }) => ({
      make: `CREATE PROCEDURE p${n}(INOUT a int DEFAULT 5, b bool DEFAULT (${constant})) LANGUAGE sql AS 'SELECT a'`,
      alterations: [drift(`DROP PROCEDURE p${n}`), drift(`ALTER PROCEDURE p${n} SECURITY DEFINER`)],
    }),
  },
  aggregate: {
    of: ({ n, choose }) => ({
      make: `CREATE AGGREGATE a${n}(int) (sfunc = int4pl, stype = int${choose("", ", initcond = '0'")})`,
      alterations: [drift(`DROP AGGREGATE a${n}(int)`)],
    }),
  },
  statistics: {
    of: ({ n, list }) => ({
      make: `CREATE TABLE t${n} (${list}); CREATE STATISTICS s${n} ON a, b FROM t${n}`,
      alterations: [drift(`DROP STATISTICS s${n}`), nothing(`ANALYZE t${n}`)],
    }),
  },
  "statistics of an expression": {
    since: 14,
    of: ({ n, list, truth }) => ({
      make: `CREATE TABLE t${n} (${list}); CREATE STATISTICS s${n} ON (${truth()}), b FROM t${n}`,
      alterations: [
        drift(`DROP STATISTICS s${n}`),
        drift(`DROP STATISTICS s${n}; CREATE STATISTICS s${n} ON (${other}), b FROM t${n}`),
      ],
    }),
  },
  trigger: {
    of: ({ n, list, truth, choose }) => {
      const events = choose("INSERT OR UPDATE", "INSERT");
      const trigger = (when: string): string =>
        `TRIGGER g${n} BEFORE ${events} ON t${n} FOR EACH ROW WHEN (${when}) EXECUTE FUNCTION k${n}()`;
      return {
        make: `CREATE TABLE t${n} (${list}); CREATE FUNCTION k${n}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE ${trigger(truth("new."))}`,
        alterations: [
          drift(`DROP TRIGGER g${n} ON t${n}`),
          drift(`DROP TRIGGER g${n} ON t${n}; CREATE ${trigger(`new.${other}`)}`),
          drift(`ALTER TABLE t${n} DISABLE TRIGGER g${n}`),
          drift(`ALTER TABLE t${n} ENABLE ALWAYS TRIGGER g${n}`),
        ],
      };
    },
  },
  "trigger of partitions": {
    of: ({ n }) => ({
      make: `CREATE TABLE u${n} (id int PRIMARY KEY);
CREATE TABLE t${n} (at int CONSTRAINT t${n}_of REFERENCES u${n}) PARTITION BY LIST (at); CREATE TABLE t${n}_1 PARTITION OF t${n} FOR VALUES IN (1);
CREATE FUNCTION k${n}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER g${n} AFTER INSERT ON t${n} FOR EACH ROW EXECUTE FUNCTION k${n}()`,
      alterations: [
        drift(`ALTER TABLE t${n}_1 DISABLE TRIGGER g${n}`),
        drift(`ALTER TABLE t${n} DISABLE TRIGGER g${n}`),
        drift(`ALTER TABLE t${n}_1 DISABLE TRIGGER ALL`),
        drift(`ALTER TABLE u${n} DISABLE TRIGGER ALL`),
        nothing(`ALTER TABLE t${n}_1 DISABLE TRIGGER ALL; ALTER TABLE t${n}_1 ENABLE TRIGGER ALL`),
      ],
    }),
  },
  policy: {
    of: ({ n, list, truth, choose }) => ({
      make: `CREATE TABLE t${n} (${list}); ALTER TABLE t${n} ENABLE ROW LEVEL SECURITY; CREATE POLICY p${n} ON t${n} FOR ${choose("SELECT", "ALL")} USING (${truth()})`,
      alterations: [
        drift(`DROP POLICY p${n} ON t${n}`),
        drift(`ALTER POLICY p${n} ON t${n} USING (${other})`),
        drift(`ALTER POLICY p${n} ON t${n} TO pg_monitor`),
        drift(`ALTER TABLE t${n} DISABLE ROW LEVEL SECURITY`),
      ],
    }),
  },
  "event trigger": {
    of: ({ n }) => ({
      make: `CREATE FUNCTION k${n}() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER e${n} ON ddl_command_end EXECUTE FUNCTION k${n}()`,
      alterations: [drift(`DROP EVENT TRIGGER e${n}`), drift(`ALTER EVENT TRIGGER e${n} DISABLE`)],
    }),
  },
  inheritance: {
    of: ({ n }) => ({
      make: `CREATE TABLE t${n} (a int, b text); CREATE TABLE u${n} (c int) INHERITS (t${n})`,
      alterations: [drift(`ALTER TABLE u${n} NO INHERIT t${n}`), drift(`DROP TABLE u${n}`)],
    }),
  },
  "range partitions": {
    of: ({ n, choose }) => {
      const [type, low, middle, high] = choose(
        ["date", "'2020-01-01'", "'2021-01-01'", "'2022-01-01'"] as const,
        ["int", "0", "10", "20"] as const,
        [
          "timestamptz",
          "'2020-01-01+00'",
          "'2020-01-01 01:00+00'",
          "'2020-01-01 02:00+00'",
        ] as const,
      );
      return {
        make: `CREATE TABLE t${n} (at ${type}) PARTITION BY RANGE (at);
CREATE TABLE t${n}_low PARTITION OF t${n} FOR VALUES FROM (${low}) TO (${middle});
CREATE TABLE t${n}_high PARTITION OF t${n} FOR VALUES FROM (${middle}) TO (${high})`,
        alterations: [
          nothing(`DROP TABLE t${n}_low`),
          nothing(`ALTER TABLE t${n} DETACH PARTITION t${n}_low`),
          // As DETACH CONCURRENTLY leaves it when it is stopped.
          drift(
            `UPDATE pg_inherits SET inhdetachpending = true WHERE inhrelid = 't${n}_high'::regclass`,
            14,
          ),
          drift(`DROP TABLE t${n}_high`),
          drift(`ALTER TABLE t${n} DETACH PARTITION t${n}_high`),
          nothing(
            `CREATE TABLE t${n}_more PARTITION OF t${n} FOR VALUES FROM (${high}) TO (MAXVALUE)`,
          ),
        ],
      };
    },
  },
  "list partitions": {
    of: ({ n, list, truth }) => ({
      make: `CREATE TABLE t${n} (${list}) PARTITION BY LIST ((${truth()}));
CREATE TABLE t${n}_yes PARTITION OF t${n} FOR VALUES IN (true);
CREATE TABLE t${n}_rest PARTITION OF t${n} DEFAULT`,
      alterations: [
        drift(`DROP TABLE t${n}_yes`),
        drift(`DROP TABLE t${n}_rest`),
        drift(
          `ALTER TABLE t${n} DETACH PARTITION t${n}_yes; ALTER TABLE t${n} ATTACH PARTITION t${n}_yes FOR VALUES IN (false)`,
        ),
      ],
    }),
  },
  "hash partitions": {
    of: ({ n }) => ({
      make: `CREATE TABLE t${n} (k text, v int) PARTITION BY HASH (k);
CREATE TABLE t${n}_0 PARTITION OF t${n} FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE t${n}_1 PARTITION OF t${n} FOR VALUES WITH (MODULUS 2, REMAINDER 1)`,
      alterations: [drift(`DROP TABLE t${n}_0`)],
    }),
  },
  schema: {
    of: ({ n }) => ({
      make: `CREATE SCHEMA area${n}; CREATE TABLE area${n}.t (id int PRIMARY KEY)`,
      alterations: [
        drift(`DROP SCHEMA area${n} CASCADE`),
        drift(`ALTER SCHEMA area${n} RENAME TO other${n}`),
      ],
    }),
  },
  extension: {
    of: ({ n }) => ({
      make: `CREATE SCHEMA kit; CREATE EXTENSION citext; CREATE EXTENSION pg_trgm SCHEMA kit; CREATE TABLE t${n} (name citext)`,
      alterations: [
        drift("DROP EXTENSION citext CASCADE"),
        drift("DROP EXTENSION pg_trgm"),
        nothing("ALTER EXTENSION citext SET SCHEMA kit"),
        said("CREATE SCHEMA aside; ALTER EXTENSION pg_trgm SET SCHEMA aside"),
      ],
    }),
  },
  operator: {
    of: ({ n }) => ({
      make: `CREATE FUNCTION o${n}(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 = $2'; CREATE OPERATOR === (leftarg = int, rightarg = int, function = o${n})`,
      alterations: [
        drift(`DROP OPERATOR === (int, int)`),
        drift(
          `CREATE FUNCTION other${n}(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT true'; DROP OPERATOR === (int, int); CREATE OPERATOR === (leftarg = int, rightarg = int, function = other${n})`,
        ),
      ],
    }),
  },
  "operator family": {
    of: ({ n }) => ({
      make: `CREATE OPERATOR FAMILY ops${n} USING btree`,
      alterations: [
        drift(`DROP OPERATOR FAMILY ops${n} USING btree`),
        drift(`ALTER OPERATOR FAMILY ops${n} USING btree ADD OPERATOR 1 < (int, int)`),
      ],
    }),
  },
  "operator class": {
    of: ({ n }) => ({
      make: `CREATE TYPE c${n} AS (a int, b int); CREATE OPERATOR CLASS c${n}_ops FOR TYPE c${n} USING btree AS OPERATOR 1 < (record, record), OPERATOR 2 <= (record, record), OPERATOR 3 = (record, record), OPERATOR 4 >= (record, record), OPERATOR 5 > (record, record), FUNCTION 1 btrecordcmp(record, record)`,
      alterations: [drift(`DROP OPERATOR CLASS c${n}_ops USING btree`)],
    }),
  },
  cast: {
    of: ({ n, choose }) => ({
      make: `CREATE TYPE e${n} AS ENUM ('no', 'yes'); CREATE FUNCTION to_e${n}(int) RETURNS e${n} LANGUAGE sql IMMUTABLE AS $$SELECT CASE WHEN $1 > 0 THEN 'yes'::e${n} END$$; CREATE CAST (int AS e${n}) WITH FUNCTION to_e${n}(int)${choose("", " AS ASSIGNMENT")}`,
      alterations: [
        drift(`DROP CAST (int AS e${n})`),
        drift(
          `DROP CAST (int AS e${n}); CREATE CAST (int AS e${n}) WITH FUNCTION to_e${n}(int) AS IMPLICIT`,
        ),
      ],
    }),
  },
  "text search": {
    of: ({ n }) => ({
      make: `CREATE TEXT SEARCH DICTIONARY d${n} (template = simple, stopwords = english);
CREATE TEXT SEARCH CONFIGURATION c${n} (copy = simple);
ALTER TEXT SEARCH CONFIGURATION c${n} ALTER MAPPING FOR word WITH d${n};
CREATE TEXT SEARCH PARSER p${n} (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, lextypes = prsd_lextype);
CREATE TEXT SEARCH TEMPLATE m${n} (init = dsimple_init, lexize = dsimple_lexize)`,
      alterations: [
        drift(`ALTER TEXT SEARCH DICTIONARY d${n} (stopwords = german)`),
        drift(`DROP TEXT SEARCH CONFIGURATION c${n}`),
        drift(`ALTER TEXT SEARCH CONFIGURATION c${n} DROP MAPPING FOR email`),
        drift(`DROP TEXT SEARCH PARSER p${n}`),
        drift(`DROP TEXT SEARCH TEMPLATE m${n}`),
      ],
    }),
  },
  collation: {
    of: ({ n }) => ({
      make: `CREATE COLLATION l${n} (provider = icu, locale = 'und-u-ks-level2', deterministic = false); CREATE TABLE t${n} (a text COLLATE l${n})`,
      alterations: [drift(`ALTER COLLATION l${n} RENAME TO other${n}`)],
    }),
  },
  conversion: {
    of: ({ n }) => ({
      make: `CREATE CONVERSION v${n} FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8`,
      alterations: [drift(`DROP CONVERSION v${n}`)],
    }),
  },
  "transform, language, access method": {
    of: ({ n }) => ({
      make: `CREATE TYPE c${n} AS (a int); CREATE TRANSFORM FOR c${n} LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal));
CREATE FUNCTION handler${n}() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'; CREATE LANGUAGE lang${n} HANDLER handler${n}; CREATE ACCESS METHOD method${n} TYPE TABLE HANDLER heap_tableam_handler`,
      alterations: [
        drift(`DROP TRANSFORM FOR c${n} LANGUAGE sql`),
        drift(`DROP LANGUAGE lang${n}`),
        drift(`DROP ACCESS METHOD method${n}`),
      ],
    }),
  },
  "foreign table": {
    of: ({ n }) => ({
      make: `CREATE FOREIGN DATA WRAPPER w${n}; CREATE SERVER s${n} FOREIGN DATA WRAPPER w${n}; CREATE FOREIGN TABLE f${n} (id int OPTIONS (column_name 'a')) SERVER s${n}`,
      alterations: [
        drift(`ALTER FOREIGN TABLE f${n} ALTER id OPTIONS (SET column_name 'b')`),
        drift(`DROP FOREIGN TABLE f${n}`),
        drift(`DROP SERVER s${n} CASCADE`),
        drift(`DROP FOREIGN DATA WRAPPER w${n} CASCADE`),
        nothing(`ALTER SERVER s${n} OPTIONS (host 'db')`),
      ],
    }),
  },
  publication: {
    of: ({ n }) => ({
      make: `CREATE TABLE t${n} (id int PRIMARY KEY); CREATE PUBLICATION p${n} FOR TABLE t${n}`,
      alterations: [
        said(`DROP PUBLICATION p${n}`),
        said(`ALTER PUBLICATION p${n} DROP TABLE t${n}`),
        said(`ALTER PUBLICATION p${n} SET (publish = 'insert')`),
        nothing(`CREATE PUBLICATION more${n} FOR ALL TABLES`),
      ],
    }),
  },
  "replica identity": {
    of: ({ n }) => ({
      make: `CREATE TABLE t${n} (id int PRIMARY KEY); ALTER TABLE t${n} REPLICA IDENTITY FULL`,
      alterations: [said(`ALTER TABLE t${n} REPLICA IDENTITY DEFAULT`)],
    }),
  },
  "privilege and owner": {
    of: ({ n }) => ({
      make: `CREATE TABLE t${n} (id int); GRANT SELECT ON t${n} TO PUBLIC; CREATE TABLE u${n} (id int); ALTER TABLE u${n} OWNER TO pg_monitor`,
      alterations: [
        said(`REVOKE SELECT ON t${n} FROM PUBLIC`),
        said(`ALTER TABLE u${n} OWNER TO pg_signal_backend`),
        nothing(`GRANT ALL ON t${n} TO pg_monitor`),
      ],
    }),
  },
} as const satisfies Readonly<Record<string, SchemaKind>>;

export type KindName = keyof typeof schemaKinds;
export const kindNames = Object.keys(schemaKinds) as KindName[];
