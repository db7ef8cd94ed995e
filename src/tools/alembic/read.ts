import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CannotJudge } from "../../core/outcome.ts";
import type { Revision } from "../../core/revision.ts";
import { readFacts } from "../file-text.ts";
import { type OpenFile, openFile, realPath, type Unreadable, exists } from "../files.ts";
import type { Vouched } from "../tool.ts";
import { refuseCompiled } from "./compiled.ts";
import type { AlembicLocation } from "./location.ts";
import { readRevisionFile, type RevisionFile } from "./revision-file.ts";
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
    const facts = readFacts(each.bytes.toString("utf8"));
    if (vouchedFor?.hash !== facts.hash) return null;
    const { id, parents, dependsOn, labels, file, isAtomic } = vouchedFor;
    const stated = { id, parents, dependsOn, labels, file, isAtomic };
    known.push({ kind: "revision", revision: { ...stated, ...facts, isEmpty: false, sketch: [] } });
  }
  return known;
}

async function parse(each: OpenFile): Promise<RevisionFile> {
  return "bytes" in each ? await readRevisionFile(each.file, each.bytes) : each;
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
