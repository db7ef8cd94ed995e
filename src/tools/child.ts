import type { ChildProcess } from "node:child_process";
import { readLines } from "./lines.ts";
import { cannotStart, isForeign, startProgram } from "./start.ts";

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
  /** Called before the child is signalled: a killed client does not stop its statement on the server. */
  readonly onStop?: () => Promise<void>;
  /** Signals a process group: as `kill` with a negative number. */
  readonly signalGroup: (group: number, signal: NodeJS.Signals) => void;
};

/** Between SIGTERM and SIGKILL. */
const grace = 5_000;

/**
 * Runs a program by argv, without a shell, in a process group of its own.
 * @throws CannotJudge `missing-input` when there is no such program or it cannot be executed
 */
export async function runChild(argv: readonly string[], options: ChildOptions): Promise<ChildEnd> {
  const [program = "", ...args] = argv;
  const where = { cwd: options.cwd, env: withoutRuntimeSwitches(options.env) };
  const child = startProgram(program, args, where);
  // A pipe that breaks ends the output and nothing else: how the child ended is said by its exit.
  const outputs = [child.stdout, child.stderr].map((stream) =>
    readLines(stream, options.onLine).catch(() => {}),
  );
  const stopped = stopWhenAsked(child, options);
  try {
    const end = await ended(child, program, options.env);
    if (end.kind === "exited" && end.code !== 0 && isForeign(program, where))
      throw cannotStart(
        { name: "", message: "", code: "ENOEXEC" },
        program,
        where.env["PATH"] ?? "",
      );
    await Promise.race([Promise.all(outputs), closed(child)]);
    return stopped.by === null ? end : { kind: "stopped", by: stopped.by };
  } finally {
    stopped.release();
  }
}

function ended(child: ChildProcess, program: string, env: ChildOptions["env"]): Promise<ChildEnd> {
  return new Promise((resolve, reject) => {
    child.once("error", (error: NodeJS.ErrnoException) => {
      reject(cannotStart(error, program, env["PATH"] ?? ""));
    });
    child.once("exit", (code, signal) => {
      resolve(signal === null ? { kind: "exited", code: code ?? 0 } : { kind: "killed", signal });
    });
  });
}

/** A grandchild may hold the pipes open after the child is gone; its last words get a second. */
function closed(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once("close", () => resolve());
    setTimeout(resolve, 1_000).unref();
  });
}

function stopWhenAsked(child: ChildProcess, options: ChildOptions) {
  const state: { by: "timeout" | "abort" | null; release: () => void } = {
    by: null,
    release: () => {
      clearTimeout(timer);
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
    await options.onStop?.().catch(() => {});
    if (child.pid === undefined) return;
    options.signalGroup(child.pid, "SIGTERM");
    setTimeout(options.signalGroup, grace, child.pid, "SIGKILL").unref();
  }
}

/** Switches of the runtime inside our own binary; a child of the same runtime is not meant by them. */
function withoutRuntimeSwitches(env: ChildOptions["env"]): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => name !== "BUN_BE_BUN" && !/^BUN_(OPTIONS|INSPECT)/.test(name),
    ),
  );
}
