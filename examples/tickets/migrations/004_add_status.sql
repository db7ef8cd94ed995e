-- Purpose: where a ticket stands, and fast lists of what is open
-- Rollback: ALTER TABLE tickets DROP COLUMN status; DROP TYPE ticket_status

CREATE TYPE ticket_status AS ENUM ('open', 'waiting', 'closed');
ALTER TABLE tickets ADD COLUMN status ticket_status NOT NULL DEFAULT 'open';
CREATE INDEX tickets_status_idx ON tickets (status);
