import { readFileSync } from "node:fs";
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
    return { file, bytes: readFileSync(path) };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : null;
    if (code === null) throw error;
    const why = `it cannot be opened (${code})`;
    return {
      kind: "unreadable",
      faults: [{ kind: "unreadable", file, line: null, column: null, why }],
    };
  }
}
