import { readdir } from "node:fs/promises";
import { relative } from "node:path";
import type { MigrationTool } from "../../core/migration-tool.ts";
import { enumerate } from "../../core/words.ts";
import type { Tool } from "../tool.ts";

/** A directory of numbered files, and what its tool makes of them. Paths are absolute. */
export type NumberedFiles = {
  readonly tool: Tool;
  readonly directory: string;
  readonly root: string;
  /** null: not a migration. */
  readonly readName: (file: string) => FileName | null;
  /** See `FoundHistory.digests`. */
  readonly digestOf: (text: string) => string;
  /** See `Migration.recorded`. */
  readonly recordedOf: (text: string) => Promise<readonly string[] | null>;
  /** A file without a statement is a placeholder, and no fault. */
  readonly allowsEmpty: boolean;
  /** Why a file's author wants no transaction; null: nothing of that kind is said. */
  readonly whyOutside: (text: string) => string | null;
};

/** The migrations of a directory, not of those below it: as the tool orders versions, then by name. */
export async function listFiles({ tool, directory, root, readName }: NumberedFiles): Promise<{
  readonly files: readonly NamedFile[];
  readonly warnings: readonly string[];
  readonly remarks: readonly string[];
}> {
  const place = relative(root, directory).replaceAll("\\", "/");
  const names = await listSql(directory);
  const files = names.flatMap((file) => {
    const name = readName(file);
    return name === null ? [] : [{ ...name, file: place === "" ? file : `${place}/${file}` }];
  });
  const others = names.filter((file) => readName(file) === null && !isDown(file));
  const warnings = [
    ...(files.length === 0 ? [`There are no migration files in ${directory}.`] : []),
    ...(others.length === 0
      ? []
      : [`Not taken for migrations, because of their names: ${enumerate(others)}.`]),
  ];
  const remarks = describeGaps(files);
  return { files: files.toSorted(byVersion(tool.order)), warnings, remarks };
}

/** [] where there is no such directory. */
export async function listSql(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => !entry.isDirectory() && /\.sql$/i.test(entry.name))
    .map(({ name }) => name)
    .toSorted();
}

export function byVersion(order: MigrationTool["order"]): (a: NamedFile, b: NamedFile) => number {
  return (a, b) => order(a.id, b.id) || (a.file < b.file ? -1 : 1);
}

/** Timestamps have gaps by nature; of numbers that are counted up the usual step is the smallest. */
function describeGaps(files: readonly NamedFile[]): readonly string[] {
  const numbers = [...new Set(files.map(({ id }) => Number(id)))]
    .filter((number) => number < 100_000)
    .toSorted((a, b) => a - b);
  const pairs = numbers.slice(1).map((after, index) => ({ before: numbers[index] ?? 0, after }));
  const step = Math.min(...pairs.map(({ before, after }) => after - before));
  const gaps = pairs
    .filter(({ before, after }) => after - before > step)
    .map(({ before, after }) => `between ${before} and ${after}`);
  return gaps.length === 0
    ? []
    : [`Numbers are missing ${enumerate(gaps)}. Are all files in the image?`];
}

/** What the name of a migration file says. */
export type FileName = {
  /** The digits, as written. */
  readonly id: string;
  readonly name: string;
};

/** `001_name.sql`, `20240131120000-name.sql`, `001.sql`, `001_name.up.sql`; null: no migration of numbered files. */
export function readFileName(file: string): FileName | null {
  if (isDown(file)) return null;
  const [, id, name = ""] = /^(\d+)(?:[-_. ](.*?))??(?:\.up)?\.sql$/is.exec(file) ?? [];
  return id === undefined ? null : { id, name };
}

/** How to undo a migration: never run. */
export function isDown(file: string): boolean {
  return /\.down\.sql$/i.test(file);
}

/** `file`: path relative to the history's root, with forward slashes. */
export type NamedFile = FileName & { readonly file: string };
