import { readFileSync, realpathSync, statSync } from "node:fs";
import { stat } from "node:fs/promises";
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
    if (!found.isFile()) return unreadable(file, { why: "it is not a regular file" });
    if (found.size > mostBytes)
      return unreadable(file, { why: `it is larger than ${mostBytes / 1e6} MB` });
    return { file, bytes: readFileSync(path) };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : null;
    if (code === null) throw error;
    return unreadable(file, { why: `it cannot be opened (${code})` });
  }
}

const mostBytes = 100_000_000;

/** Each with its place, as far as that is known. */
export type Flaw = Partial<Pick<Unreadable, "line" | "column">> & Pick<Unreadable, "why">;

export function unreadable(file: string, ...flaws: readonly Flaw[]): UnreadableFile {
  const faults = flaws.map(({ line = null, column = null, why }): Unreadable => ({
    kind: "unreadable",
    file,
    line,
    column,
    why,
  }));
  return { kind: "unreadable", faults };
}

/** A link to nowhere keeps its own name, and cannot be opened. */
export function realPath(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return path;
  }
}

/** Whatever it is. */
export async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}

export async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isDirectory() === true;
}
