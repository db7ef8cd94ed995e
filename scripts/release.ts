/**
 * Makes a release out of the commit that is checked out: dist/release/ holds the npm package, a binary for each kind of machine, their bill
 * of materials and licence texts, and the checksums of all.
 *   node scripts/release.ts --dry-run [target]…      only makes it; without targets, for all
 *   node scripts/release.ts                          and publishes the npm package
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import manifest from "../package.json" with { type: "json" };
import { readTarget, runtimes } from "./build/runtimes.ts";

const root = path.dirname(import.meta.dirname);
const folder = path.join(root, "dist/release");
const { version } = manifest;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { "dry-run": { type: "boolean", default: false } },
});
const targets = (positionals.length > 0 ? positionals : Object.keys(runtimes)).map(readTarget);

const faults = findFaults();
if (faults.length > 0 && !values["dry-run"]) throw new Error(faults.join("; "));
for (const fault of faults) process.stderr.write(`not for a release yet: ${fault}\n`);

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
script("build.ts");
script("build.ts", ...targets);
for (const target of targets) {
  const name = `preflight-${version}-${target}`;
  copyFileSync(path.join(root, "dist", target, "preflight"), path.join(folder, name));
  chmodSync(path.join(folder, name), 0o755);
}
const tarball = script("package.ts").trim();
copyFileSync(path.join(root, tarball), path.join(folder, path.basename(tarball)));
const described = targets.flatMap((target) => ["--target", target]);
writeFileSync(path.join(folder, "sbom.cdx.json"), script("sbom.ts", ...described));
writeFileSync(path.join(folder, "preflight.licenses"), script("licenses.ts"));
writeFileSync(path.join(folder, "SHA256SUMS"), checksums());

const publish = ["publish", "--access", "public", path.join(folder, path.basename(tarball))];
process.stdout.write(`${readdirSync(folder).join("\n")}

in dist/release. Then:
  npm ${publish.join(" ")}
  docker build ${imageArguments().join(" ")} -t preflight:${version} .
`);
if (!values["dry-run"]) execFileSync("npm", publish, { stdio: "inherit" });

/** What a release needs and a trial does not. */
function findFaults(): readonly string[] {
  const [, heading = ""] =
    /^## (.*)$/m.exec(readFileSync(path.join(root, "CHANGELOG.md"), "utf8")) ?? [];
  return [
    ...(git("status", "--porcelain") === "" ? [] : ["there are changes that are not committed"]),
    ...(heading.startsWith(`${version} (`) && /\(\d{4}-\d\d-\d\d\)$/.test(heading)
      ? []
      : [`CHANGELOG.md begins with '${heading}', not with '${version} (the day)'`]),
  ];
}

/** Fills the images' labels, and gives their files the time of the commit. */
function imageArguments(): readonly string[] {
  const remote = git("config", "--get", "--default", "", "remote.origin.url");
  const named = {
    VERSION: version,
    REVISION: git("rev-parse", "HEAD"),
    ...(URL.canParse(remote) && { SOURCE: remote }),
    SOURCE_DATE_EPOCH: git("show", "--no-patch", "--format=%ct", "HEAD"),
  };
  return Object.entries(named).map(([name, value]) => `--build-arg ${name}=${value}`);
}

function checksums(): string {
  return readdirSync(folder)
    .toSorted()
    .map((file) => {
      const bytes = readFileSync(path.join(folder, file));
      return `${createHash("sha256").update(bytes).digest("hex")}  ${file}\n`;
    })
    .join("");
}

function script(name: string, ...args: readonly string[]): string {
  return execFileSync(process.execPath, [path.join(root, "scripts", name), ...args], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
}

function git(...args: readonly string[]): string {
  return execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
}
