/**
 * Packs the npm package of the last build, out of dist/npm. It needs nothing at run time, so its
 * package.json asks for nothing; the repository's own stays private.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import manifest from "../package.json" with { type: "json" };

const root = path.dirname(import.meta.dirname);
const folder = path.join(root, "dist/npm");

const { name, version, description, license, type, engines } = manifest;
const bin = { preflight: "preflight.mjs" };
const files = ["dist/preflight.mjs", "README.md", "CHANGELOG.md", "LICENSE"];

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const file of files)
  copyFileSync(path.join(root, file), path.join(folder, path.basename(file)));
const licenses = [path.join(root, "scripts/licenses.ts"), "--for", "npm"];
writeFileSync(
  path.join(folder, "preflight.licenses"),
  execFileSync(process.execPath, licenses, { encoding: "utf8" }),
);
writeFileSync(
  path.join(folder, "package.json"),
  `${JSON.stringify({ name, version, description, license, type, bin, engines }, null, 2)}\n`,
);
const pack = ["pack", folder, "--silent", "--pack-destination", path.join(root, "dist")];
process.stdout.write(`dist/${execFileSync("npm", pack, { encoding: "utf8" })}`);
