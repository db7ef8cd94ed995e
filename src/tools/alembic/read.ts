import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { CannotJudge } from "../../core/outcome.ts";
import type { Revision } from "../../core/revision.ts";
import { enumerate } from "../../core/words.ts";
import { readFacts } from "../file-text.ts";
import { type OpenFile, openFile, realPath, type Unreadable, exists } from "../files.ts";
import type { Vouched } from "../tool.ts";
import type { AlembicLocation } from "./locate.ts";
import { readRevisionFile, type RevisionFile } from "./revision-file.ts";
import { titleOf } from "./title.ts";
import { keepsRevisionsWhole } from "./transaction.ts";

export type AlembicReading = {
  readonly location: AlembicLocation;
  readonly revisions: readonly Revision[];
  readonly faults: readonly Unreadable[];
  readonly warnings: readonly string[];
};

/** Reads every file that Alembic would load. Throws `CannotJudge("missing-input")` where there is no place to read from. */
export async function readAlembic(
  location: AlembicLocation,
  vouched: Vouched,
): Promise<AlembicReading> {
  await refuseCompiled(location);
  const files = (await listRevisionFiles(location)).map((path) => openFile(path, location.root));
  const known = allVouchedFor(files, vouched);
  const parse = async (each: OpenFile): Promise<RevisionFile> =>
    "bytes" in each ? await readRevisionFile(each.file, each.bytes) : each;
  const read = known ?? (await Promise.all(files.map(parse)));
  const inDoubt = known === null && !(await keepsRevisionsWhole(location.scriptDirectory));
  const revisions = read.flatMap((each) => (each.kind === "revision" ? [each.revision] : []));
  const faults = read.flatMap((each) => (each.kind === "unreadable" ? each.faults : []));
  return {
    location,
    revisions: inDoubt ? revisions.map((each) => ({ ...each, isAtomic: false })) : revisions,
    faults,
    warnings: warningsFor(location, revisions, faults),
  };
}

/** What else a file says is of use only where a ledger is not. */
function allVouchedFor(
  files: readonly OpenFile[],
  vouched: Vouched,
): readonly RevisionFile[] | null {
  if (files.length > vouched.size) return null;
  const known: RevisionFile[] = [];
  for (const each of files) {
    if (!("bytes" in each)) return null;
    const vouchedFor = vouched.get(each.file);
    const text = each.bytes.toString("utf8");
    const facts = readFacts(text);
    if (vouchedFor?.hash !== facts.hash) return null;
    const { id, parents, dependsOn, labels, file, isAtomic } = vouchedFor;
    const stated = { id, parents, dependsOn, labels, file, isAtomic };
    const title = titleOf(file, id, text);
    const revision = { ...stated, title, ...facts, isEmpty: false, sketch: [] };
    known.push({ kind: "revision", revision });
  }
  return known;
}

/** Alembic passes over a version directory that is not there; with none of them it would have nothing to run. */
export async function listRevisionFiles(location: AlembicLocation): Promise<readonly string[]> {
  const present: string[] = [];
  for (const directory of location.versionDirectories)
    if (await exists(directory)) present.push(directory);
  if (present.length === 0)
    throw new CannotJudge(
      "missing-input",
      `${location.place} leads to ${location.versionDirectories.join(", ")}, which does not exist.`,
      ["Copy the revision files into the image."],
    );
  const files = new Set<string>();
  for (const directory of present)
    for (const path of await walk(directory, location.recursive)) {
      // Alembic looks at the name behind a symbolic link, and loads what two links share once.
      const real = realPath(path);
      if (isRevisionName(basename(real))) files.add(real);
    }
  return [...files];
}

/** Alembic's own rule (1.20): every .py file but `__init__*` and an editor's lock files. */
export function isRevisionName(name: string): boolean {
  return /^(?!\.#|__init__).*\.py$/.test(name);
}

async function walk(directory: string, recursive: boolean): Promise<readonly string[]> {
  if (directory.endsWith("__pycache__")) return [];
  const entries: Dirent[] = await readdir(directory, { withFileTypes: true });
  const names = (of: readonly Dirent[]) => of.map(({ name }) => name).toSorted();
  const files = names(entries.filter((entry) => !entry.isDirectory()));
  const below = recursive ? names(entries.filter((entry) => entry.isDirectory())) : [];
  const nested = await Promise.all(
    below.map(async (name) => await walk(join(directory, name), recursive)),
  );
  return [...files.map((name) => join(directory, name)), ...nested.flat()];
}

function warningsFor(
  { place, versionDirectories, scriptDirectory }: AlembicLocation,
  revisions: readonly Revision[],
  faults: readonly Unreadable[],
): readonly string[] {
  const warnings: string[] = [];
  if (runsOnSeveral(join(scriptDirectory, "env.py")))
    warnings.push(
      `${place}: env.py runs each revision on several databases, as Alembic's multidb template does, and only one of its databases is judged: the one whose address Preflight is given. That the others are at head is not known.`,
    );
  if (revisions.length === 0 && faults.length === 0)
    warnings.push(`There are no revision files in ${versionDirectories.join(", ")}.`);
  return warnings;
}

/** What `run_migrations` takes goes to each `upgrade()`: it is there to tell one database from another. */
function runsOnSeveral(envFile: string): boolean {
  const opened = openFile(envFile, dirname(envFile));
  return "bytes" in opened && /\brun_migrations\(\s*\w+\s*=/.test(opened.bytes.toString("utf8"));
}

// Compiled files

/**
 * With `sourceless`, Alembic also loads compiled files, and whatever its `__pycache__` holds: revisions that nobody can
 * read here. Throws `CannotJudge("missing-input")` where there are any without their source.
 */
async function refuseCompiled(location: AlembicLocation): Promise<void> {
  const { place, root, sourceless, recursive, versionDirectories } = location;
  if (!sourceless) return;
  const lists = await Promise.all(versionDirectories.map((at) => listLoaded(at, recursive)));
  const files = lists.flat().map((path) => relative(root, path));
  if (files.length === 0) return;
  const [it, has] = files.length === 1 ? ["it", "has"] : ["them", "have"];
  throw new CannotJudge(
    "missing-input",
    `${place} sets 'sourceless', so Alembic also loads ${enumerate(files, 10)}, which ${has} no .py file beside ${it}. Preflight reads sources only: it cannot tell which revisions these are.`,
    [
      "Copy the .py files into the image, too.",
      `Or delete what is left of revisions that are gone: ${files.length === 1 ? "this file" : "these files"}.`,
    ],
  );
}

/** As Alembic 1.20 goes through a directory. */
async function listLoaded(directory: string, recursive: boolean): Promise<readonly string[]> {
  if (directory.endsWith("__pycache__")) return [];
  const entries = await list(directory);
  const files = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  const stems = new Set(files.map(stemOf));
  const cache = join(directory, "__pycache__");
  const cached = (await list(cache))
    .map(({ name }) => name)
    .filter((name) => !stems.has(stemOf(name)));
  const below = recursive ? entries.filter((entry) => entry.isDirectory()) : [];
  const nested = await Promise.all(
    below.map(({ name }) => listLoaded(join(directory, name), true)),
  );
  return [
    ...(await keepLoaded(directory, files, "compiled")),
    ...(await keepLoaded(cache, cached, "any")),
    ...nested.flat(),
  ];
}

async function list(directory: string): Promise<readonly Dirent[]> {
  return await readdir(directory, { withFileTypes: true }).catch(() => []);
}

function stemOf(name: string): string {
  return name.split(".", 1)[0] ?? "";
}

/** A `.py` file among the sources is one of them; in a cache it is not looked for. */
async function keepLoaded(
  directory: string,
  names: readonly string[],
  which: "compiled" | "any",
): Promise<readonly string[]> {
  const kept: string[] = [];
  for (const name of names) {
    const path = join(directory, name);
    const real = realPath(path);
    const [, source, kind] = /^(?!\.#|__init__)(.*\.py)([co])?$/.exec(basename(real)) ?? [];
    if (source === undefined) continue;
    const at = join(dirname(real), source);
    const isOther = (await exists(at)) || (kind === "o" && (await exists(`${at}c`)));
    if (kind === undefined ? which === "any" : !isOther) kept.push(path);
  }
  return kept.toSorted();
}
