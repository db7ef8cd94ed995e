/** What people add beside a history's work, and what the table of docs/how-it-decides.md says of it. */

/** The tables that it is added to. */
export const users = `
CREATE TABLE users (id int PRIMARY KEY, name text, org int, data jsonb, at timestamp, code char(4), tag name, small smallint, big bigint);
CREATE TABLE posts (id int PRIMARY KEY, author int REFERENCES users (id));
CREATE TABLE events (id int, said text);
CREATE TABLE events_1 () INHERITS (events);`;

/** Some rows in them. */
export const rowsOfUsers = `
INSERT INTO users (id, name, org) VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', 3);
INSERT INTO posts VALUES (1, 1);`;

const domain = "CREATE DOMAIN known AS text";

/** The application notices nothing. */
export const harmless = {
  "a table of its own": [
    "CREATE TABLE other (id int PRIMARY KEY, name text CHECK (name <> ''), UNIQUE (name))",
    "CREATE TABLE other (id int); CREATE UNIQUE INDEX ON other (id); CREATE INDEX ON other ((1 / id))",
    "CREATE TABLE parent (id int); CREATE TABLE child () INHERITS (parent)",
  ],
  "a table that inherits, as one of the history's does": [
    "CREATE TABLE events_2 () INHERITS (events); CREATE UNIQUE INDEX ON events_2 (id); INSERT INTO events_2 VALUES (1, 'x')",
    "CREATE TABLE events_2 (CHECK (id BETWEEN 1 AND 9)) INHERITS (events)",
  ],
  "a view or a sequence": [
    "CREATE VIEW seen AS SELECT id FROM users",
    "CREATE MATERIALIZED VIEW kept AS SELECT id FROM users",
    "CREATE SEQUENCE counter",
  ],
  "a function, a type, statistics": [
    "CREATE FUNCTION twice_of(int) RETURNS int LANGUAGE sql AS 'SELECT 2 * $1'",
    "CREATE TYPE other_mood AS ENUM ('good')",
    domain,
    "CREATE STATISTICS together ON org, name FROM users",
  ],
  "a column": [
    "ALTER TABLE users ADD more text",
    "ALTER TABLE users ADD more text NOT NULL DEFAULT 'x'",
    "ALTER TABLE users ADD more int GENERATED ALWAYS AS IDENTITY",
    `${domain}; ALTER TABLE users ADD more known`,
    "ALTER TABLE users ADD more text GENERATED ALWAYS AS (upper(name)) STORED",
  ],
  "an index on columns": [
    "CREATE INDEX ON users (org)",
    "CREATE INDEX ON users USING hash (name)",
    'CREATE INDEX ON users (org DESC NULLS LAST, name COLLATE "C" text_pattern_ops) INCLUDE (at)',
    "CREATE INDEX ON users USING gin (data jsonb_path_ops)",
    "CREATE INDEX ON users (org) WITH (fillfactor = 70)",
  ],
  "an index on what cannot fail": [
    "CREATE INDEX ON users (lower(name))",
    "CREATE INDEX ON users ((data ->> 'k'), (data #>> '{n,0}'))",
    "CREATE INDEX ON users (org) WHERE name IN ('a', 'b') AND at > '2020-01-01' AND code = 'ab' AND big > small",
    "CREATE INDEX ON users ((COALESCE(name, code, 'x') COLLATE \"C\"), (CASE WHEN org > 3 THEN name ELSE tag END))",
    "CREATE INDEX ON users ((NULLIF(org, 0)), (GREATEST(org, small)), (name || ' ' || name), (at::date))",
    "CREATE INDEX ON users ((name IS DISTINCT FROM code::text AND NOT (org IS NULL OR small IS NOT NULL)))",
  ],
} as const;

/** The application may notice it. */
export const harmful = {
  "a unique index": [
    "CREATE UNIQUE INDEX ON users (org)",
    "CREATE UNIQUE INDEX ON users (lower(name)) WHERE org = 1",
  ],
  "a constraint": [
    "ALTER TABLE users ADD UNIQUE (org)",
    "ALTER TABLE users ADD CHECK (org < 100)",
    "ALTER TABLE users ADD CHECK (org < 100) NOT VALID",
    "ALTER TABLE users ADD EXCLUDE USING btree (org WITH =)",
    "ALTER TABLE users ADD FOREIGN KEY (org) REFERENCES posts (id) NOT VALID",
  ],
  "an index on what can fail": [
    "CREATE INDEX ON users ((1 / (org - 5)))",
    "CREATE INDEX ON users ((org + 1))",
    "CREATE INDEX ON users ((name::int)) WHERE org > 4",
    "CREATE INDEX ON users (org) WHERE 1 / (org - 5) > 0",
    "CREATE FUNCTION strict(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN IF $1 = '' THEN RAISE 'no'; END IF; RETURN $1; END $$; CREATE INDEX ON users (strict(name))",
  ],
  "a column that can fail": [
    "ALTER TABLE users ADD more int GENERATED ALWAYS AS (1 / (org - 5)) STORED",
    "ALTER TABLE users ADD more text NOT NULL GENERATED ALWAYS AS (lower(name)) STORED",
    "ALTER TABLE users ADD more text; UPDATE users SET more = 'x'; ALTER TABLE users ALTER COLUMN more SET NOT NULL",
    `${domain} NOT NULL DEFAULT 'x'; ALTER TABLE users ADD more known; ALTER DOMAIN known DROP DEFAULT`,
    `${domain} CHECK (VALUE IS NOT NULL) DEFAULT 'x'; CREATE DOMAIN built_on AS known; ALTER TABLE users ADD more built_on; ALTER DOMAIN built_on DROP DEFAULT`,
  ],
  "an inheriting table": [
    "CREATE TABLE ghosts () INHERITS (users); INSERT INTO ghosts (id, name) VALUES (99, 'ghost')",
  ],
  "a trigger or a rule": [
    "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; CREATE TRIGGER stop BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION stop()",
    "CREATE RULE stop AS ON DELETE TO users DO INSTEAD NOTHING",
  ],
} as const;

/** The application starts, and is told: these get in its way when somebody else has such rows. */
export const warned = {
  "a foreign key of somebody else's": [
    "CREATE TABLE other (user_id int REFERENCES users (id)); INSERT INTO other VALUES (3)",
  ],
} as const;

/** The same, but nobody looks there: every tenant's schema may refer to a shared one. */
export const unseen = {
  "a foreign key in a schema that is not the history's": [
    "CREATE SCHEMA reports; CREATE TABLE reports.other (user_id int REFERENCES users (id)); INSERT INTO reports.other VALUES (3)",
  ],
} as const;
