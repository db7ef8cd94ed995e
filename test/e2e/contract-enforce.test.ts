import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cli, type Process } from "../../src/cli.ts";
import { tools } from "../../src/tools/registry.ts";
import { createRole, withUrl } from "../support/databases.ts";
import { writeHistory } from "../support/histories.ts";
import { freePort, startServer } from "../support/postgres.ts";
import {
  type Ended,
  expectLine,
  logOf,
  type Place,
  type Program,
  programs,
  runProgram,
  start,
  startProgram,
} from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import {
  bakeExample,
  dump,
  environment,
  makeDatabase,
  makeImage,
  type Shop,
  transactionCounter,
} from "../support/shop.ts";

let shop: Shop;
let image: string;

beforeAll(async () => {
  const server = await startServer({ settings: ["autovacuum = off"] });
  const python = await pythonEnvironment();
  shop = { server, python, ledger: (await bakeExample("shop", python)).ledger };
  image = makeImage(shop, { name: "" });
});

afterAll(async () => {
  await shop?.server.stop();
});

function at(url: string, more: Record<string, string> = {}, cwd = image): Place {
  return { cwd, env: { ...environment(shop, url), ...more } };
}

const off = ["run", "--enforce", "off"];
const application = ["--", "echo", "the application"];

function expectStarted(ended: Ended): ReturnType<typeof expectLine> {
  expect(ended.stdout, ended.stderr).toBe("the application\n");
  const line = expectLine(ended, "stderr");
  expect(line).toMatchObject({ outcome: "ready", exit: 0 });
  expect(ended.stderr).toContain('"event":"unenforced"');
  return line;
}

const forms: readonly Program[] = ["binary", "module"];

describe.each(forms)("%s run --enforce off", (program) => {
  it.each<[string, Parameters<typeof makeDatabase>[1], number, string, readonly string[]]>([
    ["at head", { at: "head" }, 0, "current", []],
    ["behind", { at: "create_orders" }, 0, "behind", ["upgrade"]],
    ["empty", { at: null }, 0, "fresh", ["upgrade"]],
    [
      "without rows",
      { at: "create_orders", sql: ["DROP TABLE alembic_version"] },
      0,
      "unversioned",
      ["stamp", "upgrade"],
    ],
    [
      "unproven",
      {
        at: "add_trade_id",
        sql: [
          "DROP TABLE alembic_version",
          "INSERT INTO customers (id, email) VALUES (1, 'ada@example.org')",
        ],
      },
      21,
      "unversioned",
      [],
    ],
    ["drifted", { at: "head", sql: ["ALTER TABLE orders DROP status"] }, 20, "drifted", []],
  ])(
    "a database that is %s: looks, says, writes nothing, starts",
    async (_, beginning, wouldExit, verdict, actions) => {
      const url = await makeDatabase(shop, beginning);
      const before = await dump(shop.server, url);
      const counter = await transactionCounter(shop.server, url);
      const line = expectStarted(await runProgram(program, [...off, ...application], at(url)));
      expect(await dump(shop.server, url)).toBe(before);
      expect(await transactionCounter(shop.server, url)).toBe(counter);
      expect(line).toMatchObject({ verdict, wouldExit, recordedAfter: line.recorded });
      expect(line.actions.map(({ kind }) => kind)).toEqual(actions);

      const enforced = expectLine(await runProgram(program, ["check"], at(url)));
      expect(enforced, "the same as check, but for the end").toMatchObject({
        ...line,
        outcome: enforced.outcome,
        exit: wouldExit,
        wouldExit: null,
        waitedMs: enforced.waitedMs,
        runId: enforced.runId,
      });
    },
  );

  it("starts whatever the world is like, and says what the exit code would have been", async () => {
    const url = await makeDatabase(shop, { at: "head" });
    const behind = await makeDatabase(shop, { at: "create_orders" });
    const { name } = await createRole(shop.server);
    const reader = await createRole(shop.server);
    for (const grant of [`USAGE ON SCHEMA public`, `SELECT ON ALL TABLES IN SCHEMA public`])
      await shop.server.sql(behind, `GRANT ${grant} TO ${reader.name}`);
    const closed = withUrl(url, {}).replace(/:\d+\//, `:${await freePort()}/`);
    const empty = writeHistory([]);
    rmSync(path.join(empty, "alembic.ini"));
    const broken = makeImage(shop, { name: "" });
    const file = path.join(broken, "alembic/versions/0002_create_orders.py");
    writeFileSync(file, readFileSync(file, "utf8").replace('"create_customers"', '"gone"'));

    const cases: readonly (readonly [number, readonly string[], Place])[] = [
      [24, [], at(url, {}, broken)],
      [66, [], at(url, {}, empty)],
      [66, ["--ledger", "nowhere.json"], at(url)],
      [69, ["--timeout", "300ms"], at(closed)],
      [76, [], at(withUrl(url, { query: "sslmode=require" }))],
      [77, [], at(withUrl(url, { user: name }))],
      [77, [], at(withUrl(behind, { user: reader.name }))],
      [78, [], at(url.replace(/[^/]+$/, "preflight_no_such_database"))],
      [78, [], at("")],
      [78, ["--timeout", "soon", "--assume", "head"], at(url)],
      [78, [], at(url, { PREFLIGHT_DRIFT: "maybe" })],
    ];
    for (const [wouldExit, flags, place] of cases) {
      const ended = await runProgram(program, [...off, ...flags, ...application], place);
      const line = expectStarted(ended);
      expect(line, logOf(ended)).toMatchObject({ wouldExit, actions: [] });
      expect(line.reason).not.toBeNull();
      expect(ended.stderr).toContain(`"wouldExit":${wouldExit}`);
    }
  });

  it("a usage fault stays one, and so does a word for --enforce that nobody knows", async () => {
    const url = await makeDatabase(shop, { at: "head" });
    const cases: readonly (readonly [number, readonly string[], Record<string, string>, string])[] =
      [
        [64, ["run", "--nonsense"], { PREFLIGHT_ENFORCE: "off" }, "--nonsense"],
        [64, ["run", "--enforce"], {}, "--enforce needs a value"],
        [78, ["run"], { PREFLIGHT_ENFORCE: "of" }, "PREFLIGHT_ENFORCE must be"],
        [78, ["run", "--enforce", "never"], { PREFLIGHT_ENFORCE: "off" }, "--enforce must be"],
        [64, ["bake", "--enforce", "off"], {}, "belongs to run, check"],
      ];
    for (const [exit, args, env, text] of cases) {
      const ended = await runProgram(program, [...args, ...application], at(url, env));
      const line = expectLine(ended, "stderr");
      expect(line).toMatchObject({ exit, wouldExit: null });
      expect(line.reason).toContain(text);
      expect(ended.stdout).toBe("");
    }
  });

  it("a signal still ends it, and nothing starts", async () => {
    const closed = withUrl(shop.server.url, {}).replace(/:\d+\//, `:${await freePort()}/`);
    const run = startProgram(program, [...off, ...application], at(closed));
    await run.says("database.waiting");
    run.child.kill("SIGTERM");
    const ended = await run.ended;
    expect(expectLine(ended, "stderr")).toMatchObject({
      exit: 143,
      wouldExit: 143,
      outcome: "signal",
    });
    expect(ended.stdout).toBe("");
  });

  it("without a command it ends with 0, and so does check", async () => {
    const url = await makeDatabase(shop, { at: "head", sql: ["ALTER TABLE orders DROP status"] });
    const behind = await makeDatabase(shop, { at: "create_orders" });
    const place = at(url, { PREFLIGHT_ENFORCE: "off" });
    for (const args of [[], ["run"], ["check"], ["run", "--check-only"]])
      expect(expectLine(await runProgram(program, args, place))).toMatchObject({
        exit: 0,
        wouldExit: 20,
        outcome: "ready",
      });
    const pending = ["check", "--exit-code", "--enforce=off"];
    expect(expectLine(await runProgram(program, pending, at(behind)))).toMatchObject({
      exit: 0,
      wouldExit: 30,
    });
  });
});

it("starts without a program to upgrade with, and says that it would have been missing", async () => {
  const url = await makeDatabase(shop, { at: "create_orders" });
  const { env } = at(url);
  const place = { cwd: image, env: { ...env, PATH: "/usr/bin:/bin" } };
  const line = expectStarted(await runProgram("binary", [...off, ...application], place));
  expect(line).toMatchObject({ verdict: "behind", wouldExit: 66 });
});

it("a bug of our own does not keep the application from starting", async () => {
  const said: string[] = [];
  const io = {
    argv: [...off, ...application],
    env: { DATABASE_URL: "postgres://u@h/d" },
    // What no process has: the first path that is made of it throws.
    cwd: null as unknown as string,
    tools,
    runId: "0123abcd",
    now: () => 0,
    today: () => 0,
    random: () => 0,
    sleep: async () => await Promise.resolve(),
    signal: new AbortController().signal,
    signalGroup: () => {},
    readFile: (file: string) => readFileSync(file, "utf8"),
    statFile: () => null,
    stdout: () => {},
    stderr: (text: string) => void said.push(text),
    stderrIsTerminal: false,
    terminationLog: () => {},
    programDirectory: "/",
    osUser: null,
    osHome: null,
  } satisfies Process;
  expect(await cli(io)).toEqual({
    kind: "exec",
    variables: {},
    command: ["echo", "the application"],
  });
  expect(said.at(-1)).toContain('"exit":0,"wouldExit":70');
});

it("entrypoint.sh passes it on", async () => {
  const bin = mkdtempSync(path.join(tmpdir(), "preflight-bin-"));
  symlinkSync(programs.binary[0] ?? "", path.join(bin, "preflight"));
  const url = await makeDatabase(shop, { at: "head", sql: ["ALTER TABLE orders DROP status"] });
  const { cwd, env } = at(url, { PREFLIGHT_ENFORCE: "off" });
  const place = { cwd, env: { ...env, PATH: `${bin}:${env["PATH"]}` } };
  const entrypoint = path.join(import.meta.dirname, "../../entrypoint.sh");
  const ended = await start([entrypoint, "echo", "the application"], place).ended;
  expect(ended.exit, ended.stderr).toBe(0);
  expect(ended.stdout.trim().split("\n").at(-1)).toBe("the application");
  expect(`${ended.stdout}${ended.stderr}`).toContain('"wouldExit":20');
});

it("the metrics tell a shadow from a start, and keep the last real success", async () => {
  const drifted = await makeDatabase(shop, { at: "head", sql: ["ALTER TABLE orders DROP status"] });
  const sound = await makeDatabase(shop, { at: "head" });
  const file = path.join(mkdtempSync(path.join(tmpdir(), "preflight-metrics-")), "shop.prom");
  const run = async (url: string, ...flags: readonly string[]): Promise<string> => {
    await runProgram("binary", ["run", "--metrics-file", file, ...flags], at(url));
    return readFileSync(file, "utf8").replaceAll('{application="shop"}', "");
  };
  const shadow = await run(drifted, "--enforce", "off");
  expect(shadow).toContain("preflight_enforced 0\n");
  expect(shadow).toContain("preflight_exit_code 0\n");
  expect(shadow).toContain("preflight_would_exit_code 20\n");
  expect(shadow).not.toContain("last_success_timestamp_seconds ");
  const enforced = await run(drifted);
  expect(enforced).toContain("preflight_enforced 1\n");
  expect(enforced).toContain("preflight_would_exit_code 20\n");
  expect(await run(sound, "--enforce", "off")).toContain("last_success_timestamp_seconds ");
});
