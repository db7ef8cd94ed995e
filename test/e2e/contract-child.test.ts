import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lockKey } from "../../src/database/lock.ts";
import { advisoryLocksIn, eventually, rowsOf, sessionsIn, tablesOf } from "../support/databases.ts";
import { execute, writeHistory, type Written } from "../support/histories.ts";
import { startServer } from "../support/postgres.ts";
import {
  expectLine,
  logOf,
  type Place,
  programs,
  runProgram,
  startProgram,
} from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import {
  alembic,
  dump,
  dumpWithoutJournal,
  environment,
  makeDatabase,
  makeImage,
  type Shop,
} from "../support/shop.ts";

let shop: Shop;
let image: string;

beforeAll(async () => {
  const server = await startServer({ settings: ["autovacuum = off"] });
  shop = { server, python: await pythonEnvironment(), ledger: "" };
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

async function expectNoTrace(url: string): Promise<void> {
  expect(await advisoryLocksIn(shop.server, url), "no lock is left").toBe(0);
  await eventually(
    async () => (await sessionsIn(shop.server, url)).length === 0,
    "no session left",
  );
}

/** The processes that run with exactly this command line. */
function pidsOf(command: string): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => commandOf(pid) === command);
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    return "";
  }
}

const table = (name: string) => execute(`CREATE TABLE ${name} (id int PRIMARY KEY)`);
const failing: readonly Written[] = [
  { id: "one", upgrade: table("one") },
  { id: "two", after: "one", upgrade: table("two") },
  {
    id: "three",
    after: "two",
    upgrade: `${table("three")}\nprint("about to fail")\n${execute("SELECT nothing FROM nowhere")}`,
  },
];

describe("a migration that fails", () => {
  it("in one transaction: nothing is left of it, and nothing is stamped", async () => {
    const history = writeHistory(failing);
    const url = await fresh();
    await alembic(shop, history, url, "upgrade", "one");
    const before = await dump(shop.server, url);
    for (const program of ["binary", "module"] as const) {
      const ended = await runProgram(program, ["run"], at(history, url));
      const line = expectLine(ended);
      expect(line).toMatchObject({
        exit: 25,
        outcome: "migration-failed",
        verdict: "behind",
        recorded: ["one"],
        recordedAfter: ["one"],
        actions: [],
      });
      expect(line.next.length).toBeGreaterThan(0);
      expect(logOf(ended)).toContain("about to fail");
      expect(logOf(ended)).toContain('relation "nowhere" does not exist');
      expect(logOf(ended)).not.toContain("stamp.start");
    }
    expect(await dumpWithoutJournal(shop.server, url)).toBe(before);
    await expectNoTrace(url);
  });

  it("with a transaction for each revision: rows are where the last one committed", async () => {
    const history = writeHistory(failing, { configure: "transaction_per_migration=True" });
    const url = await fresh();
    const line = expectLine(await runProgram("binary", ["run"], at(history, url)));
    expect(line).toMatchObject({ exit: 25, verdict: "fresh", recordedAfter: ["two"], actions: [] });
    expect(await rowsOf(shop.server, url)).toEqual(["two"]);
    expect(await tablesOf(shop.server, url)).toEqual(["alembic_version", "one", "two"]);
  });
});

describe("a command that does not do it", () => {
  it("exits 0 without having done anything: verify-failed, and nothing is stamped", async () => {
    const url = await makeDatabase(shop, { at: "create_orders" });
    const before = await dump(shop.server, url);
    const args = ["run", "--upgrade-command", "true"];
    for (const program of ["binary", "module"] as const) {
      const line = expectLine(await runProgram(program, args, at(image, url)));
      expect(line).toMatchObject({
        exit: 26,
        outcome: "verify-failed",
        recordedAfter: ["create_orders"],
      });
    }
    expect(await dumpWithoutJournal(shop.server, url)).toBe(before);
  });

  it("is not there, or cannot be executed: 66, and nothing is written", async () => {
    const url = await makeDatabase(shop, { at: "create_orders" });
    const before = await dump(shop.server, url);
    const bin = mkdtempSync(path.join(tmpdir(), "preflight-bin-"));
    symlinkSync(process.execPath, path.join(bin, "node"));
    for (const program of ["binary", "module"] as const) {
      const place = at(image, url, { PATH: bin });
      const line = expectLine(await runProgram(program, ["run"], place));
      expect(line).toMatchObject({
        exit: 66,
        outcome: "missing-input",
        verdict: "behind",
        actions: [],
      });
      expect(line.reason).toContain("alembic");
      const checked = expectLine(await runProgram(program, ["check", "--exit-code"], place));
      expect(checked, "check knows it without a start").toMatchObject({
        exit: 66,
        outcome: "missing-input",
        verdict: "behind",
        reason: line.reason,
        next: line.next,
        actions: [{ kind: "upgrade" }],
      });
    }
    const plain = ["run", "--upgrade-command", "./alembic.ini"];
    const ran = expectLine(await runProgram("binary", plain, at(image, url)));
    expect(ran).toMatchObject({ exit: 66 });
    const [, ...flags] = plain;
    const checked = expectLine(await runProgram("binary", ["check", ...flags], at(image, url)));
    expect(checked).toMatchObject({ exit: 66, reason: ran.reason });
    const copied = path.join(bin, "alembic");
    writeFileSync(copied, "#!/nowhere/bin/python\n", { mode: 0o755 });
    for (const command of ["run", "check"]) {
      const line = expectLine(await runProgram("binary", [command], at(image, url, { PATH: bin })));
      expect(line).toMatchObject({ exit: 66 });
      expect(line.next.join()).toContain("a virtual environment that was copied");
    }
    expect(await dump(shop.server, url)).toBe(before);
    await expectNoTrace(url);
  });

  it("dies by a signal", async () => {
    const url = await makeDatabase(shop, { at: "create_orders" });
    const python = ["run", "--upgrade-command", `python3 -c "import os; os.kill(os.getpid(), 11)"`];
    const line = expectLine(await runProgram("binary", python, at(image, url)));
    expect(line).toMatchObject({ exit: 25, outcome: "migration-failed" });
    expect(line.reason).toContain("SIGSEGV");
  });
});

describe("a migration that hangs", () => {
  const hanging: readonly Written[] = [
    { id: "one", upgrade: table("one") },
    {
      id: "two",
      after: "one",
      upgrade: `if os.environ.get("HANG") != "no":\n    print("hanging now", flush=True)\n    ${execute("SELECT pg_sleep(600)")}\n${table("two")}`,
    },
  ];

  it.each([
    ["binary", {}],
    ["module", {}],
    ["binary", { PGAPPNAME: "the application's own name" }],
  ] as const)(
    "%s %j: is stopped by --upgrade-timeout, with its server process",
    async (program, more) => {
      const history = writeHistory(hanging);
      const url = await fresh();
      await alembic(shop, history, url, "upgrade", "one");
      const ended = await runProgram(
        program,
        ["run", "--upgrade-timeout", "2s"],
        at(history, url, more),
      );
      const line = expectLine(ended);
      expect(line).toMatchObject({ exit: 25, outcome: "migration-failed", recordedAfter: ["one"] });
      expect(line.reason).toContain("--upgrade-timeout");
      expect(ended.ms).toBeLessThan(30_000);
      await expectNoTrace(url);
      const again = await runProgram(program, ["run"], at(history, url, { HANG: "no" }));
      expect(expectLine(again)).toMatchObject({ exit: 0, recordedAfter: ["two"] });
    },
  );

  it.each(["binary", "module"] as const)(
    "%s: SIGTERM ends it all, and the next run succeeds",
    async (program) => {
      const history = writeHistory(hanging);
      const url = await fresh();
      const run = startProgram(program, ["run", "--", "echo", "started"], at(history, url));
      await run.says('"msg":"hanging now"');
      await eventually(
        async () =>
          (await sessionsIn(shop.server, url)).some((session) => session.includes("pg_sleep")),
        "the migration sleeps",
      );
      expect(await advisoryLocksIn(shop.server, url)).toBe(1);
      run.child.kill("SIGTERM");
      const ended = await run.ended;
      expect(expectLine(ended, "stderr")).toMatchObject({ exit: 143, outcome: "signal" });
      expect(logOf(ended)).not.toContain("the lock was lost");
      expect(ended.stdout).toBe("");
      expect(ended.ms).toBeLessThan(60_000);
      await expectNoTrace(url);
      const again = await runProgram(program, ["run"], at(history, url, { HANG: "no" }));
      expect(expectLine(again)).toMatchObject({ exit: 0, recordedAfter: ["two"] });
    },
  );

  it("a child that ignores SIGTERM and its grandchildren are killed", async () => {
    const url = await makeDatabase(shop, { at: "create_orders" });
    // No other process sleeps for just as long.
    const seconds = 100_000 + process.pid;
    const stubborn = `python3 -c "import signal, subprocess, time; signal.signal(15, signal.SIG_IGN); print('ignoring', flush=True); subprocess.run(['sleep', '${seconds}'])"`;
    const args = ["run", "--upgrade-timeout", "1s", "--upgrade-command", stubborn];
    const ended = await runProgram("binary", args, at(image, url));
    expect(expectLine(ended)).toMatchObject({ exit: 25, outcome: "migration-failed" });
    expect(ended.ms).toBeLessThan(45_000);
    expect(pidsOf(`sleep ${seconds}`), "the grandchild is gone too").toEqual([]);
    await expectNoTrace(url);
  });
});

describe("the lock of another session", () => {
  it("is waited for as long as --lock-timeout says, and its holder named", async () => {
    const url = await makeDatabase(shop, { at: "create_orders" });
    const holder = postgres(url, { max: 1, connection: { application_name: "somebody else" } });
    const reserved = await holder.reserve();
    try {
      await reserved`BEGIN`;
      const key = lockKey({ schema: "public", name: "alembic_version" }).toString();
      await reserved`SELECT pg_advisory_xact_lock(${key}::bigint)`;
      const [row] = await reserved<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
      const before = await dump(shop.server, url);
      for (const program of ["binary", "module"] as const) {
        const ended = await runProgram(program, ["run", "--lock-timeout", "2s"], at(image, url));
        const line = expectLine(ended);
        expect(line).toMatchObject({
          exit: 75,
          outcome: "temporary",
          verdict: "behind",
          actions: [],
        });
        expect(line.reason).toContain("somebody else");
        expect(line.reason).toContain(String(row?.pid));
        expect(line.lockWaitMs).toBeGreaterThanOrEqual(1000);
        expect(ended.ms).toBeLessThan(30_000);
      }
      expect(await dump(shop.server, url)).toBe(before);

      const waiting = startProgram("binary", ["run"], at(image, url));
      await waiting.says("lock.waiting");
      await reserved`ROLLBACK`;
      expect(expectLine(await waiting.ended)).toMatchObject({ exit: 0, verdict: "behind" });
    } finally {
      reserved.release();
      await holder.end({ timeout: 1 });
    }
  });

  it("SIGTERM while waiting for it ends the run at once", async () => {
    const url = await makeDatabase(shop, { at: "create_orders" });
    const holder = postgres(url, { max: 1 });
    const reserved = await holder.reserve();
    try {
      await reserved`BEGIN`;
      const key = lockKey({ schema: "public", name: "alembic_version" }).toString();
      await reserved`SELECT pg_advisory_xact_lock(${key}::bigint)`;
      const run = startProgram("module", ["run"], at(image, url));
      await run.says("lock.waiting");
      run.child.kill("SIGTERM");
      expect(expectLine(await run.ended)).toMatchObject({
        exit: 143,
        verdict: "behind",
        actions: [],
      });
    } finally {
      reserved.release();
      await holder.end({ timeout: 1 });
    }
  });

  it.each(["binary", "module"] as const)(
    "%s: one that is lost while the upgrade runs stops it, and the outcome is temporary",
    async (program) => {
      const history = writeHistory([
        {
          id: "slow",
          upgrade: `print("at work", flush=True)\n${execute("SELECT pg_sleep(600)")}\n${table("slow")}`,
        },
      ]);
      const url = await fresh();
      const run = startProgram(program, ["run"], at(history, url));
      await run.says('"msg":"at work"');
      await shop.server.sql(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'",
      );
      const ended = await run.ended;
      expect(expectLine(ended)).toMatchObject({ exit: 75, outcome: "temporary", actions: [] });
      expect(ended.ms).toBeLessThan(60_000);
      expect(await tablesOf(shop.server, url)).toEqual([]);
      await expectNoTrace(url);
    },
  );
});

describe("output without end (fault 41)", () => {
  /** Several times what the program may use. Lines are the most work: each is looked through and logged. */
  const megabytes = { lines: 512, "one line": 1024, "both streams": 512, binary: 512 } as const;
  /** Prints so much, in this way, and then migrates. */
  const flood = (how: keyof typeof megabytes): string => {
    const piece = {
      lines: "(b'x' * 999 + b'\\n') * 1024",
      "one line": "b'x' * (1000 * 1024)",
      "both streams": "(b'x' * 999 + b'\\n') * 1024",
      binary: "(bytes(range(11, 256)) * 40 + b'\\n') * 100",
    }[how];
    const script = path.join(mkdtempSync(path.join(tmpdir(), "preflight-flood-")), "flood.py");
    writeFileSync(
      script,
      `import os, subprocess, sys
def write(to, rest):
    while rest:
        rest = rest[os.write(to, rest):]
piece = ${piece}
for index in range(${megabytes[how] * 1024 * 1024} // len(piece)):
    write(${how === "both streams" ? "1 + index % 2" : "1"}, piece)
write(1, b"\\nthe flood is over\\n")
sys.exit(subprocess.run(["alembic", "upgrade", "heads"]).returncode)
`,
    );
    return `python3 ${script}`;
  };

  it.each([
    ["binary", "lines"],
    ["binary", "one line"],
    ["binary", "both streams"],
    ["binary", "binary"],
    ["module", "one line"],
  ] as const)(
    "%s: as %s it costs bounded memory, and the upgrade goes on (fault 41)",
    async (program, how) => {
      const url = await makeDatabase(shop, { at: "create_orders" });
      const args = ["run", "--upgrade-command", flood(how)];
      const { exit, peak, last, bytes } = await runMeasured(program, args, at(image, url));
      expect(last).toContain('"outcome":"ready"');
      expect(exit).toBe(0);
      if (process.env["PREFLIGHT_SHOW_PEAKS"] !== undefined)
        process.stdout.write(`${program}, ${how}: peak ${peak} MB, ${bytes} bytes shown\n`);
      expect(peak, "the peak of its memory in MB").toBeLessThan(300);
      if (how === "one line")
        expect(bytes, "of one line the beginning is shown").toBeLessThan(1_000_000);
    },
    900_000,
  );
});

/** Runs the program, lets go of what it prints, and remembers its peak of memory as the kernel has it. */
async function runMeasured(
  program: "binary" | "module",
  args: readonly string[],
  place: Place,
): Promise<{
  readonly exit: number | null;
  readonly peak: number;
  readonly last: string;
  readonly bytes: number;
}> {
  const [file = "", ...before] = programs[program];
  const child = spawn(file, [...before, ...args], {
    cwd: place.cwd,
    env: place.env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [last, bytes, peak] = ["", 0, 0];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (last += text));
  child.stderr.on("data", (chunk: Buffer) => (bytes += chunk.length));
  const timer = setInterval(() => {
    const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(statusOf(child.pid)) ?? [];
    peak = Math.max(peak, Number(kilobytes ?? 0) / 1024);
  }, 20);
  const exit = await new Promise<number | null>((resolve) => {
    child.once("close", (code) => resolve(code));
  });
  clearInterval(timer);
  return { exit, peak: Math.round(peak), last, bytes };
}

function statusOf(pid: number | undefined): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "";
  }
}

describe("odd ends of the output", () => {
  it.each(["binary", "module"] as const)(
    "%s: a grandchild that keeps the pipe open is not waited for",
    async (program) => {
      const url = await makeDatabase(shop, { at: "create_orders" });
      const seconds = 200_000 + process.pid;
      const script = `import subprocess, sys; subprocess.Popen(['sleep', '${seconds}'], start_new_session=True); print('it stays', flush=True); sys.exit(subprocess.run(['alembic', 'upgrade', 'heads']).returncode)`;
      const args = ["run", "--upgrade-command", `python3 -c "${script}"`];
      const ended = await runProgram(program, args, at(image, url));
      expect(expectLine(ended)).toMatchObject({ exit: 0, outcome: "ready" });
      expect(logOf(ended)).toContain("it stays");
      for (const pid of pidsOf(`sleep ${seconds}`)) process.kill(pid, "SIGKILL");
    },
  );

  it.each(["binary", "module"] as const)(
    "%s: a child that closes its output goes on, and its end is seen",
    async (program) => {
      const url = await makeDatabase(shop, { at: "create_orders" });
      const script = `import os, subprocess, sys; print('last words', flush=True); os.close(1); os.close(2); sys.exit(subprocess.run(['alembic', 'upgrade', 'heads'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode)`;
      const args = ["run", "--upgrade-command", `python3 -c "${script}"`];
      const ended = await runProgram(program, args, at(image, url));
      expect(expectLine(ended)).toMatchObject({ exit: 0, outcome: "ready" });
      expect(logOf(ended)).toContain("last words");
    },
  );

  it.each(["binary", "module"] as const)(
    "%s: bytes that are no text are shown as what JSON can hold",
    async (program) => {
      const url = await makeDatabase(shop, { at: "create_orders" });
      const script = `import os, sys; os.write(1, bytes([97, 0, 255, 254, 13, 27, 237, 160, 128, 98, 10])); os.write(2, bytes([240, 159])); sys.exit(3)`;
      const args = ["run", "--upgrade-command", `python3 -c "${script}"`];
      const ended = await runProgram(program, args, at(image, url));
      expect(expectLine(ended)).toMatchObject({ exit: 25, outcome: "migration-failed" });
      expect(logOf(ended)).toContain("a\0\ufffd\ufffd\r\u001b\ufffd");
    },
  );
});
