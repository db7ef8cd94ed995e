import { accessSync, constants } from "node:fs";
import { delimiter, resolve } from "node:path";

/** As a shell finds it, which also takes a path. */
export function findProgram(name: string, path: string, cwd: string): string | null {
  const candidates = name.includes("/")
    ? [resolve(cwd, name)]
    : path.split(delimiter).map((directory) => resolve(cwd, directory, name));
  return candidates.find(isExecutable) ?? null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
