import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { mustDocker, type Ran, root, type RunOptions, mustRun, runProgram } from "./client.ts";
import { installPackages, isInstalled } from "./machine.ts";

/** Podman's own settings, for every call of ours and for nobody else's. */
const configuration = path.join(root, "node_modules/.cache/containers.conf");

/** An engine that plays Kubernetes' YAML. Inside of a container or a micro-VM it has no systemd and few rights to raise limits. */
const settings = `[containers]
default_ulimits = ["nofile=20000:20000", "nproc=10000:10000"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
`;

let ready: Promise<void> | null = null;

/** Podman that plays a pod: the one that is there, or, as root on Debian, Debian's. */
export async function ensurePodEngine(): Promise<void> {
  ready ??= prepare();
  await ready;
}

async function prepare(): Promise<void> {
  mkdirSync(path.dirname(configuration), { recursive: true });
  writeFileSync(configuration, settings);
  const needed = ["podman", "crun", "catatonit"].filter((name) => !isThere(name));
  // Without aardvark-dns containers do not find each other by name.
  if (needed.length > 0)
    await installPackages(
      ["podman", "crun", "catatonit", "netavark", "aardvark-dns", "iptables"],
      "Podman",
    );
  const { code, stderr } = await podman(["info"]);
  if (code !== 0) throw new Error(`podman does not work here: ${stderr}`);
}

function isThere(name: string): boolean {
  return isInstalled(name) || existsSync(`/usr/libexec/podman/${name}`);
}

export async function podman(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const env = { CONTAINERS_CONF: configuration, ...options.env };
  return await runProgram("podman", args, { ...options, env });
}

/** Gives Podman an image that Docker has, under the same name. */
export async function copyImage(name: string): Promise<void> {
  const wanted = await mustDocker(["image", "inspect", "--format", "{{.Id}}", name]);
  const there = await podman(["image", "inspect", "--format", "{{.Id}}", name]);
  if (there.code === 0 && wanted.endsWith(there.stdout.trim())) return;
  const pipe = `docker save "$1" | podman load --quiet`;
  await mustRun("bash", ["-o", "pipefail", "-c", pipe, "bash", name], {
    env: { CONTAINERS_CONF: configuration },
  });
}
