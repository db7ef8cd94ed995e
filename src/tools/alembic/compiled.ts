import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { CannotJudge } from "../../core/outcome.ts";
import { enumerate } from "../../core/words.ts";
import { realPath, exists } from "../files.ts";
import type { AlembicLocation } from "./location.ts";

/**
 * With `sourceless`, Alembic also loads compiled files, and whatever its `__pycache__` holds: revisions that nobody can
 * read here. Throws `CannotJudge("missing-input")` where there are any without their source.
 */
export async function refuseCompiled(location: AlembicLocation): Promise<void> {
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
    ...(await keepLoaded(
      files.map((name) => join(directory, name)),
      "compiled",
    )),
    ...(await keepLoaded(
      cached.map((name) => join(cache, name)),
      "any",
    )),
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
  paths: readonly string[],
  which: "compiled" | "any",
): Promise<readonly string[]> {
  const kept: string[] = [];
  for (const path of paths) {
    const real = realPath(path);
    const [, source, kind] = /^(?!\.#|__init__)(.*\.py)([co])?$/.exec(basename(real)) ?? [];
    if (source === undefined) continue;
    const at = join(dirname(real), source);
    const isOther = (await exists(at)) || (kind === "o" && (await exists(`${at}c`)));
    if (kind === undefined ? which === "any" : !isOther) kept.push(path);
  }
  return kept.toSorted();
}
