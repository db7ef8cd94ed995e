import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { eventually } from "./databases.ts";
import { freePort } from "./postgres.ts";

const run = promisify(execFile);
const cache = path.join(import.meta.dirname, "../../node_modules/.cache/prometheus");

const packages = {
  promtool: "prometheus",
  "prometheus-node-exporter": "prometheus-node-exporter",
  "prometheus-pushgateway": "prometheus-pushgateway",
} as const;

type Program = keyof typeof packages;

/** What `promtool` says, and its exit code. */
export async function promtool(
  args: readonly string[],
  input = "",
): Promise<{ readonly code: number; readonly output: string }> {
  const program = await find("promtool");
  return await new Promise((resolve) => {
    const child = execFile(program, args, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr });
    });
    child.stdin?.end(input);
  });
}

export type Daemon = { readonly url: string; readonly stop: () => void };

/** A real node_exporter that collects the files of a directory, and nothing else. */
export async function startNodeExporter(directory: string): Promise<Daemon> {
  return await startDaemon("prometheus-node-exporter", [
    "--collector.disable-defaults",
    "--web.disable-exporter-metrics",
    "--collector.textfile",
    `--collector.textfile.directory=${directory}`,
  ]);
}

export async function startPushgateway(): Promise<Daemon> {
  return await startDaemon("prometheus-pushgateway", []);
}

async function startDaemon(name: Program, flags: readonly string[]): Promise<Daemon> {
  const program = await find(name);
  const url = `http://127.0.0.1:${await freePort()}`;
  const address = url.replace("http://", "");
  const child = spawn(program, [...flags, `--web.listen-address=${address}`], { stdio: "ignore" });
  const stop = (): void => void child.kill("SIGKILL");
  process.once("exit", stop);
  await eventually(async () => await answers(url, child), `${name} answers`);
  return {
    url,
    stop: () => {
      process.off("exit", stop);
      stop();
    },
  };
}

async function answers(url: string, child: ChildProcess): Promise<boolean> {
  if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode}`);
  return await fetch(`${url}/metrics`).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** On this machine, or unpacked from Debian's package: to install that would start a service. */
async function find(program: Program): Promise<string> {
  const unpacked = path.join(cache, packages[program], "usr/bin", program);
  const installed = path.join("/usr/bin", program);
  for (const file of [installed, unpacked]) if (existsSync(file)) return file;
  try {
    await unpack(packages[program]);
  } catch (error) {
    throw new Error(
      `The tests need ${program}. On Debian: apt-get install -y ${packages[program]} (${String(error)}).`,
      { cause: error },
    );
  }
  return unpacked;
}

async function unpack(name: string): Promise<void> {
  await mkdir(cache, { recursive: true });
  const directory = await mkdtemp(path.join(cache, "unpacking-"));
  try {
    const download = () => run("apt-get", ["download", name], { cwd: directory });
    // A new machine has no lists of packages, and to get them takes root.
    await download().catch(async (error: unknown) => {
      if (process.getuid?.() !== 0) throw error;
      await run("apt-get", ["update"]);
      await download();
    });
    await run("sh", ["-c", "dpkg-deb -x ./*.deb there"], { cwd: directory });
    // Somebody else may have been quicker.
    await rename(path.join(directory, "there"), path.join(cache, name)).catch(() => null);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
