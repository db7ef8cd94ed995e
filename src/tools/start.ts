import { spawn } from "node:child_process";
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { delimiter, resolve } from "node:path";
import { CannotJudge } from "../core/outcome.ts";

type Options = {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By which another program can be named. */
  readonly setting?: string;
};

/** In a process group of its own. Some runtimes throw what others tell later, as an event. */
export function startProgram(program: string, args: readonly string[], options: Options) {
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

export function cannotStart(
  error: Pick<NodeJS.ErrnoException, "code">,
  program: string,
  { env, setting = "--upgrade-command" }: Options,
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
export function isForeign(program: string, { cwd, env }: Options): boolean {
  const candidates = program.includes("/")
    ? [resolve(cwd, program)]
    : (env["PATH"] ?? "").split(delimiter).map((directory) => resolve(cwd, directory, program));
  const file = candidates.find((each) => statSync(each, { throwIfNoEntry: false })?.isFile());
  const [theirs, ours] = [machineOf(file ?? ""), machineOf("/proc/self/exe")];
  return theirs !== null && ours !== null && theirs !== ours;
}

/** Word size, byte order and kind of processor, as an ELF file begins; null: no machine code. */
function machineOf(file: string): string | null {
  const head = Buffer.alloc(20);
  try {
    const descriptor = openSync(file, "r");
    try {
      readSync(descriptor, head);
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return null;
  }
  if (head.toString("latin1", 0, 4) !== "\x7fELF") return null;
  return head.toString("hex", 4, 6) + head.toString("hex", 18, 20);
}
