import { randomUUID } from "node:crypto";
import { closeSync, constants, openSync, readFileSync, statSync, writeSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { isatty } from "node:tty";
import { setFlagsFromString } from "node:v8";
import { cli, type Result } from "./cli.ts";
import { exec } from "./exec.ts";
import { reapOrphans } from "./reap.ts";
import type { FileStatus } from "./settings/sources.ts";
import { tools } from "./tools/registry.ts";

/** The only file that touches the process. Handlers first: as PID 1 a signal without one is ignored. */
const stop = new AbortController();
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const)
  process.on(signal, () => stop.abort(signal));

const isBun = process.versions["bun"] !== undefined;

/**
 * PostgreSQL's parser is one enormous function. Node would compile it anew, with all optimizations, as soon as it has run a little:
 * that takes 600 MB and seconds, for a program that parses a few files and ends.
 */
if (!isBun)
  for (const flag of ["--no-wasm-tier-up", "--no-wasm-dynamic-tiering"]) setFlagsFromString(flag);

try {
  const user = findUser();
  const result = await cli({
    argv: process.argv.slice(2),
    env: process.env,
    cwd: process.cwd(),
    tools,
    // A compiled program's modules are in no directory of the disk.
    programDirectory: import.meta.dirname.startsWith("/$bunfs")
      ? path.dirname(process.execPath)
      : import.meta.dirname,
    osUser: user?.name ?? null,
    osHome: user?.home ?? null,
    runId: randomUUID().slice(0, 8),
    now: () => performance.now(),
    today: () => Date.now(),
    random: Math.random,
    sleep: async (ms, signal) => await sleep(ms, undefined, signal && { signal }),
    signal: stop.signal,
    signalGroup,
    readFile: (path) => readFileSync(path, "utf8"),
    statFile,
    stdout: (text) => write(1, text),
    stderr: (text) => write(2, text),
    stderrIsTerminal: isatty(2),
    terminationLog: writeTerminationLog,
  });
  process.exit(result.kind === "exit" ? result.code : await start(result));
} catch (error) {
  write(2, `preflight: a bug; please report it with these lines: ${placeOf(error)}\n`);
  process.exit(70);
}

/**
 * The operating system's name and home of the user that we are, as libpq finds them; null where it has none, as in many
 * containers. Bun's own answer is what USER and HOME say, whoever we are.
 */
function findUser(): { readonly name: string; readonly home: string } | null {
  try {
    const users = readFileSync("/etc/passwd", "utf8").split("\n");
    const uid = String(process.geteuid?.());
    const [name, , , , , home] =
      users.map((line) => line.split(":")).find(([, , id]) => id === uid) ?? [];
    if (name !== undefined && home !== undefined) return { name, home };
  } catch {
    // Not everywhere are users listed in a file.
  }
  try {
    const { username, homedir } = os.userInfo();
    return isBun ? null : { name: username, home: homedir };
  } catch {
    return null;
  }
}

/** Without the message: here nobody knows yet what is secret. */
function placeOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const frames = (error.stack ?? "").split("\n").filter((line) => /^\s*at /.test(line));
  return [error.name, ...frames].join("\n");
}

async function start({
  command,
  variables,
}: Extract<Result, { readonly kind: "exec" }>): Promise<number> {
  // A signal that came while the last lines were written shows in the next turn of the event loop.
  await nextTurn();
  if (stop.signal.aborted) return 128 + os.constants.signals[stop.signal.reason as NodeJS.Signals];
  if (process.pid === 1 && isBun) await reapOrphans();
  return await exec(command, {
    env: { ...process.env, ...variables },
    execve: process.execve && becomeProgram,
    onSignal: (signal, handler) => void process.on(signal, handler),
    stderr: (text) => write(2, text),
  });
}

/** A reader that went away must not kill a migration, and a full pipe must not lose the verdict. */
function write(descriptor: 1 | 2, text: string): void {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

/**
 * The command must find everything as it was. Modules of Node's own open stderr as a stream, which makes a pipe
 * non-blocking for everybody who shares it; and the runtimes ignore two signals, which a program would inherit, whereas a
 * signal with a handler goes back to its default.
 */
function becomeProgram(file: string, args: readonly string[], env: Record<string, string>): void {
  for (const signal of ["SIGPIPE", "SIGXFSZ"] as const) process.on(signal, () => {});
  if (!isBun) {
    const stream = process.stderr as { _handle?: { setBlocking?: (on: boolean) => void } };
    stream._handle?.setBlocking?.(true);
  }
  process.execve?.(file, args, env);
}

/** Only where Kubernetes has put it, and in the place of what an earlier run in the same container said. */
function writeTerminationLog(text: string): void {
  try {
    const file = openSync("/dev/termination-log", constants.O_WRONLY | constants.O_TRUNC);
    writeSync(file, text);
    closeSync(file);
  } catch {
    // Not in a pod, or not writable: the same line is in the log.
  }
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch {
    // The group is gone already.
  }
}

function statFile(path: string): FileStatus | null {
  try {
    const { mode, uid } = statSync(path);
    return { isFile: (mode & 0o170000) === 0o100000, mode: mode & 0o777, owner: uid };
  } catch {
    return null;
  }
}
