-- Purpose: one name for every person
-- Rollback: DROP TABLE names

CREATE TABLE names (name text NOT NULL);
INSERT INTO names
  VALUES (NULL);
