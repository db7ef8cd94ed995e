CREATE SCHEMA "Odd schema";
CREATE EXTENSION citext;
CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'happy');
ALTER TYPE mood ADD VALUE 'meh' BEFORE 'happy';
CREATE TYPE nothing AS ENUM ();
CREATE DOMAIN positive AS integer DEFAULT 1 CONSTRAINT above CHECK (VALUE > 0);
CREATE TYPE pair AS (a integer, "B b" text);
CREATE TYPE span AS RANGE (subtype = float8);
CREATE TABLE "Odd schema"."Us""ers" (
  id bigint GENERATED ALWAYS AS IDENTITY (START 10) PRIMARY KEY,
  "E mail" citext COLLATE "C" NOT NULL,
  mood mood DEFAULT 'it''s ok',
  amount numeric(10, 2) DEFAULT 0.5,
  doubled numeric GENERATED ALWAYS AS (amount * 2) STORED,
  path text DEFAULT E'a\\b',
  dollars text DEFAULT '$1 $$ $x$',
  since timestamptz DEFAULT '2020-01-01 00:00:00+02',
  CONSTRAINT "Odd check" CHECK (amount >= 0)
);
CREATE UNIQUE INDEX "Odd index" ON "Odd schema"."Us""ers" (lower("E mail"::text)) WHERE mood <> 'sad';
CREATE TABLE plain (id serial PRIMARY KEY, size positive, both_ pair, owner bigint REFERENCES "Odd schema"."Us""ers" ON DELETE CASCADE, EXCLUDE USING gist (box(point(id, id), point(id, id)) WITH &&));
CREATE UNLOGGED TABLE fast (x int);
CREATE TABLE child (extra int) INHERITS (fast);
CREATE TABLE events (at date NOT NULL, kind text NOT NULL, PRIMARY KEY (at, kind)) PARTITION BY RANGE (at);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE INDEX events_kind ON events (kind);
ALTER TABLE plain ENABLE ROW LEVEL SECURITY;
ALTER TABLE plain FORCE ROW LEVEL SECURITY;
CREATE POLICY "Own rows" ON plain FOR SELECT TO PUBLIC USING (size > 0);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  RAISE NOTICE 'a\b $x$';
  RETURN NEW;
END $body$;
CREATE TRIGGER "Touch it" BEFORE UPDATE ON plain FOR EACH ROW WHEN (OLD.size IS DISTINCT FROM NEW.size) EXECUTE FUNCTION touch();
CREATE TRIGGER each_event AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION touch();
CREATE PROCEDURE nop(INOUT x integer) LANGUAGE sql AS 'SELECT x';
CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0');
CREATE VIEW small AS SELECT id, size FROM plain WHERE size < 10;
CREATE RULE no_insert AS ON INSERT TO small DO INSTEAD NOTHING;
CREATE MATERIALIZED VIEW counts AS SELECT count(*) AS n FROM plain;
CREATE SEQUENCE numbers AS smallint INCREMENT 5 CYCLE;
CREATE STATISTICS both_columns ON size, owner FROM plain;
COMMENT ON TABLE plain IS 'a table';
COMMENT ON COLUMN plain.size IS 'its size';
CREATE TEMPORARY TABLE not_mine (x int);
