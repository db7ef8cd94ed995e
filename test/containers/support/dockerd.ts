import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { docker, mustRun } from "./client.ts";
import { installPackages, isInstalled } from "./machine.ts";

let ours: ChildProcess | null = null;

/** A Docker engine that works: the one that is there, or, as root on Debian, one of our own until `stopEngine`. */
export async function ensureEngine(): Promise<void> {
  const { code, stderr } = await docker(["version"]);
  if (code === 0) return;
  if (process.getuid?.() !== 0)
    throw new Error(
      `the container tests need a Docker engine, and none can be reached: ${stderr.trim()}. Start Docker, or join the group \`docker\`; as root on Debian they install and start one themselves`,
    );
  if (!isInstalled("dockerd")) await installPackages(["docker.io", "iptables"], "a Docker engine");
  await startEngine();
}

/** Ends the engine if it is ours. Its images stay on the disk for the next time. */
export async function stopEngine(): Promise<void> {
  const engine = ours;
  ours = null;
  if (engine === null || engine.exitCode !== null || engine.signalCode !== null) return;
  const ended = new Promise((resolve) => engine.once("exit", resolve));
  engine.kill("SIGTERM");
  const timer = setTimeout(() => engine.kill("SIGKILL"), 30_000);
  await ended;
  clearTimeout(timer);
}

async function startEngine(): Promise<void> {
  await mountControlGroups();
  for (const file of ["/var/run/docker.pid", "/var/run/docker/containerd/containerd.pid"])
    forgetStale(file);
  const log = path.join(mkdtempSync(path.join(tmpdir(), "preflight-dockerd-")), "log");
  const output = openSync(log, "a");
  // In a group of its own: Ctrl-C at the tests stops it through `stopEngine`, after the containers.
  const engine = spawn("dockerd", [], { detached: true, stdio: ["ignore", output, output] });
  engine.unref();
  ours = engine;
  let failure = "";
  engine.once("error", ({ message }) => {
    failure = message;
  });
  const deadline = Date.now() + 60_000;
  while ((await docker(["version"])).code !== 0) {
    if (failure !== "" || engine.exitCode !== null || Date.now() > deadline) {
      await stopEngine();
      throw new Error(`dockerd did not start: ${failure}${readFileSync(log, "utf8").slice(-4000)}`);
    }
    await sleep(200);
  }
}

/** A process id in a file means nothing once the machine or its container has started anew. */
function forgetStale(file: string): void {
  try {
    const pid = readFileSync(file, "utf8").trim();
    const name = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
    if (["dockerd", "containerd"].includes(name)) return;
  } catch {
    // No file, or no such process.
  }
  rmSync(file, { force: true });
}

/** What starts a machine has usually done it; a container or a micro-VM may have none. */
async function mountControlGroups(): Promise<void> {
  if (readdirSync("/sys/fs/cgroup").length > 0) return;
  await installPackages(["cgroupfs-mount"], "control groups");
  await mustRun("cgroupfs-mount", []);
}
