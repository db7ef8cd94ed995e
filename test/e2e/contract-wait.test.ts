import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, rowsOf, sessionsIn } from "../support/databases.ts";
import { execute, writeHistory, type Written } from "../support/histories.ts";
import { startServer } from "../support/postgres.ts";
import { expectLine, logOf, type Place, startProgram } from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { alembic, environment, makeDatabase, makeImage, type Shop } from "../support/shop.ts";

let shop: Shop;

beforeAll(async () => {
  shop = { server: await startServer(), python: await pythonEnvironment(), ledger: "" };
});

afterAll(async () => {
  await shop?.server.stop();
});

function at(cwd: string, url: string): Place {
  return { cwd, env: environment(shop, url) };
}

/** A migration that holds for long what a look has to read: the definition of a view, of a partition. */
const long: readonly Written[] = [
  {
    id: "one",
    upgrade: [
      "CREATE TABLE days (day date NOT NULL, n int) PARTITION BY RANGE (day)",
      "CREATE TABLE days_2026 PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
      "CREATE VIEW totals AS SELECT day, sum(n) AS n FROM days GROUP BY day",
    ]
      .map(execute)
      .join("\n"),
  },
  {
    id: "two",
    after: "one",
    upgrade: [
      "ALTER TABLE days ADD COLUMN said text",
      "CREATE OR REPLACE VIEW totals AS SELECT day, sum(n) AS n, max(said) AS said FROM days GROUP BY day",
      "LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE",
      "SELECT pg_sleep(14)",
    ]
      .map(execute)
      .join("\n"),
  },
];

describe("what is to be read is locked", () => {
  it("a replica that starts during a long migration waits for it and starts", async () => {
    const history = writeHistory(long);
    const url = await makeDatabase(shop, { at: null });
    await alembic(shop, history, url, "upgrade", "one");
    const first = startProgram("binary", ["run"], at(history, url));
    await eventually(
      async () => (await sleeping(url)) > 0,
      "the migration is at its long statement",
    );
    const second = startProgram("binary", ["run"], at(history, url));
    const [one, other] = await Promise.all([first.ended, second.ended]);
    expect(expectLine(one)).toMatchObject({ exit: 0, verdict: "behind" });
    expect(expectLine(other)).toMatchObject({ exit: 0, recordedAfter: ["two"], actions: [] });
    expect(logOf(other)).toContain("waiting: another session holds a lock");
    expect(await rowsOf(shop.server, url)).toEqual(["two"]);
  });

  it.each(["run", "check"])("%s is told to stop meanwhile, and stops at once", async (command) => {
    const image = makeImage(shop, { name: "", ledger: "none" });
    const url = await makeDatabase(shop, { at: "create_orders" });
    const holder = postgres(url, { max: 1, onnotice: () => {} });
    await holder.unsafe("BEGIN; LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE").simple();
    const started = startProgram("binary", [command], at(image, url));
    await eventually(
      async () => (await sessionsIn(shop.server, url)).length > 1,
      "preflight looks, and hangs",
    );
    started.child.kill("SIGTERM");
    const ended = await started.ended;
    expect(expectLine(ended)).toMatchObject({ exit: 143, outcome: "signal", verdict: null });
    expect(ended.ms, "not only when its patience is over").toBeLessThan(8_000);
    await holder.end({ timeout: 0 });
  });
});

async function sleeping(url: string): Promise<number> {
  const rows = await shop.server.sql(
    shop.server.url,
    `SELECT 1 FROM pg_stat_activity WHERE datname = '${new URL(url).pathname.slice(1)}' AND query = 'SELECT pg_sleep(14)'`,
  );
  return rows.length;
}
