import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { advisoryLocksIn, eventually, rowsOf, sessionsIn, tablesOf } from "../support/databases.ts";
import { chainOf, execute, writeHistory } from "../support/histories.ts";
import { startServer } from "../support/postgres.ts";
import {
  type Ended,
  expectLine,
  type Place,
  runProgram,
  startProgram,
} from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { alembic, environment, makeDatabase, makeImage, type Shop } from "../support/shop.ts";

let shop: Shop;
let image: string;

beforeAll(async () => {
  shop = { server: await startServer(), python: await pythonEnvironment(), ledger: "" };
  image = makeImage(shop, { name: "", ledger: "none" });
});

afterAll(async () => {
  await shop?.server.stop();
});

function at(cwd: string, url: string, more: Record<string, string> = {}): Place {
  return { cwd, env: { ...environment(shop, url), ...more } };
}

async function fresh(): Promise<string> {
  return await makeDatabase(shop, { at: null });
}

const table = (name: string) => execute(`CREATE TABLE ${name} (id int PRIMARY KEY)`);
const branches = [
  { id: "root", upgrade: table("root") },
  { id: "left", after: "root", upgrade: table("on_the_left") },
  { id: "right", after: "root", upgrade: table("on_the_right") },
];
const merge = { id: "merged", after: ["left", "right"], upgrade: table("merged") };

describe("branches", () => {
  it("two heads without a merge: both rows", async () => {
    const history = writeHistory(branches);
    const url = await fresh();
    for (const verdict of ["fresh", "current"]) {
      const line = expectLine(await runProgram("binary", ["run"], at(history, url)));
      expect(line).toMatchObject({ verdict, exit: 0, recordedAfter: ["left", "right"] });
    }
    expect(await rowsOf(shop.server, url)).toEqual(["left", "right"]);
  });

  it("rows of two branches go through the merge revision to one", async () => {
    const before = writeHistory(branches);
    const after = writeHistory([...branches, merge]);
    const url = await fresh();
    await alembic(shop, before, url, "upgrade", "heads");
    const line = expectLine(await runProgram("module", ["run"], at(after, url)));
    expect(line).toMatchObject({
      verdict: "behind",
      recorded: ["left", "right"],
      recordedAfter: ["merged"],
      actions: [{ kind: "upgrade", revisions: ["merged"] }],
    });
  });

  it("one branch is applied and the other pending", async () => {
    const history = writeHistory(branches);
    const url = await fresh();
    await alembic(shop, history, url, "upgrade", "right");
    const line = expectLine(await runProgram("binary", ["run"], at(history, url)));
    expect(line).toMatchObject({
      verdict: "behind",
      recorded: ["right"],
      recordedAfter: ["left", "right"],
      actions: [{ kind: "upgrade", revisions: ["left"] }],
    });
  });
});

describe("ids longer than Alembic's own column", () => {
  const long = `${"é".repeat(10)}_a_revision_with_a_very_long_name`;

  it("on an empty database, and with a column made by Alembic", async () => {
    const short = writeHistory(chainOf("short"));
    const history = writeHistory(chainOf("short", long));
    const empty = await fresh();
    const behind = await fresh();
    await alembic(shop, short, behind, "upgrade", "head");
    for (const url of [empty, behind]) {
      const checked = expectLine(await runProgram("binary", ["check"], at(history, url)));
      const line = expectLine(await runProgram("binary", ["run"], at(history, url)));
      expect(line).toMatchObject({ exit: 0, recordedAfter: [long] });
      expect(line.actions.map(({ kind }) => kind)).toEqual(["widen", "upgrade"]);
      expect(checked.actions).toEqual(line.actions);
      expect(await rowsOf(shop.server, url)).toEqual([long]);
      const again = expectLine(await runProgram("module", ["run"], at(history, url)));
      expect(again).toMatchObject({ verdict: "current", actions: [] });
    }
  });
});

describe("several at once", () => {
  const counted = [
    { id: "one", upgrade: table("runs") },
    {
      id: "two",
      after: "one",
      upgrade: `time.sleep(1)\n${execute("ALTER TABLE runs ADD COLUMN at timestamptz DEFAULT clock_timestamp()")}\n${execute("INSERT INTO runs SELECT coalesce(max(id), 0) + 1 FROM runs")}`,
    },
  ];

  function startedAlembic(ended: readonly Ended[]): number {
    return ended.filter(({ stderr }) => stderr.includes('"event":"upgrade.run"')).length;
  }

  it("two on a database behind: both exit 0, and the data migration ran once", async () => {
    const history = writeHistory(counted);
    const url = await fresh();
    await alembic(shop, history, url, "upgrade", "one");
    const ended = await Promise.all(
      (["binary", "module"] as const).map((program) =>
        runProgram(program, ["run"], at(history, url)),
      ),
    );
    for (const one of ended)
      expect(expectLine(one)).toMatchObject({ exit: 0, recordedAfter: ["two"] });
    expect(await shop.server.sql(url, "SELECT id FROM runs")).toEqual([{ id: 1 }]);
    expect(startedAlembic(ended)).toBe(1);
    const [loser] = ended.filter((one) => startedAlembic([one]) === 0);
    if (loser === undefined) throw new Error("one of them waits");
    expect(expectLine(loser)).toMatchObject({ verdict: "behind", actions: [] });
    expect(await advisoryLocksIn(shop.server, url)).toBe(0);
  });

  it("ten on an empty database: one runs Alembic and all exit 0", async () => {
    const history = writeHistory(counted);
    const url = await fresh();
    const ended = await Promise.all(
      Array.from({ length: 10 }, () => runProgram("binary", ["run"], at(history, url))),
    );
    for (const one of ended) expect(expectLine(one)).toMatchObject({ exit: 0, outcome: "ready" });
    expect(startedAlembic(ended)).toBe(1);
    expect(await shop.server.sql(url, "SELECT id FROM runs")).toEqual([{ id: 1 }]);
    expect(await rowsOf(shop.server, url)).toEqual(["two"]);
    expect(await advisoryLocksIn(shop.server, url)).toBe(0);
    await eventually(
      async () => (await sessionsIn(shop.server, url)).length === 0,
      "no session left",
    );
  });

  it("at head nobody takes a lock, so a held one is in nobody's way", async () => {
    const url = await makeDatabase(shop, { at: "head" });
    const holder = startProgram(
      "binary",
      ["run", "--upgrade-command", "sleep 600"],
      at(image, await fresh()),
    );
    try {
      await holder.says("upgrade.run");
      const ended = await Promise.all(
        Array.from({ length: 10 }, () =>
          runProgram("binary", ["run", "--verbose", "--lock-timeout", "0"], at(image, url)),
        ),
      );
      for (const one of ended) {
        expect(expectLine(one)).toMatchObject({ exit: 0, verdict: "current", lockWaitMs: 0 });
        expect(one.stderr).not.toContain("lock.");
      }
    } finally {
      holder.child.kill("SIGTERM");
      await holder.ended;
    }
  });
});

it("the upgrade's own command can be another one, by argv", async () => {
  const url = await fresh();
  const args = [
    "run",
    "--upgrade-command",
    `python3 -c "import alembic.config as c; c.main()" upgrade heads`,
  ];
  const line = expectLine(await runProgram("binary", args, at(image, url)));
  expect(line).toMatchObject({ exit: 0, recordedAfter: ["index_placed_at"] });
  expect(await tablesOf(shop.server, url)).toContain("orders");
});

it("a version table in another schema is named, and nothing is stamped beside it (fault 45)", async () => {
  const history = writeHistory(chainOf("one", "two"));
  const url = await fresh();
  await alembic(shop, history, url, "upgrade", "head");
  await shop.server.sql(
    url,
    "CREATE SCHEMA elsewhere; ALTER TABLE alembic_version SET SCHEMA elsewhere",
  );
  for (const command of ["check", "run"]) {
    const line = expectLine(await runProgram("binary", [command], at(history, url)));
    expect(line).toMatchObject({ exit: 78, outcome: "config", actions: [] });
    expect(line.reason).toContain("elsewhere.alembic_version holds revisions of this history");
    expect(line.next.join()).toContain("--version-table elsewhere.alembic_version");
  }
  expect(await tablesOf(shop.server, url)).toEqual(["alembic_version", "t_0", "t_1"]);
  const named = ["run", "--version-table", "elsewhere.alembic_version"];
  expect(expectLine(await runProgram("binary", named, at(history, url)))).toMatchObject({
    exit: 0,
    verdict: "current",
  });
});
