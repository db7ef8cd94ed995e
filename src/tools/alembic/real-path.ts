import { realpathSync } from "node:fs";

/** A link to nowhere keeps its own name, and cannot be opened. */
export function realPath(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return path;
  }
}
