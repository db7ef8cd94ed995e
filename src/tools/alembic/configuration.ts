import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { CannotJudge } from "../../core/outcome.ts";
import { type Ini, parseIni, readIni } from "./ini.ts";

/** What Alembic would take from its configuration files, as written there. */
export type Configuration = {
  /** Absolute paths of the files that exist; at least one of them does. */
  readonly iniFile: string | null;
  readonly tomlFile: string | null;
  /** null: not set; programs that start Alembic themselves, such as Flask-Migrate, set it in code. */
  readonly scriptLocation: string | null;
  readonly versionLocations: readonly string[] | null;
  readonly prependSysPath: readonly string[];
  readonly recursive: boolean;
  readonly sourceless: boolean;
};

/**
 * Reads `alembic.ini` and `[tool.alembic]` of `pyproject.toml` as Alembic 1.20 does: the ini file wins where both have a key.
 * null: neither says anything about Alembic. Throws `CannotJudge("config")` where Alembic would stop.
 */
export async function readConfiguration(
  iniPath: string,
  tomlPath: string,
): Promise<Configuration | null> {
  const ini = await readIniFile(iniPath);
  const toml = await readTomlFile(tomlPath);
  if (ini === null && toml === null) return null;
  const read = (key: string): unknown =>
    iniValue(ini, iniPath, key) ?? tomlValue(toml, tomlPath, key);
  const list = (
    key: string,
    spellings: readonly string[],
    split: RegExp,
  ): readonly string[] | null =>
    iniList(ini, iniPath, key, spellings, split) ?? tomlList(toml, tomlPath, key);
  return {
    iniFile: ini === null ? null : iniPath,
    tomlFile: toml === null ? null : tomlPath,
    scriptLocation: text(read("script_location"), "script_location", tomlPath),
    versionLocations: list(
      "version_locations",
      ["path_separator", "version_path_separator"],
      /, *| +/,
    ),
    prependSysPath: list("prepend_sys_path", ["path_separator"], /, *| +|:/) ?? [],
    recursive: flag(read("recursive_version_locations")),
    sourceless: flag(read("sourceless")),
  };
}

// alembic.ini

async function readIniFile(path: string): Promise<Ini | null> {
  const text = await readText(path);
  if (text === null) return null;
  const file = parseIni(text);
  if (file.kind === "fault") throw faulty(`${path}:${String(file.fault.line)}`, file.fault.why);
  return file.ini.has("alembic") ? file.ini : null;
}

function iniValue(ini: Ini | null, path: string, key: string): string | null {
  if (ini === null) return null;
  const read = readIni(ini, "alembic", key, { here: slashes(dirname(path)) });
  if (read.kind === "fault") throw faulty(path, `'${key}': ${read.why}`);
  return read.kind === "value" ? read.value : null;
}

/** `spellings`: keys that may name the separator, first one wins; without any, Alembic splits by `otherwise`. */
function iniList(
  ini: Ini | null,
  path: string,
  key: string,
  spellings: readonly string[],
  otherwise: RegExp,
): readonly string[] | null {
  const value = iniValue(ini, path, key);
  if (value === null || value === "") return null;
  const spelling = spellings.find((name) => iniValue(ini, path, name) !== null);
  if (spelling === undefined) return value.split(otherwise);
  const separator = separators.get(iniValue(ini, path, spelling) ?? "");
  if (separator === undefined)
    throw faulty(path, `'${spelling}' must be one of: ${[...separators.keys()].join(", ")}`);
  return value
    .split(separator)
    .filter((part) => part !== "")
    .map((part) => part.trim());
}

const separators: ReadonlyMap<string, string> = new Map([
  ["space", " "],
  ["newline", "\n"],
  // An image is Linux: `os.pathsep` is a colon.
  ["os", ":"],
  [":", ":"],
  [";", ";"],
]);

// pyproject.toml

type Table = Readonly<Record<string, unknown>>;

/** `[tool.alembic]`, or null where there is none. */
async function readTomlFile(path: string): Promise<Table | null> {
  const text = await readText(path);
  // Parsing costs more than looking, and most projects keep other tools' settings here.
  if (text === null || !text.includes("alembic")) return null;
  const { parse } = await import("smol-toml");
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    throw faulty(path, error instanceof Error ? (error.message.split("\n")[0] ?? "") : "not TOML");
  }
  const tool = isTable(document) ? document["tool"] : undefined;
  const table = isTable(tool) ? tool["alembic"] : undefined;
  if (table === undefined) return null;
  if (!isTable(table)) throw faulty(path, "'tool.alembic' is not a table");
  return table;
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function tomlValue(table: Table | null, path: string, key: string): unknown {
  const value = table?.[key];
  return typeof value === "string" ? substitute(value, key, path) : value;
}

function tomlList(table: Table | null, path: string, key: string): readonly string[] | null {
  const value = table?.[key];
  if (value === undefined) return null;
  if (!Array.isArray(value) || value.some((item) => typeof item !== "string"))
    throw faulty(path, `'${key}' must be a list of strings`);
  return value.map((item: string) => substitute(item, key, path));
}

/** Python's `value % {"here": …}`. */
function substitute(value: string, key: string, path: string): string {
  return value.replace(/%(?:(%)|\(here\)s)?/g, (all, percent?: string) => {
    if (percent !== undefined) return "%";
    if (all === "%") throw faulty(path, `'${key}': only '%(here)s' and '%%' are known here`);
    return slashes(dirname(path));
  });
}

// Both

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : null;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw new CannotJudge("missing-input", `${path} cannot be read (${String(code)})`);
  }
}

function text(value: unknown, key: string, path: string): string | null {
  if (value === undefined || value === null || value === "") return null;
  if (typeof value !== "string") throw faulty(path, `'${key}' must be text`);
  return value;
}

/** Exactly `true` in an ini file, a boolean in TOML. */
function flag(value: unknown): boolean {
  return value === true || value === "true";
}

function slashes(path: string): string {
  return resolve(path).replaceAll("\\", "/");
}

function faulty(where: string, why: string): CannotJudge {
  return new CannotJudge("config", `${where}: ${why}`, [
    "Correct it: Alembic itself would stop at the same place.",
  ]);
}
