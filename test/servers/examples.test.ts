import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { VerdictLine } from "../../src/report/verdict-schema.ts";
import { startServer, type TestServer } from "../support/postgres.ts";
import { pythonEnvironment } from "../support/python.ts";
import type { Example } from "../support/scenario.ts";
import {
  bakeExample,
  environment,
  makeDatabase,
  makeImage,
  preflight,
  type Shop,
} from "../support/shop.ts";

/** The server under test, and the newest. Without PREFLIGHT_TEST_POSTGRES, 15: the oldest that bakes. */
const major = process.env["PREFLIGHT_TEST_POSTGRES"] ?? "15";
/** Bake needs 15 or newer: on 13 and 14 only ledgers of the newest server are judged. */
const canBake = Number(major) >= 15;

const servers = new Map<string, TestServer>();
const shops = new Map<string, Shop>();

beforeAll(async () => {
  const python = await pythonEnvironment();
  const ledgers = new Map<string, Pick<Shop, "ledger" | "ledgers">>();
  for (const each of new Set([major, "18"])) {
    const server = await startServer({ major: each });
    servers.set(each, server);
    if (each !== "18" && !canBake) continue;
    const bake = async (example: Example): Promise<string> =>
      (await bakeExample(example, python, ["--scratch-url", server.url])).ledger;
    ledgers.set(each, {
      ledger: await bake("shop"),
      ledgers: { tickets: await bake("tickets"), notes: await bake("notes") },
    });
  }
  for (const [on, server] of servers)
    for (const [by, ledger] of ledgers) shops.set(`${by} on ${on}`, { server, python, ...ledger });
});

afterAll(async () => {
  for (const server of servers.values()) await server.stop();
});

type State = {
  readonly example: Example;
  readonly state: string;
  readonly at: string;
  readonly sql: readonly string[];
  readonly expect: object;
};

const states: readonly State[] = [
  {
    example: "shop",
    table: "alembic_version",
    middle: "add_trade_id",
    head: "index_placed_at",
    drift: "ALTER TABLE transactions DROP COLUMN trade_id CASCADE",
  },
  {
    example: "tickets",
    table: "preflight_migrations",
    middle: "003",
    head: "006",
    drift: "ALTER TABLE tickets ALTER COLUMN opened_at DROP NOT NULL",
  },
  {
    example: "notes",
    table: "supabase_migrations.schema_migrations",
    middle: "20260203143000",
    head: "20260310120000",
    drift: "ALTER TABLE notes ALTER COLUMN pinned DROP NOT NULL",
  },
].flatMap(({ example, table, middle, head, drift }) => [
  {
    example: example as Example,
    state: "current",
    at: head,
    sql: [],
    expect: { exit: 0, verdict: "current", actions: [] },
  },
  {
    example: example as Example,
    state: "behind",
    at: middle,
    sql: [],
    expect: { exit: 0, verdict: "behind" },
  },
  {
    example: example as Example,
    state: "unversioned",
    at: head,
    sql: [`DROP TABLE ${table}`],
    expect: { exit: 0, verdict: "unversioned" },
  },
  {
    example: example as Example,
    state: "unversioned and behind",
    at: middle,
    sql: [`DROP TABLE ${table}`],
    expect: { verdict: "unversioned" },
  },
  {
    example: example as Example,
    state: "drifted",
    at: head,
    sql: [drift],
    expect: { exit: 20, verdict: "drifted" },
  },
]);

const back: readonly (readonly [string, string])[] = [
  [major, "18"],
  [major, major],
];
const pairs = [["18", major] as const, ...(canBake && major !== "18" ? back : [])];

describe.each(pairs)("a ledger baked on PostgreSQL %s, a database on %s", (by, on) => {
  it.each(states)("$example: $state is what it is on one and the same server", async (each) => {
    expect(await play(`${by} on ${on}`, each)).toEqual(await playAtHome(each));
  });
});

it.each(states.filter(({ state }) => state === "unversioned"))(
  "$example: a stamp is in the journal, and can be taken back",
  async (each) => {
    const shop = shops.get(`18 on ${major}`)!;
    const url = await makeDatabase(shop, { ...each, sql: [] });
    const image = makeImage(shop, { name: "", example: each.example });
    const options = { cwd: image, env: environment(shop, url) };
    const rows = async () =>
      await shop.server.sql(url, "SELECT rows_before FROM preflight.journal");
    const stamped = await preflight("binary", ["stamp", "base", "--force"], options);
    expect(stamped.exit, stamped.stderr).toBe(0);
    expect(await rows()).toHaveLength(1);
    const undone = await preflight("binary", ["undo"], options);
    expect(undone.line, undone.stderr).toMatchObject({ exit: 0, recordedAfter: [each.at] });
    expect((await preflight("binary", ["history"], options)).stdout).toContain("undo of 1");
    expect((await preflight("binary", ["run"], options)).line).toMatchObject({
      verdict: "current",
    });
  },
);

const atHome = new Map<State, ReturnType<typeof play>>();

/** The same for every pair: played once. */
async function playAtHome(each: State): ReturnType<typeof play> {
  const played = atHome.get(each) ?? play("18 on 18", each);
  atHome.set(each, played);
  return await played;
}

async function play(place: string, each: State): Promise<readonly Partial<VerdictLine>[]> {
  const shop = shops.get(place)!;
  const url = await makeDatabase(shop, each);
  const image = makeImage(shop, { name: "", example: each.example });
  const options = { cwd: image, env: environment(shop, url) };
  const checked = await preflight("binary", ["check"], options);
  const ran = await preflight("binary", ["run"], options);
  expect(ran.line, ran.stderr).toMatchObject(each.expect);
  return [checked, ran].map(({ line }) => {
    const { verdict, outcome, exit, recorded, proven, actions, ledger, drift, reason } = line;
    return { verdict, outcome, exit, recorded, proven, actions, ledger, drift, reason };
  });
}

/** What PostgreSQL 13 prints as calls of functions, or with another type. */
const spellings = `
CREATE TABLE visits (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL,
  stored timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'utc'),
  called timestamp NOT NULL DEFAULT timezone('utc', now()),
  year int GENERATED ALWAYS AS (EXTRACT(year FROM stored)) STORED,
  name text NOT NULL CHECK (TRIM(name) <> '' AND btrim(name) = TRIM(BOTH ' ' FROM name)),
  code text DEFAULT SUBSTRING(TRIM(LEADING 'x' FROM 'xab') FROM 1 FOR 2),
  place int CHECK (place > POSITION('a, (' IN 'ba, (')),
  mask text DEFAULT OVERLAY('abc' PLACING 'x' FROM 1 FOR 1),
  form text CHECK (form IS NFC NORMALIZED) DEFAULT NORMALIZE('a', NFC),
  CHECK (EXTRACT(year FROM at AT TIME ZONE 'utc') > 2000),
  CHECK (EXTRACT(isodow FROM stored) BETWEEN 1 AND 5 OR EXTRACT(epoch FROM stored) > 0.5),
  CHECK ((stored, stored) OVERLAPS (called, called) IS NOT NULL)
);
CREATE INDEX visits_day ON visits (date_trunc('day', at AT TIME ZONE 'Europe/Berlin'));
CREATE INDEX visits_date ON visits (((at AT TIME ZONE 'utc')::date)) WHERE EXTRACT(year FROM stored) IN (2024, 2025);
CREATE VIEW visits_by_year AS SELECT EXTRACT(year FROM at) AS year, count(*) FROM visits GROUP BY 1;
`;

it("expressions that this server spells in its own way are not drift", async () => {
  const [from, to] = [shops.get("18 on 18")!, shops.get(`18 on ${major}`)!];
  const image = mkdtempSync(path.join(tmpdir(), "preflight-image-"));
  mkdirSync(path.join(image, "migrations"));
  writeFileSync(path.join(image, "migrations/001_visits.sql"), spellings);
  const at = (url: string) => ({ cwd: image, env: environment(from, url) });
  const baked = await preflight("binary", ["bake", "--scratch-url", from.server.url], at(""));
  expect(baked.exit, baked.stderr).toBe(0);
  const url = await to.server.createDatabase();
  for (const verdict of ["fresh", "current"]) {
    const ran = await preflight("binary", ["run"], at(url));
    expect(ran.line, ran.stderr).toMatchObject({ exit: 0, verdict });
  }
  await to.server.sql(url, "DROP TABLE preflight_migrations");
  expect((await preflight("binary", ["run"], at(url))).line).toMatchObject({
    exit: 0,
    verdict: "unversioned",
    proven: ["001"],
  });
  await to.server.sql(
    url,
    "ALTER TABLE visits ALTER stored SET DEFAULT (now() AT TIME ZONE 'cet')",
  );
  expect((await preflight("binary", ["run"], at(url))).line).toMatchObject({
    exit: 20,
    drift: { changed: 1, missing: 0, extra: 0 },
  });
});
