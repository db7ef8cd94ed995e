-- Purpose: who writes to us, and who answers
-- Rollback: DROP TABLE people

CREATE TABLE people (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  email text NOT NULL UNIQUE,
  name text
);
