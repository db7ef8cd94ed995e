import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { expect } from "vitest";
import { verdictLine, type VerdictLine } from "../../src/report/verdict-schema.ts";

const root = path.join(import.meta.dirname, "../..");
const machinesNode = "/usr/bin/node";

/** The forms in which the program ships, and the module on whatever Node the machine itself has. */
export const programs = {
  binary: [path.join(root, "dist/preflight")],
  module: [process.execPath, path.join(root, "dist/preflight.mjs")],
  ...(existsSync(machinesNode) && {
    oldModule: [machinesNode, path.join(root, "dist/preflight.mjs")],
  }),
} as const satisfies Record<string, readonly string[]>;

export type Program = keyof typeof programs;
export const everyProgram = Object.keys(programs) as Program[];

export type Place = {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Runs the program as this user of the operating system. */
  readonly uid?: number;
};

export type Ended = {
  readonly exit: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
};

export type Started = {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves once stdout and stderr together hold the text; rejects when the process ends without it. */
  readonly says: (text: string) => Promise<void>;
};

/** Starts any program; nothing of this process' environment reaches it. */
export function start(argv: readonly string[], place: Place): Started {
  const [program = "", ...args] = argv;
  const began = performance.now();
  const child = spawn(program, args, {
    cwd: place.cwd,
    env: place.env,
    stdio: "pipe",
    ...(place.uid !== undefined && { uid: place.uid, gid: place.uid }),
  });
  let stdout = "";
  let stderr = "";
  const listeners = new Set<() => void>();
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    for (const listen of listeners) listen();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    for (const listen of listeners) listen();
  });
  child.stdin.on("error", () => {});
  child.stdin.end(place.input ?? "");
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exit, signal) =>
      resolve({ exit, signal, stdout, stderr, ms: performance.now() - began }),
    );
  });
  const says = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const listen = (): void => {
        if (!`${stdout}${stderr}`.includes(text)) return;
        listeners.delete(listen);
        resolve();
      };
      listeners.add(listen);
      listen();
      void ended.then(
        () => reject(new Error(`ended without saying ${text}: ${stdout}${stderr}`)),
        reject,
      );
    });
  says("").catch(() => {});
  return { child, ended, says };
}

export function startProgram(program: Program, args: readonly string[], place: Place): Started {
  return start([...(programs[program] as readonly string[]), ...args], place);
}

export async function runProgram(
  program: Program,
  args: readonly string[],
  place: Place,
): Promise<Ended> {
  return await startProgram(program, args, place).ended;
}

/**
 * What every run that judges owes to its caller: one verdict line, as its last word, valid, short, and true about
 * the exit code; everything else that is ours is JSON too.
 * @param stream where the line must be; the other one must hold none
 */
export function expectLine(ended: Ended, stream: "stdout" | "stderr" = "stdout"): VerdictLine {
  const all = { stdout: linesOf(ended.stdout), stderr: linesOf(ended.stderr) };
  const story = `${ended.stdout}\n${ended.stderr}`;
  const found = [...all.stdout, ...all.stderr].filter((line) => line.startsWith('{"v":1,'));
  expect(found.length, `exactly one verdict line:\n${story}`).toBe(1);
  const last = all[stream].at(-1) ?? "";
  expect(found[0], `the last line of ${stream}:\n${story}`).toBe(last);
  expect(Buffer.byteLength(last)).toBeLessThanOrEqual(4096);
  const line = verdictLine.strict().parse(JSON.parse(last));
  expect(line.exit, story).toBe(ended.exit);
  if (stream === "stdout") expect(all.stdout, "nothing else on stdout").toHaveLength(1);
  for (const text of all.stderr)
    expect(isObject(text), `stderr is JSON, line by line: ${text}`).toBe(true);
  if (line.exit !== 0) {
    expect(line.reason, "a failure has its reason").not.toBeNull();
    expect(line.reason).not.toBe("");
  }
  return line;
}

/** The log's messages, one a line. */
export function logOf({ stderr }: Ended): string {
  return linesOf(stderr)
    .filter(isObject)
    .map((line) => String((JSON.parse(line) as { msg?: unknown }).msg ?? ""))
    .join("\n");
}

function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
