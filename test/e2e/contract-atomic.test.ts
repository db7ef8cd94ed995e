import { readFileSync } from "node:fs";
import path from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rowsOf } from "../support/databases.ts";
import { execute, type HistoryOptions, writeHistory } from "../support/histories.ts";
import { startServer } from "../support/postgres.ts";
import { expectLine, type Place, runProgram } from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { alembic, environment, type Shop } from "../support/shop.ts";

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

const account = execute("CREATE TABLE account (id serial PRIMARY KEY, balance int)");
const double = execute("UPDATE account SET balance = balance * 2");
const change = execute("SET lock_timeout = '200ms'; ALTER TABLE account ADD COLUMN note text");
const env = readFileSync(
  path.join(import.meta.dirname, "../../examples/shop/alembic/env.py"),
  "utf8",
);
const autocommit = {
  env: env.replace("NullPool)", 'NullPool, isolation_level="AUTOCOMMIT")'),
};

const images = new Map<string, string>();

/** An image whose second revision has this body. */
async function baked(body: readonly string[], options: HistoryOptions): Promise<string> {
  const upgrade = body.join("\n");
  const key = JSON.stringify({ upgrade, options });
  const known = images.get(key);
  if (known !== undefined) return known;
  const image = writeHistory(
    [
      { id: "a", upgrade: account },
      { id: "b", after: "a", upgrade },
    ],
    options,
  );
  expect((await runProgram("binary", ["bake"], at(image, ""))).exit).toBe(0);
  images.set(key, image);
  return image;
}

async function bankAtFirst(body: readonly string[], options: HistoryOptions = {}) {
  const image = await baked(body, options);
  const url = await shop.server.createDatabase();
  await alembic(shop, image, url, "upgrade", "a");
  await shop.server.sql(url, "INSERT INTO account (balance) VALUES (10)");
  return { url, place: at(image, url) };
}

async function balance(url: string): Promise<unknown> {
  return (await shop.server.sql(url, "SELECT balance FROM account"))[0]?.["balance"];
}

/** While somebody reads the table. */
async function whileRead(url: string, work: () => Promise<void>): Promise<void> {
  const reader = postgres(url, { max: 1 });
  try {
    await reader.begin(async (sql) => {
      await sql`SELECT FROM account`;
      await work();
    });
  } finally {
    await reader.end();
  }
}

const inParts: readonly (readonly [string, readonly string[], HistoryOptions])[] = [
  ["that sends COMMIT", [double, execute("COMMIT"), change], {}],
  ["of a program in autocommit mode", [double, change], autocommit],
];

describe.each(inParts)("a data revision %s", (_, body, options) => {
  it("is not repeated by restarts when it fails: 25, then partial", async () => {
    const { url, place } = await bankAtFirst(body, options);
    await whileRead(url, async () => {
      const failed = expectLine(await runProgram("binary", ["run"], place));
      expect(failed).toMatchObject({ exit: 25, outcome: "migration-failed", recordedAfter: ["a"] });
      expect(failed.reason).toContain("LockNotAvailable");
      expect(failed.next.join("\n")).toContain("--resume");
      expect(failed.next.join("\n")).not.toContain("run it again");
    });
    for (const command of ["check", "run"])
      expect(expectLine(await runProgram("module", [command], place))).toMatchObject({
        exit: 23,
        verdict: "partial",
        actions: [],
      });
    expect(await balance(url)).toBe(20);
  });

  it("is not taken back where the rows name it and its schema change is absent: unproven", async () => {
    const { url, place } = await bankAtFirst(body, options);
    await shop.server.sql(url, "UPDATE alembic_version SET version_num = 'b'");
    expect(expectLine(await runProgram("binary", ["run"], place))).toMatchObject({
      exit: 21,
      verdict: "mismatched",
      proven: ["a"],
      actions: [],
    });
    expect(await rowsOf(shop.server, url)).toEqual(["b"]);
    expect(await balance(url)).toBe(10);
  });
});

describe("a data revision in one transaction", () => {
  it("runs again after a failure that passes, which left nothing", async () => {
    const { url, place } = await bankAtFirst([double, change]);
    await whileRead(url, async () => {
      const failed = expectLine(await runProgram("binary", ["run"], place));
      expect(failed).toMatchObject({ exit: 75, outcome: "temporary", recordedAfter: ["a"] });
    });
    expect(expectLine(await runProgram("module", ["run"], place))).toMatchObject({ exit: 0 });
    expect(await balance(url)).toBe(20);
  });

  it("is taken back where its schema change is absent: its rows cannot be there either", async () => {
    const { url, place } = await bankAtFirst([double, change]);
    await shop.server.sql(url, "UPDATE alembic_version SET version_num = 'b'");
    const line = expectLine(await runProgram("binary", ["run"], place));
    expect(line).toMatchObject({ exit: 0, verdict: "mismatched", recordedAfter: ["b"] });
    expect(line.actions.map(({ kind }) => kind)).toEqual(["stamp", "upgrade"]);
    expect(await balance(url)).toBe(20);
  });
});

it("a revision in parts that touches no rows is taken back as ever", async () => {
  const { url, place } = await bankAtFirst([execute("COMMIT"), change]);
  await shop.server.sql(url, "UPDATE alembic_version SET version_num = 'b'");
  const line = expectLine(await runProgram("binary", ["run"], place));
  expect(line).toMatchObject({ exit: 0, verdict: "mismatched", recordedAfter: ["b"] });
});

it("in a schema that env.py makes, a failure of the first run of all is noted when there is a place", async () => {
  const schema = 'connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS bank")';
  const own = autocommit.env
    .replace("    context.configure(", `    ${schema}\n    context.configure(`)
    .replace("connection=connection", 'connection=connection, version_table_schema="bank"');
  // Of the scratch databases only, whose names nobody else has.
  const fails = execute("SELECT 1 / position('preflight_bake' in current_database())");
  const history = writeHistory(
    [
      { id: "a", upgrade: account },
      {
        id: "b",
        after: "a",
        upgrade: [execute("INSERT INTO account (balance) VALUES (1)"), fails].join("\n"),
      },
    ],
    { env: own },
  );
  const url = await shop.server.createDatabase();
  const place = at(history, url);
  const args = ["--version-table", "bank.alembic_version"];
  expect((await runProgram("binary", ["bake", ...args], place)).exit).toBe(0);
  expect(expectLine(await runProgram("binary", ["run", ...args], place))).toMatchObject({
    exit: 25,
  });
  expect(expectLine(await runProgram("binary", ["run", ...args], place))).toMatchObject({
    exit: 23,
  });
  expect(await balance(url)).toBe(1);
});
