-- Purpose: many things
-- Rollback: none

/* a /* nested */ b */ ALTER TYPE t ADD VALUE 'v'; -- x
SELECT 'v'::t, E'\u00e9', U&'\00e9', $$a;b$$, $x$ $$ $x$;
DO $$ BEGIN COMMIT; END $$;
CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END;
COPY t FROM stdin;
1	2
\.
BEGIN;
-- migrate:down
DROP TABLE t