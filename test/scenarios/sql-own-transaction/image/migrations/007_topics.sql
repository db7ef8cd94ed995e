-- Purpose: what a ticket is about

SET lock_timeout = '10s';
BEGIN;

CREATE TABLE topics (id bigint PRIMARY KEY, title text NOT NULL);
ALTER TABLE tickets ADD COLUMN topic_id bigint REFERENCES topics;

COMMIT;
