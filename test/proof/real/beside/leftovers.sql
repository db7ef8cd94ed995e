-- What a database administrator leaves in the schema that the address leads to, and around it.

-- On some of its tables: copies before something risky, indexes that a slow query asked for, statistics, notes.
DO $$
DECLARE
  original record;
BEGIN
  FOR original IN
    SELECT c.oid::regclass AS name, c.relname,
           (SELECT quote_ident(a.attname) FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
              AND a.atttypid IN ('int4'::regtype, 'int8'::regtype, 'text'::regtype, 'varchar'::regtype, 'uuid'::regtype, 'timestamptz'::regtype)
            ORDER BY a.attnum LIMIT 1) AS a_column
    FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND NOT c.relispartition
      AND NOT EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent))
      AND c.relname !~ '^(alembic_version|preflight_)'
    ORDER BY c.relname
    LIMIT 12
  LOOP
    EXECUTE format('CREATE TABLE %I AS TABLE %s', original.relname || '_backup_20260102', original.name);
    EXECUTE format('CREATE TABLE %I (LIKE %s INCLUDING ALL)', original.relname || '_new', original.name);
    EXECUTE format('CREATE VIEW %I AS SELECT count(*) AS rows FROM %s', original.relname || '_report', original.name);
    EXECUTE format('COMMENT ON TABLE %s IS %L', original.name, 'vacuumed by hand, see the ticket');
    EXECUTE format('ALTER TABLE %s SET (autovacuum_vacuum_scale_factor = 0.01, toast.autovacuum_enabled = off)', original.name);
    EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', original.name);
    CONTINUE WHEN original.a_column IS NULL;
    EXECUTE format('CREATE INDEX %I ON %s (%s)', 'dba_' || original.relname, original.name, original.a_column);
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %s SET STATISTICS 500', original.name, original.a_column);
    -- As a REINDEX CONCURRENTLY that failed leaves it.
    EXECUTE format('CREATE INDEX %I ON %s (%s)', 'dba_' || original.relname || '_ccnew', original.name, original.a_column);
    UPDATE pg_index SET indisvalid = false WHERE indexrelid = ('dba_' || original.relname || '_ccnew')::regclass;
  END LOOP;
END $$;

-- A role that reads, and one that watches.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'preflight_proof_reader') THEN
    CREATE ROLE preflight_proof_reader;
  END IF;
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO preflight_proof_reader', current_schema());
  EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO preflight_proof_reader', current_schema());
  EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT SELECT ON TABLES TO preflight_proof_reader', current_schema());
END $$;

-- Measurements of a month, a partition for each hour, beside a parent of the old kind.
CREATE TABLE measurements (at timestamptz NOT NULL, sensor int NOT NULL, value float8, PRIMARY KEY (at, sensor))
  PARTITION BY RANGE (at);
CREATE TABLE measurements_rest PARTITION OF measurements DEFAULT;
CREATE TABLE measurements_by_trigger (at timestamptz NOT NULL, value float8);
DO $$
DECLARE
  hour timestamptz;
BEGIN
  FOR hour IN SELECT generate_series('2026-01-01 00:00+00'::timestamptz, '2026-01-30 23:00+00', '1 hour')
  LOOP
    EXECUTE format('CREATE TABLE %I PARTITION OF measurements FOR VALUES FROM (%L) TO (%L)',
                   to_char(hour AT TIME ZONE 'UTC', '"measurements_"YYYYMMDDHH24'), hour, hour + '1 hour'::interval);
    CONTINUE WHEN extract(hour FROM hour AT TIME ZONE 'UTC') <> 0;
    EXECUTE format('CREATE TABLE %I (CHECK (at >= %L AND at < %L)) INHERITS (measurements_by_trigger)',
                   to_char(hour AT TIME ZONE 'UTC', '"by_trigger_"YYYYMMDD'), hour, hour + '1 day'::interval);
  END LOOP;
END $$;

-- Tools of the trade.
DO $$
DECLARE
  extension text;
BEGIN
  FOR extension IN
    SELECT name FROM pg_available_extensions
    WHERE name IN ('pgstattuple', 'pg_buffercache', 'pgrowlocks', 'pg_visibility', 'amcheck', 'tablefunc', 'postgres_fdw', 'pg_freespacemap')
      AND installed_version IS NULL
  LOOP
    EXECUTE format('CREATE EXTENSION %I', extension);
  END LOOP;
END $$;
CREATE SCHEMA dba;
CREATE TABLE dba.slow_queries (at timestamptz, query text);
CREATE FUNCTION dba.long_running() RETURNS SETOF pg_stat_activity LANGUAGE sql
  AS $$ SELECT * FROM pg_stat_activity WHERE state = 'active' AND now() - query_start > '1 minute' $$;
CREATE FUNCTION bloat_of(regclass) RETURNS bigint LANGUAGE sql AS $$ SELECT pg_total_relation_size($1) $$;
CREATE AGGREGATE concatenated(text) (SFUNC = textcat, STYPE = text, INITCOND = '');
CREATE MATERIALIZED VIEW sizes AS
  SELECT c.relname, pg_relation_size(c.oid) AS bytes FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace;
CREATE UNIQUE INDEX ON sizes (relname);
CREATE SEQUENCE tickets;
CREATE TYPE severity AS ENUM ('low', 'high');
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE FUNCTION dba.note_ddl() RETURNS event_trigger LANGUAGE plpgsql
  AS $$ BEGIN INSERT INTO dba.slow_queries VALUES (now(), tg_tag); END $$;
CREATE EVENT TRIGGER note_ddl ON ddl_command_end EXECUTE FUNCTION dba.note_ddl();
