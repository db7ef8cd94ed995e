/** Builds dist/preflight (one file, glibc x64) and dist/preflight.mjs (for images that have Node). */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { brotliCompressSync } from "node:zlib";

const root = path.dirname(import.meta.dirname);
const bun = path.join(root, "node_modules/.bin/bun");
const entry = "src/main.ts";

mkdirSync(path.join(root, "dist"), { recursive: true });
const parserBinary = path.join(root, "dist/parser-binary.js");
writeFileSync(parserBinary, holdParserBinary());
build(
  "--target=node",
  "--format=esm",
  "--minify-syntax",
  "--minify-whitespace",
  "--outfile=dist/preflight.mjs",
);
addShebang(path.join(root, "dist/preflight.mjs"));
build(
  "--compile",
  "--minify",
  "--bytecode",
  "--format=esm",
  // Whatever lies in the directory where an application starts must not change what the program does.
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
  "--no-compile-autoload-tsconfig",
  "--no-compile-autoload-package-json",
  "--outfile=dist/preflight",
);
rmSync(parserBinary);
forgetSwitches(path.join(root, "dist/preflight"));
for (const file of ["dist/preflight", "dist/preflight.mjs"])
  process.stdout.write(`${file}  ${(statSync(path.join(root, file)).size / 1e6).toFixed(1)} MB\n`);

function build(...flags: readonly string[]): void {
  execFileSync(bun, ["build", entry, "--conditions=built", ...flags], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
}

/** Stands for src/tools/sql/parser-binary.ts in what is built: nothing of it runs before a script must be parsed. */
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

/**
 * The runtime inside the binary has switches of its own in the environment: with BUN_BE_BUN=1, `preflight run` is `bun run`,
 * which judges nothing and ends with 0, and BUN_OPTIONS loads other code first. In small letters nobody sets them.
 */
function forgetSwitches(file: string): void {
  const bytes = readFileSync(file);
  for (const name of ["BUN_BE_BUN", "BUN_OPTIONS"]) {
    const at = bytes.indexOf(`\0${name}\0`);
    if (at === -1) throw new Error(`${name} is not where this version of Bun had it`);
    bytes.write(name.toLowerCase(), at + 1);
  }
  writeFileSync(file, bytes);
}
