import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startServer, type TestServer } from "../support/postgres.ts";
import { expectLine, logOf, type Program, runProgram, startProgram } from "../support/process.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => await server?.stop());

const people = "CREATE TABLE people (id int PRIMARY KEY, name text);\n";

describe.each(["binary", "module"] as const)("%s", (program) => {
  it("a statement that fails: where, what, why, and the author's way back", async () => {
    const place = await placeOf({
      "1_people.sql": `${people}INSERT INTO people VALUES (1, 'a'), (2, 'a');\n`,
      "2_unique.sql": `-- Purpose: one name for one person
-- Breaking Changes: sign-up refuses taken names
-- Rollback: ALTER TABLE people DROP CONSTRAINT people_name_key;
--   tell support
CREATE TABLE names (name text);

ALTER TABLE people
  ADD CONSTRAINT people_name_key UNIQUE (name);
SELECT 1;
`,
    });
    const ended = await run(program, [], place);
    const { exit, outcome, reason, next, recordedAfter } = expectLine(ended);
    expect([exit, outcome, recordedAfter]).toEqual([25, "migration-failed", ["1"]]);
    expect(reason).toContain("migrations/2_unique.sql:7: statement 2 of 3 failed");
    expect(reason).toContain("(SQLSTATE 23505). Detail: Key (name)=(a) is duplicated");
    expect(reason).toContain("ALTER TABLE people ADD CONSTRAINT people_name_key UNIQUE (name)");
    expect(next.join("\n")).toContain("ALTER TABLE people DROP CONSTRAINT people_name_key;");
    expect(logOf(ended)).toContain("Breaking Changes: sign-up refuses taken names");
    expect(await tables(place)).toEqual(["people", "preflight_migrations"]);
  });

  it("the server's hint and the place inside of a statement", async () => {
    const place = await placeOf({
      "1_people.sql": people,
      "2_typo.sql": "-- Purpose: a typo\nSELECT\n  1,\n  nmae FROM people;\n",
    });
    const { reason, next } = expectLine(await run(program, [], place));
    expect(reason).toContain("migrations/2_typo.sql:4: statement 1 of 1 failed");
    expect(next.join()).toContain("the server's hint: Perhaps you meant");
  });

  it("what a migration says is in the log", async () => {
    const place = await placeOf({
      "1_people.sql": `${people}DO $$ BEGIN RAISE NOTICE 'counted % people', 0; END $$;\n`,
    });
    const ended = await run(program, [], place);
    expect(expectLine(ended).exit).toBe(0);
    expect(logOf(ended)).toContain("NOTICE: counted 0 people");
  });

  it("DDL waits for a lock for a while, is tried again, and gives up without having blocked anybody", async () => {
    const place = await placeOf({ "1_people.sql": people });
    expectLine(await run(program, [], place));
    add(place, "2_age.sql", "ALTER TABLE people ADD COLUMN age int;\n");
    const reader = postgres(place.url, { max: 1 });
    await reader`BEGIN`;
    await reader`SELECT * FROM people`;
    const ended = await run(program, ["--ddl-lock-timeout", "50ms"], place);
    await reader`ROLLBACK`;
    await reader.end();
    expect(expectLine(ended)).toMatchObject({ exit: 75, outcome: "temporary" });
    expect(logOf(ended), "the limit is announced").toContain("waits at most 0.05s");
    for (const attempt of [1, 2, 3]) expect(logOf(ended)).toContain(`(${attempt} of 3)`);
    expect(expectLine(await run(program, [], place))).toMatchObject({ exit: 0, actions: [{}] });
  });

  it("a file that takes too long is stopped, and so is one when we are told to end", async () => {
    const place = await placeOf({ "1_slow.sql": "SELECT pg_sleep(60);\n" });
    const timed = expectLine(await run(program, ["--upgrade-timeout", "300ms"], place));
    expect(timed).toMatchObject({ exit: 25, outcome: "migration-failed" });
    expect(timed.reason).toContain("--upgrade-timeout");
    const started = startProgram(program, ["run"], where(place));
    await started.says("upgrade.start");
    started.child.kill("SIGTERM");
    expect(expectLine(await started.ended)).toMatchObject({ exit: 143, outcome: "signal" });
    const left = await server.sql(
      place.url,
      "SELECT query FROM pg_stat_activity WHERE application_name LIKE 'preflight-upgrade/%'",
    );
    expect(left).toEqual([]);
  });

  it("a file edited after it was applied: baked again, the schema proves it or does not", async () => {
    const place = await placeOf({ "1_people.sql": people });
    expectLine(await run(program, [], place));
    add(place, "1_people.sql", `-- Purpose: who writes to us\n${people}`);
    await bake(program, place);
    const proven = await run(program, [], place);
    expect(expectLine(proven)).toMatchObject({ exit: 0, verdict: "drifted", actions: [] });
    expect(logOf(proven)).toContain("migrations/1_people.sql was edited after it was applied");

    add(place, "1_people.sql", people.replace("name text", "name text, age int"));
    await bake(program, place);
    const refused = expectLine(await run(program, [], place));
    expect(refused).toMatchObject({ exit: 20, verdict: "drifted" });
    expect(refused.reason).toContain("column people.age is missing");
    const warned = expectLine(await run(program, ["--drift", "warn"], place));
    expect(warned).toMatchObject({ exit: 0 });
  });

  it("an index that was left invalid is dropped by a person; then the file goes on", async () => {
    const place = await placeOf({
      "1_people.sql": `${people}INSERT INTO people VALUES (1, 'a'), (2, 'a');\n`,
      "2_indexes.sql": `CREATE INDEX CONCURRENTLY by_name ON people (name);
CREATE UNIQUE INDEX CONCURRENTLY one_name ON people (name);
CREATE TABLE done (id int);
`,
    });
    const failed = expectLine(await run(program, [], place));
    expect(failed).toMatchObject({ exit: 25, recordedAfter: ["1"] });
    expect(failed.next).toContain("DROP INDEX CONCURRENTLY public.one_name: it was left INVALID");
    const partial = expectLine(await run(program, ["--resume"], place));
    expect(partial, "not by itself").toMatchObject({ exit: 23, verdict: "partial" });
    expect(partial.reason).toContain("statement 2 of 3 (line 2)");
    await server.sql(place.url, "DROP INDEX one_name; UPDATE people SET name = id::text");
    expect(expectLine(await run(program, [], place))).toMatchObject({ exit: 23 });
    const resumed = expectLine(await run(program, ["--resume"], place));
    expect(resumed).toMatchObject({ exit: 0, verdict: "partial", recordedAfter: ["2"] });
    expect(expectLine(await run(program, [], place))).toMatchObject({ verdict: "current" });
  });

  it("what a database has before its first file is made by --scratch-init, and is no drift", async () => {
    const place = await placeOf({
      "1_orders.sql": "CREATE TABLE orders (id int REFERENCES base.tenants, at timestamptz);\n",
    });
    const init = "CREATE SCHEMA base; CREATE TABLE base.tenants (id int PRIMARY KEY);\n";
    writeFileSync(path.join(place.cwd, "init.sql"), init);
    const without = expectLine(await runProgram(program, bakeArgs(), where(place)));
    expect(without).toMatchObject({ exit: 25 });
    expect(without.next.join()).toContain("--scratch-init FILE");
    await bake(program, place, "--scratch-init", "init.sql");
    await server.sql(place.url, `${init}; CREATE TABLE base.more (id int NOT NULL UNIQUE)`);
    expect(expectLine(await run(program, [], place))).toMatchObject({
      exit: 0,
      verdict: "fresh",
      ledger: "verified",
    });
    expect(expectLine(await run(program, [], place))).toMatchObject({ verdict: "current" });
  });

  it("whoever starts while an index is being built waits for it, and is not told to drop it", async () => {
    const place = await placeOf({ "1_people.sql": people });
    expectLine(await run(program, [], place));
    add(place, "2_index.sql", 'CREATE INDEX CONCURRENTLY "By name" ON people (name);\n');
    const reader = postgres(place.url, { max: 1 });
    await reader`BEGIN ISOLATION LEVEL REPEATABLE READ`;
    await reader`SELECT * FROM people`;
    const first = startProgram(program, ["run"], where(place));
    await first.says("2_index.sql");
    const building = "SELECT FROM pg_index WHERE NOT indisvalid";
    while ((await server.sql(place.url, building)).length === 0) await sleep(20);
    const others = ["run", "check"].map((command) =>
      startProgram(program, [command], where(place)),
    );
    for (const other of others) await other.says("somebody else is at work");
    await reader`ROLLBACK`;
    await reader.end();
    for (const { ended } of [first, ...others]) expect(expectLine(await ended).exit).toBe(0);
  });

  it("a constraint that is deferred to the end blames no statement", async () => {
    const place = await placeOf({
      "1_people.sql": `CREATE TABLE people (id int PRIMARY KEY,
  boss int REFERENCES people DEFERRABLE INITIALLY DEFERRED);
INSERT INTO people VALUES (1, 2);
CREATE TABLE innocent (id int);
`,
    });
    const { exit, reason } = expectLine(await run(program, [], place));
    expect(exit).toBe(25);
    expect(reason).toContain("what it had deferred until its end failed");
    expect(reason).not.toContain("innocent");
  });

  it("a version row that a rule swallows keeps the file out", async () => {
    const place = await placeOf({ "1_people.sql": people });
    expectLine(await run(program, [], place));
    await server.sql(
      place.url,
      "CREATE RULE r AS ON INSERT TO preflight_migrations DO INSTEAD NOTHING",
    );
    add(place, "2_more.sql", "CREATE TABLE more (id int);\n");
    const { exit, reason } = expectLine(await run(program, [], place));
    expect(exit).toBe(25);
    expect(reason).toContain("the row of version 2 was not written");
    expect(await tables(place)).toEqual(["people", "preflight_migrations"]);
  });

  it("what is no file is a fault, and nobody waits for it", async () => {
    const place = await placeOf({ "1_people.sql": people });
    execFileSync("mkfifo", [path.join(place.cwd, "migrations/2_pipe.sql")]);
    const { exit, reason } = expectLine(await run(program, [], place));
    expect(exit).toBe(24);
    expect(reason).toContain("migrations/2_pipe.sql: it is not a regular file");
  });

  it("passwords in statements are not printed", async () => {
    const place = await placeOf({
      "1_role.sql": "CREATE ROLE bar PASSWORD 'topsecret' IN ROLE nobody_there;\n",
    });
    const ended = await run(program, [], place);
    expect(expectLine(ended).exit).toBe(25);
    expect(`${ended.stdout}${ended.stderr}`).not.toContain("topsecret");
  });

  it("--upgrade-command is refused: these files are applied by us", async () => {
    const place = await placeOf({ "1_people.sql": people });
    const line = expectLine(await run(program, ["--upgrade-command", "psql"], place));
    expect(line).toMatchObject({ exit: 78, outcome: "config" });
  });

  it("the version table has the name and the schema that a setting says", async () => {
    const place = await placeOf({ "1_people.sql": people });
    const named = ["--version-table", '"Ops".applied'];
    expect(expectLine(await run(program, named, place))).toMatchObject({ exit: 0 });
    expect(expectLine(await run(program, named, place))).toMatchObject({ verdict: "current" });
    const rows = await server.sql(place.url, 'SELECT version, name FROM "Ops".applied');
    expect(rows).toMatchObject([{ version: "1", name: "people" }]);
  });

  it("a table that is not laid out like ours is read by nobody and written by nobody", async () => {
    const place = await placeOf({ "1_people.sql": people });
    await server.sql(place.url, "CREATE TABLE applied (version text)");
    const line = expectLine(await run(program, ["--version-table", "applied"], place));
    expect(line).toMatchObject({ exit: 21, verdict: "unknown", actions: [] });
  });
});

type Place = { readonly cwd: string; readonly url: string };

async function placeOf(files: Readonly<Record<string, string>>): Promise<Place> {
  const cwd = mkdtempSync(path.join(tmpdir(), "preflight-sql-"));
  mkdirSync(path.join(cwd, "migrations"));
  const place = { cwd, url: await server.createDatabase() };
  for (const [file, text] of Object.entries(files)) add(place, file, text);
  return place;
}

function add({ cwd }: Place, file: string, text: string): void {
  writeFileSync(path.join(cwd, "migrations", file), text);
}

function where({ cwd, url }: Place) {
  return { cwd, env: { PATH: process.env["PATH"] ?? "", DATABASE_URL: url } };
}

async function run(program: Program, flags: readonly string[], place: Place) {
  return await runProgram(program, ["run", ...flags], where(place));
}

function bakeArgs(...flags: readonly string[]): readonly string[] {
  return ["bake", "--scratch-url", server.url, ...flags];
}

async function bake(program: Program, place: Place, ...flags: readonly string[]): Promise<void> {
  const ended = await runProgram(program, bakeArgs(...flags), where(place));
  expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0 });
  expect(readFileSync(path.join(place.cwd, "preflight.ledger.json"), "utf8")).toContain(`"v":2`);
}

async function tables({ url }: Place): Promise<readonly unknown[]> {
  const rows = await server.sql(
    url,
    "SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1",
  );
  return rows.map(({ name }) => name);
}
