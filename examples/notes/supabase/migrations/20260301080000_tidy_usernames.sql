-- Purpose: user names without spaces around them
-- Breaking Changes: none; changes rows, not the schema
-- Rollback: not needed

update public.profiles set username = trim(username) where username <> trim(username);
