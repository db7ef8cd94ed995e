import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { openFile } from "../open-file.ts";
import type { Addresses } from "../tool.ts";
import { engines, filesRead, secondEngines, type Suspect } from "./engines.ts";
import { fixedAddresses } from "./fixed-addresses.ts";
import type { AlembicLocation } from "./location.ts";
import { listRevisionFiles } from "./read.ts";
import { decodeSource } from "./source.ts";
import { parsePython } from "./syntax-tree.ts";
import type { Node } from "./syntax-node.ts";

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
