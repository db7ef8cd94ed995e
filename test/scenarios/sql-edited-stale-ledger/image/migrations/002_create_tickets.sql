-- Purpose: what people write about, and every answer
-- Rollback: DROP TABLE messages; DROP TABLE tickets

CREATE TABLE tickets (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  person_id bigint NOT NULL REFERENCES people,
  subject text NOT NULL CHECK (length(subject) BETWEEN 1 AND 250),
  opened_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX tickets_person_id_idx ON tickets (person_id);

CREATE TABLE messages (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ticket_id bigint NOT NULL REFERENCES tickets,
  body text NOT NULL
);
