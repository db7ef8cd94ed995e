import { readFileSync, statSync } from "node:fs";
import { relative } from "node:path";
import type { HistoryFault } from "../core/history.ts";

export type Unreadable = Extract<HistoryFault, { readonly kind: "unreadable" }>;

/** `file`: path relative to the history's root, with forward slashes. */
export type OpenFile = { readonly file: string; readonly bytes: Buffer } | UnreadableFile;

export type UnreadableFile = {
  readonly kind: "unreadable";
  readonly faults: readonly Unreadable[];
};

/** Without promises: for hundreds of small files they cost more than the reading. */
export function openFile(path: string, root: string): OpenFile {
  const file = relative(root, path).replaceAll("\\", "/");
  try {
    const found = statSync(path);
    // A pipe would never end, and a device neither.
    if (!found.isFile()) return unreadable(file, "it is not a regular file");
    if (found.size > mostBytes) return unreadable(file, `it is larger than ${mostBytes / 1e6} MB`);
    return { file, bytes: readFileSync(path) };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : null;
    if (code === null) throw error;
    return unreadable(file, `it cannot be opened (${code})`);
  }
}

const mostBytes = 100_000_000;

function unreadable(file: string, why: string): UnreadableFile {
  return {
    kind: "unreadable",
    faults: [{ kind: "unreadable", file, line: null, column: null, why }],
  };
}
