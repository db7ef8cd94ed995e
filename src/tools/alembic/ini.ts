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
    if (value === "") {
      if (section !== null && key !== null) section.set(key, `${section.get(key) ?? ""}\n`);
      continue;
    }
    const deep = line.search(/\S/);
    if (section !== null && key !== null && deep > indent) {
      section.set(key, `${section.get(key) ?? ""}\n${value}`);
      continue;
    }
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
