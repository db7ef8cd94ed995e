/**
 * Builds dist/preflight, one file for this machine's kind (glibc), and dist/preflight.mjs, for images that have Node.
 * With the names of targets: dist/<target>/preflight for each, on any machine.
 * The bytes depend on the name of the file, so it is the same for all.
 */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { brotliCompressSync } from "node:zlib";
import { addRunPath, forgetSwitches } from "./build/patch-binary.ts";
import { fetchRuntime, ownTarget, readTarget, type Target } from "./build/runtimes.ts";

const root = path.dirname(import.meta.dirname);
const bun = fetchRuntime(ownTarget);
const entry = "src/main.ts";

const named = parseArgs({ allowPositionals: true }).positionals.map(readTarget);
mkdirSync(path.join(root, "dist"), { recursive: true });
const making = path.relative(root, mkdtempSync(path.join(root, "dist/making-")));
const parserBinary = path.join(root, "dist/parser-binary.js");
writeFileSync(parserBinary, holdParserBinary());
if (named.length === 0) {
  buildForNode("dist/preflight.mjs");
  buildBinary(ownTarget, "dist/preflight");
} else for (const target of named) buildBinary(target, `dist/${target}/preflight`);
rmSync(parserBinary);
rmSync(path.join(root, making), { recursive: true });

/** Whole or not at all: what is being built may be running. The name of the file is in its bytes, that of the directory is not. */
function replace(made: string, file: string): void {
  mkdirSync(path.join(root, path.dirname(file)), { recursive: true });
  renameSync(path.join(root, made), path.join(root, file));
}

function buildForNode(file: string): void {
  const made = path.join(making, path.basename(file));
  build(
    "--target=node",
    "--format=esm",
    "--minify-syntax",
    "--minify-whitespace",
    `--outfile=${made}`,
  );
  addShebang(path.join(root, made));
  replace(made, file);
  saySize(file);
}

function buildBinary(target: Target, file: string): void {
  const made = path.join(making, path.basename(file));
  build(
    "--compile",
    `--compile-executable-path=${fetchRuntime(target)}`,
    `--target=bun-${target.replace("amd64", "x64")}`,
    "--minify",
    "--bytecode",
    "--format=esm",
    "--metafile=dist/metafile.json",
    // Whatever lies in the directory where an application starts must not change what the program does.
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    "--no-compile-autoload-tsconfig",
    "--no-compile-autoload-package-json",
    `--outfile=${made}`,
  );
  const bytes = readFileSync(path.join(root, made));
  forgetSwitches(bytes);
  // Beside /usr/local/bin/preflight: what Alpine does not have is brought along, where no other program finds it.
  if (target.endsWith("-musl")) addRunPath(bytes, "$ORIGIN/../lib/preflight");
  writeFileSync(path.join(root, made), bytes);
  replace(made, file);
  saySize(file);
}

function saySize(file: string): void {
  process.stdout.write(`${file}  ${(statSync(path.join(root, file)).size / 1e6).toFixed(1)} MB\n`);
}

function build(...flags: readonly string[]): void {
  // Where this was built must not be in the bytes; packages that ask where they are never open what lies there.
  const places = ['--define=__dirname="/"', '--define=__filename="/preflight"'];
  execFileSync(bun, ["build", entry, "--conditions=built", ...places, ...flags], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
}

/** Stands for src/pgsql/parser-binary.ts in what is built: nothing of it runs before a script must be parsed. */
function holdParserBinary(): string {
  const wasm = path.join(root, "node_modules/libpg-query/wasm/libpg-query.wasm");
  return `export async function readParserBinary() {
  const { brotliDecompressSync } = await import("node:zlib");
  return brotliDecompressSync(Buffer.from("${brotliCompressSync(readFileSync(wasm)).toString("base64")}", "base64"));
}
`;
}

function addShebang(file: string): void {
  const text = readFileSync(file, "utf8").replace(/^#!.*\n/, "");
  writeFileSync(file, `#!/usr/bin/env node\n${text}`);
  chmodSync(file, 0o755);
}
