import { readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { CannotJudge } from "../../core/outcome.ts";
import { exists } from "../files.ts";
import type { Where } from "../tool.ts";
import { alembicCommands, flaskCommands, unknownCommands } from "./commands.ts";
import { type Configuration, readConfiguration } from "./configuration.ts";
import type { AlembicLocation } from "./location.ts";
import { resolveResource } from "./resource.ts";

/**
 * The histories that `alembic` and `flask db` would find when started in `cwd`. `alembic.ini` and `[tool.alembic]` that
 * lead to the same scripts are one.
 */
export async function findAlembic(where: Where): Promise<readonly AlembicLocation[]> {
  return await findBelow(where, where.cwd);
}

/**
 * The history at a path that a person named. A configuration file is used as by `alembic -c FILE`, a directory that holds
 * one as by `cd DIR && alembic`. A directory of scripts or of revision files can be read too. null: nothing of Alembic's.
 */
export async function locateAlembic(path: string, where: Where): Promise<AlembicLocation | null> {
  const target = resolve(where.cwd, path);
  if (!(await stat(target)).isDirectory()) return await namedFile(path, where);
  const below = await findBelow(
    { cwd: target, env: { ...where.env, ALEMBIC_CONFIG: "" } },
    where.cwd,
  );
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
): Promise<readonly AlembicLocation[]> {
  const named = env["ALEMBIC_CONFIG"] ?? "";
  const toml = basename(named) === "pyproject.toml" ? named : "pyproject.toml";
  const ini = named === "" || named === toml ? "alembic.ini" : named;
  const here = await readConfiguration(resolve(cwd, ini), resolve(cwd, toml));
  const nested = "migrations/alembic.ini";
  const below = await readConfiguration(resolve(cwd, nested), resolve(cwd, "pyproject.toml"));
  const locations: AlembicLocation[] = [];
  if (here !== null) {
    const place = here.iniFile === null ? toml : ini;
    const config = named === "" ? null : place;
    locations.push(await configured(here, { place, config, cwd, flaskDirectory, env }));
  }
  if (below !== null && below.iniFile !== null) {
    const how = { place: nested, config: nested, cwd, flaskDirectory: cwd, env };
    const location = await configured(below, how);
    if (!(await hasSameScripts(locations, location))) locations.push(location);
  }
  return locations;
}

async function hasSameScripts(
  known: readonly AlembicLocation[],
  location: AlembicLocation,
): Promise<boolean> {
  const real = await realpath(location.scriptDirectory);
  const others = await Promise.all(
    known.map(async (other) => await realpath(other.scriptDirectory)),
  );
  return others.includes(real);
}

async function namedFile(path: string, { cwd, env }: Where): Promise<AlembicLocation> {
  const isToml = basename(path) === "pyproject.toml";
  const configuration = await readConfiguration(
    resolve(cwd, isToml ? "alembic.ini" : path),
    resolve(cwd, isToml ? path : "pyproject.toml"),
  );
  const file = isToml ? configuration?.tomlFile : configuration?.iniFile;
  if (configuration === null || file === null || file === undefined)
    throw new CannotJudge("config", `${path} says nothing about Alembic.`, [
      "An ini file needs a section [alembic], and pyproject.toml needs [tool.alembic].",
    ]);
  const usual = file === resolve(cwd, basename(path)) && (env["ALEMBIC_CONFIG"] ?? "") === "";
  const config = usual && (isToml || basename(path) === "alembic.ini") ? null : path;
  return await configured(configuration, { place: path, config, cwd, flaskDirectory: cwd, env });
}

// From configuration to location

type How = {
  readonly place: string;
  /** For `-c`; null where Alembic finds it by itself. */
  readonly config: string | null;
  readonly cwd: string;
  readonly flaskDirectory: string;
  readonly env: Where["env"];
};

async function configured(configuration: Configuration, how: How): Promise<AlembicLocation> {
  const { cwd, env } = how;
  const configFile = configuration.iniFile ?? configuration.tomlFile;
  const configDirectory = configFile === null ? cwd : dirname(configFile);
  const search = { cwd, env, prepended: configuration.prependSysPath };
  const flask = configuration.scriptLocation === null;
  if (flask && !(await exists(join(configDirectory, "env.py"))))
    throw new CannotJudge("config", `${how.place}: 'script_location' is missing.`, [
      "Alembic itself would stop at the same place.",
    ]);
  const scriptDirectory = flask
    ? configDirectory
    : await resolveResource(configuration.scriptLocation ?? "", search);
  if (!(await exists(scriptDirectory)))
    throw new CannotJudge(
      "missing-input",
      `${how.place} says that the scripts are in ${scriptDirectory}, which does not exist.`,
      [
        "Copy the migration scripts into the image.",
        `Or correct 'script_location' in ${how.place}.`,
      ],
    );
  const named = await Promise.all(
    (configuration.versionLocations ?? []).map(async (at) => await resolveResource(at, search)),
  );
  const inside = !relative(configDirectory, scriptDirectory).startsWith("..");
  return {
    place: how.place,
    configFile,
    scriptDirectory,
    versionDirectories: named.length > 0 ? named : [join(scriptDirectory, "versions")],
    recursive: configuration.recursive,
    sourceless: configuration.sourceless,
    // Installed packages lie outside: a path from here to there would differ from image to image.
    root: inside ? configDirectory : scriptDirectory,
    ledgerDirectory: configDirectory,
    commands: flask
      ? flaskCommands(how.flaskDirectory, flaskOption(how.flaskDirectory, scriptDirectory))
      : alembicCommands(cwd, how.config === null ? [] : [how.config]),
    withIni:
      flask || configuration.iniFile === null
        ? null
        : (ini) => alembicCommands(cwd, isToml(how.config) ? [how.config, ini] : [ini]),
  };
}

function isToml(config: string | null): config is string {
  return config !== null && basename(config) === "pyproject.toml";
}

function flaskOption(cwd: string, directory: string): string | null {
  const path = relative(cwd, directory);
  return path === "migrations" ? null : path;
}

// Without configuration

async function scriptsAt(
  path: string,
  target: string,
  where: Where,
): Promise<AlembicLocation | null> {
  const names = await readdir(target);
  const versions = names.includes("versions") ? join(target, "versions") : target;
  if (versions === target && !names.some((name) => name.endsWith(".py"))) return null;
  const usual = await findAlembic(where);
  const configuredHere = usual.find(
    ({ scriptDirectory, versionDirectories }) =>
      scriptDirectory === target ||
      (versionDirectories.length === 1 && versionDirectories[0] === target),
  );
  if (configuredHere !== undefined) return configuredHere;
  return {
    place: path,
    configFile: null,
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
