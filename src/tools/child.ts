import { type ChildProcess, spawn } from "node:child_process";
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readSync,
  statSync,
} from "node:fs";
import { delimiter, resolve } from "node:path";
import type { Readable } from "node:stream";
import { CannotJudge } from "../core/outcome.ts";

/** How a child process ended. */
export type ChildEnd =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "killed"; readonly signal: NodeJS.Signals }
  /** Stopped by us: its time was up, or we were told to stop. */
  | { readonly kind: "stopped"; readonly by: "timeout" | "abort" };

export type ChildOptions = {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds; null: no limit. */
  readonly timeout: number | null;
  readonly abort: AbortSignal;
  /** Each line of stdout and stderr, without its line end. */
  readonly onLine: (line: string) => void;
  /** Takes stdout as it comes; `onLine` then gets stderr alone. */
  readonly onStdout?: (bytes: Buffer) => void;
  /** Called before the child is signalled: a killed client does not stop its statement on the server. */
  readonly onStop?: () => Promise<void>;
  /** Signals a process group: as `kill` with a negative number. */
  readonly signalGroup: (group: number, signal: NodeJS.Signals) => void;
  /** Milliseconds between SIGTERM and SIGKILL. */
  readonly grace?: number;
  /** The setting by which another program can be named. */
  readonly setting?: string;
};

/** Milliseconds between SIGTERM and SIGKILL; container engines kill us after ten seconds. */
const usualGrace = 4_000;
/** Milliseconds that `onStop` may hold up the signal. */
const longestNotice = 1_000;

/**
 * Runs a program by argv, without a shell, in a process group of its own.
 * @throws CannotJudge `missing-input` when there is no such program or it cannot be executed
 */
export async function runChild(argv: readonly string[], options: ChildOptions): Promise<ChildEnd> {
  const [program = "", ...args] = argv;
  const start = { ...options, env: withoutRuntimeSwitches(options.env) };
  const child = startProgram(program, args, start);
  // A pipe that breaks ends the output and nothing else: how the child ended is said by its exit.
  const { onLine, onStdout } = options;
  const outputs = [
    onStdout === undefined ? readLines(child.stdout, onLine) : readBytes(child.stdout, onStdout),
    readLines(child.stderr, onLine),
  ].map((reading) => reading.catch(() => {}));
  const stopped = stopWhenAsked(child, options);
  try {
    const end = await ended(child, program, options);
    // A program that did not end by itself leaves nobody of its group behind.
    if (child.pid !== undefined && (stopped.by !== null || end.kind === "killed"))
      options.signalGroup(child.pid, "SIGKILL");
    if (end.kind === "exited" && end.code !== 0 && isForeign(program, start))
      throw cannotStart({ code: "ENOEXEC" }, program, start);
    await Promise.race([Promise.all(outputs), closed(child)]);
    return stopped.by === null ? end : { kind: "stopped", by: stopped.by };
  } finally {
    stopped.release();
  }
}

function ended(child: ChildProcess, program: string, options: ChildOptions): Promise<ChildEnd> {
  return new Promise((resolve, reject) => {
    child.once("error", (error: NodeJS.ErrnoException) => {
      reject(cannotStart(error, program, options));
    });
    child.once("exit", (code, signal) => {
      resolve(signal === null ? { kind: "exited", code: code ?? 0 } : { kind: "killed", signal });
    });
  });
}

/** A grandchild may hold the pipes open after the child is gone; its last words get a second. */
async function closed(child: ChildProcess): Promise<void> {
  const close = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
  });
  await Promise.race([close, atMost(1_000)]);
}

function stopWhenAsked(child: ChildProcess, options: ChildOptions) {
  let killer: NodeJS.Timeout | undefined;
  const state: { by: "timeout" | "abort" | null; release: () => void } = {
    by: null,
    release: () => {
      clearTimeout(timer);
      clearTimeout(killer);
      options.abort.removeEventListener("abort", onAbort);
    },
  };
  const timer =
    options.timeout === null ? undefined : setTimeout(() => void stop("timeout"), options.timeout);
  const onAbort = (): void => void stop("abort");
  options.abort.addEventListener("abort", onAbort);
  if (options.abort.aborted) onAbort();
  return state;

  async function stop(by: "timeout" | "abort"): Promise<void> {
    if (state.by !== null) return;
    state.by = by;
    await Promise.race([options.onStop?.().catch(() => {}), atMost(longestNotice)]);
    if (child.pid === undefined) return;
    options.signalGroup(child.pid, "SIGTERM");
    const grace = options.grace ?? usualGrace;
    killer = setTimeout(options.signalGroup, grace, child.pid, "SIGKILL");
  }
}

function atMost(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds).unref();
  });
}

/** Switches of the runtime inside our own binary; a child of the same runtime is not meant by them. */
function withoutRuntimeSwitches(env: ChildOptions["env"]): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => name !== "BUN_BE_BUN" && !/^BUN_(OPTIONS|INSPECT)/.test(name),
    ),
  );
}

async function readBytes(stream: Readable, onBytes: (bytes: Buffer) => void): Promise<void> {
  for await (const chunk of stream) onBytes(chunk as Buffer);
}

type Start = Pick<ChildOptions, "cwd" | "env" | "setting">;

/** In a process group of its own. Some runtimes throw what others tell later, as an event. */
function startProgram(program: string, args: readonly string[], options: Start) {
  const { cwd, env } = options;
  try {
    return spawn(program, args, {
      cwd,
      env: { ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
  } catch (error) {
    throw cannotStart(error as NodeJS.ErrnoException, program, options);
  }
}

function cannotStart(
  error: Pick<NodeJS.ErrnoException, "code">,
  program: string,
  { env, setting = "--upgrade-command" }: Start,
): CannotJudge {
  const path = env["PATH"] ?? "";
  switch (error.code) {
    case "ENOENT":
      return new CannotJudge("missing-input", `there is no program ${program} on PATH (${path})`, [
        `install ${program} in the image, or put its directory on PATH`,
        `if it is there, its first line (#!) names a program that is not: a virtual environment that was copied from elsewhere has such lines`,
        `or name another command: ${setting}`,
      ]);
    case "EACCES":
    case "ENOEXEC":
      return new CannotJudge(
        "missing-input",
        `${program} cannot be executed (${error.code}); PATH is ${path}`,
        ["check its mode, its architecture and its first line (#!)"],
      );
    default:
      return new CannotJudge("internal", `${program} could not be started: ${error.code}`);
  }
}

/**
 * Whether a program that ended at once with a fault never ran: one of another architecture is given to the shell by
 * Node, as C libraries do with whatever the kernel refuses.
 */
function isForeign(program: string, start: Start): boolean {
  const [file = ""] = filesOf(program, start);
  const [theirs, ours] = [machineOf(file), machineOf("/proc/self/exe")];
  return theirs !== null && ours !== null && theirs !== ours;
}

/** The files that a program's name may mean, the first one first. */
function filesOf(program: string, { cwd, env }: Start): readonly string[] {
  const candidates = program.includes("/")
    ? [resolve(cwd, program)]
    : (env["PATH"] ?? "").split(delimiter).map((directory) => resolve(cwd, directory, program));
  return candidates.filter((each) => statSync(each, { throwIfNoEntry: false })?.isFile());
}

/**
 * Without starting it: that `runChild` will find the program. Where no PATH says where to look, nobody knows.
 * @throws CannotJudge as `runChild`
 */
export function requireProgram(argv: readonly string[], start: Start): void {
  const [program = ""] = argv;
  if (start.env["PATH"] === undefined && !program.includes("/")) return;
  const files = filesOf(program, start);
  const file = files.find(isExecutable);
  if (file === undefined)
    throw cannotStart({ code: files.length === 0 ? "ENOENT" : "EACCES" }, program, start);
  const [, interpreter = "/"] = /^#!\s*(\/\S*)/.exec(beginningOf(file)) ?? [];
  if (!existsSync(interpreter)) throw cannotStart({ code: "ENOENT" }, program, start);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Word size, byte order and kind of processor, as an ELF file begins; null: no machine code. */
function machineOf(file: string): string | null {
  const head = Buffer.from(beginningOf(file), "latin1");
  if (head.toString("latin1", 0, 4) !== "\x7fELF") return null;
  return head.toString("hex", 4, 6) + head.toString("hex", 18, 20);
}

/** Its first bytes, each as a character; "" where it cannot be read. */
function beginningOf(file: string): string {
  const head = Buffer.alloc(256);
  try {
    const descriptor = openSync(file, "r");
    try {
      return head.toString("latin1", 0, readSync(descriptor, head));
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return "";
  }
}

/**
 * What is kept of one line, in UTF-16 units; the rest of it is dropped. It is twice what the report shows of a text, so
 * that a secret which stands where the report cuts is seen whole, and found.
 */
const mostOfLine = 128 * 1024;

/** Each line of a stream without its line end, to the stream's end; bytes that are no UTF-8 come as U+FFFD. */
export async function readLines(stream: Readable, onLine: (line: string) => void): Promise<void> {
  let line = "";
  stream.setEncoding("utf8");
  for await (const chunk of stream) {
    const [first = "", ...others] = String(chunk).split("\n");
    line = keep(line, first);
    for (const part of others) {
      onLine(line.replace(/\r$/, ""));
      line = keep("", part);
    }
  }
  if (line !== "") onLine(line);
}

function keep(line: string, more: string): string {
  const room = mostOfLine - line.length;
  return room <= 0 ? line : line + (more.length <= room ? more : more.slice(0, room));
}

/** @param limit how long it had, in words */
export function describeEnd(end: ChildEnd, limit: string): string {
  switch (end.kind) {
    case "exited":
      return `exited with ${end.code}`;
    case "killed":
      return `was killed by ${end.signal}`;
    case "stopped":
      return `did not end within ${limit} and was stopped`;
  }
}
