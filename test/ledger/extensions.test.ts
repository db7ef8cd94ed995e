import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { execute, writeHistory } from "../support/histories.ts";
import { preflight, type Said } from "../support/in-process.ts";
import { startServer, type TestServer } from "../support/postgres.ts";
import { pythonEnvironment } from "../support/python.ts";

/** Where extensions can be brought to the server while it runs. */
const brought = mkdtempSync(path.join(tmpdir(), "preflight-brought-"));
let server: TestServer;
beforeAll(async () => {
  mkdirSync(path.join(brought, "extension"));
  for (const place of [brought, path.join(brought, "extension")]) chmodSync(place, 0o755);
  server = await startServer({ settings: [`extension_control_path = '$system:${brought}'`] });
});
afterAll(() => server?.stop());

/** From now on the server has the extension. */
function bring(name: string, script = ""): void {
  writeFileSync(path.join(brought, `extension/${name}.control`), "default_version = '1'\n");
  writeFileSync(path.join(brought, `extension/${name}--1.sql`), script);
}

async function bake(cwd: string, ...args: readonly string[]): Promise<Said> {
  const env = { PATH: process.env["PATH"] ?? "", PREFLIGHT_SCRATCH_URL: server.url };
  return await preflight(["bake", ...args], { cwd, env });
}

function sqlFiles(...texts: readonly string[]): string {
  const cwd = mkdtempSync(path.join(tmpdir(), "preflight-extensions-"));
  mkdirSync(path.join(cwd, "migrations"));
  for (const [index, text] of texts.entries())
    writeFileSync(path.join(cwd, `migrations/00${index + 1}_file.sql`), text);
  return cwd;
}

test("all extensions that the server lacks are named at once, before anything is replayed", async () => {
  const { line, stderr } = await bake(
    sqlFiles(
      "CREATE EXTENSION nowhere_to_be_had;\nCREATE EXTENSION pgcrypto;\nCREATE EXTENSION pg_cron;",
      "CREATE EXTENSION IF NOT EXISTS nowhere_to_be_had;\nCREATE EXTENSION another_one;",
    ),
  );
  expect(line).toMatchObject({ exit: 66, outcome: "missing-input" });
  expect(line.reason).toContain(
    "lacks 3 extensions that the migrations create: nowhere_to_be_had (migrations/001_file.sql:1; migrations/002_file.sql:1); pg_cron (migrations/001_file.sql:3); another_one (migrations/002_file.sql:2). Nothing was replayed.",
  );
  expect(line.next).toEqual([
    "install nowhere_to_be_had, another_one on that server, or name another one",
    expect.stringContaining("its cron.database_name"),
    expect.stringContaining("--scratch-without 'nowhere_to_be_had; pg_cron; another_one'"),
  ]);
  expect(stderr).not.toContain("replaying");
});

test("a container image is offered first where there is an engine's client, and else after a server", async () => {
  const cwd = sqlFiles("CREATE EXTENSION nowhere_to_be_had");
  const bin = mkdtempSync(path.join(tmpdir(), "preflight-engine-"));
  const nextOf = async (): Promise<readonly string[]> =>
    (await preflight(["bake"], { cwd, env: { PATH: bin } })).line.next;
  const running = expect.stringContaining("server that has nowhere_to_be_had: --scratch-url");
  const image = expect.stringContaining("image that has nowhere_to_be_had, such as the one");
  const others = [expect.any(String), expect.stringContaining("--scratch-without")];
  expect(await nextOf()).toEqual([running, image, ...others]);
  symlinkSync("/bin/true", path.join(bin, "podman"));
  expect(await nextOf()).toEqual([image, running, ...others]);
});

test("Alembic: before its program is even started", async () => {
  const history = writeHistory([{ id: "one", upgrade: execute("CREATE EXTENSION vectors") }]);
  const { line } = await bake(history);
  expect(line).toMatchObject({ exit: 66, outcome: "missing-input" });
  expect(line.reason).toContain("vectors (alembic/versions/one.py:13)");
});

test("what the server has is created as ever, and what a block creates if it can be had is no reason", async () => {
  const cwd = sqlFiles(
    "CREATE EXTENSION citext;\nCREATE TABLE t (a citext);",
    "DO $$ BEGIN IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'nowhere') THEN CREATE EXTENSION nowhere; END IF; END $$;",
  );
  expect((await bake(cwd)).line).toMatchObject({ exit: 0 });
  expect(existsSync(path.join(cwd, "preflight.ledger.json"))).toBe(true);
});

test("what a migration puts into an extension's table is data that must show: never among rows of the extension's own", async () => {
  bring(
    "registers",
    "CREATE TABLE filled (id int PRIMARY KEY); INSERT INTO filled VALUES (1), (2); CREATE TABLE config (id text PRIMARY KEY);",
  );
  const made = "CREATE EXTENSION registers";
  const stamped = async (insert: string, rows: string): Promise<Said["line"]> => {
    const cwd = sqlFiles(made, insert, "CREATE TABLE t (id int)");
    expect((await bake(cwd)).line).toMatchObject({ exit: 0 });
    const url = await server.createDatabase();
    await server.sql(url, `${made}; CREATE TABLE t (id int); ${rows}`);
    return (await preflight(["check"], { cwd, env: { DATABASE_URL: url } })).line;
  };
  const [ofOwn, ofConfig] = ["INSERT INTO filled VALUES (3)", "INSERT INTO config VALUES ('mine')"];
  const unproven = { exit: 21, verdict: "unversioned" };
  expect(await stamped(ofOwn, "")).toMatchObject(unproven);
  expect(await stamped(ofOwn, ofOwn)).toMatchObject(unproven);
  expect(await stamped(ofConfig, "")).toMatchObject(unproven);
  expect(await stamped(ofConfig, ofConfig)).toMatchObject({ exit: 0, proven: ["003"] });
});

describe("--scratch-without", () => {
  const missing = ["--scratch-without", "nowhere_to_be_had; pg_cron; citext"];
  const files = [
    `CREATE EXTENSION citext; CREATE TABLE t (a citext);
     CREATE EXTENSION IF NOT EXISTS nowhere_to_be_had WITH SCHEMA public;
     COMMENT ON EXTENSION nowhere_to_be_had IS 'of others';`,
    "CREATE EXTENSION pg_cron;",
    `CREATE TABLE u (id int);
     CREATE FUNCTION jobs() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN
       RETURN (SELECT count(*) FROM pg_extension JOIN cron.job ON true);
     END $$;
     DROP EXTENSION nowhere_to_be_had;`,
  ];

  test("passes over what the server lacks, and nothing else; the ledger keeps it, and says nothing of it", async () => {
    const cwd = sqlFiles(...files);
    const { line, stderr } = await bake(cwd, ...missing);
    expect(line, stderr).toMatchObject({ exit: 0 });
    expect(stderr).toContain(
      "passed over, since the scratch server lacks them: nowhere_to_be_had, pg_cron.",
    );
    const ledger = readFileSync(path.join(cwd, "preflight.ledger.json"), "utf8");
    expect(ledger).toContain(
      '"without":{"nowhere_to_be_had":{"created":["001"],"dropped":["003"]},"pg_cron":{"created":["002"]}},',
    );
    expect(ledger.match(/\["extension",".*?"/g)).toEqual(['["extension","citext"']);
    expect(ledger).toContain('"id":"002","file":"migrations/002_file.sql","parents":["001"],');
    expect(ledger).toMatch(/"id":"002".*"data":"unknown"/);
    expect((await bake(cwd)).line).toMatchObject({ exit: 0 });
    expect(readFileSync(path.join(cwd, "preflight.ledger.json"), "utf8")).toBe(ledger);
    expect((await bake(cwd, "--check")).line).toMatchObject({ exit: 0 });
  });

  test("is neither proof nor drift: in a database with such an extension and without it", async () => {
    const cwd = sqlFiles(
      "CREATE TABLE t (id int);",
      "CREATE EXTENSION only_there;",
      "CREATE TABLE u (id int);",
    );
    expect((await bake(cwd, "--scratch-without", "only_there")).line).toMatchObject({ exit: 0 });
    bring(
      "only_there",
      "CREATE TABLE its_own (id int); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
    );
    const url = await server.createDatabase();
    const run = async (...args: readonly string[]): Promise<Said> =>
      await preflight(args, { cwd, env: { DATABASE_URL: url } });
    expect((await run("run")).line).toMatchObject({ exit: 0, verdict: "fresh" });
    expect((await run("check")).line).toMatchObject({ verdict: "current", drift: { extra: 0 } });
    await server.sql(url, "DROP EXTENSION only_there");
    expect((await run("check")).line).toMatchObject({ exit: 0, verdict: "current" });
    await server.sql(url, "DROP TABLE preflight_migrations, u");
    // Whether 002 ran, nothing tells.
    const unversioned = { exit: 21, verdict: "unversioned", proven: null };
    const without = await run("check");
    expect(without.line).toMatchObject(unversioned);
    await server.sql(url, "CREATE EXTENSION only_there");
    const withIt = await run("check");
    expect(withIt.line).toMatchObject(unversioned);
  });

  test("is never proof: what creates it beside other things is not stamped where it is not there", async () => {
    const cwd = sqlFiles(
      "CREATE TABLE t (id int);",
      "CREATE EXTENSION beside; CREATE TABLE u (id int);",
    );
    expect((await bake(cwd, "--scratch-without", "beside")).line).toMatchObject({ exit: 0 });
    const url = await server.createDatabase();
    const run = async (...args: readonly string[]): Promise<Said> =>
      await preflight(args, { cwd, env: { DATABASE_URL: url } });
    await server.sql(url, "CREATE TABLE t (id int)");
    const before = await run("check");
    expect(before.line).toMatchObject({ exit: 0, verdict: "unversioned", proven: ["001"] });
    await server.sql(url, "CREATE TABLE u (id int)");
    const refused = await run("run");
    expect(refused.line).toMatchObject({ exit: 21, verdict: "unversioned", proven: ["002"] });
    expect(refused.line.reason).toContain("passed over beside, which this database lacks");
    expect(refused.line.next.join()).toContain('CREATE EXTENSION "beside"');
    const word = await run("check", "--assume", "002");
    expect(word.line).toMatchObject({ exit: 0, actions: [{ kind: "stamp" }] });
    bring("beside");
    await server.sql(url, "CREATE EXTENSION beside");
    expect((await run("run")).line).toMatchObject({ exit: 0, verdict: "unversioned" });
    await server.sql(url, "DROP EXTENSION beside");
    expect((await run("run")).line).toMatchObject({ exit: 0, verdict: "current" });
  });

  test.each([
    ["asks", "SELECT count(*) FROM pg_extension WHERE extname = 'pg_cron'"],
    [
      "asks in a block",
      "DO $$ BEGIN IF EXISTS (SELECT FROM pg_available_extensions) THEN NULL; END IF; END $$",
    ],
    [
      "goes on",
      "DO $$ BEGIN CREATE INDEX ON t USING vec (a); EXCEPTION WHEN undefined_object THEN NULL; END $$",
    ],
    [
      "goes on",
      "DO $$ BEGIN PERFORM create_hypertable('t'); EXCEPTION WHEN OTHERS THEN NULL; END $$",
    ],
  ])("is refused where a statement %s: %s", async (_, sql) => {
    const { line } = await bake(sqlFiles("CREATE EXTENSION pg_cron;\n", `\n${sql};`), ...missing);
    expect(line).toMatchObject({ exit: 78, outcome: "config" });
    expect(line.reason).toContain(
      "depend on whether an extension is there: migrations/002_file.sql:2",
    );
  });

  test.each([
    "DO $$ BEGIN CREATE TYPE mood AS ENUM ('ok'); EXCEPTION WHEN duplicate_object THEN NULL; END $$",
    "DO $$ BEGIN PERFORM cron.unschedule('x'); EXCEPTION WHEN OTHERS THEN NULL; END $$",
  ])("is not refused for %s", async (sql) => {
    const { line } = await bake(sqlFiles("CREATE EXTENSION pg_cron;", sql), ...missing);
    expect(line).toMatchObject({ exit: 0 });
  });

  test("of what is needed all the same, the failure says so; a stand-in makes it do", async () => {
    const cwd = sqlFiles(
      "CREATE EXTENSION pg_cron;",
      "SELECT cron.schedule('a', '* * * * *', 'SELECT 1');",
    );
    const failed = await bake(cwd, ...missing);
    expect(failed.line).toMatchObject({ exit: 25, outcome: "migration-failed" });
    expect(failed.line.next.join("\n")).toContain("for want of what was passed over (pg_cron)");
    writeFileSync(
      path.join(cwd, "cron.sql"),
      "CREATE SCHEMA cron; CREATE FUNCTION cron.schedule(text, text, text) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'",
    );
    expect((await bake(cwd, ...missing, "--scratch-init", "cron.sql")).line).toMatchObject({
      exit: 0,
    });
  });

  test("what a later migration drops is asked for before that, and not after it", async () => {
    const cwd = sqlFiles(
      "CREATE TABLE t (id int);",
      "CREATE EXTENSION for_a_while; CREATE TABLE u (id int);",
      "DROP EXTENSION for_a_while; CREATE TABLE v (id int);",
      "CREATE EXTENSION for_a_while; CREATE TABLE w (id int);",
    );
    expect((await bake(cwd, "--scratch-without", "for_a_while")).line).toMatchObject({ exit: 0 });
    bring("for_a_while");
    const found = async (tables: string, extension: string): Promise<Said["line"]> => {
      const url = await server.createDatabase();
      await server.sql(url, [...tables].map((name) => `CREATE TABLE ${name} (id int)`).join("; "));
      await server.sql(url, extension);
      return (await preflight(["check"], { cwd, env: { DATABASE_URL: url } })).line;
    };
    const [absent, there] = ["", "CREATE EXTENSION for_a_while"];
    expect(await found("tu", absent)).toMatchObject({ exit: 21, proven: ["002"] });
    expect(await found("tu", there)).toMatchObject({ exit: 0, proven: ["002"] });
    expect(await found("tuv", absent)).toMatchObject({ exit: 0, proven: ["003"] });
    const leftOver = await found("tuv", there);
    expect(leftOver).toMatchObject({ exit: 21, proven: ["003"] });
    expect(leftOver.reason).toContain("passed over for_a_while, which this database still has");
    expect(leftOver.next.join()).toContain('DROP EXTENSION "for_a_while"');
    expect(await found("tuvw", absent)).toMatchObject({ exit: 21, proven: ["004"] });
    expect(await found("tuvw", there)).toMatchObject({ exit: 0, proven: ["004"] });
  });
});

describe("--scratch-without and Alembic's own program", () => {
  let programs: string;
  beforeAll(async () => {
    programs = `${(await pythonEnvironment()).bin}:${process.env["PATH"]}`;
  });
  const bakeThere = async (cwd: string, ...args: readonly string[]): Promise<Said> =>
    await preflight(["bake", ...args], {
      cwd,
      env: { PATH: programs, PREFLIGHT_SCRATCH_URL: server.url },
    });
  const without = ["--scratch-without", "vectors"];
  const creates = 'op.execute("CREATE EXTENSION IF NOT EXISTS vectors")';

  test("its CREATE EXTENSION IF NOT EXISTS finds it there; the ledger has nothing of it, and it is never proof", async () => {
    const cwd = writeHistory([
      { id: "one", upgrade: execute("CREATE TABLE t (id int)") },
      {
        id: "two",
        after: "one",
        upgrade: `if op.get_bind().dialect.name == "postgresql":
    ${creates}
${execute("COMMENT ON EXTENSION vectors IS 'of others'")}
${execute("CREATE TABLE u (id int)")}`,
      },
      {
        id: "three",
        after: "two",
        upgrade: `${execute("DROP EXTENSION vectors")}\n${execute("CREATE TABLE v (id int)")}`,
      },
    ]);
    const { line, stderr } = await bakeThere(cwd, ...without);
    expect(line, stderr).toMatchObject({ exit: 0 });
    expect(stderr).toContain("passed over, since the scratch server lacks them: vectors.");
    const read = (): string => readFileSync(path.join(cwd, "preflight.ledger.json"), "utf8");
    const ledger = read();
    expect(ledger).toContain('"without":{"vectors":{"created":["two"],"dropped":["three"]}},');
    expect(ledger).not.toContain('["extension"');
    expect((await bakeThere(cwd)).line).toMatchObject({ exit: 0 });
    expect(read()).toBe(ledger);
    const url = await server.createDatabase();
    const check = async (): Promise<Said["line"]> =>
      (await preflight(["check"], { cwd, env: { PATH: programs, DATABASE_URL: url } })).line;
    await server.sql(url, "CREATE TABLE t (id int); CREATE TABLE u (id int)");
    expect(await check()).toMatchObject({ exit: 21, proven: ["two"] });
    await server.sql(url, "CREATE TABLE v (id int)");
    expect(await check()).toMatchObject({ exit: 0, proven: ["three"] });
  });

  test("what env.py creates, or a helper, is asked for at every stamp", async () => {
    const shop = path.join(import.meta.dirname, "../../examples/shop/alembic/env.py");
    const env = readFileSync(shop, "utf8").replace(
      "    context.configure(",
      '    connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS of_env")\n    connection.commit()\n    context.configure(',
    );
    const cwd = writeHistory([{ id: "one", upgrade: execute("CREATE TABLE t (id int)") }], { env });
    const failed = await bakeThere(cwd);
    expect(failed.line).toMatchObject({ exit: 78 });
    expect((await bakeThere(cwd, "--scratch-without", "of_env")).line).toMatchObject({ exit: 0 });
    expect(readFileSync(path.join(cwd, "preflight.ledger.json"), "utf8")).toContain(
      '"without":{"of_env":{"created":[]}},',
    );
    const url = await server.createDatabase();
    const check = async (): Promise<Said["line"]> =>
      (await preflight(["check"], { cwd, env: { PATH: programs, DATABASE_URL: url } })).line;
    await server.sql(url, "CREATE TABLE t (id int)");
    expect(await check()).toMatchObject({ exit: 21, proven: ["one"] });
    bring("of_env");
    await server.sql(url, "CREATE EXTENSION of_env");
    expect(await check()).toMatchObject({ exit: 0, proven: ["one"] });
  });

  test("of what is needed all the same, the failure says so", async () => {
    const cwd = writeHistory([
      { id: "one", upgrade: `${creates}\n${execute("CREATE TABLE t (v vectors.vector(3))")}` },
    ]);
    const { line } = await bakeThere(cwd, ...without);
    expect(line).toMatchObject({ exit: 25, outcome: "migration-failed" });
    expect(line.next.join("\n")).toContain("for want of what was passed over (vectors)");
  });

  test("is refused where a revision says no IF NOT EXISTS", async () => {
    const cwd = writeHistory([{ id: "one", upgrade: execute("CREATE EXTENSION vectors") }]);
    const { line } = await bakeThere(cwd, ...without);
    expect(line).toMatchObject({ exit: 78, outcome: "config" });
    expect(line.reason).toContain("says IF NOT EXISTS: alembic/versions/one.py:13");
  });

  test.each([
    ["asks", execute("SELECT 1 FROM pg_extension WHERE extname = 'vectors'")],
    [
      "asks in pieces",
      "names = op.get_bind().execute(sa.text(f\"SELECT * FROM pg_available_extensions {''}\"))",
    ],
    [
      "goes on",
      `try:\n    ${execute("CREATE INDEX ON t USING hnsw (v)")}\nexcept Exception:\n    pass`,
    ],
    [
      "goes on in a block",
      execute(
        "DO $$ BEGIN CREATE INDEX ON t USING hnsw (v); EXCEPTION WHEN undefined_object THEN NULL; END $$",
      ),
    ],
  ])("is refused where a revision %s: %s", async (_, statement) => {
    const cwd = writeHistory([{ id: "one", upgrade: `${creates}\n${statement}` }]);
    const refused = await bakeThere(cwd, ...without);
    expect(refused.line).toMatchObject({ exit: 78, outcome: "config" });
    expect(refused.line.reason).toContain(
      `depend on whether an extension is there: alembic/versions/one.py:14`,
    );
  });

  test("is not refused for an import that may fail", async () => {
    const cwd = writeHistory([
      {
        id: "one",
        upgrade: `${creates}\ntry:\n    import numpy\nexcept ImportError:\n    numpy = None`,
      },
    ]);
    expect((await bakeThere(cwd, ...without)).line).toMatchObject({ exit: 0 });
  });
});
