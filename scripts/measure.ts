import { spawnSync } from "node:child_process";
import { performance } from "node:perf_hooks";

/** Milliseconds that a program takes, from start to end. */
export function time(argv: readonly string[], cwd: string, env: NodeJS.ProcessEnv): number {
  const started = performance.now();
  must(argv, cwd, env);
  return performance.now() - started;
}

/** Throws what it said where it fails. */
export function must(argv: readonly string[], cwd: string, env: NodeJS.ProcessEnv): void {
  const [program = "", ...args] = argv;
  const { status, stderr } = spawnSync(program, args, { cwd, env, encoding: "utf8" });
  if (status !== 0) throw new Error(`${argv.join(" ")} exited with ${status}: ${stderr}`);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
