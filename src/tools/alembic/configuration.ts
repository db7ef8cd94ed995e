import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { CannotJudge } from "../../core/outcome.ts";

/** What Alembic would take from its configuration files, as written there. */
export type Configuration = {
  /** Absolute paths of the files that exist; at least one of them does. */
  readonly iniFile: string | null;
  readonly tomlFile: string | null;
  /** Of the ini file: what `-n` names; of `pyproject.toml` there is only one. */
  readonly section: string;
  /** null: not set; programs that start Alembic themselves, such as Flask-Migrate, set it in code. */
  readonly scriptLocation: string | null;
  readonly versionLocations: readonly string[] | null;
  readonly prependSysPath: readonly string[];
  readonly recursive: boolean;
  readonly sourceless: boolean;
};

/** What Alembic reads without `-n`. */
export const usualSection = "alembic";

/**
 * Reads `alembic.ini` and `[tool.alembic]` of `pyproject.toml` as Alembic 1.20 does: the ini file wins where both have a key.
 * null: neither says anything about Alembic. Throws `CannotJudge("config")` where Alembic would stop.
 */
export async function readConfiguration(
  iniPath: string,
  tomlPath: string,
  section: string = usualSection,
): Promise<Configuration | null> {
  const ini = await readIniFile(iniPath, section);
  const toml = await readTomlFile(tomlPath);
  if (ini === null && toml === null) return null;
  const read = (key: string): unknown => iniValue(ini, key) ?? tomlValue(toml, tomlPath, key);
  const list = (
    key: string,
    spellings: readonly string[],
    split: RegExp,
  ): readonly string[] | null =>
    iniList(ini, key, spellings, split) ?? tomlList(toml, tomlPath, key);
  return {
    iniFile: ini === null ? null : iniPath,
    tomlFile: toml === null ? null : tomlPath,
    section,
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

/** The sections of an ini file that lead to a history, as `-n` names them, and the usual one; [] where there is no such file. */
export async function sectionsOf(path: string): Promise<readonly string[]> {
  const ini = (await parseIniFile(path)) ?? new Map();
  const isShared = ini.get(defaults)?.has("script_location") === true;
  return [...ini].flatMap(([name, keys]) => {
    if (name === usualSection) return [name];
    const isOther = name === defaults || (isShared && othersSections.test(name));
    return !isOther && (isShared || keys.has("script_location")) ? [name] : [];
  });
}

/** Python's logging, and what runs after a new file is written. */
const othersSections =
  /^(?:loggers|handlers|formatters|(?:logger|handler|formatter)_.*|post_write_hooks)$/;

/** What `config.get_main_option()` gives to env.py; null: the ini file does not have it, or there is none. */
export async function readOption(
  path: string,
  section: string,
  key: string,
): Promise<string | null> {
  const isIni = !path.endsWith(".toml");
  return isIni ? iniValue(await readIniFile(path, section), key.toLowerCase()) : null;
}

type Section = { readonly ini: Ini; readonly name: string; readonly path: string };

async function readIniFile(path: string, name: string): Promise<Section | null> {
  const ini = await parseIniFile(path);
  return ini?.has(name) === true ? { ini, name, path } : null;
}

async function parseIniFile(path: string): Promise<Ini | null> {
  const text = await readText(path);
  if (text === null) return null;
  const file = parseIni(text);
  if (file.kind === "fault") throw faulty(`${path}:${String(file.fault.line)}`, file.fault.why);
  return file.ini;
}

function iniValue(section: Section | null, key: string): string | null {
  if (section === null) return null;
  const { ini, name, path } = section;
  const read = readIni(ini, name, key, { here: slashes(dirname(path)) });
  if (read.kind === "fault") throw faulty(path, `'${key}': ${read.why}`);
  return read.kind === "value" ? read.value : null;
}

/** `spellings`: keys that may name the separator, first one wins; without any, Alembic splits by `otherwise`. */
function iniList(
  section: Section | null,
  key: string,
  spellings: readonly string[],
  otherwise: RegExp,
): readonly string[] | null {
  const value = iniValue(section, key);
  if (section === null || value === null || value === "") return null;
  const spelling = spellings.find((name) => iniValue(section, name) !== null);
  if (spelling === undefined) return value.split(otherwise);
  const separator = separators.get(iniValue(section, spelling) ?? "");
  if (separator === undefined)
    throw faulty(
      section.path,
      `'${spelling}' must be one of: ${[...separators.keys()].join(", ")}`,
    );
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

/**
 * The dialect of Python's ConfigParser, as Alembic reads `alembic.ini`: both delimiters, lower-cased keys, values that go on
 * over indented lines, `%(name)s` and `%%`, a DEFAULT section. Written here because no package on npm reads values that
 * go on over several lines, which `version_locations` uses.
 */

/** Sections, each with its keys in lower case and its values as written. Lines of one value are joined by `\n`. */
export type Ini = ReadonlyMap<string, ReadonlyMap<string, string>>;

type IniFault = { readonly line: number; readonly why: string };

export type IniFile =
  | { readonly kind: "ini"; readonly ini: Ini }
  | { readonly kind: "fault"; readonly fault: IniFault };

const defaults = "DEFAULT";

export function parseIni(text: string): IniFile {
  const sections = new Map<string, Map<string, string>>();
  let section: Map<string, string> | null = null;
  let key: string | null = null;
  let indent = 0;
  const fault = (line: number, why: string): IniFile => ({ kind: "fault", fault: { line, why } });

  for (const [index, line] of text.split(/\r\n?|\n/).entries()) {
    const value = line.trim();
    if (value.startsWith("#") || value.startsWith(";")) continue;
    const deep = line.search(/\S/);
    if (section !== null && key !== null && (value === "" || deep > indent)) {
      section.set(key, `${section.get(key) ?? ""}\n${value}`);
      continue;
    }
    if (value === "") continue;
    indent = deep;
    const header = /^\[(.+)\]/.exec(value)?.[1];
    if (header !== undefined) {
      if (sections.has(header) && header !== defaults)
        return fault(index + 1, `section [${header}] stands there twice`);
      section = sections.get(header) ?? new Map<string, string>();
      sections.set(header, section);
      key = null;
      continue;
    }
    if (section === null) return fault(index + 1, "a line stands before the first section");
    const delimiter = value.search(/[=:]/);
    if (delimiter < 1)
      return fault(index + 1, "a line is neither a section nor a key with a value");
    key = value.slice(0, delimiter).trimEnd().toLowerCase();
    if (section.has(key)) return fault(index + 1, `'${key}' stands there twice`);
    section.set(key, value.slice(delimiter + 1).trimStart());
  }
  return { kind: "ini", ini: sections };
}

export type IniValue =
  | { readonly kind: "value"; readonly value: string }
  | { readonly kind: "absent" }
  | { readonly kind: "fault"; readonly why: string };

/** The value of a key with its references filled in; `given` are values that the program itself adds, such as `here`. */
export function readIni(
  ini: Ini,
  section: string,
  key: string,
  given: Readonly<Record<string, string>>,
): IniValue {
  const lookUp = (name: string): string | undefined =>
    ini.get(section)?.get(name) ??
    ini.get(defaults)?.get(name) ??
    (Object.hasOwn(given, name) ? given[name] : undefined);
  const raw = ini.has(section) ? lookUp(key) : undefined;
  if (raw === undefined) return { kind: "absent" };
  try {
    return {
      kind: "value",
      value: interpolate(raw.trimEnd(), lookUp, 10, { left: mostReferences }),
    };
  } catch (error) {
    if (error instanceof BadReference) return { kind: "fault", why: error.message };
    throw error;
  }
}

class BadReference extends Error {}

/** Ten levels that each refer ten times are ten thousand million values, and Python would compute them all. */
const mostReferences = 1_000;

/** Never quotes the value: it may hold a password. */
function interpolate(
  raw: string,
  lookUp: (name: string) => string | undefined,
  depth: number,
  references: { left: number },
): string {
  if (depth === 0) throw new BadReference("its references go round in circles");
  return raw.replace(/%(?:(%)|\(([^)]{1,1000})\)s)?/g, (_all, percent?: string, name?: string) => {
    if (percent !== undefined) return "%";
    if (name === undefined) throw new BadReference("a single '%' must be written '%%'");
    const value = lookUp(name.toLowerCase());
    if (value === undefined) throw new BadReference(`'%(${name})s' is not defined`);
    references.left -= 1;
    if (references.left < 0) throw new BadReference("it refers to more values than anybody needs");
    return interpolate(value.trimEnd(), lookUp, depth - 1, references);
  });
}
