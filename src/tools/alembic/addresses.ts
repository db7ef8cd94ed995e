import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { openFile } from "../files.ts";
import type { Addresses, FixedAddresses, FixedValue } from "../tool.ts";
import { engines, filesRead, secondEngines, type Suspect } from "./engines.ts";
import type { AlembicLocation } from "./locate.ts";
import { listRevisionFiles } from "./read.ts";
import { decodeSource } from "./source.ts";
import type { Node } from "./syntax-node.ts";
import { parsePython } from "./syntax-tree.ts";

export async function readAddresses(location: AlembicLocation): Promise<Addresses> {
  const { scriptDirectory, configFile } = location;
  const env = await suspectsIn(join(scriptDirectory, "env.py"), location, (script) => [
    ...secondEngines(script),
    ...filesRead(script),
  ]);
  const files = await listRevisionFiles(location);
  const revisions = await Promise.all(files.map((path) => suspectsIn(path, location, engines)));
  const text = configFile === null ? "" : await readFile(configFile, "utf8").catch(() => "");
  return { suspects: [env, ...revisions].flat(), fixed: fixedAddresses(location, text) };
}

async function suspectsIn(
  path: string,
  { root }: AlembicLocation,
  find: (script: Node) => readonly Suspect[],
): Promise<readonly string[]> {
  const name = relative(root, path);
  const opened = openFile(path, root);
  if (!("bytes" in opened)) return [`${name} cannot be read`];
  const decoded = decodeSource(opened.bytes);
  if (decoded.kind === "fault") return [`${name} cannot be read: ${decoded.fault.why}`];
  const parsed = await parsePython(decoded.text);
  if (parsed.kind === "fault")
    return [`${name}:${parsed.fault.line} cannot be read: ${parsed.fault.why}`];
  return find(parsed.script).map(({ line, what }) => `${name}:${line} ${what}`);
}

/**
 * The addresses that stand in `alembic.ini`, as its default template has one in `sqlalchemy.url`, and how to make a copy
 * of the file with others. `[DEFAULT] here` keeps what `%(here)s` means, wherever the copy is.
 */
export function fixedAddresses(
  { withIni, configFile, section }: AlembicLocation,
  text: string,
): FixedAddresses | null {
  if (withIni === null || configFile === null) return null;
  const lines = text.split(/\r\n?|\n/);
  const values = addressLines(lines, section);
  if (values.length === 0) return null;
  const here = configFile.slice(0, configFile.lastIndexOf("/"));
  return {
    values: values.map(({ text, isFirst }) => ({ text, isFirst })),
    copyWith: (addresses) => {
      const copy = [...lines];
      for (const [index, { at, head }] of values.entries())
        copy[at] = `${head}${escape(addresses[index] ?? "")}`;
      return ["[DEFAULT]", `here = ${escape(here)}`, "", ...copy].join("\n");
    },
    fileName: "alembic.ini",
    commands: withIni,
    variables: (copy) => ({ ALEMBIC_CONFIG: copy }),
  };
}

type AddressLine = FixedValue & {
  readonly at: number;
  /** The key and its delimiter. */
  readonly head: string;
};

/** Of several sections with addresses, the configuration's own or the first of the multidb template's `databases` is the history's own. */
function addressLines(lines: readonly string[], own: string): readonly AddressLine[] {
  const found: (Omit<AddressLine, "isFirst"> & { readonly section: string })[] = [];
  let section = "";
  let first = ["DEFAULT", own];
  for (const [at, line] of lines.entries()) {
    section = /^\[(.+)\]/.exec(line.trim())?.[1] ?? section;
    const databases = /^\s*databases\s*[=:]\s*([^,\s]+)/.exec(line)?.[1];
    if (databases !== undefined && section === own) first = [...first, databases];
    const [, head, value] = /^([^\s#;[=:][^=:]*[=:]\s*)(\w[\w+]*:\/\/\S.*)$/.exec(line) ?? [];
    if (head !== undefined && value !== undefined)
      found.push({ at, head, section, text: value.trim().replaceAll("%%", "%") });
  }
  return found.map(({ section, ...each }) => ({ ...each, isFirst: first.includes(section) }));
}

function escape(value: string): string {
  return value.replaceAll("%", "%%");
}
