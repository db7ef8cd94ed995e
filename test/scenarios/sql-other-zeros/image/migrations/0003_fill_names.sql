-- Purpose: people without a name get the part of their address before the @
-- Breaking Changes: none; changes rows, not the schema
-- Rollback: not needed, nobody loses anything

UPDATE people SET name = split_part(email, '@', 1) WHERE name IS NULL;
