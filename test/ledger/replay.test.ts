import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Fact } from "../../src/core/facts.ts";
import { factAtHome, textAtHome } from "../../src/core/home.ts";
import { factsQuery, pinSettings } from "../../src/database/facts.sql.ts";
import { replayHistory, type ReplayedHistory } from "../../src/ledger/replay.ts";
import type { Scratch } from "../../src/ledger/scratch.ts";
import { conditionOf } from "../../src/pgsql/condition.ts";
import { runChild } from "../../src/tools/child.ts";
import { startServer, type TestServer } from "../support/postgres.ts";
import { pythonEnvironment } from "../support/python.ts";
import { type HistoryOnDisk, type Migration, writeHistory } from "./history-on-disk.ts";
import { connectionTo, openTestScratch } from "./open-scratch.ts";
import { refusal } from "./refusal.ts";

const longId = "a_revision_whose_id_has_more_than_thirty_two_characters";
const sql = (text: string): string => `op.execute(${JSON.stringify(text)})`;

/** users and posts; two branches after `tables`, merged by `merge`. */
const migrations: readonly Migration[] = [
  {
    id: "tables",
    upgrade: [
      sql("CREATE TABLE users (id serial PRIMARY KEY, name varchar(20), age int)"),
      sql("CREATE TABLE posts (id int PRIMARY KEY, author int)"),
    ],
  },
  {
    id: "seed",
    parents: ["tables"],
    upgrade: [
      "users = sa.table('users', sa.column('name', sa.String))",
      "op.bulk_insert(users, [{'name': 'ada'}, {'name': 'grace'}])",
    ],
  },
  {
    id: "update_empty",
    parents: ["seed"],
    upgrade: [
      sql("UPDATE posts SET author = 1"),
      "assert op.get_bind().execute(sa.text('SELECT lastval()')).scalar() == 2",
    ],
  },
  {
    id: "loop",
    parents: ["update_empty"],
    upgrade: [
      "for row in op.get_bind().execute(sa.text('SELECT id FROM posts')):",
      "    op.get_bind().execute(sa.text('UPDATE users SET age = 1'))",
    ],
  },
  {
    id: "index",
    parents: ["loop"],
    upgrade: [
      sql("CREATE INDEX users_young ON users (name) WHERE name IN ('ada', 'grace')"),
      sql("ALTER TABLE users ALTER COLUMN age TYPE bigint"),
    ],
  },
  {
    id: "foreign_key",
    parents: ["tables"],
    upgrade: ["op.create_foreign_key('posts_author', 'posts', 'users', ['author'], ['id'])"],
  },
  {
    id: "check",
    parents: ["foreign_key"],
    upgrade: [
      sql("ALTER TABLE users ADD CONSTRAINT age_ok CHECK (age BETWEEN 0 AND 200 AND name <> '')"),
      sql("ALTER TABLE posts ADD kind varchar(9) DEFAULT 'a'"),
    ],
  },
  { id: "merge", parents: ["index", "check"] },
  { id: "empty", parents: ["merge"] },
  {
    id: "concurrent",
    parents: ["empty"],
    upgrade: [
      "with op.get_context().autocommit_block():",
      `    ${sql("CREATE INDEX CONCURRENTLY posts_author ON posts (author)")}`,
      `    ${sql("CREATE INDEX CONCURRENTLY posts_other ON posts (author)")}`,
      `    ${sql("DROP INDEX CONCURRENTLY posts_other")}`,
    ],
  },
  { id: "reindex", parents: ["concurrent"], upgrade: [sql("REINDEX TABLE posts")] },
  {
    id: longId,
    parents: ["reindex"],
    upgrade: [
      sql("ALTER TABLE posts DISABLE TRIGGER ALL"),
      sql("SET LOCAL session_replication_role = replica"),
      sql("DELETE FROM posts"),
      sql("SET LOCAL session_replication_role = origin"),
      sql("ALTER TABLE posts ENABLE TRIGGER ALL"),
      sql("CREATE TABLE archive AS SELECT name FROM users"),
      sql("CREATE VIEW young AS SELECT name FROM users WHERE name IN ('ada', 'grace')"),
      sql("CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM users"),
      sql("REFRESH MATERIALIZED VIEW counted"),
    ],
  },
  {
    id: "read_and_drop",
    parents: [longId],
    upgrade: [
      "op.get_bind().execute(sa.text('SELECT count(*) FROM archive')).scalar()",
      sql("DROP TABLE archive"),
    ],
  },
  {
    id: "guard",
    parents: ["read_and_drop"],
    upgrade: [
      sql(
        "CREATE FUNCTION no_triggers() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no triggers here'; END $$",
      ),
      sql(
        "CREATE EVENT TRIGGER no_triggers ON ddl_command_end WHEN TAG IN ('CREATE TRIGGER') EXECUTE FUNCTION no_triggers()",
      ),
    ],
  },
  {
    id: "partitions",
    parents: ["guard"],
    upgrade: [
      sql("CREATE ROLE preflight_test_reader"),
      sql("CREATE SCHEMA logs CREATE TABLE entries (at date, text text) PARTITION BY RANGE (at)"),
      sql("CREATE TABLE logs.rest PARTITION OF logs.entries DEFAULT"),
      sql(
        "CREATE TABLE logs.now PARTITION OF logs.entries FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')",
      ),
      sql("CREATE TEMP TABLE passing (n int)"),
      sql("INSERT INTO passing VALUES (1)"),
      "op.get_bind().execute(sa.text('SELECT n FROM passing')).scalar()",
    ],
  },
  {
    id: "fill",
    parents: ["partitions"],
    upgrade: [sql("INSERT INTO logs.entries VALUES ('2020-05-05', 'x')")],
  },
  { id: "other_tree", upgrade: [sql("CREATE TABLE other (n int)")] },
  {
    id: "leans",
    parents: ["other_tree"],
    dependsOn: ["foreign_key"],
    upgrade: [sql("ALTER TABLE posts ADD leaning int")],
  },
];

const access: Readonly<Record<string, readonly [readonly string[], readonly string[]]>> = {
  seed: [["INSERT public.users"], []],
  update_empty: [["UPDATE public.posts"], ["public.posts"]],
  loop: [[], ["public.posts"]],
  // No server before 17 tells that a scan was REINDEX's.
  reindex: [[], ["public.posts"]],
  [longId]: [["CREATE TABLE AS public.archive", "DELETE public.posts"], ["public.posts"]],
  read_and_drop: [[], ["public.archive"]],
  fill: [["INSERT logs.entries"], []],
};

const facts = factsQuery({ scope: null, ignoreSchemas: ["__preflight_bake"] });
let server: TestServer;
let alembic: string;

beforeAll(async () => {
  [server, alembic] = await Promise.all([
    startServer(),
    pythonEnvironment().then(({ bin }) => join(bin, "alembic")),
  ]);
}, 120_000);
afterAll(() => server?.stop());

describe("a history with everything in it", { timeout: 120_000 }, () => {
  let onMachine: ReplayedHistory;

  test("is the same on a server of our own, one transaction", async () => {
    onMachine = await replayed(await onDisk({ migrations }), await ownScratch());
    expect(accessOf(onMachine)).toEqual(access);
    expect(onMachine.unreachable).toEqual([]);
  });

  test.each(["", "transaction_per_migration=True"])(
    "and on a given server (%s)",
    async (configure) => {
      const again = await replayed(await onDisk({ migrations, configure }), await givenScratch());
      expect(accessOf(again)).toEqual(access);
      expect(again.snapshots.map(({ heads }) => heads)).toEqual(
        onMachine.snapshots.map(({ heads }) => heads),
      );
    },
  );

  test("has the facts of every revision with its ancestors alone", () => {
    const alone = new Map(
      onMachine.snapshots.flatMap(({ heads, facts }) =>
        heads.length === 1 ? [[heads[0]!, facts]] : [],
      ),
    );
    expect([...alone.keys()].sort()).toEqual(migrations.map(({ id }) => id).sort());
    const names = (id: string, kind: string): readonly string[] =>
      alone
        .get(id)!
        .filter((fact) => fact.kind === kind)
        .map((fact) => fact.object + fact.name);
    expect(names("tables", "table")).toEqual(["public.posts", "public.users"]);
    expect(names("other_tree", "table")).toEqual(["public.other"]);
    expect(names("leans", "table")).toEqual(["public.other", "public.posts", "public.users"]);
    expect(names("check", "index")).toEqual([]);
    expect(names("merge", "index")).toEqual(["public.usersusers_young"]);
    expect(alone.get("merge")).toEqual(alone.get("empty"));
    expect(alone.get("fill")!.filter((fact) => fact.kind === "trigger")).toEqual([]);
  });

  test("knows the spellings after dump and restore, of dropped things too", () => {
    expect(onMachine.aliases.map(({ fact }) => `${fact.kind} ${fact.object} ${fact.name}`)).toEqual(
      ["constraint public.users age_ok", "index public.users users_young", "viewdef public.young "],
    );
    for (const { fact, definition } of onMachine.aliases)
      expect(definition).not.toBe(fact.definition);
  });

  test("ends with the facts of a plain upgrade that nobody watched", async () => {
    const { directory } = await onDisk({ migrations });
    const url = await server.createDatabase();
    // Alembic's own table would be too narrow for one of the ids.
    await server.sql(url, "CREATE TABLE alembic_version (version_num varchar(99) PRIMARY KEY)");
    await server.sql(server.url, "DROP ROLE IF EXISTS preflight_test_reader");
    const end = await runChild([alembic, "upgrade", "heads"], {
      signalGroup,
      cwd: directory,
      env: { ...process.env, DATABASE_URL: url.replace("postgres:", "postgresql:") },
      timeout: null,
      abort: new AbortController().signal,
      onLine: () => {},
    });
    expect(end).toEqual({ kind: "exited", code: 0 });
    const rows = await server.sql(
      url,
      `BEGIN; ${pinSettings} ${facts} SELECT k AS kind, o AS object, n AS name, d AS definition FROM facts`,
    );
    const watched = onMachine.snapshots.find(({ heads }) => heads.join() === "fill,leans")!;
    const text = (all: readonly unknown[]): readonly string[] =>
      (all as Fact[])
        // Two major versions spell a view in two ways; `public` was there before.
        .filter(({ kind, object }) => kind !== "viewdef" && object !== "public")
        .map(({ kind, object, name, definition }) => [kind, object, name, definition].join("|"))
        .sort();
    expect(text(rows)).toEqual(text(watched.facts));
  });
});

describe("an address that leads elsewhere", { timeout: 60_000 }, () => {
  test("is found out before anything is replayed", async () => {
    const elsewhere = await server.createDatabase();
    const url = JSON.stringify(elsewhere.replace("postgres:", "postgresql:"));
    const disk = await onDisk({ migrations: [migrations[0]!], url });
    const refused = await refusal(replayed(disk, await givenScratch()));
    expect(refused.outcome).toBe("config");
    expect(refused.message).toContain("never heard from");
    const rows = await server.sql(
      elsewhere,
      "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace",
    );
    expect(rows).toEqual([]);
  });

  test("so is another version table", async () => {
    const disk = await onDisk({ migrations: [migrations[0]!], configure: "version_table='mine'" });
    expect((await refusal(replayed(disk, await givenScratch()))).message).toContain(
      "never heard from",
    );
  });
});

describe("a history that cannot be baked", { timeout: 60_000 }, () => {
  test("depends on the time", async () => {
    const disk = await onDisk({
      migrations: [
        migrations[0]!,
        {
          id: "clock",
          parents: ["tables"],
          upgrade: [
            "import time",
            "op.create_table(f'at_{time.time_ns()}', sa.Column('n', sa.Integer))",
          ],
        },
        { id: "last", parents: ["clock"] },
      ],
    });
    const refused = await refusal(replayed(disk, await givenScratch()));
    expect(refused.outcome).toBe("verify-failed");
    expect(refused.message).toMatch(
      /migration clock depends on time or environment.*table public\.at_\d+/,
    );
  });

  test("depends on the order of a Python set", async () => {
    const disk = await onDisk({
      migrations: [
        {
          id: "words",
          upgrade: [
            "names = {'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'}",
            "op.execute('CREATE TYPE letter AS ENUM (' + ', '.join(repr(n) for n in names) + ')')",
          ],
        },
      ],
    });
    const refused = await refusal(replayed(disk, await givenScratch()));
    expect(refused.outcome).toBe("verify-failed");
    expect(refused.message).toMatch(/migration words depends on time or environment.*letter/);
  });

  test("fails half-way", async () => {
    const disk = await onDisk({
      migrations: [
        migrations[0]!,
        migrations[1]!,
        { id: "broken", parents: ["seed"], upgrade: [sql("SELECT nonsense")] },
      ],
    });
    const refused = await refusal(replayed(disk, await givenScratch()));
    expect(refused.outcome).toBe("migration-failed");
    expect(refused.message).toContain("failed with exit code 1 after revision seed (2 of 3)");
    // As the last thing that a person reads.
    expect(refused.message).toMatch(/column "nonsense" does not exist$/);
    expect(refused.message).toMatch(/, on PostgreSQL \d+: /);
  });

  test("says that it was done, and was not", async () => {
    const disk = await onDisk({ migrations: [migrations[0]!] });
    const printing = ["sh", "-c", "for line in 1 2 3 4 5; do echo it is at $line; done"];
    const plan = planOf(disk, await givenScratch(), () => printing);
    const logged: string[] = [];
    const log = (msg: string): void => void logged.push(msg);
    const refused = await refusal(replayHistory({ ...plan, log }));
    expect(refused.outcome).toBe("verify-failed");
    expect(refused.message).toMatch(
      /, but the version rows are none instead of tables; the last that it printed: it is at 5$/,
    );
    expect(refused.message).not.toContain("\n");
    expect(logged).toEqual(
      expect.arrayContaining(["it printed: it is at 1", "it printed: it is at 5"]),
    );
  });

  test("is stopped by the signal, and leaves no database", async () => {
    const disk = await onDisk({
      migrations: [{ id: "slow", upgrade: ["import time", "time.sleep(60)"] }],
    });
    const controller = new AbortController();
    const plan = planOf(disk, await givenScratch(), (target) => {
      setTimeout(() => controller.abort(new Error("asked to stop")), 1_000);
      return [alembic, "upgrade", target];
    });
    const stopped = replayHistory({ ...plan, signal: controller.signal });
    await expect(stopped).rejects.toThrow("asked to stop");
    expect(await databasesLeft()).toEqual([]);
  });
});

test(
  "a revision that silently leans on another branch is left out of the states",
  { timeout: 60_000 },
  async () => {
    const needsRight = "SELECT 1 / (SELECT count(*) FROM pg_tables WHERE tablename = 'shared')";
    const disk = await onDisk({
      migrations: [
        migrations[0]!,
        { id: "left", parents: ["tables"], upgrade: [sql(needsRight)] },
        { id: "right", parents: ["tables"], upgrade: [sql("CREATE TABLE shared (n int)")] },
        { id: "both", parents: ["left", "right"] },
      ],
    });
    const { unreachable, snapshots } = await replayed(disk, await givenScratch());
    expect(unreachable).toEqual(["left"]);
    expect(snapshots.map(({ heads }) => heads)).toEqual([
      ["both"],
      ["left", "right"],
      ["right"],
      ["tables"],
    ]);
  },
);

describe("what is seen to be atomic", { timeout: 120_000 }, () => {
  const table: Migration = {
    id: "table",
    upgrade: [sql("CREATE TABLE t (n int)"), sql("CREATE TABLE u (n int)")],
  };
  const write = sql("UPDATE t SET n = 1");
  const change = sql("ALTER TABLE t ADD COLUMN IF NOT EXISTS c int");
  const bodies: Readonly<Record<string, readonly string[]>> = {
    plain: [write, change, write],
    rolled_back: [
      write,
      "with op.get_bind().begin_nested() as nested:",
      `    ${sql("DELETE FROM u")}`,
      "    nested.rollback()",
      change,
    ],
    in_a_function: [sql("DO $$ BEGIN UPDATE t SET n = 2; CREATE TABLE x (n int); END $$")],
    nothing: [],
    reads: ["op.get_bind().execute(sa.text('SELECT n FROM t')).all()"],
    // SQLAlchemy's own `commit()` leaves the connection unusable inside of Alembic's block.
    committed_in_sql: [write, sql("COMMIT"), change],
    committed_by_driver: [write, "op.get_bind().connection.commit()", change],
    committed_at_the_end: [write, change, sql("COMMIT")],
    rolled_back_and_on: [write, sql("COMMIT"), sql("BEGIN"), change, sql("ROLLBACK")],
    index_and_rows: [
      write,
      "with op.get_context().autocommit_block():",
      `    ${sql("CREATE INDEX CONCURRENTLY i ON t (n)")}`,
      `    ${sql("REINDEX INDEX CONCURRENTLY i")}`,
      `    ${sql("DROP INDEX CONCURRENTLY i")}`,
    ],
    index_alone: [
      "with op.get_context().autocommit_block():",
      `    ${sql("CREATE INDEX CONCURRENTLY j ON t (n)")}`,
    ],
    second_session: [
      "with op.get_bind().engine.begin() as other:",
      "    other.execute(sa.text('INSERT INTO u VALUES (1)'))",
      change,
    ],
    second_session_that_ends_late: [
      "global other",
      "other = op.get_bind().engine.connect()",
      "other.execute(sa.text('INSERT INTO u VALUES (1)'))",
      "import atexit",
      "atexit.register(other.commit)",
      write,
    ],
  };
  const atomic = ["table", "plain", "rolled_back", "in_a_function", "nothing", "reads"];

  test("a revision that changes all that it changes in the transaction of its version row", async () => {
    const names = Object.keys(bodies);
    const migrations = names.map((id, index) => ({
      id,
      parents: [names[index - 1] ?? "table"],
      upgrade: bodies[id]!,
    }));
    const configure = "transaction_per_migration=True";
    const disk = await onDisk({ migrations: [table, ...migrations], configure });
    expect(await seenAtomic(disk)).toEqual(atomic);
  });

  test("all revisions of one transaction, but what commits it", async () => {
    const commits = [write, sql("COMMIT")];
    const migrations = [
      table,
      { id: "fills", parents: ["table"], upgrade: [write] },
      { id: "commits", parents: ["fills"], upgrade: commits },
      { id: "after", parents: ["commits"], upgrade: [write] },
    ];
    expect(await seenAtomic(await onDisk({ migrations }))).toEqual(["table", "fills", "after"]);
  });

  test("nothing of a session in autocommit mode, whatever its file says", async () => {
    const commits =
      "CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN UPDATE t SET n = 3; COMMIT; END'";
    const migrations = [
      table,
      { id: "fills", parents: ["table"], upgrade: [write] },
      { id: "calls", parents: ["fills"], upgrade: [sql(commits), sql("CALL p()")] },
    ];
    const url = 'os.environ["DATABASE_URL"], isolation_level="AUTOCOMMIT"';
    expect(await seenAtomic(await onDisk({ migrations, url }))).toEqual([]);
  });

  async function seenAtomic(disk: HistoryOnDisk): Promise<readonly string[]> {
    const { revisions } = await replayed(disk, await givenScratch());
    return [...revisions].flatMap(([id, { isAtomic }]) => (isAtomic ? [id] : []));
  }
});

async function onDisk(options: Parameters<typeof writeHistory>[0]): Promise<HistoryOnDisk> {
  const disk = await writeHistory(options);
  onTestFinished(disk.remove);
  return disk;
}

/** On this machine's own programs, or on the package's. */
async function ownScratch(): Promise<Scratch> {
  return openTestScratch({ on: null });
}

async function givenScratch(): Promise<Scratch> {
  return openTestScratch({ on: connectionTo(server) });
}

function planOf(
  { directory, history }: HistoryOnDisk,
  scratch: Scratch,
  command = (target: string): readonly string[] => [alembic, "upgrade", target],
): Parameters<typeof replayHistory>[0] {
  return {
    scratch,
    history,
    conditionOf,
    upgrade: {
      kind: "command",
      cwd: directory,
      current: [alembic, "current"],
      command,
      explain: () => null,
      adviseOnVariables: async () => [],
      runChild: async (argv, options) => await runChild(argv, { ...options, signalGroup }),
      mapped: [],
      environment: {
        ...process.env,
        PGOPTIONS: "-c search_path=nowhere",
        DATABASE_URL: "postgresql://nowhere/",
      },
      fixed: null,
      protection: { kind: "unconfined" },
      without: [],
      proven: { way: { byOnlyOther: false, byCopy: false } },
    },
    versionTable: { schema: "public", name: "alembic_version" },
    factsQuery: facts,
    readPath: async () => [],
    isVarying: () => false,
    log: () => {},
    signal: new AbortController().signal,
  };
}

/** What was seen, as it reads for a database that lives in `public`. */
async function replayed(disk: HistoryOnDisk, scratch: Scratch): Promise<ReplayedHistory> {
  const replay = await replayHistory(planOf(disk, scratch));
  return {
    ...replay,
    snapshots: replay.snapshots.map(({ heads, facts: relative, traces }) => ({
      heads,
      traces,
      facts: relative.map((fact) => factAtHome(fact, "public")),
    })),
    aliases: replay.aliases.map(({ fact, definition }) => ({
      fact: factAtHome(fact, "public"),
      definition: textAtHome(definition, "public"),
    })),
  };
}

function accessOf({ revisions }: ReplayedHistory): Record<string, unknown> {
  return Object.fromEntries(
    [...revisions]
      .filter(([, { writes, reads }]) => writes.length + reads.length > 0)
      .map(([id, { writes, reads }]) => [id, [writes, reads]]),
  );
}

async function databasesLeft(): Promise<readonly unknown[]> {
  return server.sql(
    server.url,
    "SELECT datname FROM pg_database WHERE datname LIKE 'preflight_bake%'",
  );
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch {
    // It is gone already.
  }
}
