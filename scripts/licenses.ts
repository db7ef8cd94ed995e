/**
 * Prints the licence texts of everything that is in the last build: our own, those of the npm packages whose code it took, and, out of
 * `licenses/`, those that npm packages do not carry: the runtime with what is inside of it, the parser, the system's libraries.
 *   node scripts/licenses.ts [--for npm]       npm: of preflight.mjs, which has no runtime
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import manifest from "../package.json" with { type: "json" };
import { bundledPackages } from "./build/bundled.ts";

const root = path.dirname(import.meta.dirname);
const { values } = parseArgs({ options: { for: { type: "string", default: "binary" } } });

/** What `preflight.mjs` has, too. */
const withoutRuntime = ["emscripten", "libpg_query", "postgres", "postgresql"].map(
  (name) => `${name}.txt`,
);

const texts = [
  { name: `${manifest.name} ${manifest.version}`, text: read("LICENSE") },
  ...bundledPackages().flatMap(ofPackage),
  ...readdirSync(path.join(root, "licenses"))
    .filter((file) => file.endsWith(".txt"))
    .filter((file) => values.for !== "npm" || withoutRuntime.includes(file))
    .toSorted()
    .map((file) => ({ name: file.replace(".txt", ""), text: read("licenses", file) })),
];
for (const { name, text } of texts) {
  const rule = "=".repeat(78);
  process.stdout.write(`${rule}\n${name}\n${rule}\n\n${text.trim()}\n\n`);
}

/** A package without a file of its own must have one in `licenses/`. */
function ofPackage(name: string) {
  const folder = path.join(root, "node_modules", name);
  const { version } = JSON.parse(read("node_modules", name, "package.json")) as { version: string };
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
  if (files.length === 0 && !readdirSync(path.join(root, "licenses")).includes(`${name}.txt`))
    throw new Error(`${name} brings no licence text: put it into licenses/${name}.txt`);
  return files
    .toSorted()
    .map((file) => ({ name: `${name} ${version}`, text: read("node_modules", name, file) }));
}

function read(...names: readonly string[]): string {
  return readFileSync(path.join(root, ...names), "utf8");
}
