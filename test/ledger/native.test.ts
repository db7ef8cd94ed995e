import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DatabaseAddress } from "../../src/core/database-address.ts";
import { factAtHome } from "../../src/core/home.ts";
import { encodeLedger } from "../../src/core/ledger-text.ts";
import type { Ledger } from "../../src/core/ledger.ts";
import { writeLedger } from "../../src/core/write-ledger.ts";
import { type ReplayedHistory, replayHistory } from "../../src/ledger/replay.ts";
import { supabasePrelude } from "../../src/tools/supabase/prelude.sql.ts";
import { startServer, type TestServer } from "../support/postgres.ts";
import { applyFiles, historyOf, type NumberedFile, planOf, supabase } from "./numbered-files.ts";
import { connectionTo, openForTests, openTestScratch } from "./open-scratch.ts";
import { refusal } from "./refusal.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.stop());

describe("a chain of numbered files", { timeout: 60_000 }, () => {
  const files: readonly NumberedFile[] = [
    {
      id: "001",
      sql: `
        CREATE TABLE users (id int PRIMARY KEY, name text, age int);
        CREATE TABLE posts (id int PRIMARY KEY, author int)`,
    },
    { id: "002", sql: "INSERT INTO users VALUES (1, 'ada'), (2, 'grace')" },
    { id: "003", sql: "UPDATE posts SET author = 1" },
    { id: "004", sql: "DELETE FROM posts; TRUNCATE posts" },
    { id: "005", sql: "COPY posts (id) FROM PROGRAM 'echo 7'" },
    { id: "006", sql: "DO $$ BEGIN UPDATE posts SET author = 2; END $$" },
    {
      id: "007",
      sql: `
        CREATE FUNCTION forget() RETURNS void LANGUAGE sql AS 'DELETE FROM posts';
        SELECT forget()`,
    },
    { id: "008", sql: "SELECT count(*) FROM users" },
    { id: "009", sql: "ALTER TABLE posts ADD FOREIGN KEY (author) REFERENCES users" },
    { id: "010", sql: "GRANT SELECT ON users TO PUBLIC" },
    {
      id: "011",
      sql: [
        "SET statement_timeout = '60s'",
        "CREATE INDEX CONCURRENTLY users_name ON users (name)",
        "VACUUM users",
        "DROP INDEX CONCURRENTLY users_name",
        "CREATE INDEX CONCURRENTLY users_age ON users (age)",
      ],
    },
    { id: "012", sql: ["INSERT INTO posts VALUES (8)", "VACUUM posts"] },
    {
      id: "013",
      sql: `
        SELECT set_config('search_path', '', false);
        SET client_min_messages = warning;
        CREATE TEMP TABLE passing AS SELECT 1 AS n;
        UPDATE passing SET n = 2;
        CREATE SCHEMA app`,
    },
    {
      id: "014",
      sql: `
        CREATE ROLE preflight_test_owner;
        GRANT CREATE, USAGE ON SCHEMA app TO preflight_test_owner;
        SET ROLE preflight_test_owner;
        CREATE TABLE app.notes (kind varchar(9) CHECK (kind IN ('a', 'b')));
        INSERT INTO app.notes VALUES ('a');
        DISCARD TEMP`,
    },
    { id: "015", sql: "ALTER TABLE app.notes ADD text text" },
    { id: "016", sql: "DROP TABLE app.notes" },
  ];
  let replay: ReplayedHistory;
  let ledger: Ledger;

  beforeAll(async () => {
    const scratch = await openForTests({ on: connectionTo(server) });
    replay = await replayHistory(planOf(files, scratch)).finally(scratch.close);
    ledger = ledgerOf(files, replay);
  });

  test("takes one replay a pass", () => {
    expect(replay.replays).toBe(2);
  });

  test("sees in parts what cannot run in one transaction, and nothing else", () => {
    const inParts = [...replay.revisions].filter(([, { isAtomic }]) => !isAtomic);
    expect(inParts.map(([id]) => id)).toEqual(["011", "012"]);
  });

  test("has a state for each file, described from the one before", () => {
    const ids = files.map(({ id }) => id);
    expect(ledger.states.map(({ heads, from }) => [heads, from])).toEqual([
      [[], null],
      ...ids.map((id, index) => [[id], index]),
    ]);
  });

  test.each([
    ["001", ["table public.users", "column public.users age integer"], []],
    ["009", ["constraint public.posts posts_author_fkey FOREIGN KEY (author)"], []],
    ["010", ["grant public.users PUBLIC SELECT"], []],
    ["011", ["index public.users users_age CREATE INDEX"], []],
    ["013", ["schema app"], []],
    ["014", ["table app.notes", "constraint app.notes notes_kind_check"], []],
    ["016", [], ["table app.notes", "column app.notes text text"]],
  ])("%s adds and drops what its file says", (id, adds, drops) => {
    const state = ledger.states.find(({ heads }) => heads[0] === id)!;
    const [added, dropped] = [texts(ledger, state.added), texts(ledger, state.dropped)];
    for (const [wanted, seen] of [
      [adds, added],
      [drops, dropped],
    ] as const) {
      for (const each of wanted) expect(seen.join("\n")).toContain(each);
      if (wanted.length === 0) expect(seen).toEqual([]);
    }
  });

  test("never shows the runner's own tables", () => {
    expect(texts(ledger, ledger.facts.keys()).join("\n")).not.toMatch(
      /preflight_(?:migrations|progress|bake)/,
    );
  });

  test.each([
    ["001", "none"],
    ["002", "writes"],
    ["003", "writes"],
    ["004", "writes"],
    ["005", "writes"],
    ["006", "writes"],
    ["007", "writes"],
    ["008", "reads"],
    // What earlier files scanned is not this one's doing, although DISCARD ALL stands between.
    ["009", "none"],
    ["010", "unknown"],
    ["011", "none"],
    ["012", "writes"],
    ["013", "none"],
    ["014", "writes"],
    ["015", "none"],
    ["016", "none"],
  ])("%s does to rows: %s", (id, data) => {
    expect(ledger.revisions.get(id)?.data).toBe(data);
  });

  test("knows what is written where", () => {
    expect(replay.revisions.get("004")?.writes).toEqual([
      "DELETE public.posts",
      "TRUNCATE public.posts",
    ]);
    expect(replay.revisions.get("012")?.writes).toEqual(["INSERT public.posts"]);
    expect(replay.revisions.get("014")?.writes).toEqual(["INSERT app.notes"]);
  });

  test("knows the spellings after dump and restore, of dropped things too", () => {
    expect(replay.aliases.map(({ fact }) => fact.name)).toEqual(["notes_kind_check"]);
  });

  test("is the same on a server of our own, byte for byte but for the major", async () => {
    const own = await replayHistory(planOf(files, await openTestScratch({ on: null })));
    const text = encodeLedger(ledgerOf(files, { ...own, serverVersion: replay.serverVersion }));
    expect(text).toBe(encodeLedger(ledger));
  });
});

describe("what was there before the first migration", { timeout: 60_000 }, () => {
  const preludes = [
    {
      name: "platform.sql",
      sql: `
        SET ROLE TO DEFAULT;
        CREATE ROLE preflight_test_web;
        SET search_path = nowhere;
        CREATE SCHEMA "the auth"; CREATE SCHEMA empty;
        CREATE TABLE "the auth".users (id int PRIMARY KEY, name text);
        INSERT INTO "the auth".users VALUES (1, 'ada');
        CREATE TABLE "the auth".sessions (id int PRIMARY KEY);
        CREATE INDEX sessions_small ON "the auth".sessions (id) WHERE id IN (1, 2);
        CREATE FUNCTION "the auth".uid() RETURNS int LANGUAGE sql AS 'SELECT 1';
        CREATE FUNCTION "the auth".role() RETURNS text LANGUAGE sql AS $$ SELECT '' $$`,
    },
    {
      name: "guard.sql",
      sql: `
        CREATE FUNCTION guard() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no triggers'; END $$;
        CREATE EVENT TRIGGER guard ON ddl_command_end WHEN TAG IN ('CREATE TRIGGER') EXECUTE FUNCTION guard()`,
    },
  ];
  const files: readonly NumberedFile[] = [
    {
      id: "1",
      sql: `CREATE TABLE profiles (id int REFERENCES "the auth".users DEFAULT "the auth".uid())`,
    },
    { id: "2", sql: `SELECT name FROM "the auth".users` },
    { id: "3", sql: `UPDATE "the auth".users SET name = 'grace'` },
    { id: "4", sql: `ALTER TABLE "the auth".users ADD nick text` },
    { id: "5", sql: `ALTER TABLE "the auth".users ALTER name SET NOT NULL` },
    { id: "6", sql: `DROP FUNCTION "the auth".role()` },
    {
      id: "7",
      sql: `CREATE OR REPLACE FUNCTION "the auth".uid() RETURNS int LANGUAGE sql AS 'SELECT 2'`,
    },
    {
      id: "8",
      sql: `
        DROP EVENT TRIGGER guard;
        CREATE FUNCTION greet() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
        CREATE TRIGGER greet BEFORE INSERT ON "the auth".users FOR EACH ROW EXECUTE FUNCTION greet()`,
    },
    { id: "9", sql: `CREATE POLICY mine ON "the auth".users TO preflight_test_web USING (true)` },
  ];
  let replay: ReplayedHistory;
  let ledger: Ledger;

  beforeAll(async () => {
    const scratch = await openForTests({ on: connectionTo(server), preludes });
    replay = await replayHistory(planOf(files, scratch)).finally(scratch.close);
    ledger = ledgerOf(files, replay);
  });

  test("is named in the ledger by its schemas", () => {
    expect(ledger.given).toEqual(["empty", "the auth"]);
  });

  test.each([
    ["1", /^(table|column|constraint|colorder) public\.profiles/, []],
    ["2", /^$/, []],
    ["3", /^$/, []],
    ["4", /^(column "the auth"\.users nick text|colorder "the auth"\.users)/, []],
    ["5", /^column "the auth"\.users name text NOT NULL/, []],
    ["6", /^$/, []],
    ["7", /^function "the auth"\.uid\(\) [^]*SELECT 2/, []],
    ["8", /^(trigger "the auth"\.users greet|function public\.greet)/, []],
    ["9", /^policy "the auth"\.users mine/, []],
  ])("%s: what it changes is in the ledger, what it leaves or drops is not", (id, adds, drops) => {
    const { added, dropped } = ledger.states.find(({ heads }) => heads[0] === id)!;
    for (const text of texts(ledger, added)) expect(text).toMatch(adds);
    expect(added.length === 0).toBe(adds.source === "^$");
    expect(texts(ledger, dropped)).toEqual(drops);
  });

  test("its rows are rows of user tables", () => {
    const data = [...ledger.revisions.values()].map((revision) => revision.data);
    expect(data.slice(0, 6)).toEqual(["none", "reads", "writes", "none", "none", "unknown"]);
    expect(replay.revisions.get("3")?.writes).toEqual(['UPDATE "the auth".users']);
  });

  test("is the same on a server of our own, where every replay needs its roles anew", async () => {
    const scratch = await openTestScratch({ on: null, preludes });
    const own = await replayHistory(planOf(files, scratch));
    const text = encodeLedger(ledgerOf(files, { ...own, serverVersion: replay.serverVersion }));
    expect(text).toBe(encodeLedger(ledger));
    expect(text).toContain('"given":["empty","the auth"],');
  });
});

test("a Supabase project", { timeout: 60_000 }, async () => {
  const files: readonly NumberedFile[] = [
    {
      id: "20240101000000",
      sql: `
        CREATE TABLE profiles (id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE, name text);
        ALTER TABLE profiles OWNER TO postgres;
        ALTER TABLE profiles ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON profiles FOR ALL TO authenticated USING (auth.uid() = id)`,
    },
    {
      id: "20240102000000",
      sql: `
        CREATE FUNCTION greet() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
          AS $$ BEGIN INSERT INTO public.profiles (id) VALUES (new.id); RETURN new; END $$;
        CREATE TRIGGER greet AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION greet()`,
    },
    { id: "20240103000000", sql: "INSERT INTO storage.buckets (id, name) VALUES ('a', 'a')" },
    { id: "20240104000000", sql: ["CREATE INDEX CONCURRENTLY profiles_name ON profiles (name)"] },
  ];
  const preludes = [{ name: "for Supabase", sql: supabasePrelude }];
  const roles = await listRoles();
  const scratch = await openTestScratch({ on: connectionTo(server), preludes });
  const replay = await replayHistory(planOf(files, scratch, { layout: supabase }));
  const ledger = ledgerOf(files, replay);
  expect(await listRoles()).toEqual(roles);
  expect(ledger.given).toContain("auth");
  expect(ledger.given).not.toContain("supabase_migrations");
  expect([...ledger.revisions.values()].map(({ data }) => data)).toEqual([
    "none",
    "none",
    "writes",
    "none",
  ]);
  const objects = new Set(
    ledger.facts.map(({ kind, object, name }) => `${kind} ${object} ${name}`),
  );
  expect([...objects].filter((object) => !object.includes("public."))).toEqual([
    "trigger auth.users greet",
  ]);
});

describe("a prelude that fails", { timeout: 60_000 }, () => {
  test.each([
    ["CREATE SCHEMA a;\nCREATE TABEL b ();", 'syntax error at or near "TABEL" (42601), line 2'],
    ["-- ü €😀\n\nSELECT * FROM nowhere", 'relation "nowhere" does not exist (42P01), line 3'],
    ["CREATE SCHEMA public", 'schema "public" already exists (42P06)'],
    [
      "CREATE TABLE t (n int);\nCOPY t FROM stdin;\n",
      "it holds COPY … FROM stdin, whose rows only psql would send",
    ],
  ])("is named, with the server's words: %j", async (sql, says) => {
    const roles = await listRoles();
    const first = { name: "first.sql", sql: "CREATE ROLE preflight_test_first" };
    const scratch = await openTestScratch({
      on: connectionTo(server),
      preludes: [first, { name: "second.sql", sql }],
    });
    const refused = await refusal(scratch.createDatabase());
    expect(refused.outcome).toBe("config");
    expect(refused.message).toBe(`the scratch prelude second.sql failed: ${says}`);
    await scratch.close();
    expect(await listRoles()).toEqual(roles);
    expect(await listDatabases()).toEqual([]);
  });
});

describe("roles of a given server", { timeout: 60_000 }, () => {
  test("are as they were, whoever made them and however", async () => {
    await server.sql(
      server.url,
      "CREATE ROLE preflight_test_before; CREATE ROLE preflight_test_altered",
    );
    const before = await listRoles();
    const preludes = [
      {
        name: "roles.sql",
        sql: `
          CREATE ROLE preflight_test_admin CREATEROLE;
          GRANT preflight_test_before TO preflight_test_admin WITH ADMIN OPTION;
          CREATE ROLE preflight_test_member;
          SET ROLE preflight_test_admin;
          GRANT preflight_test_before TO preflight_test_member;
          RESET ROLE;
          DO $$ BEGIN CREATE ROLE preflight_test_before; EXCEPTION WHEN duplicate_object THEN END $$;
          GRANT ALL ON SCHEMA public TO preflight_test_member;
          ALTER DEFAULT PRIVILEGES FOR ROLE preflight_test_admin GRANT SELECT ON TABLES TO preflight_test_before`,
      },
    ];
    const files: readonly NumberedFile[] = [
      {
        id: "1",
        sql: `
          CREATE ROLE preflight_test_plain;
          DO $$ BEGIN CREATE ROLE preflight_test_inner; EXCEPTION WHEN duplicate_object THEN END $$;
          ALTER ROLE preflight_test_altered NOINHERIT;
          CREATE TABLE t (n int);
          ALTER TABLE t OWNER TO preflight_test_plain`,
      },
      { id: "2", sql: "ALTER ROLE preflight_test_member RENAME TO preflight_test_renamed" },
      { id: "3", sql: ["CREATE ROLE preflight_test_outside", "VACUUM"] },
    ];
    const scratch = await openTestScratch({ on: connectionTo(server), preludes });
    let others = 0;
    const apply = async (address: DatabaseAddress): Promise<void> => {
      await server.sql(server.url, `CREATE ROLE preflight_test_stranger_${++others}`);
      await applyFiles(files, address);
    };
    await replayHistory(planOf(files, scratch, { apply }));
    expect(await listRoles()).toEqual(
      [...before, "preflight_test_stranger_1", "preflight_test_stranger_2"].sort(),
    );
  });

  test("stay where something else has begun to need them", async () => {
    const database = new URL(await server.createDatabase()).pathname.slice(1);
    const preludes = [
      {
        name: "roles.sql",
        sql: `
          CREATE ROLE preflight_test_unused; CREATE ROLE preflight_test_needed;
          GRANT CONNECT ON DATABASE "${database}" TO preflight_test_needed`,
      },
    ];
    const scratch = await openTestScratch({ on: connectionTo(server), preludes });
    const { drop } = await scratch.createDatabase();
    await drop();
    const left = (await listRoles()).filter((role) => /unused|needed/.test(role));
    expect(left).toEqual(["preflight_test_needed"]);
  });
});

describe("a chain that cannot be baked", { timeout: 60_000 }, () => {
  const first = { id: "1", sql: "CREATE TABLE t (n int)" };

  test("differs from time to time", async () => {
    const sql = `DO $$ BEGIN EXECUTE format('ALTER TABLE t ADD id uuid DEFAULT %L', gen_random_uuid()); END $$`;
    const refused = await bakeRefused([first, { id: "2", sql }]);
    expect(refused.outcome).toBe("verify-failed");
    expect(refused.message).toMatch(
      /migration 2 depends on time or environment.*column public\.t id uuid DEFAULT/,
    );
  });

  test("fails: the runner's words, and how far it came", async () => {
    const refused = await bakeRefused([first, { id: "2", sql: "SELECT nonsense" }]);
    expect(refused.outcome).toBe("migration-failed");
    expect(refused.message).toMatch(
      /^The replay on an empty database failed after revision 1 \(1 of 2\), on PostgreSQL \d+: 2\.sql: column "nonsense" does not exist$/,
    );
    expect(refused.next).toContain("see the file");
  });

  test("needs what a platform gives", async () => {
    const refused = await bakeRefused([{ id: "1", sql: "GRANT ALL ON SCHEMA public TO nobody" }]);
    expect(refused.message).toContain('role "nobody" does not exist');
    expect(refused.next[0]).toContain("--scratch-init");
  });

  test("is not applied to its end", async () => {
    const files = [first, { id: "2", sql: "CREATE TABLE u (n int)" }];
    const scratch = await openTestScratch({ on: connectionTo(server) });
    const apply = (address: DatabaseAddress): Promise<void> => applyFiles([first], address);
    const refused = await refusal(replayHistory(planOf(files, scratch, { apply })));
    expect(refused.outcome).toBe("verify-failed");
    expect(refused.message).toContain("the version rows are 1 instead of 2");
  });
});

async function bakeRefused(files: readonly NumberedFile[]) {
  const scratch = await openTestScratch({ on: connectionTo(server) });
  return await refusal(replayHistory(planOf(files, scratch)));
}

/** As `bake` puts the two together. */
function ledgerOf(files: readonly NumberedFile[], replay: ReplayedHistory): Ledger {
  const seen = {
    serverVersion: replay.serverVersion,
    home: replay.home,
    versionTable: replay.versionTable,
    given: replay.givenSchemas,
    without: new Map(),
    snapshots: replay.snapshots,
    spellings: replay.aliases,
    salt: replay.salt,
    data: new Map(
      [...replay.revisions].map(
        ([id, { writes, reads }]) =>
          [id, writes.length > 0 ? "writes" : reads.length > 0 ? "reads" : "none"] as const,
      ),
    ),
    atomic: new Set([...replay.revisions].flatMap(([id, { isAtomic }]) => (isAtomic ? [id] : []))),
  };
  const ledger = writeLedger(historyOf(files), seen, null, []);
  // As it reads for a database that lives in `public`.
  return { ...ledger, facts: ledger.facts.map((fact) => factAtHome(fact, "public")) };
}

function texts(ledger: Ledger, positions: Iterable<number>): readonly string[] {
  return [...positions].map((position) => {
    const { kind, object, name, definition } = ledger.facts[position]!;
    return [kind, object, name, definition].filter((part) => part !== "").join(" ");
  });
}

async function listRoles(): Promise<readonly string[]> {
  const rows = await server.sql(server.url, "SELECT rolname FROM pg_roles");
  return rows.map(({ rolname }) => String(rolname)).sort();
}

async function listDatabases(): Promise<readonly unknown[]> {
  return await server.sql(
    server.url,
    "SELECT datname FROM pg_database WHERE datname LIKE 'preflight_bake%'",
  );
}
