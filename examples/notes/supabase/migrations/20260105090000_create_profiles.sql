-- Purpose: what an account shows to others
-- Rollback: drop table public.profiles

create table public.profiles (
  id uuid primary key references auth.users (id) on delete cascade,
  username text not null unique,
  created_at timestamptz not null default now()
);

alter table public.profiles enable row level security;

create policy "Everybody sees profiles" on public.profiles
  for select to anon, authenticated using (true);

create policy "People change their own profile" on public.profiles
  for update to authenticated using ((select auth.uid()) = id);
