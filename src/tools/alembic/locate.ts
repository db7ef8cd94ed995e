import { readdir, realpath } from "node:fs/promises";
import { basename, delimiter, dirname, isAbsolute, join, relative, resolve } from "node:path";
import { CannotJudge } from "../../core/outcome.ts";
import { exists, isDirectory, openFile } from "../files.ts";
import type { Commands, Where } from "../tool.ts";
import { alembicCommands, flaskCommands, unknownCommands } from "./commands.ts";
import {
  type Configuration,
  readConfiguration,
  sectionsOf,
  usualSection,
} from "./configuration.ts";

/** Where one Alembic history is, and how its image runs Alembic. All paths are absolute. */
export type AlembicLocation = {
  /** What led here, as a person would name it. */
  readonly place: string;
  readonly configFile: string | null;
  /** Of the configuration file: what `-n` names. */
  readonly section: string;
  readonly scriptDirectory: string;
  readonly versionDirectories: readonly string[];
  /** Directories below the version directories count too. */
  readonly recursive: boolean;
  /** Alembic also loads compiled files, which cannot be read here. */
  readonly sourceless: boolean;
  readonly root: string;
  readonly ledgerDirectory: string;
  readonly commands: Commands;
  /** The same with another ini file, by its absolute path; null: the program that knows this history takes none. */
  readonly withIni: ((path: string) => Commands) | null;
};

/**
 * The histories that `alembic` and `flask db` would find when started in `cwd`. `alembic.ini` and `[tool.alembic]` that
 * lead to the same scripts are one.
 */
export async function findAlembic(where: Where): Promise<readonly AlembicLocation[]> {
  return await findBelow(where, where.cwd);
}

/**
 * The history at a path that a person named. A configuration file is used as by `alembic -c FILE`, `FILE#NAME` as by `-n NAME`
 * besides, a directory that holds one as by `cd DIR && alembic`. A directory of scripts or of revision files can be read too. null:
 * nothing of Alembic's.
 */
export async function locateAlembic(named: string, where: Where): Promise<AlembicLocation | null> {
  const { path, part } = await splitPart(named, where.cwd);
  const target = resolve(where.cwd, path);
  const there = { cwd: target, env: { ...where.env, ALEMBIC_CONFIG: "" } };
  if (!(await isDirectory(target))) return await namedFile(path, part, where);
  if (part !== null) return await namedFile("alembic.ini", part, there);
  const below = await findBelow(there, where.cwd);
  const [only, other] = below;
  if (other === undefined) return only ?? (await scriptsAt(path, target, where));
  const places = below.map(({ place }) => join(path, place)).join(" and ");
  throw new CannotJudge("config", `${path} holds several Alembic histories: ${places}.`, [
    "Name the configuration file: --migrations FILE.",
  ]);
}

/** `flaskDirectory`: where `flask` is started when the configuration beside `cwd`'s env.py is Flask-Migrate's. */
async function findBelow(
  { cwd, env }: Where,
  flaskDirectory: string,
  choose = chooseSection,
): Promise<readonly AlembicLocation[]> {
  const { named, toml, ini } = configFiles(env);
  const read = async (section: string) =>
    await readConfiguration(resolve(cwd, ini), resolve(cwd, toml), section);
  const here = (await read(usualSection)) ?? (await read(await choose(ini, cwd)));
  const nested = "migrations/alembic.ini";
  const below = await readConfiguration(resolve(cwd, nested), resolve(cwd, "pyproject.toml"));
  const locations: AlembicLocation[] = [];
  if (here !== null) {
    const file = here.iniFile === null ? toml : ini;
    const config = named === "" ? null : file;
    const place = placeOf(file, here.section);
    locations.push(await configured(here, { place, config, cwd, flaskDirectory, env }));
  }
  if (below !== null && below.iniFile !== null) {
    const how = { place: nested, config: nested, cwd, flaskDirectory: cwd, env };
    const location = await configured(below, how);
    const scripts = await Promise.all(
      [...locations, location].map(async (each) => await realpath(each.scriptDirectory)),
    );
    if (new Set(scripts).size === scripts.length) locations.push(location);
  }
  return locations;
}

/** Where Alembic looks without `-c`. */
function configFiles(env: Where["env"]) {
  const named = env["ALEMBIC_CONFIG"] ?? "";
  const toml = basename(named) === "pyproject.toml" ? named : "pyproject.toml";
  const ini = named === "" || named === toml ? "alembic.ini" : named;
  return { named, toml, ini };
}

async function namedFile(
  path: string,
  part: string | null,
  { cwd, env }: Where,
): Promise<AlembicLocation> {
  const isToml = basename(path) === "pyproject.toml";
  if (isToml && part !== null)
    throw new CannotJudge("config", `${path} has no sections for Alembic to choose from`, [
      `name it without one: --migrations ${path}`,
    ]);
  const ini = resolve(cwd, isToml ? "alembic.ini" : path);
  const toml = resolve(cwd, isToml ? path : "pyproject.toml");
  const section = part ?? (isToml ? usualSection : await chooseSection(path, cwd));
  const configuration = await readConfiguration(ini, toml, section);
  const file = isToml ? configuration?.tomlFile : configuration?.iniFile;
  if (configuration === null || file === null || file === undefined)
    throw await saysNothing(path, part, cwd);
  const usual = file === resolve(cwd, basename(path)) && (env["ALEMBIC_CONFIG"] ?? "") === "";
  const config = usual && (isToml || basename(path) === "alembic.ini") ? null : path;
  const place = placeOf(path, section);
  return await configured(configuration, { place, config, cwd, flaskDirectory: cwd, env });
}

// Sections

/** `alembic.ini#one`: as `-n one`. A file that has this name itself comes first. */
async function splitPart(
  named: string,
  cwd: string,
): Promise<{ readonly path: string; readonly part: string | null }> {
  const [, path, part] = /^(.*)#([^#]+)$/.exec(named) ?? [];
  if (path === undefined || part === undefined || (await exists(resolve(cwd, named))))
    return { path: named, part: null };
  return { path, part };
}

function placeOf(file: string, section: string): string {
  return section === usualSection ? file : `${file}#${section}`;
}

/** Alembic's usual one, or the only one. Throws `CannotJudge("config")` where there are several others: nobody said which is meant. */
async function chooseSection(file: string, cwd: string): Promise<string> {
  const sections = await sectionsOf(resolve(cwd, file));
  const [only = usualSection, other] = sections;
  if (sections.includes(usualSection)) return usualSection;
  if (other === undefined) return only;
  throw new CannotJudge(
    "config",
    `${file} has no section [alembic], and several that lead to a history: ${sections.join(", ")}.`,
    [
      `Name the one that this application uses: ${wordsFor(file, sections)}`,
      "Or, if its migrations are another tool's, that tool: --tool NAME.",
    ],
  );
}

async function saysNothing(file: string, part: string | null, cwd: string): Promise<CannotJudge> {
  if (part === null)
    return new CannotJudge("config", `${file} says nothing about Alembic.`, [
      "An ini file needs a section [alembic], and pyproject.toml needs [tool.alembic].",
    ]);
  const sections = await sectionsOf(resolve(cwd, file));
  return new CannotJudge("config", `${file} has no section [${part}].`, [
    sections.length === 0
      ? "Name one that sets script_location."
      : `Name one that it has: ${wordsFor(file, sections)}`,
  ]);
}

function wordsFor(file: string, sections: readonly string[]): string {
  return sections.map((name) => `--migrations ${quoted(placeOf(file, name))}`).join(" or ");
}

/** As a shell takes it for one word. */
function quoted(word: string): string {
  return /^[\w./#@%+=:-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

// From configuration to location

type How = Where & {
  readonly place: string;
  /** For `-c`; null where Alembic finds it by itself. */
  readonly config: string | null;
  readonly flaskDirectory: string;
};

async function configured(configuration: Configuration, how: How): Promise<AlembicLocation> {
  const { place, cwd, env } = how;
  const { scriptLocation, recursive, sourceless, section } = configuration;
  const configFile = configuration.iniFile ?? configuration.tomlFile;
  const configDirectory = configFile === null ? cwd : dirname(configFile);
  const search = { cwd, env, prepended: configuration.prependSysPath };
  const flask = scriptLocation === null;
  if (flask && !(await exists(join(configDirectory, "env.py"))))
    throw new CannotJudge("config", `${place}: 'script_location' is missing.`, [
      "Alembic itself would stop at the same place.",
    ]);
  const scriptDirectory = flask ? configDirectory : await resolveResource(scriptLocation, search);
  if (!(await exists(scriptDirectory)))
    throw new CannotJudge(
      "missing-input",
      `${place} says that the scripts are in ${scriptDirectory}, which does not exist.`,
      ["Copy the migration scripts into the image.", `Or correct 'script_location' in ${place}.`],
    );
  const named = await Promise.all(
    (configuration.versionLocations ?? []).map(async (at) => await resolveResource(at, search)),
  );
  const inside = !relative(configDirectory, scriptDirectory).startsWith("..");
  return {
    place,
    configFile,
    section,
    scriptDirectory,
    versionDirectories: named.length > 0 ? named : [join(scriptDirectory, "versions")],
    recursive,
    sourceless,
    // Installed packages lie outside: a path from here to there would differ from image to image.
    root: inside ? configDirectory : scriptDirectory,
    // The histories of one configuration file have a ledger each.
    ledgerDirectory: inside && section !== usualSection ? scriptDirectory : configDirectory,
    commands: flask
      ? flaskCommands(how.flaskDirectory, flaskOption(how.flaskDirectory, scriptDirectory))
      : alembicCommands(cwd, how.config === null ? [] : [how.config], section),
    withIni:
      flask || configuration.iniFile === null
        ? null
        : (ini) => alembicCommands(cwd, isToml(how.config) ? [how.config, ini] : [ini], section),
  };
}

function isToml(config: string | null): config is string {
  return config !== null && basename(config) === "pyproject.toml";
}

function flaskOption(cwd: string, directory: string): string | null {
  const path = relative(cwd, directory);
  return path === "migrations" ? null : path;
}

/** `prepended`: `prepend_sys_path`, as written. */
type Search = Where & { readonly prepended: readonly string[] };

/**
 * A location as Alembic writes it: a path from the working directory, or `package:directory/below`. Throws
 * `CannotJudge("config")` where the package is not found.
 */
async function resolveResource(location: string, search: Search): Promise<string> {
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

// Without configuration

async function scriptsAt(
  path: string,
  target: string,
  where: Where,
): Promise<AlembicLocation | null> {
  const names = await readdir(target);
  const versions = names.includes("versions") ? join(target, "versions") : target;
  if (versions === target && !names.includes("env.py") && !holdsRevisions(target, names))
    return null;
  const leadsHere = ({ scriptDirectory, versionDirectories }: AlembicLocation): boolean =>
    scriptDirectory === target ||
    (versionDirectories.length === 1 && versionDirectories[0] === target);
  const usual = await findBelow(where, where.cwd, async () => usualSection);
  const configuredHere = usual.find(leadsHere);
  if (configuredHere !== undefined) return configuredHere;
  const [section, other] = (await everySection(where)).filter(leadsHere);
  if (section !== undefined && other === undefined) return section;
  return {
    place: path,
    configFile: null,
    section: usualSection,
    scriptDirectory: target,
    versionDirectories: [versions],
    recursive: false,
    sourceless: false,
    root: target,
    ledgerDirectory: target,
    commands: unknownCommands(where.cwd, path),
    withIni: null,
  };
}

/** Other tools' migrations and programs are Python too. */
function holdsRevisions(directory: string, names: readonly string[]): boolean {
  return names.some((name) => {
    const open = name.endsWith(".py") ? openFile(join(directory, name), directory) : null;
    return open !== null && "bytes" in open && open.bytes.includes("down_revision");
  });
}

/** Those that can be read: what is wrong with another one is of no interest here. */
async function everySection(where: Where): Promise<readonly AlembicLocation[]> {
  const { ini } = configFiles(where.env);
  const sections = await sectionsOf(resolve(where.cwd, ini));
  const found = sections.map(async (name) => await namedFile(ini, name, where).catch(() => []));
  return (await Promise.all(found)).flat();
}
