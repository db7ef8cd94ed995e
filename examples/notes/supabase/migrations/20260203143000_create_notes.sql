-- Purpose: notes, each seen by its author alone
-- Rollback: drop table public.notes

create extension if not exists pgcrypto with schema extensions;

create table public.notes (
  id uuid primary key default gen_random_uuid(),
  author uuid not null references public.profiles (id) on delete cascade,
  body text not null,
  written_at timestamptz not null default now()
);

create index notes_author_idx on public.notes (author);

alter table public.notes enable row level security;

create policy "People read and write their own notes" on public.notes
  for all to authenticated
  using ((select auth.uid()) = author)
  with check ((select auth.uid()) = author);

grant select, insert, update, delete on public.notes to authenticated;
