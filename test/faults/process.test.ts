import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { advisoryLocksIn, eventually, rowsOf, sessionsIn } from "../support/databases.ts";
import { execute, writeHistory } from "../support/histories.ts";
import { startServer } from "../support/postgres.ts";
import {
  expectLine,
  type Place,
  programs,
  runProgram,
  start,
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

const head = "index_placed_at";
const behind = async (): Promise<string> => await makeDatabase(shop, { at: "create_orders" });

function at(url: string, more: Record<string, string> = {}, cwd = image): Place {
  return { cwd, env: { ...environment(shop, url), ...more } };
}

type Form = (typeof forms)[number];

/** Starts the program behind a shell that first changes what it inherits. */
function inShell(before: string, program: Form, args: readonly string[]): readonly string[] {
  return ["sh", "-c", `${before}; exec "$@"`, "sh", ...programs[program], ...args];
}

const forms = ["binary", "module"] as const;

describe.each(forms)("%s", (program) => {
  it("migrates with stdin closed, and so does what it starts", async () => {
    const url = await behind();
    const closed = "exec 0<&-";
    const command = ["run", "--", "echo", "the application"];
    const ended = await start(inShell(closed, program, command), at(url)).ended;
    expect(expectLine(ended, "stderr")).toMatchObject({ exit: 0, recordedAfter: [head] });
    expect(ended.stdout).toBe("the application\n");
  });

  it("migrates with stdout and stderr closed, and writes into no connection", async () => {
    const url = await behind();
    const ended = await start(inShell("exec >&- 2>&-", program, ["run"]), at(url)).ended;
    expect(ended).toMatchObject({ exit: 0, stdout: "", stderr: "" });
    expect(await rowsOf(shop.server, url)).toEqual([head]);
  });

  it("migrates on when whoever read its log and its child's output is gone", async () => {
    const url = await makeDatabase(shop, { at: null });
    const history = writeHistory([
      {
        id: "chatter",
        upgrade: `print("at work", flush=True)
while not os.path.exists("go-on"): time.sleep(0.05)
for index in range(5000): print("a line that nobody reads", index, flush=True)
${execute("CREATE TABLE chatter (id int)")}`,
      },
    ]);
    const run = startProgram(program, ["run"], at(url, {}, history));
    await run.says("at work");
    run.child.stdout?.destroy();
    run.child.stderr?.destroy();
    writeFileSync(path.join(history, "go-on"), "");
    const { exit } = await run.ended;
    expect(exit).toBe(0);
    expect(await rowsOf(shop.server, url)).toEqual(["chatter"]);
    expect(await advisoryLocksIn(shop.server, url)).toBe(0);
  });

  it("migrates with 64 open files at most", async () => {
    const url = await behind();
    const few = "ulimit -n 64";
    const ended = await start(inShell(few, program, ["run"]), at(url)).ended;
    expect(expectLine(ended)).toMatchObject({ exit: 0, recordedAfter: [head] });
  });

  it("killed as for want of memory while a migration runs: the lock is freed, and a rerun ends at head", async () => {
    const url = await makeDatabase(shop, { at: null });
    const history = writeHistory([
      {
        id: "slow",
        upgrade: `print("at work", flush=True)\nif os.environ.get("HANG") != "no": ${execute("SELECT pg_sleep(600)")}\n${execute("CREATE TABLE slow (id int)")}`,
      },
    ]);
    const run = startProgram(program, ["run"], at(url, {}, history));
    await run.says("at work");
    run.child.kill("SIGKILL");
    expect(await run.ended).toMatchObject({ signal: "SIGKILL" });
    await eventually(
      async () => (await advisoryLocksIn(shop.server, url)) === 0,
      "the lock is free",
    );
    // What the dead one's child still does on the server is ended by hand: nobody else is told of it here.
    await shop.server.sql(
      shop.server.url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${new URL(url).pathname.slice(1)}'`,
    );
    await eventually(
      async () => (await sessionsIn(shop.server, url)).length === 0,
      "no session is left",
    );
    const again = await runProgram(program, ["run"], at(url, { HANG: "no" }, history));
    expect(expectLine(again)).toMatchObject({ exit: 0, recordedAfter: ["slow"] });
  });

  it.each([
    { TZ: "Pacific/Kiritimati", LANG: "C", LC_ALL: "C" },
    { TZ: "Not/AZone", LANG: "de_DE.UTF-8", LC_ALL: "xx_XX", LANGUAGE: "de", PGTZ: "UTC" },
    { PYTHONIOENCODING: "latin-1", PGCLIENTENCODING: "LATIN1", LANG: "" },
  ])("gives the same answer in the surroundings %j", async (surroundings) => {
    const url = await behind();
    const first = expectLine(await runProgram(program, ["run"], at(url, surroundings)));
    expect(first).toMatchObject({ exit: 0, verdict: "behind", recordedAfter: [head] });
    const second = expectLine(await runProgram(program, ["check"], at(url, surroundings)));
    expect(second).toMatchObject({ exit: 0, verdict: "current" });
  });

  it("says what was done when the command is missing (127) or cannot be executed (126) after an upgrade", async () => {
    const plain = path.join(mkdtempSync(path.join(tmpdir(), "preflight-plain-")), "plain");
    writeFileSync(plain, "no program");
    for (const [exit, command] of [
      [127, "preflight-no-such-command"],
      [126, plain],
    ] as const) {
      const url = await behind();
      const ended = await runProgram(program, ["run", "--", command], at(url));
      expect(ended).toMatchObject({ exit, stdout: "" });
      const [text = "{}"] = ended.stderr.split("\n").filter((line) => line.startsWith('{"v":1'));
      expect(JSON.parse(text)).toMatchObject({
        verdict: "behind",
        outcome: "ready",
        recordedAfter: [head],
        actions: [{ kind: "upgrade" }],
      });
      expect(ended.stderr).toContain(`preflight: ${command}: `);
      expect(await rowsOf(shop.server, url)).toEqual([head]);
    }
  });

  describe("an Alembic that cannot be started: 66 with the PATH, and nothing is written (fault 42)", () => {
    it.each([
      ["not installed", () => {}],
      [
        "not executable",
        (file: string) => {
          writeFileSync(file, "#!/bin/sh\nexit 0\n");
        },
      ],
      [
        "of another architecture",
        (file: string) => {
          copyFileSync("/bin/true", file);
          const bytes = readFileSync(file);
          // e_machine: one that no Linux has.
          bytes.writeUInt16LE(0x7f7f, 18);
          writeFileSync(file, bytes);
          chmodSync(file, 0o755);
        },
      ],
      [
        "a script whose interpreter is not in the image",
        (file: string) => {
          writeFileSync(file, "#!/no/such/python3\n", { mode: 0o755 });
        },
      ],
    ] as const)("%s (fault 42)", async (_, put) => {
      const url = await behind();
      const bin = mkdtempSync(path.join(tmpdir(), "preflight-bin-"));
      put(path.join(bin, "alembic"));
      for (const tool of ["sh", "node"])
        symlinkSync(tool === "sh" ? "/bin/sh" : process.execPath, path.join(bin, tool));
      const ended = await runProgram(program, ["run"], at(url, { PATH: bin }));
      const line = expectLine(ended);
      expect(line).toMatchObject({ exit: 66, outcome: "missing-input", actions: [] });
      expect(line.reason).toContain("alembic");
      expect(line.reason).toContain(bin);
      expect(line.next.length).toBeGreaterThan(0);
      expect(await rowsOf(shop.server, url)).toEqual(["create_orders"]);
    });
  });
});

describe("what could turn the binary into something else", () => {
  it.each([
    // Without a word of ours it would end with 0: "ready", and nothing was judged.
    ["BUN_BE_BUN", { BUN_BE_BUN: "1" }],
    ["BUN_OPTIONS", { BUN_OPTIONS: "--preload ./evil.cjs" }],
    ["BUN_INSPECT", { BUN_INSPECT_PRELOAD: "./evil.cjs" }],
    ["NODE_OPTIONS", { NODE_OPTIONS: "--require ./evil.cjs" }],
    ["NODE_PATH and bunfig.toml", { NODE_PATH: ".", BUN_CONFIG_FILE: "./bunfig.toml" }],
  ])("%s neither replaces the program nor runs code of the current directory", async (_, more) => {
    const url = await makeDatabase(shop, { at: "head" });
    const cwd = makeImage(shop, { name: "", ledger: "none" });
    const marker = path.join(cwd, "loaded");
    writeFileSync(
      path.join(cwd, "evil.cjs"),
      `require("node:fs").writeFileSync(${JSON.stringify(marker)}, "");`,
    );
    const ended = await runProgram("binary", ["check"], at(url, more, cwd));
    expect(expectLine(ended)).toMatchObject({ exit: 0, verdict: "current" });
    expect(existsSync(marker)).toBe(false);
  });
});

/** Of every process below `pid`, and its own. */
function commandLines(pid: number): readonly string[] {
  const children = readText(`/proc/${pid}/task/${pid}/children`).split(" ").filter(Boolean);
  return [
    readText(`/proc/${pid}/cmdline`).replaceAll("\0", " "),
    ...children.flatMap((child) => commandLines(Number(child))),
  ];
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

describe.each(forms)("%s: what every user of the machine may read of a process", (program) => {
  it("is no address and no password, neither of ours nor of the child's", async () => {
    const url = await makeDatabase(shop, { at: null });
    const history = writeHistory([
      { id: "slow", upgrade: `print("at work", flush=True)\ntime.sleep(600)` },
    ]);
    const secret = url.replace("postgres@", "postgres:a-secret-word@");
    const run = startProgram(program, ["run"], at(secret, {}, history));
    await run.says("at work");
    const lines = commandLines(run.child.pid ?? 0);
    run.child.kill("SIGTERM");
    await run.ended;
    expect(lines.join("\n")).toContain("alembic");
    for (const line of lines) {
      expect(line).not.toContain("a-secret-word");
      expect(line).not.toContain("postgres://");
    }
  });
});
