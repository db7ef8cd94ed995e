-- Purpose: a new account has a profile from the start
-- Rollback: drop trigger on_sign_up on auth.users; drop function public.make_profile()

create function public.make_profile() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  insert into public.profiles (id, username)
  values (new.id, coalesce(new.raw_user_meta_data ->> 'username', new.id::text));
  return new;
end;
$$;

create trigger on_sign_up after insert on auth.users
  for each row execute function public.make_profile();
