import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { advisoryLocksIn, eventually, rowsOf, sessionsIn } from "../support/databases.ts";
import { execute, writeHistory, type Written } from "../support/histories.ts";
import { startServer } from "../support/postgres.ts";
import {
  everyProgram,
  expectLine,
  logOf,
  type Place,
  runProgram,
  startProgram,
} from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { alembic, environment, makeDatabase, type Shop } from "../support/shop.ts";

let shop: Shop;

beforeAll(async () => {
  const server = await startServer({ settings: ["autovacuum = off"] });
  shop = { server, python: await pythonEnvironment(), ledger: "" };
});
afterAll(async () => await shop?.server.stop());

function at(cwd: string, url: string, more: Record<string, string> = {}): Place {
  return { cwd, env: { ...environment(shop, url), ...more } };
}

async function fresh(): Promise<string> {
  return await makeDatabase(shop, { at: null });
}

const gate = 4711;

/** What the application has before: two tables with a row each. */
const base: Written = {
  id: "root",
  upgrade: [
    execute("CREATE TABLE theirs (id int)"),
    execute("CREATE TABLE others (id int)"),
    execute("INSERT INTO theirs VALUES (1)"),
    execute("INSERT INTO others VALUES (1)"),
  ].join("\n"),
};

/** A database at `root`, and a history with one revision more. */
async function oneBehind(upgrade: string): Promise<{ readonly url: string; readonly cwd: string }> {
  const url = await fresh();
  await alembic(shop, writeHistory([base]), url, "upgrade", "heads");
  return { url, cwd: writeHistory([base, { id: "one", after: "root", upgrade }]) };
}

/** Makes a table, counts itself, and waits for whoever holds the gate. */
const gated: readonly Written[] = [
  {
    id: "one",
    upgrade: [
      execute("CREATE TABLE runs (n int)"),
      execute("INSERT INTO runs VALUES (1)"),
      execute(`SELECT pg_advisory_xact_lock(${gate})`),
    ].join("\n"),
  },
];

/** Whoever waits at the gate waits for as long as the test takes. */
const patient = { PREFLIGHT_DDL_LOCK_TIMEOUT: "none" };

/** A run whose migration stands at the gate; `open` lets it through. */
async function startGated(url: string, more: Record<string, string> = {}) {
  const owner = postgres(url, { max: 1, onnotice: () => {} });
  await owner`SELECT pg_advisory_lock(${gate})`;
  const cwd = writeHistory(gated);
  const started = startProgram("binary", ["run"], at(cwd, url, { ...patient, ...more }));
  await eventually(async () => (await waiting(owner)).length > 0, "the migration is at the gate");
  const open = async () => await owner.end();
  return { cwd, owner, started, open };
}

async function waiting(sql: postgres.Sql): Promise<readonly { pid: number }[]> {
  return await sql<{ pid: number }[]>`
    SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = ${gate} AND NOT granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
}

async function expectNoTrace(url: string): Promise<void> {
  expect(await advisoryLocksIn(shop.server, url), "no lock is left").toBe(0);
  await eventually(
    async () => (await sessionsIn(shop.server, url)).length === 0,
    "no session left",
  );
}

/** By which the processes of one run are told from all others, earlier runs of this test among them. */
const session = randomBytes(6).toString("hex");
const mark = (run: string) => ({ PREFLIGHT_TEST_MARK: `${session}-${run}` });
const markOf = (run: string): string => `PREFLIGHT_TEST_MARK=${session}-${run}`;

/** Processes that have this word in their environment. */
function processesWith(word: string): readonly string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "utf8").includes(word);
      } catch {
        return false;
      }
    });
}

describe("what a dead run has left at work", () => {
  it("a child that lives on is waited for, and nothing runs twice (fault 23)", async () => {
    const url = await fresh();
    const { cwd, started, open } = await startGated(url);
    started.child.kill("SIGKILL");
    await started.ended;
    const next = startProgram("binary", ["run"], at(cwd, url));
    await next.says("waiting: this database is being changed by process");
    await open();
    const line = expectLine(await next.ended);
    expect(line).toMatchObject({ exit: 0, recordedAfter: ["one"], actions: [] });
    expect(await shop.server.sql(url, "SELECT n FROM runs")).toEqual([{ n: 1 }]);
    await expectNoTrace(url);
  });

  it("a server process whose client is dead as well is waited for (fault 23)", async () => {
    const url = await fresh();
    const { cwd, started, open } = await startGated(url, mark("both"));
    started.child.kill("SIGKILL");
    for (const pid of processesWith(markOf("both"))) process.kill(Number(pid), "SIGKILL");
    await started.ended;
    expect(await sessionsIn(shop.server, url), "its statement goes on").not.toEqual([]);
    const next = startProgram("module", ["run"], at(cwd, url));
    await next.says("waiting: this database is being changed by process");
    await open();
    const line = expectLine(await next.ended);
    expect(line).toMatchObject({ exit: 0, recordedAfter: ["one"] });
    expect(await shop.server.sql(url, "SELECT n FROM runs")).toEqual([{ n: 1 }]);
  });

  it("whoever does not end within --lock-timeout is named", async () => {
    const url = await fresh();
    const { cwd, started, open } = await startGated(url);
    started.child.kill("SIGKILL");
    await started.ended;
    const line = expectLine(
      await runProgram("binary", ["run", "--lock-timeout", "2s"], at(cwd, url)),
    );
    expect(line).toMatchObject({ exit: 75, outcome: "temporary" });
    expect(line.reason).toMatch(
      /somebody else is still changing this database: process \d+ \(application preflight-upgrade\/\w+/,
    );
    expect(line.next.join()).toContain("pg_terminate_backend(");
    await open();
  });

  it("a person's open transaction that changes a table is waited for; one that begins later is not", async () => {
    const { url, cwd } = await oneBehind(execute("CREATE TABLE one (id int)"));
    const person = postgres(url, { max: 1, onnotice: () => {} });
    const later = postgres(url, { max: 1, onnotice: () => {} });
    await person.unsafe("BEGIN; LOCK TABLE theirs IN SHARE ROW EXCLUSIVE MODE").simple();
    const run = startProgram("binary", ["run"], at(cwd, url));
    await run.says("holds ShareRowExclusiveLock on public.theirs");
    await later
      .unsafe("BEGIN; CREATE TABLE its_own (id int); LOCK TABLE its_own IN SHARE MODE")
      .simple();
    await person.end();
    const line = expectLine(await run.ended);
    expect(line).toMatchObject({ exit: 0, recordedAfter: ["one"] });
    await later.end();
  });

  it("reading, ordinary writing and cleaning up are nobody's work on the schema", async () => {
    const { url, cwd } = await oneBehind(execute("CREATE TABLE one (id int)"));
    const application = postgres(url, { max: 1, onnotice: () => {} });
    await application.unsafe("BEGIN; SELECT * FROM theirs; INSERT INTO theirs VALUES (1)").simple();
    const ended = await runProgram("binary", ["run"], at(cwd, url));
    expect(expectLine(ended)).toMatchObject({ exit: 0, recordedAfter: ["one"] });
    expect(logOf(ended)).not.toContain("is being changed by");
    await application.end();
  });
});

describe("the lock is lost while the child works (fault 25)", () => {
  it.each(everyProgram)("%s ends the child and its session before it exits", async (program) => {
    const url = await fresh();
    const owner = postgres(url, { max: 1, onnotice: () => {} });
    await owner`SELECT pg_advisory_lock(${gate})`;
    const cwd = writeHistory(gated);
    const run = startProgram(program, ["run"], at(cwd, url, { ...patient, ...mark(program) }));
    await eventually(async () => (await waiting(owner)).length > 0, "at the gate");
    await owner`
      SELECT pg_terminate_backend(pid) FROM pg_locks
      WHERE locktype = 'advisory' AND granted AND objid <> ${gate}`;
    const ended = await run.ended;
    expect(processesWith(markOf(program)), "no process is left").toEqual([]);
    expect(await waiting(owner), "no session is left").toEqual([]);
    const line = expectLine(ended);
    expect(line).toMatchObject({ exit: 75, outcome: "temporary" });
    expect(line.reason).toContain("the lock was lost");
    await owner.end();
    const again = expectLine(await runProgram(program, ["run"], at(cwd, url)));
    expect(again).toMatchObject({ exit: 0, recordedAfter: ["one"] });
    await expectNoTrace(url);
  });
});

describe("a child that does not end by itself", () => {
  it("takes with it whom it has started, those that ignore SIGTERM too, and their sessions", async () => {
    const url = await fresh();
    const wrapper = `sh -c '(trap "" TERM; alembic upgrade heads; sleep 600) & wait'`;
    const owner = postgres(url, { max: 1, onnotice: () => {} });
    await owner`SELECT pg_advisory_lock(${gate})`;
    const run = startProgram(
      "binary",
      ["run", "--upgrade-command", wrapper],
      at(writeHistory(gated), url, mark("stubborn")),
    );
    await eventually(async () => (await waiting(owner)).length > 0, "at the gate");
    run.child.kill("SIGTERM");
    const ended = await run.ended;
    expect(expectLine(ended)).toMatchObject({ exit: 143, outcome: "signal" });
    // The kernel takes a moment to bury them.
    await eventually(
      async () => processesWith(markOf("stubborn")).length === 0,
      "nobody is left",
      2_000,
    );
    expect(await waiting(owner)).toEqual([]);
    await owner.end();
    expect(await rowsOf(shop.server, url).catch(() => [])).toEqual([]);
    await expectNoTrace(url);
  });

  it("killed in the middle of its DDL: nothing of it stands, and the next run is ready (fault 30)", async () => {
    const url = await fresh();
    const { cwd, owner, started, open } = await startGated(url, mark("oom"));
    for (const pid of processesWith(markOf("oom")))
      if (Number(pid) !== started.child.pid) process.kill(Number(pid), "SIGKILL");
    const line = expectLine(await started.ended);
    expect(line).toMatchObject({ exit: 25, outcome: "migration-failed", recordedAfter: [] });
    expect(line.reason).toContain("was killed by SIGKILL");
    expect(await waiting(owner), "its server process has ended before we do").toEqual([]);
    await open();
    expect(expectLine(await runProgram("binary", ["run"], at(cwd, url)))).toMatchObject({
      exit: 0,
      recordedAfter: ["one"],
    });
  });
});

describe("what the server refuses and another time may grant is temporary", () => {
  it("a lock timeout of Alembic's statement (fault 35)", async () => {
    const { url, cwd } = await oneBehind(execute("ALTER TABLE theirs ADD COLUMN more int"));
    const application = postgres(url, { max: 1, onnotice: () => {} });
    await application.unsafe("BEGIN; INSERT INTO theirs VALUES (2)").simple();
    const place = at(cwd, url, { PGOPTIONS: "-c lock_timeout=300" });
    const line = expectLine(await runProgram("binary", ["run"], place));
    expect(line).toMatchObject({ exit: 75, outcome: "temporary", recordedAfter: ["root"] });
    expect(line.reason).toContain("LockNotAvailable");
    await application.end();
    expect(expectLine(await runProgram("binary", ["run"], place))).toMatchObject({ exit: 0 });
  });

  it("a deadlock with the application (fault 36)", async () => {
    const { url, cwd } = await oneBehind(
      [
        execute("SET LOCAL deadlock_timeout = '100ms'"),
        execute("UPDATE theirs SET id = 3"),
        execute(`SELECT pg_advisory_xact_lock(${gate})`),
        execute("UPDATE others SET id = 3"),
      ].join("\n"),
    );
    const owner = postgres(url, { max: 1, onnotice: () => {} });
    const application = postgres(url, { max: 1, onnotice: () => {} });
    await owner`SELECT pg_advisory_lock(${gate})`;
    const run = startProgram("binary", ["run"], at(cwd, url));
    await eventually(async () => (await waiting(owner)).length > 0, "at the gate");
    // The last of a circle finds it, and gives way.
    await application
      .unsafe("BEGIN; SET LOCAL deadlock_timeout = '10min'; UPDATE others SET id = 2")
      .simple();
    const blocked = application.unsafe("UPDATE theirs SET id = 2; COMMIT").simple();
    void blocked.catch(() => {});
    await eventually(
      async () =>
        (await owner`SELECT FROM pg_locks WHERE NOT granted AND locktype <> 'advisory'`).length > 0,
      "the application waits for the migration",
    );
    await owner.end();
    const line = expectLine(await run.ended);
    expect(line).toMatchObject({ exit: 75, outcome: "temporary" });
    expect(line.reason).toContain("DeadlockDetected");
    await blocked;
    await application.end();
    expect(expectLine(await runProgram("binary", ["run"], at(cwd, url)))).toMatchObject({
      exit: 0,
    });
  });

  it("an error that was handled, and another that was not, is no such thing", async () => {
    const { url, cwd } = await oneBehind(
      [
        "import traceback",
        "try:",
        `    raise __import__("psycopg").errors.LockNotAvailable("handled")`,
        "except Exception:",
        "    traceback.print_exc()",
        `raise ValueError("the migration's own")`,
      ].join("\n"),
    );
    const line = expectLine(await runProgram("binary", ["run"], at(cwd, url)));
    expect(line).toMatchObject({ exit: 25, outcome: "migration-failed" });
  });
});
