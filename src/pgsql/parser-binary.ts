import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

/** The parser's WebAssembly. A built program holds it itself: scripts/build.ts. */
export async function readParserBinary(): Promise<Uint8Array> {
  const { resolve } = createRequire(import.meta.url);
  return await readFile(resolve("libpg-query/wasm/libpg-query.wasm"));
}
