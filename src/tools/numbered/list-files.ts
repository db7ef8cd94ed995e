import { readdir } from "node:fs/promises";
import { relative } from "node:path";
import { byNumber, partsOf } from "../../core/migration-tool.ts";
import { groupByNumber } from "../../core/spelling.ts";
import { enumerate } from "../../core/words.ts";
import { findOthers, isCode, type OtherFile } from "../other-tools.ts";
import type { Tool } from "../tool.ts";

/** Whose versions are numbers, or times, and so follow one another. */
export type NumberedTool = Tool & { readonly order: NonNullable<Tool["order"]> };

/** A directory of numbered files, and what its tool makes of them. Paths are absolute. */
export type NumberedFiles = {
  readonly tool: NumberedTool;
  readonly directory: string;
  readonly root: string;
  /** null: not a migration. */
  readonly readName: (file: string) => FileName | null;
  /** See `FoundHistory.digests`. */
  readonly digestOf: (text: string) => string;
  /** See `Migration.recorded`. */
  readonly recordedOf: (text: string) => Promise<readonly string[] | null>;
  /** A file without a statement does nothing, and is recorded; but one that `preflight new` wrote is to be written yet. */
  readonly isUnwritten: (text: string) => boolean;
  /** Its own tool passes over whatever else is in the directory. Otherwise what is another tool's, or code, is a fault. */
  readonly passesOverOthers: boolean;
  /** Why a file's author wants no transaction; null: nothing of that kind is said. */
  readonly whyOutside: (text: string) => string | null;
};

/** The migrations of a directory, not of those below it: as the tool orders versions, then by name. */
export async function listFiles(numbered: NumberedFiles): Promise<{
  readonly files: readonly NamedFile[];
  /** Migrations that only another tool can run, or a program: without them a part of the history would run. */
  readonly others: readonly OtherFile[];
  readonly warnings: readonly string[];
  readonly remarks: readonly string[];
}> {
  const { tool, directory, root, readName } = numbered;
  const place = relative(root, directory).replaceAll("\\", "/");
  const inPlace = (file: string): string => (place === "" ? file : `${place}/${file}`);
  const names = await listNames(directory);
  const numberedFiles = names.flatMap((file) => {
    const name = readName(file);
    return name === null ? [] : [{ ...name, file: inPlace(file) }];
  });
  const files = tool.versions === "numbers" ? tellApart(numberedFiles) : numberedFiles;
  const others = numbered.passesOverOthers ? [] : await findOthers(directory);
  const isOther = new Set(others.map(({ file }) => file));
  const unknown = names.filter(
    (file) => readName(file) === null && !isDown(file) && !isOther.has(file),
  );
  const warnings = [
    ...(files.length === 0 ? [`There are no migration files in ${directory}.`] : []),
    ...(unknown.length === 0
      ? []
      : [`Not taken for migrations, because of their names: ${enumerate(unknown)}.`]),
  ];
  return {
    files: files.toSorted(byVersion(tool.order)),
    others: others.map((other) => ({ ...other, file: inPlace(other.file) })),
    warnings,
    remarks: [...describeGaps(numberedFiles), ...describeShared(files)],
  };
}

/** Of files of SQL or code; [] where there is no such directory. */
export async function listNames(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => !entry.isDirectory() && (/\.sql$/i.test(entry.name) || isCode(entry.name)))
    .map(({ name }) => name)
    .toSorted();
}

/** Where several have one number, each has its name in its version, as long as that tells them apart. */
function tellApart(files: readonly NamedFile[]): readonly NamedFile[] {
  const groups = [...groupByNumber(files, ({ id }) => id).values()];
  return groups.flatMap((sharing) => {
    const names = new Set(sharing.map(({ name }) => name));
    const named = sharing.map(withName);
    const isTold = named.every(({ id, name }) => name !== "" && partsOf(id).name === name);
    return isTold && sharing.length > 1 && names.size === sharing.length ? named : sharing;
  });
}

/** As one of several with its number is called. */
export function withName(file: NamedFile): NamedFile {
  return { ...file, id: `${file.id}_${file.name}` };
}

function describeShared(files: readonly NamedFile[]): readonly string[] {
  const named = files.filter(({ id, name }) => id.endsWith(`_${name}`));
  return [...groupByNumber(named, ({ id }) => id).values()].map((sharing) => {
    const ids = sharing.map(({ id }) => id).toSorted(byNumber);
    return `${ids.length} files have one number, and run in the order of their names: ${ids.join(", ")}`;
  });
}

export function byVersion(order: NumberedTool["order"]): (a: NamedFile, b: NamedFile) => number {
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
  /** The digits, or the date with its marks, as written. */
  readonly id: string;
  readonly name: string;
};

/** `001_name.sql`, `20240131120000-name.sql`, `2024-01-31_name.sql`, `001.sql`, `001_name.up.sql`; null: no migration of numbered files. */
export function readFileName(file: string): FileName | null {
  if (isDown(file) || !/\.sql$/i.test(file)) return null;
  const { number, name } = partsOf(file);
  return number === file ? null : { id: number, name };
}

/** How to undo a migration: never run. */
export function isDown(file: string): boolean {
  return /\.down\.sql$/i.test(file);
}

/** `file`: path relative to the history's root, with forward slashes. */
export type NamedFile = FileName & { readonly file: string };
