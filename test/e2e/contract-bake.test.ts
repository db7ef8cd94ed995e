import {
  appendFileSync,
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tablesOf, withUrl } from "../support/databases.ts";
import { chainOf, execute, writeHistory } from "../support/histories.ts";
import { startServer } from "../support/postgres.ts";
import {
  expectLine,
  type Place,
  programs,
  runProgram,
  start,
  startProgram,
} from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { alembic, dump, environment, makeDatabase, makeImage, type Shop } from "../support/shop.ts";

let shop: Shop;

beforeAll(async () => {
  const server = await startServer({ settings: ["autovacuum = off"] });
  shop = { server, python: await pythonEnvironment(), ledger: "" };
});

afterAll(async () => {
  await shop?.server.stop();
});

function at(cwd: string, more: Record<string, string> = {}): Place {
  const { DATABASE_URL: _, ...env } = environment(shop, "");
  return { cwd, env: { ...env, PREFLIGHT_SCRATCH_URL: shop.server.url, ...more } };
}

async function scratchDatabases(): Promise<number> {
  const [row] = await shop.server.sql(
    shop.server.url,
    "SELECT count(*)::int AS n FROM pg_database WHERE datname LIKE 'preflight_bake_%'",
  );
  return Number(row?.["n"]);
}

const ledgerOf = (directory: string): string => path.join(directory, "preflight.ledger.json");

describe("an env.py that takes its address from elsewhere", () => {
  it.each(["binary", "module"] as const)("%s: refuses before any upgrade", async (program) => {
    const other = await makeDatabase(shop, { at: null });
    const real = readFileSync("examples/shop/alembic/env.py", "utf8");
    const env = real.replace('os.environ["DATABASE_URL"]', JSON.stringify(other));
    const history = writeHistory(chainOf("one", "two"), { env });
    const before = await dump(shop.server, other);
    const line = expectLine(await runProgram(program, ["bake"], at(history)));
    expect(line).toMatchObject({ exit: 78, outcome: "config", verdict: null });
    expect(line.reason).toContain("never heard");
    expect(await dump(shop.server, other), "the other database is untouched").toBe(before);
    expect(await tablesOf(shop.server, other)).toEqual([]);
    expect(existsSync(ledgerOf(history))).toBe(false);
    expect(await scratchDatabases()).toBe(0);
  });

  it("neither the application's own address nor libpq's reaches the child", async () => {
    const other = await makeDatabase(shop, { at: null });
    const before = await dump(shop.server, other);
    const history = writeHistory(chainOf("one"));
    const { hostname, port, pathname } = new URL(other);
    const place = at(history, {
      DATABASE_URL: other,
      PGHOST: hostname,
      PGPORT: port,
      PGDATABASE: pathname.slice(1),
      POSTGRES_HOST: hostname,
      POSTGRES_DB: pathname.slice(1),
    });
    expect(expectLine(await runProgram("binary", ["bake"], place))).toMatchObject({ exit: 0 });
    expect(await dump(shop.server, other)).toBe(before);
  });
});

describe("a bake that cannot be", () => {
  it("a migration that fails: 25, its own words, no ledger, nothing left behind", async () => {
    const history = writeHistory([
      ...chainOf("one"),
      { id: "two", after: "one", upgrade: execute("SELECT nothing FROM nowhere") },
    ]);
    const ended = await runProgram("binary", ["bake"], at(history));
    const line = expectLine(ended);
    expect(line).toMatchObject({ exit: 25, outcome: "migration-failed", verdict: null });
    expect(line.reason).toContain('relation "nowhere" does not exist');
    expect(readdirSync(history).filter((file) => file.startsWith("preflight"))).toEqual([]);
    expect(await scratchDatabases()).toBe(0);
  });

  it("no alembic: 66; a scratch server that is not there: 69; one without rights: 77", async () => {
    const history = writeHistory(chainOf("one"));
    const bare = at(history, { PATH: "/nowhere" });
    const line = expectLine(await runProgram("binary", ["bake"], bare));
    expect(line).toMatchObject({ exit: 66, outcome: "missing-input" });
    expect(line.reason).toContain("alembic");
    const gone = at(history, { PREFLIGHT_SCRATCH_URL: "postgres://postgres@127.0.0.1:1/postgres" });
    expect(expectLine(await runProgram("binary", ["bake"], gone))).toMatchObject({ exit: 69 });
    await shop.server.sql(shop.server.url, "CREATE ROLE plain LOGIN CREATEDB");
    const plain = at(history, {
      PREFLIGHT_SCRATCH_URL: withUrl(shop.server.url, { user: "plain" }),
    });
    expect(expectLine(await runProgram("binary", ["bake"], plain))).toMatchObject({ exit: 77 });
    expect(existsSync(ledgerOf(history))).toBe(false);
    expect(await scratchDatabases()).toBe(0);
  });

  it("a migration that is not the same twice: 26, naming it", async () => {
    const history = writeHistory([
      { id: "by_time", upgrade: `op.execute(f"CREATE TABLE t_{time.time_ns()} (id int)")` },
    ]);
    const line = expectLine(await runProgram("module", ["bake"], at(history)));
    expect(line).toMatchObject({ exit: 26, outcome: "verify-failed" });
    expect(line.reason).toContain("by_time");
    expect(existsSync(ledgerOf(history))).toBe(false);
  });

  it.each(["binary", "module"] as const)("%s: SIGTERM leaves nothing behind", async (program) => {
    const history = writeHistory([
      {
        id: "slow",
        upgrade: `print("sleeping now", flush=True)\n${execute("SELECT pg_sleep(600)")}`,
      },
    ]);
    const run = startProgram(program, ["bake", "--verbose"], at(history));
    await run.says("sleeping now");
    run.child.kill("SIGTERM");
    const ended = await run.ended;
    expect(expectLine(ended)).toMatchObject({ exit: 143, outcome: "signal" });
    expect(ended.ms).toBeLessThan(60_000);
    expect(readdirSync(history).filter((file) => file.startsWith("preflight"))).toEqual([]);
    expect(await scratchDatabases()).toBe(0);
  });
});

it("SIGTERM ends a server of its own, and takes its directory away", async () => {
  const history = writeHistory([
    { id: "slow", upgrade: `print("at work", flush=True)\n${execute("SELECT pg_sleep(600)")}` },
  ]);
  const place = at(history, { TMPDIR: mkdtempSync(path.join(tmpdir(), "preflight-own-")) });
  const { PREFLIGHT_SCRATCH_URL: _, TMPDIR: directory = "", ...env } = place.env;
  chmodSync(directory, 0o755);
  const own = { cwd: history, env: { ...env, TMPDIR: directory } };
  const run = startProgram("binary", ["bake", "--verbose"], own);
  await run.says("at work");
  expect(readdirSync(directory)).toHaveLength(1);
  run.child.kill("SIGTERM");
  expect(expectLine(await run.ended)).toMatchObject({ exit: 143, outcome: "signal" });
  expect(readdirSync(directory)).toEqual([]);
});

it("an upgrade() that only seems to be empty is not known to do nothing", async () => {
  const onlyHere = `op.execute("DO $$ BEGIN IF current_setting('shop.fill', true) = 'on' THEN UPDATE one SET id = 1; END IF; END $$")`;
  const fill = `\n\ndef fill():\n    ${onlyHere}\n\n\n`;
  const later: Readonly<Record<string, string>> = {
    plain: "",
    assigned: `${fill}upgrade = fill\n`,
    unpacked: `${fill}first, upgrade = None, fill\n`,
    defined_again: `\n\ndef upgrade():\n    ${onlyHere}\n`,
    another_body: `${fill}upgrade.__code__ = fill.__code__\n`,
  };
  const chain = ["one", ...Object.keys(later)];
  const history = writeHistory(
    chain.map((id, index) => ({
      id,
      ...(index === 0
        ? { upgrade: execute("CREATE TABLE one (id int)") }
        : { after: chain[index - 1]! }),
    })),
  );
  for (const [id, text] of Object.entries(later))
    appendFileSync(path.join(history, "alembic/versions", `${id}.py`), text);
  expect(expectLine(await runProgram("module", ["bake"], at(history)))).toMatchObject({ exit: 0 });
  const { revisions } = JSON.parse(readFileSync(ledgerOf(history), "utf8"));
  expect(
    Object.fromEntries(revisions.map(({ id, data }: { id: string; data: string }) => [id, data])),
  ).toEqual({
    ...Object.fromEntries(chain.map((id) => [id, "unknown"])),
    one: "none",
    plain: "none",
  });
});

it("writes a new ledger where --ledger says", async () => {
  const history = writeHistory(chainOf("one"));
  const args = ["bake", "--ledger", "elsewhere.json"];
  expect(expectLine(await runProgram("binary", args, at(history)))).toMatchObject({ exit: 0 });
  expect(existsSync(path.join(history, "elsewhere.json"))).toBe(true);
  expect(existsSync(ledgerOf(history))).toBe(false);
});

it("a directory that cannot be written to: one clear message", async () => {
  const history = writeHistory(chainOf("one"));
  const args = ["bake", "--ledger", "/proc/nowhere/ledger.json"];
  const line = expectLine(await runProgram("binary", args, at(history)));
  expect(line).toMatchObject({ exit: 66, outcome: "missing-input" });
  expect(line.reason).toContain("/proc/nowhere/ledger.json");
});

describe.skipIf(process.getuid?.() !== 0)("as a user who is not root", () => {
  const nobody = 65_534;

  it("bakes on a server of its own", async (context) => {
    const image = makeImage(shop, { name: "", ledger: "none" });
    const home = mkdtempSync(path.join(tmpdir(), "preflight-nobody-"));
    const program = path.join(home, "preflight");
    cpSync(programs.binary[0] ?? "", program);
    for (const directory of [home, image]) {
      chmodSync(directory, 0o755);
      chownSync(directory, nobody, nobody);
    }
    const { PREFLIGHT_SCRATCH_URL: _, ...env } = at(image).env;
    const server = path.dirname(await serverProgram());
    const place = {
      cwd: image,
      env: {
        ...env,
        HOME: home,
        TMPDIR: home,
        PATH: `${env["PATH"]}:${server}`,
        PYTHONDONTWRITEBYTECODE: "1",
      },
      uid: nobody,
    };
    // A Python in root's own directory is out of this user's reach.
    const version = await start(["env", "alembic", "--version"], place).ended;
    if (version.exit !== 0) context.skip("this user cannot run alembic");
    const ended = await start([program, "bake"], place).ended;
    expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0, ledger: "verified" });
    expect(existsSync(ledgerOf(image))).toBe(true);
    expect(readdirSync(home).filter((name) => name.startsWith("preflight-bake-"))).toEqual([]);
  });
});

/** PostgreSQL's server program as this server runs it. */
async function serverProgram(): Promise<string> {
  const [row] = await shop.server.sql(
    shop.server.url,
    "SELECT setting FROM pg_config WHERE name = 'BINDIR'",
  );
  return path.join(String(row?.["setting"]), "postgres");
}

describe("what is not the same each time", () => {
  const now = (name: string): string =>
    `op.execute(f"CREATE OR REPLACE VIEW ${name} AS SELECT '{time.time_ns()}'::text AS at")`;
  const say = async (cwd: string, args: readonly string[], more: Record<string, string> = {}) => {
    const ended = await runProgram("binary", args, at(cwd, more));
    return { ...expectLine(ended), log: ended.stderr };
  };

  it("on the way to a head is no evidence, and nothing is refused for it", async () => {
    const steady = execute("CREATE OR REPLACE VIEW v AS SELECT 'x'::text AS at");
    const history = writeHistory([
      { id: "one", upgrade: `${execute("CREATE TABLE t (id int)")}\n${now("v")}` },
      { id: "two", after: "one", upgrade: execute("CREATE TABLE u (id int)") },
      { id: "three", after: "two", upgrade: steady },
    ]);
    const baked = await say(history, ["bake"]);
    expect(baked, baked.log).toMatchObject({ exit: 0, ledger: "verified" });
    expect(baked.log).toContain("the query of view v");
    expect(readFileSync(ledgerOf(history), "utf8")).toContain('"home":"relative"');
    const url = await shop.server.createDatabase();
    const own = { DATABASE_URL: url };
    expect(await say(history, ["run"], own)).toMatchObject({ exit: 0, verdict: "fresh" });
    expect(await say(history, ["run"], own)).toMatchObject({ verdict: "current" });
    // Which of the last two ran, no schema shows.
    await shop.server.sql(url, "DROP TABLE alembic_version");
    expect(await say(history, ["check"], own)).toMatchObject({ exit: 21, verdict: "unversioned" });
  });

  it("at a head is refused, unless a person allows for it; the ledger keeps that", async () => {
    const history = writeHistory([
      { id: "one", upgrade: `${execute("CREATE TABLE t (id int)")}\n${now("v")}` },
    ]);
    expect(await say(history, ["bake"])).toMatchObject({
      exit: 26,
      next: [expect.anything(), expect.stringContaining("--varies 'public.v'")],
    });
    expect(await say(history, ["bake", "--varies", "v; public.w"])).toMatchObject({ exit: 78 });
    expect(existsSync(ledgerOf(history))).toBe(false);
    expect(await say(history, ["bake", "--varies", "v"])).toMatchObject({ exit: 0 });
    const ledger = readFileSync(ledgerOf(history), "utf8");
    expect(await say(history, ["bake"])).toMatchObject({ exit: 0 });
    expect(readFileSync(ledgerOf(history), "utf8")).toBe(ledger);
    const url = await shop.server.createDatabase();
    const own = { DATABASE_URL: url };
    expect(await say(history, ["run"], own)).toMatchObject({ exit: 0, verdict: "fresh" });
    expect(await say(history, ["run"], own)).toMatchObject({ verdict: "current" });
    await shop.server.sql(url, "DROP VIEW v");
    expect(await say(history, ["check"], own)).toMatchObject({ exit: 20, verdict: "drifted" });
  });

  it("because of the environment: bake warns of it, and a drift says so", async () => {
    const history = writeHistory([
      {
        id: "one",
        upgrade: `op.execute("CREATE TABLE t (region text DEFAULT '%s')" % os.environ.get("REGION", "eu"))`,
      },
    ]);
    const baked = await say(history, ["bake"]);
    expect(baked.exit).toBe(0);
    expect(baked.log).toContain("may differ from one deployment to the next");
    const url = await shop.server.createDatabase();
    await alembic(shop, history, url, "upgrade", "head");
    await shop.server.sql(url, "ALTER TABLE t ALTER region SET DEFAULT 'us'");
    const own = { DATABASE_URL: url };
    expect(await say(history, ["check"], own)).toMatchObject({
      exit: 20,
      next: expect.arrayContaining([expect.stringContaining("one reads the environment")]),
    });
    expect(await say(history, ["bake", "--varies", "t.region"])).toMatchObject({ exit: 0 });
    expect(await say(history, ["check"], own)).toMatchObject({ exit: 0, verdict: "current" });
  });
});

it("an index built over a second engine, whose counts arrive late: the same ledger each time", async () => {
  const build = `global engine
engine = sa.create_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
with engine.connect() as other:
    other.execute(sa.text("CREATE INDEX CONCURRENTLY t_id ON t (id)"))`;
  const history = writeHistory(
    [
      { id: "one", upgrade: execute("CREATE TABLE t (id int)") },
      { id: "two", after: "one", upgrade: build },
      {
        id: "three",
        after: "two",
        upgrade: `time.sleep(1.5)\n${execute("CREATE TABLE u (id int)")}`,
      },
    ],
    { configure: "transaction_per_migration=True" },
  );
  const ledgers = new Set<string>();
  for (let bake = 0; bake < 3; bake += 1) {
    const ended = await runProgram("binary", ["bake"], at(history));
    expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0 });
    ledgers.add(readFileSync(ledgerOf(history), "utf8"));
  }
  const [ledger = "", ...others] = ledgers;
  expect(others).toEqual([]);
  for (const id of ["two", "three"])
    expect(ledger).toMatch(new RegExp(`"id":"${id}".*"data":"none"`));
});
