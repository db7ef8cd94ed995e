import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A program of the machine's, of a Debian package with the same name unless another one is given. */
export async function needProgram(name: string, debian = name): Promise<void> {
  if (await isThere(name)) return;
  if (process.getuid?.() === 0)
    await run("apt-get", ["install", "-y", "--no-install-recommends", debian]).catch(() => null);
  if (await isThere(name)) return;
  throw new Error(`The tests need ${name}. On Debian: apt-get install -y ${debian}.`);
}

async function isThere(name: string): Promise<boolean> {
  return await run(name, ["--version"]).then(
    () => true,
    () => false,
  );
}
