import { spawnSync } from "node:child_process";
import { mustRun } from "./client.ts";

export function isInstalled(program: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
}

let listsAreNew = false;

/** Debian's packages, as root. @param what said in the message to whoever cannot */
export async function installPackages(packages: readonly string[], what: string): Promise<void> {
  if (process.getuid?.() !== 0 || !isInstalled("apt-get"))
    throw new Error(
      `the container tests need ${what}: install Debian's ${packages.join(", ")} or your system's counterpart. As root on Debian they install it themselves`,
    );
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  if (!listsAreNew) await mustRun("apt-get", ["update", "-qq"], { env });
  listsAreNew = true;
  const words = ["install", "-y", "-qq", "--no-install-recommends"];
  await mustRun("apt-get", [...words, ...packages], { env });
}
