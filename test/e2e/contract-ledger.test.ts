import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chainOf, writeHistory, writeRevision } from "../support/histories.ts";
import { startServer } from "../support/postgres.ts";
import { expectLine, logOf, type Place, runProgram } from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { dump, environment, makeDatabase, makeImage, type Shop } from "../support/shop.ts";

let shop: Shop;

beforeAll(async () => {
  const server = await startServer({ settings: ["autovacuum = off"] });
  const python = await pythonEnvironment();
  const image = makeImage({ ledger: "" }, { name: "", ledger: "none" });
  const place = {
    cwd: image,
    env: { ...environment({ python }, ""), PREFLIGHT_SCRATCH_URL: server.url },
  };
  const baked = await runProgram("binary", ["bake"], place);
  expect(expectLine(baked)).toMatchObject({ exit: 0, outcome: "ready", ledger: "verified" });
  shop = { server, python, ledger: path.join(image, "preflight.ledger.json") };
});

afterAll(async () => {
  await shop?.server.stop();
});

function at(cwd: string, url: string): Place {
  return { cwd, env: { ...environment(shop, url), PREFLIGHT_SCRATCH_URL: shop.server.url } };
}

function baked(): { readonly image: string; readonly file: string } {
  const image = makeImage(shop, { name: "", ledger: "baked" });
  return { image, file: path.join(image, "preflight.ledger.json") };
}

describe("a ledger that cannot be used", () => {
  const faults: readonly (readonly [string, (text: string) => string, RegExp])[] = [
    ["truncated", (text) => text.slice(0, text.length / 2), /damaged or truncated/],
    ["empty", () => "", /damaged or truncated/],
    [
      "a state cut out of it",
      (text) => text.replace(/^\{"heads":\["create_orders"\].*$/m, ""),
      /ledger/,
    ],
    ["another format's version", (text) => text.replace(/"v":\d+/, '"v":999'), /version 999/],
    ["not a ledger", () => '{"name":"package"}', /not a ledger/],
    ["JSON of another kind", () => "[1, 2]", /not a ledger/],
  ];

  it.each(faults)(
    "%s: its own error, exit 78, nothing written, never overwritten",
    async (_, spoil, words) => {
      const { image, file } = baked();
      const url = await makeDatabase(shop, { at: "create_orders" });
      const before = await dump(shop.server, url);
      const spoilt = spoil(readFileSync(file, "utf8"));
      writeFileSync(file, spoilt);
      for (const args of [["run"], ["check"], ["bake"], ["bake", "--check"]]) {
        const line = expectLine(await runProgram("binary", args, at(image, url)));
        expect(line, args.join(" ")).toMatchObject({ exit: 78, outcome: "config", verdict: null });
        expect(line.reason).toMatch(words);
        expect(line.reason).toContain("preflight.ledger.json");
        expect(line.next.length).toBeGreaterThan(0);
      }
      expect(readFileSync(file, "utf8")).toBe(spoilt);
      expect(await dump(shop.server, url)).toBe(before);
    },
  );

  it("the ledger of another history, which is not overwritten either", async () => {
    const other = writeHistory(chainOf("quite", "another"));
    const file = path.join(other, "preflight.ledger.json");
    cpSync(shop.ledger, file);
    const url = await makeDatabase(shop, { at: null });
    const before = await dump(shop.server, url);
    for (const args of [["run"], ["check"], ["bake"], ["bake", "--check"]]) {
      const line = expectLine(await runProgram("module", args, at(other, url)));
      expect(line, args.join(" ")).toMatchObject({ exit: 78, outcome: "config" });
      expect(line.reason).toContain("another history");
    }
    expect(readFileSync(file, "utf8")).toBe(readFileSync(shop.ledger, "utf8"));
    expect(await dump(shop.server, url)).toBe(before);
  });

  it("one that a person names and that is not there: 66", async () => {
    const { image } = baked();
    const url = await makeDatabase(shop, { at: "head" });
    for (const command of ["run", "check"]) {
      const line = expectLine(
        await runProgram("binary", [command, "--ledger", "other.json"], at(image, url)),
      );
      expect(line).toMatchObject({ exit: 66, outcome: "missing-input", verdict: null });
      expect(line.reason).toContain("other.json");
    }
  });
});

describe("a ledger older than the files", () => {
  const changes: readonly (readonly [string, (image: string) => void, string])[] = [
    [
      "a revision was added",
      (image) => writeRevision(image, { id: "brand_new", after: "index_placed_at" }),
      "brand_new",
    ],
    [
      "a revision was edited",
      (image) => {
        const file = path.join(image, "alembic/versions/0003_add_trade_id.py");
        writeFileSync(file, readFileSync(file, "utf8").replace('"provider"', '"supplier"'));
      },
      "add_trade_id",
    ],
  ];

  it.each(changes)("%s: works, unverified, and says so", async (_, change, lacking) => {
    const { image } = baked();
    change(image);
    for (const at_ of ["create_customers", null] as const) {
      const url = await makeDatabase(shop, { at: at_ });
      const ended = await runProgram("binary", ["run"], at(image, url));
      expect(expectLine(ended)).toMatchObject({ exit: 0, ledger: "stale" });
      expect(logOf(ended)).toContain(lacking);
      expect(logOf(ended)).toContain("not verified");
    }
  });

  describe.each([
    ["without version rows", "DROP TABLE alembic_version"],
    ["with a row that nobody knows", "UPDATE alembic_version SET version_num = 'gone_long_ago'"],
  ])("%s", (_, spoil) => {
    const [added, edited] = changes.map(([, change]) => change);

    it("a revision was added behind: a stamp rests on all that could be meant", async () => {
      const { image } = baked();
      added!(image);
      const url = await makeDatabase(shop, { at: "create_orders", sql: [spoil] });
      const line = expectLine(await runProgram("module", ["run"], at(image, url)));
      expect(line).toMatchObject({ exit: 0, ledger: "stale", recordedAfter: ["brand_new"] });
      expect(line.reason).toContain("not verified: one revision is not in the ledger");
    });

    it("a revision was edited, and it could be at that one: it never stamps", async () => {
      const { image } = baked();
      edited!(image);
      const url = await makeDatabase(shop, { at: "add_trade_id", sql: [spoil] });
      const before = await dump(shop.server, url);
      const line = expectLine(await runProgram("module", ["run"], at(image, url)));
      expect(line).toMatchObject({ outcome: "unproven", exit: 21, ledger: "stale", actions: [] });
      expect(await dump(shop.server, url)).toBe(before);
    });
  });

  it.each(changes)(
    "%s: bake --check is 30 and names it, and bake mends it",
    async (_, change, lacking) => {
      const { image } = baked();
      change(image);
      const place = at(image, "");
      const ended = await runProgram("binary", ["bake", "--check"], place);
      const line = expectLine(ended);
      expect(line).toMatchObject({ exit: 30, outcome: "pending", ledger: "stale" });
      expect(line.reason).toContain(lacking);
      expect(logOf(ended), "a person at a terminal reads it too").toContain(lacking);
      expect(expectLine(await runProgram("binary", ["bake"], place))).toMatchObject({ exit: 0 });
      expect(expectLine(await runProgram("binary", ["bake", "--check"], place))).toMatchObject({
        exit: 0,
      });
    },
  );
});

it("bake --check is 0 on a fresh ledger, 66 without one, and needs no database or Python", async () => {
  const { image, file } = baked();
  const place = { cwd: image, env: { PATH: "/nowhere" } };
  expect(expectLine(await runProgram("binary", ["bake", "--check"], place))).toMatchObject({
    exit: 0,
    ledger: "verified",
  });
  rmSync(file);
  expect(expectLine(await runProgram("binary", ["bake", "--check"], place))).toMatchObject({
    exit: 66,
    outcome: "missing-input",
    ledger: "absent",
  });
  expect(existsSync(file)).toBe(false);
});

it("bake --check tells of a ledger of the first release what it cannot show", async () => {
  const { image, file } = baked();
  const place = at(image, "");
  const warning = /baked by the first release/;
  expect(logOf(await runProgram("binary", ["bake", "--check"], place))).not.toMatch(warning);
  writeFileSync(file, readFileSync(file, "utf8").replace('"v":2', '"v":1'));
  const ended = await runProgram("binary", ["bake", "--check"], place);
  expect(expectLine(ended)).toMatchObject({ exit: 0, ledger: "verified" });
  expect(logOf(ended)).toMatch(warning);
});

it.each([[["."]], [[".", "release-2"]]])(
  "the ledgers of examples/compose are what bake makes of %j",
  async (parts) => {
    const image = mkdtempSync(path.join(tmpdir(), "compose-"));
    for (const part of parts)
      cpSync(path.join("examples/compose", part), image, { recursive: true });
    const file = path.join(image, "preflight.ledger.json");
    const committed = readFileSync(file, "utf8");
    expect(expectLine(await runProgram("binary", ["bake"], at(image, "")))).toMatchObject({
      exit: 0,
    });
    expect(readFileSync(file, "utf8")).toBe(committed);
  },
);

it("files that replace all those before them: what the kept ledger knows is retired, and the row is stamped anew", async () => {
  const image = mkdtempSync(path.join(tmpdir(), "squash-"));
  const file = (name: string): string => path.join(image, "migrations", name);
  const [a, b] = ["CREATE TABLE a (id int);\n", "CREATE TABLE b (id int);\n"];
  mkdirSync(path.join(image, "migrations"));
  writeFileSync(file("001_a.sql"), a);
  writeFileSync(file("002_b.sql"), b);
  const url = await shop.server.createDatabase();
  const say = async (command: string) =>
    expectLine(await runProgram("binary", [command], at(image, url)));
  await say("bake");
  expect(await say("run")).toMatchObject({ exit: 0, recordedAfter: ["002"] });

  for (const name of ["001_a.sql", "002_b.sql"]) rmSync(file(name));
  writeFileSync(file("100_all.sql"), `${a}${b}`);
  const stale = await say("check");
  expect(stale).toMatchObject({ exit: 78 });
  expect(stale.next.join()).toContain("replace (squash) all that it knows: preflight bake");
  expect(await say("bake")).toMatchObject({ exit: 0 });
  expect(await say("run")).toMatchObject({ exit: 0, proven: ["100"], recordedAfter: ["100"] });
  expect(await say("check")).toMatchObject({ exit: 0, verdict: "current" });
});
