import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { preflight, type Said } from "../support/in-process.ts";
import { startServer, type TestServer } from "../support/postgres.ts";

let server: TestServer;
/** A bake needs 15 or newer, whatever the databases are on. */
let scratch: TestServer;
beforeAll(async () => {
  [server, scratch] = await Promise.all([startServer(), startServer({ major: "18" })]);
});
afterAll(async () => await Promise.all([server?.stop(), scratch?.stop()]));

type Files = Readonly<Record<string, string>>;

const people = "CREATE TABLE people (id int PRIMARY KEY, name text);\n";
/** Each says in the data how often it ran. */
const early = "INSERT INTO people SELECT 100 + count(*), 'early' FROM people;\n";
const late = "INSERT INTO people SELECT 200 + count(*), 'late' FROM people;\n";
const base: Files = { "0026_people.sql": people };
const one: Files = { ...base, "0027_early.sql": early };
const both: Files = { ...one, "0027_late.sql": late };
const zones = "CREATE TABLE zones (id int);\n";
const orders = { "0028_orders.sql": "CREATE TABLE orders (id int);\n" };

test("of one number: by name, each once, and recorded with its name", async () => {
  const image = await bake(both);
  expect(image.baked.stderr).toContain(
    "2 files have one number, and run in the order of their names: 0027_early, 0027_late",
  );
  const url = await server.createDatabase();
  const { line } = await run(image, url);
  expect(line).toMatchObject({ exit: 0, verdict: "fresh", recordedAfter: ["0027_late"] });
  expect(await rowsOf(url)).toEqual(["0026 people", "0027_early early", "0027_late late"]);
  expect(await namesIn(url)).toEqual(["early", "late"]);
  expect((await run(image, url)).line).toMatchObject({ exit: 0, verdict: "current", actions: [] });
});

test("a bare row is of the file that it names; the other one runs, and an older image starts", async () => {
  const before = await bake(one);
  const url = await server.createDatabase();
  await run(before, url);
  const image = await bake(both, before);
  const { line } = await run(image, url);
  expect(line).toMatchObject({
    exit: 0,
    verdict: "behind",
    recorded: ["0027_early"],
    recordedAfter: ["0027_late"],
    actions: [{ kind: "upgrade", revisions: ["0027_late"] }],
  });
  expect(await rowsOf(url)).toEqual(["0026 people", "0027 early", "0027_late late"]);
  expect(await namesIn(url)).toEqual(["early", "late"]);
  expect((await run(image, url)).line).toMatchObject({ verdict: "current", exit: 0 });
  expect((await run(before, url)).line).toMatchObject({ verdict: "ahead", exit: 0, actions: [] });
  expect((await run(await bake(base), url)).line).toMatchObject({ verdict: "ahead", actions: [] });
});

test("an older image is `ahead` where both have their names in their rows", async () => {
  const url = await server.createDatabase();
  await run(await bake(both), url);
  const { line } = await run(await bake(one), url);
  expect(line).toMatchObject({ verdict: "ahead", exit: 0, actions: [] });
});

test.each([
  {
    what: "name",
    sql: "UPDATE preflight_migrations SET checksum = 'edited' WHERE version = '0027'",
  },
  { what: "text", sql: "UPDATE preflight_migrations SET name = 'renamed' WHERE version = '0027'" },
])("the $what tells which file a bare row is of", async ({ sql }) => {
  const before = await bake({ ...one, ...orders });
  const url = await server.createDatabase();
  await run(before, url);
  await server.sql(url, sql);
  const image = await bake({ ...both, ...orders }, before);
  const refused = await run(image, url);
  expect(refused.line.skipped, refused.stderr).toEqual(["0027_late"]);
  const { line } = await run(image, url, "--allow-out-of-order", "--drift", "warn");
  expect(line.actions, line.reason ?? "").toEqual([{ kind: "upgrade", revisions: ["0027_late"] }]);
  expect(await namesIn(url)).toEqual(["early", "late"]);
});

test("where neither tells, nothing is the past and nothing runs", async () => {
  const before = await bake({ ...one, ...orders });
  const url = await server.createDatabase();
  await run(before, url);
  await server.sql(
    url,
    "UPDATE preflight_migrations SET checksum = 'edited', name = 'renamed' WHERE version = '0027'",
  );
  const rebaked = await bake({ ...both, ...orders }, before);
  for (const image of [rebaked, await withoutLedger({ ...both, ...orders })]) {
    const { line } = await run(image, url, "--allow-out-of-order");
    expect(line).toMatchObject({ exit: 21, verdict: "unknown", actions: [] });
    expect(line.reason).toContain(
      "row 0027 may be of migrations/0027_early.sql or of migrations/0027_late.sql",
    );
    expect(line.next[0]).toContain(
      "SET version = '0027_early' WHERE version = '0027'; then start again",
    );
  }
  expect(await namesIn(url)).toEqual(["early"]);
  const statement = /UPDATE .*? WHERE version = '0027'/.exec(
    (await run(rebaked, url)).line.next[0] ?? "",
  )?.[0];
  await server.sql(url, statement ?? "");
  const { line } = await run(rebaked, url, "--allow-out-of-order", "--drift", "warn");
  expect(line.actions).toEqual([{ kind: "upgrade", revisions: ["0027_late"] }]);
  expect(await namesIn(url)).toEqual(["early", "late"]);
});

test("a person's word replaces a row of which nobody knows whose it is", async () => {
  const before = await bake(one);
  const url = await server.createDatabase();
  await run(before, url);
  await server.sql(
    url,
    "UPDATE preflight_migrations SET checksum = 'edited', name = 'renamed' WHERE version = '0027'",
  );
  const image = await bake(both, before);
  const { line } = await run(image, url, "--assume", "0027_early");
  expect(line).toMatchObject({ exit: 0, recordedAfter: ["0027_late"] });
  expect(await rowsOf(url)).toEqual(["0026 people", "0027_early early", "0027_late late"]);
  expect(await namesIn(url)).toEqual(["early", "late"]);
});

test("a ledger from before the second file: `bake --check` names that one alone, and none is retired", async () => {
  const before = await bake(one);
  const image = place({ ...both }, before);
  const { line } = await preflight(["bake", "--check"], { cwd: image.cwd, env: {} });
  expect(line).toMatchObject({ exit: 30, ledger: "stale" });
  expect(line.reason).toContain("0027_late");
  expect(line.reason).not.toContain("0027_early");
  const rebaked = await bake(both, before);
  expect(revisionsIn(rebaked)).toEqual(["0026", "0027_early", "0027_late"]);
  const checked = await preflight(["bake", "--check"], { cwd: rebaked.cwd, env: {} });
  expect(checked.line.exit).toBe(0);
});

test("the second file gets a number of its own after all: its row is recorded under it, and nothing runs", async () => {
  const before = await bake(both);
  const url = await server.createDatabase();
  await run(before, url);
  const image = await bake({ ...one, "0028_late.sql": late }, before);
  expect(revisionsIn(image)).toEqual(["0027_late retired", "0026", "0027", "0028"]);
  const { line } = await run(image, url);
  expect(line).toMatchObject({ exit: 0, verdict: "missing-file", recordedAfter: ["0028"] });
  expect(await rowsOf(url)).toEqual(["0026 people", "0027_early early", "0028 late"]);
  expect(await namesIn(url)).toEqual(["early", "late"]);
});

test("so does the first, whose row was bare", async () => {
  const before = await bake(one);
  const url = await server.createDatabase();
  await run(before, url);
  const shared = await bake(both, before);
  await run(shared, url);
  const image = await bake({ ...base, "0027_late.sql": late, "0028_early.sql": early }, shared);
  const { line } = await run(image, url);
  expect(line, line.reason ?? "").toMatchObject({ exit: 0, recordedAfter: ["0028"] });
  expect(await rowsOf(url)).toEqual(["0026 people", "0027_late late", "0028 early"]);
  expect(await namesIn(url)).toEqual(["early", "late"]);
});

test.each([{ ledger: "baked" }, { ledger: "none" }])(
  "other zeros are the same number, also past a later file ($ledger)",
  async ({ ledger }) => {
    const before = await bake({
      "26_people.sql": people,
      "027_early.sql": early,
      ...orders,
    });
    const url = await server.createDatabase();
    await run(before, url);
    // With this the schema is not exactly what any revision makes.
    await server.sql(url, "CREATE TABLE somebodys (id int)");
    const files = { ...one, ...orders };
    const image = ledger === "none" ? await withoutLedger(files) : place(files, before);
    if (ledger === "baked") {
      const checked = await preflight(["bake", "--check"], { cwd: image.cwd, env: {} });
      expect(checked.line.exit, checked.stderr).toBe(0);
    }
    for (const flags of [[], ["--allow-out-of-order"]]) {
      const { line } = await run(image, url, ...flags);
      expect(line).toMatchObject({ exit: 0, recorded: ["0028"], actions: [] });
      expect(line.withoutFile).toEqual([]);
    }
    expect(await namesIn(url)).toEqual(["early"]);
    const rebaked = await bake({ ...files, "0029_more.sql": "CREATE TABLE more ();" }, before);
    expect(revisionsIn(rebaked)).toEqual(["0026", "0027", "0028", "0029"]);
    expect((await run(rebaked, url)).line).toMatchObject({ exit: 0, recordedAfter: ["0029"] });
    expect(await rowsOf(url)).toEqual(["0028 orders", "0029 more", "027 early", "26 people"]);
  },
);

test("a shared number outside of a transaction, with a name that SQL must quote, is resumed", async () => {
  const index = "CREATE INDEX CONCURRENTLY people_name ON people (name);\n";
  const fails = "CREATE UNIQUE INDEX CONCURRENTLY people_once ON people ((1));\n";
  const image = await bake({ ...one, "0027_o'late.sql": index + fails });
  const url = await server.createDatabase();
  await run(await bake(base), url);
  await server.sql(url, "INSERT INTO people VALUES (1, 'x'), (2, 'x')");
  expect((await run(image, url)).line).toMatchObject({ exit: 25 });
  const { line } = await run(image, url);
  expect(line).toMatchObject({ exit: 23, verdict: "partial" });
  expect(line.reason).toContain("0027_o'late.sql");
  await server.sql(url, "DROP INDEX people_once; DELETE FROM people WHERE id < 3");
  const resumed = await run(image, url, "--resume");
  expect(resumed.line, resumed.stderr).toMatchObject({ exit: 0, recordedAfter: ["0027_o'late"] });
  expect(await namesIn(url)).toEqual(["early"]);
});

test.each([
  { what: "other zeros", files: (text: string): Files => ({ "27_late.sql": text }) },
  {
    what: "a second file of its number",
    files: (text: string): Files => ({ "0027_late.sql": text, "0027_zones.sql": zones }),
  },
])("a file that stopped half-way goes on where it did, with $what", async ({ files }) => {
  const index = "CREATE INDEX CONCURRENTLY people_name ON people (name);\n";
  const fails = "CREATE UNIQUE INDEX CONCURRENTLY people_once ON people ((1));\n";
  const text = late + index + fails;
  const before = await bake({ ...base, "0027_late.sql": text });
  const url = await server.createDatabase();
  await run(await bake(base), url);
  await server.sql(url, "INSERT INTO people VALUES (1, 'x'), (2, 'x')");
  expect((await run(before, url)).line).toMatchObject({ exit: 25 });
  await server.sql(url, "DROP INDEX people_once; DELETE FROM people WHERE id < 3");
  const image = await bake({ ...base, ...files(text) }, before);
  const { line } = await run(image, url);
  expect(line, line.reason ?? "").toMatchObject({ exit: 23, verdict: "partial" });
  expect(line.reason).toContain("27_late.sql");
  const resumed = await run(image, url, "--resume");
  expect(resumed.line, resumed.stderr).toMatchObject({ exit: 0 });
  expect(await namesIn(url)).toEqual(["late"]);
});

test("what a person completed by hand and recorded has ended, also with other zeros", async () => {
  const fails = "CREATE UNIQUE INDEX CONCURRENTLY people_once ON people ((1));\n";
  const before = await bake({ ...base, "0027_late.sql": fails });
  const url = await server.createDatabase();
  await run(await bake(base), url);
  await server.sql(url, "INSERT INTO people VALUES (1, 'x'), (2, 'x')");
  expect((await run(before, url)).line).toMatchObject({ exit: 25 });
  await server.sql(
    url,
    `DELETE FROM people; REINDEX INDEX people_once;
     INSERT INTO preflight_migrations (version, name, checksum, run_id)
     SELECT version, 'late', checksum, 'by hand' FROM preflight_progress`,
  );
  expect((await run(before, url)).line).toMatchObject({ exit: 0, verdict: "current" });
  const image = await bake({ ...base, "27_late.sql": fails }, before);
  const { line } = await run(image, url);
  expect(line, line.reason ?? "").toMatchObject({ exit: 0, verdict: "current" });
});

test("in another schema, as another role, with a later file applied", async () => {
  const url = await server.createDatabase();
  await server.sql(
    url,
    `CREATE SCHEMA app; CREATE SCHEMA other; DROP ROLE IF EXISTS mover; CREATE ROLE mover LOGIN PASSWORD 'mover';
     GRANT ALL ON SCHEMA app TO mover`,
  );
  const as = url.replace(/\/\/[^@]*@/, "//mover:mover@");
  const before = await bake({ ...one, ...orders });
  await run(before, as, "--schema", "app");
  const image = await bake({ ...both, ...orders }, before);
  const { line } = await run(image, as, "--schema", "app", "--allow-out-of-order");
  expect(line, line.reason ?? "").toMatchObject({ exit: 0 });
  expect(line.actions).toEqual([{ kind: "upgrade", revisions: ["0027_late"] }]);
  expect(await namesIn(url, "app.people")).toEqual(["early", "late"]);
});

const noop: Files = {
  ...base,
  "0027_noop.up.sql": "-- The table came earlier than planned: nothing is left to do\n",
  "0027_noop.down.sql": "",
  "0028_empty.up.sql": "",
};

test("files without a statement do nothing, and are recorded", async () => {
  const image = await bake(noop);
  expect(image.baked.stderr).toContain(
    "Without a statement, so that they are recorded and do nothing: migrations/0027_noop.up.sql; migrations/0028_empty.up.sql.",
  );
  const url = await server.createDatabase();
  const { line } = await run(image, url);
  expect(line).toMatchObject({ exit: 0, verdict: "fresh", recordedAfter: ["0028"] });
  expect(await rowsOf(url)).toEqual(["0026 people", "0027 noop", "0028 empty"]);
  expect((await run(image, url)).line).toMatchObject({ verdict: "current", actions: [] });
  // Nothing tells them apart, and nothing needs to.
  await server.sql(url, "DROP TABLE preflight_migrations");
  const again = await run(image, url);
  expect(again.line, again.stderr).toMatchObject({
    exit: 0,
    verdict: "unversioned",
    proven: ["0028"],
  });
});

test("a file that is written after it was recorded as empty is not taken for done", async () => {
  const before = await bake(noop);
  const url = await server.createDatabase();
  await run(before, url);
  const schema = await bake({ ...noop, "0028_empty.up.sql": "CREATE TABLE later ();\n" }, before);
  const data = await bake({ ...noop, "0028_empty.up.sql": late }, before);
  expect((await run(schema, url)).line).toMatchObject({ exit: 21, verdict: "mismatched" });
  const { line } = await run(data, url);
  expect(line).toMatchObject({ exit: 20, actions: [] });
  expect(line.reason).toContain("0028_empty.up.sql was edited after it was applied");
});

test("a file whose number an empty one took does not run again under its new number", async () => {
  const before = await bake(one);
  const url = await server.createDatabase();
  await run(before, url);
  const files = { ...base, "0027_noop.sql": "-- nothing\n", "0028_early.sql": early };
  const { line } = await run(await bake(files, before), url);
  expect(line).toMatchObject({ exit: 20, actions: [] });
  expect(await namesIn(url)).toEqual(["early"]);
});

type Image = { readonly cwd: string; readonly baked: Said };

const made: string[] = [];
afterAll(() => {
  for (const each of made) rmSync(each, { recursive: true });
});

/** @param before an image whose ledger is the earlier one of this */
function place(files: Files, before?: Image): Image {
  const cwd = mkdtempSync(path.join(tmpdir(), "preflight-numbers-"));
  made.push(cwd);
  mkdirSync(path.join(cwd, "migrations"));
  for (const [file, text] of Object.entries(files))
    writeFileSync(path.join(cwd, "migrations", file), text);
  if (before !== undefined)
    writeFileSync(path.join(cwd, ledgerName), readFileSync(path.join(before.cwd, ledgerName)));
  return { cwd, baked: null! };
}

const ledgerName = "preflight.ledger.json";

const images = new Map<string, Promise<Image>>();

async function bake(files: Files, before?: Image): Promise<Image> {
  const key = JSON.stringify([files, before?.cwd]);
  const known = images.get(key);
  if (known !== undefined) return await known;
  const image = replay(files, before);
  images.set(key, image);
  return await image;
}

async function replay(files: Files, before?: Image): Promise<Image> {
  const image = place(files, before);
  const baked = await preflight(["bake", "--scratch-url", scratch.url], {
    cwd: image.cwd,
    env: {},
  });
  expect(baked.exit, baked.stderr).toBe(0);
  return { ...image, baked };
}

async function withoutLedger(files: Files): Promise<Image> {
  return place(files);
}

async function run({ cwd }: Image, url: string, ...flags: readonly string[]): Promise<Said> {
  return await preflight(["run", ...flags], { cwd, env: { PREFLIGHT_DATABASE_URL: url } });
}

function revisionsIn({ cwd }: Image): readonly string[] {
  const { revisions } = JSON.parse(readFileSync(path.join(cwd, ledgerName), "utf8")) as {
    readonly revisions: readonly { readonly id: string; readonly retired?: true }[];
  };
  return revisions.map(({ id, retired }) => (retired === true ? `${id} retired` : id));
}

async function rowsOf(url: string): Promise<readonly string[]> {
  const rows = await server.sql(
    url,
    `SELECT version || ' ' || name AS row FROM preflight_migrations ORDER BY version COLLATE "C"`,
  );
  return rows.map(({ row }) => String(row));
}

async function namesIn(url: string, table = "people"): Promise<readonly string[]> {
  const rows = await server.sql(url, `SELECT name FROM ${table} ORDER BY id`);
  return rows.map(({ name }) => String(name));
}
