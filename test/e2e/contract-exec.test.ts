import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startServer } from "../support/postgres.ts";
import {
  everyProgram,
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
let ready: Place;
let behind: string;

beforeAll(async () => {
  shop = { server: await startServer(), python: await pythonEnvironment(), ledger: "" };
  image = makeImage(shop, { name: "", ledger: "none" });
  ready = at(await makeDatabase(shop, { at: "head" }));
  behind = await makeDatabase(shop, { at: "create_orders" });
});

afterAll(async () => {
  await shop?.server.stop();
});

function at(url: string): Place {
  return { cwd: image, env: environment(shop, url) };
}

const oddArguments = [
  "",
  " ",
  "two words",
  `"'\`$HOME $(id)`,
  "line\nbreak",
  "--",
  "-x",
  "é\u{1F600}",
  "\\",
  "*",
];

const tellArguments = "import json, sys; print(json.dumps(sys.argv[1:]))";

describe.each(everyProgram)("%s run -- command", (program) => {
  it("passes arguments exactly, and nothing else on stdout", async () => {
    const command = ["python3", "-c", tellArguments, ...oddArguments];
    const ended = await runProgram(program, ["run", "--", ...command], ready);
    expect(expectLine(ended, "stderr")).toMatchObject({ exit: 0, outcome: "ready" });
    expect(JSON.parse(ended.stdout)).toEqual(oddArguments);
  });

  it.each([0, 7, 255])("ends with the command's exit status %i", async (status) => {
    const ended = await runProgram(program, ["--", "sh", "-c", `exit ${status}`], ready);
    expect(ended).toMatchObject({ exit: status, signal: null });
  });

  it("gives the command what --env-file has and the environment lacks", async () => {
    const cwd = mkdtempSync(path.join(tmpdir(), "preflight-env-file-"));
    const url = ready.env["DATABASE_URL"] ?? "";
    writeFileSync(
      path.join(cwd, ".env"),
      `DATABASE_URL='${url}'\nexport SHOP="two\nlines" # for the shop\nHOME=/nowhere\n`,
    );
    const { DATABASE_URL: _, ...env } = ready.env;
    const tell =
      "import json, os; print(json.dumps([os.environ.get(n) for n in ('SHOP', 'HOME')]))";
    const argv = ["run", "--env-file", path.join(cwd, ".env"), "--", "python3", "-c", tell];
    const ended = await runProgram(program, argv, { ...ready, env: { ...env, HOME: "/here" } });
    expect(ended).toMatchObject({ exit: 0, signal: null });
    expect(JSON.parse(ended.stdout)).toEqual(["two\nlines", "/here"]);
  });

  it("gives the command stdin, stdout, stderr and the environment untouched", async () => {
    const env = { ...ready.env, PREFLIGHT_TIMEOUT: "5s", ODD: "a\nb=c 'd'", EMPTY: "" };
    const tell = `import json, os, sys
print(json.dumps({"env": dict(os.environ), "input": sys.stdin.read(), "cwd": os.getcwd()}))
print("to stderr", file=sys.stderr)`;
    const place = { cwd: image, env, input: "one\ntwo" };
    const direct = await start(["python3", "-c", tell], place).ended;
    const ended = await runProgram(program, ["run", "--", "python3", "-c", tell], place);
    expect(ended.exit, ended.stderr).toBe(0);
    expect(JSON.parse(ended.stdout)).toEqual(JSON.parse(direct.stdout));
    expect(ended.stderr.endsWith("to stderr\n")).toBe(true);
  });

  it("leaves blocking modes and ignored signals as they were", async () => {
    const tell = `import fcntl, json, os
modes = [bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK) for fd in (0, 1, 2)]
signals = [line.split() for line in open("/proc/self/status") if line[:6] in ("SigBlk", "SigIgn")]
print(json.dumps([modes, signals]))`;
    const direct = await start(["python3", "-c", tell], ready).ended;
    const ended = await runProgram(program, ["run", "--", "python3", "-c", tell], ready);
    expect(ended.exit, ended.stderr).toBe(0);
    expect(JSON.parse(ended.stdout)).toEqual(JSON.parse(direct.stdout));
    // Python ignores SIGPIPE itself.
    const signals = ["grep", "-E", "Sig(Ign|Blk)", "/proc/self/status"];
    const there = await runProgram(program, ["run", "--", ...signals], ready);
    expect(there.stdout).toBe((await start(signals, ready).ended).stdout);
  });

  it.each(["SIGTERM", "SIGINT", "SIGUSR1"] as const)(
    "%s reaches the command, whose answer counts",
    async (signal) => {
      const trap = `trap 'exit 42' ${signal.slice(3)}; echo waiting; while :; do sleep 0.05; done`;
      const run = startProgram(program, ["run", "--", "sh", "-c", trap], ready);
      await run.says("waiting");
      run.child.kill(signal);
      expect(await run.ended).toMatchObject({ exit: 42 });
    },
  );

  it("ends by the signal that killed the command, or with 128 and its number", async () => {
    const ended = await runProgram(program, ["run", "--", "sh", "-c", "kill -KILL $$"], ready);
    expect(ended.signal ?? ended.exit).toSatisfy((how) => how === "SIGKILL" || how === 137);
  });

  it("127 for a command that is not there and 126 for one that cannot be executed", async () => {
    const plain = path.join(mkdtempSync(path.join(tmpdir(), "preflight-exec-")), "plain");
    writeFileSync(plain, "#!/bin/sh\n");
    const cases = [
      [127, "preflight-no-such-command"],
      [127, "./preflight-no-such-command"],
      [126, plain],
      [126, path.dirname(plain)],
    ] as const;
    for (const [exit, command] of cases) {
      const ended = await runProgram(program, ["run", "--", command], ready);
      expect(ended, command).toMatchObject({ exit, stdout: "" });
      expect(ended.stderr).toContain('"outcome":"ready"');
    }
    const broken = `${plain}-broken`;
    writeFileSync(broken, "#!/no/such/interpreter\n");
    chmodSync(broken, 0o755);
    expect((await runProgram(program, ["--", broken], ready)).exit).toSatisfy(
      (exit) => exit === 126 || exit === 127,
    );
  });

  it("does not start the command unless the outcome is ready", async () => {
    const started = "the command was started";
    const cases: readonly (readonly [readonly string[], string, number])[] = [
      [["run", "--assume", "no_such_revision"], ready.env["DATABASE_URL"] ?? "", 78],
      [["run", "--migrations", "nowhere"], ready.env["DATABASE_URL"] ?? "", 66],
      [["run", "--upgrade-command", "false"], behind, 25],
      [["run", "--upgrade-command", "true"], behind, 26],
      [["run", "--timeout", "0"], "postgres://nobody@127.0.0.1:1/none", 69],
      [["check"], ready.env["DATABASE_URL"] ?? "", 64],
      [["run", "--check-only"], ready.env["DATABASE_URL"] ?? "", 64],
      [["run", "--unknown"], ready.env["DATABASE_URL"] ?? "", 64],
    ];
    for (const [args, url, exit] of cases) {
      const ended = await runProgram(program, [...args, "--", "echo", started], at(url));
      expect(expectLine(ended, "stderr"), args.join(" ")).toMatchObject({ exit });
      expect(ended.stdout).toBe("");
    }
  });

  it("starts it after an upgrade, without the upgrade's output on stdout", async () => {
    const url = await makeDatabase(shop, { at: "add_order_status" });
    const ended = await runProgram(program, ["run", "--", "echo", "the application"], at(url));
    expect(ended.stdout).toBe("the application\n");
    expect(expectLine(ended, "stderr").actions).toMatchObject([{ kind: "upgrade" }]);
  });
});

const entrypoint = path.join(import.meta.dirname, "../../entrypoint.sh");

describe("entrypoint.sh", () => {
  let place: Place;

  beforeAll(() => {
    const bin = mkdtempSync(path.join(tmpdir(), "preflight-bin-"));
    symlinkSync(programs.binary[0] ?? "", path.join(bin, "preflight"));
    place = { cwd: image, env: { ...ready.env, PATH: `${bin}:${ready.env["PATH"]}` } };
  });

  it("passes arguments exactly and ends with the command's status", async () => {
    const command = ["python3", "-c", tellArguments, ...oddArguments];
    const ended = await start([entrypoint, ...command], place).ended;
    expect(ended.exit, ended.stderr).toBe(0);
    expect(JSON.parse(ended.stdout)).toEqual(oddArguments);
    const status = await start([entrypoint, "sh", "-c", "exit 7"], place).ended;
    expect(status.exit).toBe(7);
    expect((await start([entrypoint, "preflight-no-such-command"], place).ended).exit).toBe(127);
  });

  it("fails closed, with preflight's exit code, and when there is no preflight", async () => {
    const env = {
      ...place.env,
      DATABASE_URL: "postgres://nobody@127.0.0.1:1/none",
      PREFLIGHT_TIMEOUT: "0",
    };
    const refused = await start([entrypoint, "echo", "started"], { ...place, env }).ended;
    expect(refused.exit).toBe(69);
    expect(refused.stdout).not.toContain("started");
    const bare = mkdtempSync(path.join(tmpdir(), "preflight-bin-"));
    for (const tool of ["sh", "echo", "env"])
      symlinkSync(
        execFileSync("which", [tool], { encoding: "utf8" }).trim(),
        path.join(bare, tool),
      );
    const without = await start([entrypoint, "echo", "started"], {
      ...place,
      env: { ...place.env, PATH: bare },
    }).ended;
    expect(without.exit).not.toBe(0);
    expect(without.stdout).not.toContain("started");
  });

  it("passes SIGTERM to the command, and to preflight before it", async () => {
    const trap = `trap 'exit 42' TERM; echo waiting; while :; do sleep 0.05; done`;
    const run = start([entrypoint, "sh", "-c", trap], place);
    await run.says("waiting");
    run.child.kill("SIGTERM");
    expect((await run.ended).exit).toBe(42);

    const env = { ...place.env, DATABASE_URL: "postgres://nobody@127.0.0.1:1/none" };
    const early = start([entrypoint, "echo", "started"], { ...place, env });
    await early.says("database.waiting");
    early.child.kill("SIGTERM");
    const ended = await early.ended;
    expect(ended.signal ?? ended.exit).toSatisfy((how) => how === "SIGTERM" || how === 143);
    expect(ended.stdout).not.toContain("started");
  });
});
