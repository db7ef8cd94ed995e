import { spawn } from "node:child_process";
import { accessSync, closeSync, constants, openSync, readSync, statSync } from "node:fs";
import os from "node:os";
import path from "node:path";

/** What becoming another program needs of the process. */
export type Exec = {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Replaces the process image; not in every runtime. */
  readonly execve:
    | ((file: string, args: readonly string[], env: Record<string, string>) => void)
    | undefined;
  readonly onSignal: (signal: NodeJS.Signals, handler: () => void) => void;
  readonly stderr: (text: string) => void;
};

/**
 * Becomes the command, so that its signals and its exit status are its own. Where the runtime cannot
 * (Node before 22.15), stays as its parent, passes signals on and ends as it ended.
 * @returns the exit code: 127 when there is no such program, 126 when it cannot be executed, as in a shell
 */
export async function exec(command: readonly string[], world: Exec): Promise<number> {
  const [name = "", ...args] = command;
  const found = findProgram(name, world.env["PATH"] ?? "");
  if (found.kind === "none") {
    world.stderr(`preflight: ${name}: ${found.why}\n`);
    return found.why === "not found" ? 127 : 126;
  }
  if (world.execve === undefined || !canBecome(found.file))
    return await stayAsParent(found.file, name, args, world);
  const env = Object.entries(world.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  world.execve(found.file, [name, ...args], Object.fromEntries(env));
  return 126;
}

type Program =
  | { readonly kind: "file"; readonly file: string }
  | { readonly kind: "none"; readonly why: "not found" | "cannot be executed" };

function findProgram(name: string, searchPath: string): Program {
  const candidates = name.includes("/")
    ? [path.resolve(name)]
    : searchPath.split(path.delimiter).map((directory) => path.resolve(directory, name));
  let why: "not found" | "cannot be executed" = "not found";
  for (const file of candidates) {
    const found = statSync(file, { throwIfNoEntry: false });
    // On PATH a directory is passed over; where it is named as a path, it is no program.
    if (found?.isFile() !== true) {
      if (found !== undefined && name.includes("/")) why = "cannot be executed";
      continue;
    }
    try {
      accessSync(file, constants.X_OK);
      return { kind: "file", file };
    } catch {
      why = "cannot be executed";
    }
  }
  return { kind: "none", why };
}

/**
 * Node ends with SIGABRT when the kernel refuses the file, and it knows two kinds: machine code, and a text that names a
 * program which is there. Whether anything else can be run shows when it is tried as a child.
 */
function canBecome(file: string): boolean {
  const head = readHead(file);
  if (head.startsWith("\x7fELF")) return true;
  const interpreter = /^#![ \t]*([^\s\0]+)/.exec(head)?.[1];
  return interpreter !== undefined && findProgram(interpreter, "").kind === "file";
}

function readHead(file: string): string {
  const buffer = Buffer.alloc(256);
  try {
    const descriptor = openSync(file, "r");
    try {
      return buffer.toString("latin1", 0, readSync(descriptor, buffer));
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return "";
  }
}

const passedOn = [
  "SIGTERM",
  "SIGINT",
  "SIGHUP",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGWINCH",
] as const satisfies readonly NodeJS.Signals[];

function stayAsParent(
  file: string,
  name: string,
  args: readonly string[],
  world: Exec,
): Promise<number> {
  return new Promise((resolve) => {
    // Before the command is there: one that comes while it starts waits for the next turn of the event loop.
    for (const signal of passedOn) world.onSignal(signal, () => child.kill(signal));
    const child = spawn(file, args, { argv0: name, env: { ...world.env }, stdio: "inherit" });
    child.once("error", ({ message }) => {
      world.stderr(`preflight: ${name}: ${message}\n`);
      resolve(126);
    });
    child.once("exit", (code, signal) => {
      resolve(signal === null ? (code ?? 0) : 128 + os.constants.signals[signal]);
    });
  });
}
