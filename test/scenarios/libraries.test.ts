import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it, test } from "vitest";
import { startExamples } from "../support/play-scenario.ts";
import { readScenarios, type Scenario } from "../support/scenario.ts";
import { environment, makeDatabase, makeImage, preflight, type Shop } from "../support/shop.ts";

// Thirteen libraries have made their tables in the application's schema, or in schemas of their own: no verdict is another one for it.

/** As one text: a session for each statement would cost more than what it says. */
const theirs = readFileSync(path.join(import.meta.dirname, "libraries.sql"), "utf8");

let shop: Shop;
beforeAll(async () => {
  shop = await startExamples("cli");
});
afterAll(async () => {
  await shop?.server.stop();
});

const played =
  /^(?:sql-|supabase-)?(?:ahead|ahead-incompatible|behind|current|drifted-(?:column-missing|constraint-extra|extras|trigger)|files-missing-(?:behind|current|fresh)|fresh|mismatched-(?:back|elsewhere|empty|forward|stamped-only)|missing-file|no-ledger-(?:behind|current|unversioned)|other-timestamp|overlapping|partial|partial-interrupted|row-missing-between|unknown-(?:other-application|row)|unversioned|unversioned-(?:data-unseen|half|head))$/;

async function check(scenario: Scenario, url: string) {
  return await preflight("cli", ["check", ...(scenario.flags ?? [])], {
    cwd: makeImage(shop, scenario),
    env: environment(shop, url),
  });
}

it.each(readScenarios().filter(({ name }) => played.test(name)))(
  "$name, beside libraries: $title",
  async (scenario) => {
    const sql = [theirs, ...(scenario.sql ?? [])];
    const { exit, line, stderr } = await check(
      scenario,
      await makeDatabase(shop, { ...scenario, sql }),
    );
    const { verdict, outcome, actions } = scenario.expect;
    expect({ ...line, exit }, stderr).toMatchObject({
      exit: scenario.expect.exit,
      verdict,
      outcome,
    });
    if (actions !== undefined) expect(line.actions.map(({ kind }) => kind)).toEqual(actions);
  },
);

const fresh = readScenarios().filter(({ name }) => name === "fresh" || name === "sql-fresh");
it.each(fresh)(
  "$name, in a schema of the application's, where libraries were first",
  async (scenario) => {
    const sql = [
      "CREATE SCHEMA app",
      "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = app', current_database()); END $$",
      theirs.replaceAll("public.", "app."),
    ];
    const url = await makeDatabase(shop, { ...scenario, sql });
    const image = { cwd: makeImage(shop, scenario), env: environment(shop, url) };
    const ran = await preflight("cli", ["run"], image);
    expect(ran.line, ran.stderr).toMatchObject({ exit: 0, verdict: "fresh" });
    const again = await preflight("cli", ["run"], image);
    expect(again.line, again.stderr).toMatchObject({ exit: 0, verdict: "current" });
    const [{ tables } = {}] = await shop.server.sql(
      url,
      "SELECT count(*) AS tables FROM pg_tables WHERE schemaname = 'app'",
    );
    expect(Number(tables), "theirs and ours are in one schema").toBeGreaterThan(20);
  },
);

const current = readScenarios().find(({ name }) => name === "current")!;
test.each([
  [
    "a foreign key of theirs onto a table of ours warns",
    "ALTER TABLE casbin_rule ADD customer int REFERENCES customers",
    { exit: 0, verdict: "drifted" },
    '"level":"warn"',
  ],
  [
    "a trigger on a table of ours that calls a function of theirs is drift",
    "CREATE TRIGGER tell AFTER INSERT ON orders EXECUTE FUNCTION fn_pgqueuer_changed()",
    { exit: 20, verdict: "drifted" },
    "orders",
  ],
  [
    "a table that has a library's name and takes part in ours is drift",
    "CREATE TABLE procrastinate_orders () INHERITS (orders)",
    { exit: 20, verdict: "drifted" },
    "procrastinate_orders",
  ],
  [
    "a table that has a library's name alone is somebody's",
    "DROP TABLE session; CREATE TABLE session (id int)",
    { exit: 0, verdict: "drifted" },
    "session",
  ],
])("at head, %s", async (_, sql, expected, says) => {
  const url = await makeDatabase(shop, { at: "head", sql: [theirs, sql] });
  const { line, exit, stderr } = await check(current, url);
  expect({ ...line, exit }, stderr).toMatchObject(expected);
  expect(stderr).toContain(says);
});
