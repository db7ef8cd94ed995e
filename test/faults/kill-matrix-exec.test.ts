import { execFileSync, spawn } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/databases.ts";
import { startServer } from "../support/postgres.ts";
import { expectLine, programs, start, type Started } from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { expectNoTrace, expectWhole, type Scene, setScene } from "./support/case.ts";
import { gatekeeperName } from "./support/gates.ts";
import { type Ground, type Kind, prepare, type Prepared } from "./support/kinds.ts";
import { kill } from "./support/processes.ts";
import { isWhole } from "./support/sample.ts";
import { printTally, tally } from "./support/tally.ts";

const every = ["together", "files", "each", "stamp"] as const satisfies readonly Kind[];
const some = isWhole ? every : every.slice(0, 2);

let ground: Ground;
let prepared: ReadonlyMap<Kind, Prepared>;

beforeAll(async () => {
  const server = await startServer({ settings: ["autovacuum = off"] });
  ground = { server, python: await pythonEnvironment() };
  prepared = await prepare(ground, some);
});

afterAll(async () => {
  printTally("kill matrix, before exec");
  await ground?.server.stop();
});

/** The log goes through a pipe that somebody reads, until they stop. */
type Reader = { readonly fifo: string; readonly stop: () => void; readonly goOn: () => void };

function readLog(): Reader {
  const fifo = path.join(mkdtempSync(path.join(tmpdir(), "preflight-log-")), "stderr");
  execFileSync("mkfifo", [fifo]);
  const cat = spawn("cat", [fifo], { stdio: ["ignore", "ignore", "ignore"] });
  const stop = (): void => {
    kill(cat.pid ?? 0, "SIGSTOP");
    while (!isStopped(cat.pid ?? 0));
    const pipe = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      for (const size of [4096, 1]) fill(pipe, Buffer.alloc(size, "\n"));
    } finally {
      closeSync(pipe);
    }
  };
  return { fifo, stop, goOn: () => kill(cat.pid ?? 0, "SIGCONT") };
}

/** A signal takes a moment: whoever still reads makes room in the pipe. */
function isStopped(pid: number): boolean {
  return /\) [Tt] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
}

/** Until not one more byte goes in. */
function fill(pipe: number, text: Buffer): void {
  try {
    for (;;) writeSync(pipe, text);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
  }
}

/** Its last look has passed, and it cannot say so. */
async function stopVerified(scene: Scene, reader: Reader, command: readonly string[]) {
  const argv = [...programs[scene.each.program]!, "run", "--", ...command];
  const begin = (): Started =>
    start(["sh", "-c", 'exec "$@" 2>"$LOG"', "sh", ...argv], {
      ...scene.place,
      env: { ...scene.place.env, LOG: reader.fifo },
    });
  const run = await scene.gatekeeper.stopAt("looking", begin);
  reader.stop();
  await scene.gatekeeper.open();
  let calm = 0;
  const hasLooked = async (): Promise<boolean> => {
    const busy = await ground.server.sql(
      scene.url,
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
       AND application_name <> '${gatekeeperName}' AND state = 'active'`,
    );
    calm = busy.length === 0 ? calm + 1 : 0;
    return calm > 5;
  };
  await eventually(hasLooked, "the last look has passed", 60_000);
  return run;
}

describe.each(some)("a run that has proved the database at head (%s)", (kind) => {
  async function scene() {
    tally.cases += 1;
    return await setScene(ground, prepared.get(kind)!, {
      kind,
      point: "looking",
      victim: "us",
      program: "binary",
      exits: [null],
      next: [0],
    });
  }

  it("and is killed before it starts the application has not started it; the next one does (fault 22)", async () => {
    const played = await scene();
    const reader = readLog();
    const mark = path.join(path.dirname(reader.fifo), "started");
    const run = await stopVerified(played, reader, ["touch", mark]);
    kill(run.child.pid ?? 0, "SIGKILL");
    tally.kills += 1;
    const ended = await run.ended;
    reader.goOn();
    expect(ended.signal).toBe("SIGKILL");
    expect(existsSync(mark), "the application was not started").toBe(false);
    await expectNoTrace(played);
    await expectWhole(played);
    tally.reruns += 1;
    const next = await played.beginAgain().ended;
    expect(expectLine({ ...next, stdout: "" }, "stderr")).toMatchObject({
      exit: 0,
      verdict: "current",
      actions: [],
    });
    expect(next.stdout).toBe("the application\n");
  });

  it("and then loses its lock does not start the application: somebody else may be at work (fault 28)", async () => {
    const played = await scene();
    const reader = readLog();
    const mark = path.join(path.dirname(reader.fifo), "started");
    const run = await stopVerified(played, reader, ["touch", mark]);
    const holder = await played.gatekeeper.holder();
    expect(holder).not.toBeNull();
    await ground.server.sql(played.url, `SELECT pg_terminate_backend(${holder})`);
    tally.kills += 1;
    reader.goOn();
    const ended = await run.ended;
    expect(ended.exit).toBe(75);
    expect(existsSync(mark), "the application was not started").toBe(false);
    await expectNoTrace(played);
    tally.reruns += 1;
    const next = await played.beginAgain().ended;
    expect(next.exit, next.stderr).toBe(0);
    await expectWhole(played);
  });
});
