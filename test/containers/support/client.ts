import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

export const root = path.join(import.meta.dirname, "../../..");

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

export type RunOptions = {
  /** Besides this process' own environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Milliseconds until the program is killed; default: ten minutes. */
  readonly timeout?: number;
};

/** Runs the Docker client; whatever it ends with is the caller's to judge. */
export async function docker(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return await runProgram(client(), args, options);
}

/** Runs the Docker client, which must succeed. @returns stdout without the white space around it */
export async function mustDocker(
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  return await mustRun(client(), args, options);
}

/** Builds with BuildKit, as users do. */
export async function buildImage(
  tag: string,
  context: string,
  words: readonly string[] = [],
): Promise<void> {
  await mustDocker(["build", "--tag", tag, ...words, context], { env: { DOCKER_BUILDKIT: "1" } });
}

let found: string | null = null;

/**
 * The first client on the PATH that builds with BuildKit: from version 23 on it needs its plug-in buildx for that, before it
 * asks the engine.
 */
function client(): string {
  found ??= clients().find(hasBuildKit) ?? "docker";
  return found;
}

function clients(): readonly string[] {
  const directories = (process.env["PATH"] ?? "").split(path.delimiter);
  return directories.map((directory) => path.join(directory, "docker")).filter(existsSync);
}

function hasBuildKit(program: string): boolean {
  const { stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
  const major = Number(/version (\d+)/.exec(stdout)?.[1] ?? 0);
  return major < 23 || spawnSync(program, ["buildx", "version"]).status === 0;
}

export async function mustRun(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await runProgram(program, args, options);
  if (code === 0) return stdout.trim();
  throw new Error(`${program} ${args.join(" ")} ended with ${code}:\n${stdout}${stderr}`);
}

/** @returns the exit code as a shell has it: 128+n by signal n, 127 when there is no such program */
export async function runProgram(
  program: string,
  args: readonly string[],
  { env = {}, input = "", timeout = 600_000 }: RunOptions = {},
): Promise<Ran> {
  const child = spawn(program, args, { env: { ...process.env, ...env }, cwd: root, timeout });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  return await new Promise((resolve) => {
    child.once("error", ({ message }) => resolve({ code: 127, stdout, stderr: message }));
    child.once("close", (code, signal) => {
      if (signal !== null) stderr += `\n${program} was ended by ${signal} after ${timeout} ms`;
      resolve({ code: code ?? 137, stdout, stderr });
    });
  });
}
