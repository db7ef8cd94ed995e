import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { docker, runProgram } from "../support/client.ts";
import { installPackages } from "../support/machine.ts";

/**
 * A PATH on which `docker compose` works: as it is, or through Debian's `docker-compose`, which may be the older program that
 * is called so.
 */
export async function ensureCompose(): Promise<string> {
  const PATH = process.env["PATH"] ?? "";
  if (await isThere(PATH)) return PATH;
  if ((await runProgram("docker-compose", ["version"])).code !== 0)
    await installPackages(["docker-compose"], "docker compose");
  if (await isThere(PATH)) return PATH;
  const directory = mkdtempSync(path.join(tmpdir(), "preflight-compose-"));
  const program = path.join(directory, "docker");
  writeFileSync(
    program,
    `#!/bin/sh
[ "$1" != compose ] || { shift; exec docker-compose "$@"; }
PATH='${PATH}' exec docker "$@"
`,
  );
  chmodSync(program, 0o755);
  return `${directory}${path.delimiter}${PATH}`;
}

async function isThere(PATH: string): Promise<boolean> {
  return (await docker(["compose", "version"], { env: { PATH } })).code === 0;
}
