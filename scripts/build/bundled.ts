import { readFileSync } from "node:fs";
import path from "node:path";

const root = path.join(import.meta.dirname, "../..");

/** The npm packages whose code the last build of a binary took, in the order of their names. */
export function bundledPackages(): readonly string[] {
  const { inputs } = JSON.parse(readFileSync(path.join(root, "dist/metafile.json"), "utf8")) as {
    readonly inputs: Readonly<Record<string, object>>;
  };
  const names = Object.keys(inputs).flatMap(
    (file) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? [],
  );
  return [...new Set(names)].toSorted();
}
