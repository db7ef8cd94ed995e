import { readdir } from "node:fs/promises";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { CannotJudge } from "../../core/outcome.ts";
import { isDirectory } from "../files.ts";

export type Search = {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `prepend_sys_path`, as written. */
  readonly prepended: readonly string[];
};

/**
 * A location as Alembic writes it: a path from the working directory, or `package:directory/below`. Throws
 * `CannotJudge("config")` where the package is not found.
 */
export async function resolveResource(location: string, search: Search): Promise<string> {
  if (isAbsolute(location) || !location.includes(":")) return resolve(search.cwd, location);
  const [name = "", ...below] = location.split(":");
  const directories = await packageDirectories(search);
  for (const directory of directories) {
    const found = join(directory, ...name.split("."));
    if (await isDirectory(found)) return join(found, ...below);
  }
  // A damaged file may have anything here, an address with its password too.
  const what = /^[\w.]+(?::[\w./-]*)+$/.test(location)
    ? `The package '${name}' of '${location}'`
    : "A location that is neither a path nor package:directory";
  throw new CannotJudge("config", `${what} was not found; looked in ${directories.join(", ")}.`, [
    "Name the directory that holds the revision files: --migrations DIRECTORY.",
  ]);
}

/** Where Python would look, in its order, as far as that can be known without asking it. */
async function packageDirectories({ cwd, env, prepended }: Search): Promise<readonly string[]> {
  const environments = [
    env["VIRTUAL_ENV"] ?? "",
    join(cwd, ".venv"),
    join(cwd, "venv"),
    "/usr/local",
  ];
  const installed = await Promise.all(environments.filter((path) => path !== "").map(sitePackages));
  const own = [
    ...prepended,
    ...(env["PYTHONPATH"] ?? "").split(delimiter).filter((path) => path !== ""),
    ".",
    // An editable installation leads here.
    "src",
  ].map((path) => resolve(cwd, path));
  return [...new Set([...own, ...installed.flat()])];
}

async function sitePackages(environment: string): Promise<readonly string[]> {
  const libraries = join(environment, "lib");
  const names = await readdir(libraries).catch(() => []);
  return names
    .filter((name) => /^python3(?:\.\d+)?$/.test(name))
    .toSorted()
    .map((name) => join(libraries, name, "site-packages"));
}
