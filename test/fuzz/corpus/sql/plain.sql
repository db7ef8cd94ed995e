-- Purpose: what people see when they look back
-- Breaking Changes: none
-- Rollback: DROP VIEW closed_tickets

CREATE VIEW closed_tickets AS
  SELECT t.id, t.subject, t.opened_at, p.name
  FROM tickets t JOIN people p ON p.id = t.person_id
  WHERE t.status = 'closed';
