-- Purpose: notes that stay on top
-- Rollback: alter table public.notes drop column pinned

alter table public.notes add column pinned boolean not null default false;
create index notes_pinned_idx on public.notes (author) where pinned;
