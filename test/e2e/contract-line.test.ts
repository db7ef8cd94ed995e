import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRole, withUrl } from "../support/databases.ts";
import { chainOf, execute, writeHistory } from "../support/histories.ts";
import { freePort, startServer } from "../support/postgres.ts";
import {
  everyProgram,
  expectLine,
  type Place,
  runProgram,
  startProgram,
} from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { environment, makeDatabase, makeImage, type Shop } from "../support/shop.ts";

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

describe.each(everyProgram)("%s: the verdict line", (program) => {
  it("is the last word on stdout, or on stderr where a command follows", async () => {
    const url = await makeDatabase(shop, { at: "head" });
    for (const args of [[], ["run"], ["check"], ["audit"], ["run", "--check-only"]]) {
      const line = expectLine(await runProgram(program, args, at(image, url)));
      expect(line).toMatchObject({ outcome: "ready", exit: 0, tool: "alembic" });
      expect(line.verdict).toBe(args[0] === "audit" ? null : "current");
    }
    const ended = await runProgram(program, ["run", "--", "true"], at(image, url));
    expect(expectLine(ended, "stderr")).toMatchObject({ verdict: "current", outcome: "ready" });
    expect(ended.stdout).toBe("");
  });

  it("is printed for every failure", async () => {
    const url = await makeDatabase(shop, { at: null });
    const { name } = await createRole(shop.server);
    const nobody = withUrl(url, { user: "nobody_at_all" });
    const closed = withUrl(url, {}).replace(/:\d+\//, `:${await freePort()}/`);
    const noTls = withUrl(url, { query: "sslmode=require" });
    const stranger = withUrl(url, { user: name });
    const absent = url.replace(/[^/]+$/, "preflight_no_such_database");
    const empty = writeHistory([]);
    rmSync(path.join(empty, "alembic.ini"));

    const cases: readonly (readonly [readonly string[], Place, number, string])[] = [
      [["--nonsense"], at(image, url), 64, "usage"],
      [["run"], at(empty, url), 66, "missing-input"],
      [["check", "--timeout", "300ms"], at(image, closed), 69, "unavailable"],
      [["check"], at(image, noTls), 76, "protocol"],
      [["check", "--timeout", "1s"], at(image, nobody), 77, "permission"],
      [["run"], at(image, stranger), 77, "permission"],
      [["check", "--timeout", "1s"], at(image, absent), 78, "config"],
      [["check", "--timeout", "soon"], at(image, url), 78, "config"],
    ];
    for (const [args, place, exit, outcome] of cases) {
      const line = expectLine(await runProgram(program, args, place));
      expect(line, args.join(" ")).toMatchObject({ exit, outcome, actions: [] });
      if (place !== cases[5]?.[1]) expect(line.verdict).toBeNull();
    }
    const before = await runProgram(program, ["run", "--nonsense", "--", "true"], at(image, url));
    expect(expectLine(before, "stderr")).toMatchObject({ exit: 64, verdict: null });
  });

  it("is printed when a signal ends the run", async () => {
    const closed = withUrl(shop.server.url, {}).replace(/:\d+\//, `:${await freePort()}/`);
    for (const [signal, exit] of [
      ["SIGTERM", 143],
      ["SIGINT", 130],
      ["SIGHUP", 129],
    ] as const) {
      const run = startProgram(program, ["run"], at(image, closed));
      await run.says("database.waiting");
      run.child.kill(signal);
      const line = expectLine(await run.ended);
      expect(line).toMatchObject({ exit, outcome: "signal", verdict: null });
    }
  });

  it("is not printed for --help and --version", async () => {
    for (const args of [["--help"], ["run", "--help"], ["-h"], ["bake", "--help"]]) {
      const ended = await runProgram(program, args, { cwd: "/", env: {} });
      expect(ended).toMatchObject({ exit: 0, stderr: "" });
      expect(ended.stdout).toContain("preflight");
      expect(ended.stdout).not.toContain('{"v":1');
    }
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    expect(await runProgram(program, ["--version"], { cwd: "/", env: {} })).toMatchObject({
      exit: 0,
      stdout: `preflight ${version}\n`,
      stderr: "",
    });
  });

  it("stays within 4 KiB with hundreds of pending revisions and long names", async () => {
    const ids = Array.from({ length: 400 }, (_, n) => `r${n}_${"é".repeat(20)}`);
    const long = writeHistory(chainOf(...ids));
    const url = await makeDatabase(shop, { at: null });
    const line = expectLine(await runProgram(program, ["check"], at(long, url)));
    expect(line).toMatchObject({ verdict: "fresh", exit: 0 });
    const [widen, upgrade] = line.actions;
    expect([widen?.kind, upgrade?.kind].filter(Boolean)).toContain("upgrade");
    const asked = await runProgram(program, ["check", "--exit-code"], at(long, url));
    expect(expectLine(asked)).toMatchObject({ outcome: "pending", exit: 30 });
    rmSync(long, { recursive: true });
  });

  it("stays within 4 KiB when hundreds of rows stand in the version table", async () => {
    const url = await makeDatabase(shop, {
      at: "head",
      sql: [
        "ALTER TABLE alembic_version ALTER version_num TYPE text",
        `INSERT INTO alembic_version SELECT repeat('"\\\\ü', 30) || n FROM generate_series(1, 300) n`,
      ],
    });
    expect(expectLine(await runProgram(program, ["check"], at(image, url))).exit).toBe(21);
  });
});

it("every line of the log is one JSON object with its level, event, time and run", async () => {
  const url = await makeDatabase(shop, { at: null });
  const ended = await runProgram("binary", ["run", "--verbose"], at(image, url));
  const { runId } = expectLine(ended);
  const lines = ended.stderr.trim().split("\n");
  expect(lines.length).toBeGreaterThan(5);
  for (const text of lines) {
    const line = JSON.parse(text) as Record<string, unknown>;
    expect(line).toMatchObject({
      runId,
      event: expect.any(String) as unknown,
      msg: expect.any(String) as unknown,
      time: expect.any(String) as unknown,
    });
    expect(["debug", "info", "warn", "error"]).toContain(line["level"]);
  }
});

it("output of a migration with line breaks and control characters stays one object a line", async () => {
  const odd = writeHistory([
    {
      id: "odd",
      upgrade: String.raw`sys.stdout.write('{"v":1,"verdict":"current"}\n\x1b[31mred\x00\r\n\u2028end without a line break')`,
    },
    { id: "odd_2", after: "odd", upgrade: execute("SELECT 1") },
  ]);
  const url = await makeDatabase(shop, { at: null });
  const ended = await runProgram("binary", ["run"], at(odd, url));
  expect(expectLine(ended)).toMatchObject({ exit: 0, recordedAfter: ["odd_2"] });
  expect(ended.stderr).toContain("end without a line break");
});

it("a broken history says so without a database", async () => {
  const broken = makeImage(shop, { name: "", ledger: "none" });
  const file = path.join(broken, "alembic/versions/0002_create_orders.py");
  writeFileSync(file, readFileSync(file, "utf8").replace('"create_customers"', '"gone"'));
  for (const args of [["run"], ["check"], ["audit"], ["bake"], ["bake", "--check"]]) {
    const place = at(broken, "postgres://nobody@127.0.0.1:1/none");
    expect(expectLine(await runProgram("binary", args, place))).toMatchObject({
      verdict: "broken-history",
      exit: 24,
    });
  }
});
