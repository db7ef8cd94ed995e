-- Purpose: the newest tickets first, without blocking anybody while the index is built
-- Rollback: DROP INDEX CONCURRENTLY tickets_opened_at_idx

CREATE INDEX CONCURRENTLY tickets_opened_at_idx ON tickets (opened_at);
