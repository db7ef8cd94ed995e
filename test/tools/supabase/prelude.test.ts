import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { platformSchemas, supabasePrelude } from "../../../src/tools/supabase/prelude.sql.ts";
import { startServer, type TestServer } from "../../support/postgres.ts";

let server: TestServer;
const urls: string[] = [];

beforeAll(async () => {
  server = await startServer();
  // The second time the roles are there.
  for (let count = 0; count < 2; count += 1) {
    const url = await server.createDatabase();
    await server.sql(url, supabasePrelude);
    urls.push(url);
  }
});
afterAll(() => server?.stop());

const migration = `
CREATE TYPE public.kind AS ENUM ('person', 'team');
CREATE TABLE public.profiles (
  id uuid PRIMARY KEY REFERENCES auth.users (id) ON DELETE CASCADE,
  kind kind NOT NULL DEFAULT 'person',
  session uuid REFERENCES auth.sessions,
  identity uuid REFERENCES auth.identities (id)
);
ALTER TABLE public.profiles ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Own profile" ON public.profiles FOR ALL TO authenticated
  USING ((SELECT auth.uid()) = id) WITH CHECK (auth.role() = 'authenticated' AND auth.email() IS NOT NULL);
CREATE POLICY "Members" ON public.profiles AS RESTRICTIVE TO anon, service_role
  USING ((auth.jwt() -> 'app_metadata' ->> 'team') IS NOT NULL);

CREATE FUNCTION public.handle_new_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
  INSERT INTO public.profiles (id) VALUES (new.id);
  PERFORM realtime.send(to_jsonb(new), 'created', 'users', false);
  PERFORM realtime.broadcast_changes('users', tg_op, tg_op, tg_table_name, tg_table_schema, new, old);
  RETURN new;
END $$;
CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users
  FOR EACH ROW EXECUTE FUNCTION public.handle_new_user();
CREATE TRIGGER webhook AFTER INSERT OR DELETE ON public.profiles
  FOR EACH ROW EXECUTE FUNCTION supabase_functions.http_request('https://example.com', 'POST', '{}', '{}', '1000');

INSERT INTO storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
  VALUES ('avatars', 'avatars', true, 1024, '{image/png}') ON CONFLICT (id) DO NOTHING;
CREATE POLICY "Own folder" ON storage.objects FOR INSERT TO authenticated WITH CHECK (
  bucket_id = 'avatars' AND (storage.foldername(name))[1] = auth.uid()::text
  AND storage.extension(name) = 'png' AND storage.filename(name) <> 'index.png' AND owner_id = auth.uid()::text);
CREATE POLICY "Listen" ON realtime.messages FOR SELECT TO authenticated USING (realtime.topic() = 'users');

GRANT SELECT ON public.profiles TO anon, authenticated;
GRANT ALL ON ALL TABLES IN SCHEMA public TO postgres, service_role, dashboard_user;
GRANT USAGE ON SCHEMA public TO supabase_auth_admin;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public GRANT ALL ON TABLES TO supabase_admin;
ALTER PUBLICATION supabase_realtime ADD TABLE public.profiles;
ALTER FUNCTION public.handle_new_user() OWNER TO postgres;

INSERT INTO auth.users (id, email, raw_user_meta_data, is_sso_user, is_anonymous)
  VALUES (gen_random_uuid(), 'a@example.com', '{}', false, false);
`;

test.each([0, 1])("a usual migration applies (database %i)", async (index) => {
  const url = urls[index] ?? "";
  await server.sql(url, migration);
  expect(await server.sql(url, "SELECT kind::text FROM public.profiles")).toEqual([
    { kind: "person" },
  ]);
});

describe("as on the platform", () => {
  test("what a token claims", async () => {
    const rows = await server.sql(
      urls[0] ?? "",
      `SET request.jwt.claims = '{"sub": "7b5ad3a0-1f1a-4b0e-9a7c-0123456789ab", "role": "authenticated", "email": "a@b"}';
       SELECT auth.uid()::text AS uid, auth.role() AS role, auth.email() AS email`,
    );
    const uid = "7b5ad3a0-1f1a-4b0e-9a7c-0123456789ab";
    expect(rows).toEqual([{ uid, role: "authenticated", email: "a@b" }]);
    expect(await server.sql(urls[0] ?? "", "SELECT auth.uid() AS uid")).toEqual([{ uid: null }]);
  });

  test.each([
    ["a/b/c.tar.gz", { folder: ["a", "b"], file: "c.tar.gz", extension: "gz" }],
    ["c.png", { folder: [], file: "c.png", extension: "png" }],
  ])("the parts of %s", async (name, parts) => {
    const [row] = await server.sql(
      urls[0] ?? "",
      `SELECT jsonb_build_object('folder', storage.foldername(n), 'file', storage.filename(n),
         'extension', storage.extension(n)) AS parts FROM (VALUES ('${name}')) AS names (n)`,
    );
    expect(row?.["parts"]).toEqual(parts);
  });

  test("extensions are in a schema of their own, on the search path", async () => {
    const url = urls[0] ?? "";
    const [path] = await server.sql(url, "SHOW search_path");
    expect(path?.["search_path"]).toBe('"$user", public, extensions');
    const wanted = "('pgcrypto', 'uuid-ossp')";
    const available = await server.sql(
      url,
      `SELECT name FROM pg_available_extensions WHERE name IN ${wanted} ORDER BY 1`,
    );
    const installed = await server.sql(
      url,
      `SELECT extname AS name FROM pg_extension
       WHERE extname IN ${wanted} AND extnamespace = 'extensions'::regnamespace ORDER BY 1`,
    );
    expect(installed).toEqual(available);
  });

  test("nobody can log in as one of its roles", async () => {
    const rows = await server.sql(
      server.url,
      `SELECT rolname FROM pg_roles WHERE rolcanlogin
       AND (rolname IN ('anon', 'authenticated', 'service_role', 'authenticator') OR rolname LIKE 'supabase%')`,
    );
    expect(rows).toEqual([]);
  });

  test("its schemas are known as the platform's", async () => {
    const rows = await server.sql(
      urls[0] ?? "",
      "SELECT nspname AS name FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$|^public$'",
    );
    expect(platformSchemas).toEqual(expect.arrayContaining(rows.map((row) => row["name"])));
  });
});
