import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";

const root = path.join(import.meta.dirname, "../..");

it("another build of the same source, at another place and time, has the same bytes", () => {
  const copy = mkdtempSync(path.join(tmpdir(), "preflight-source-"));
  for (const name of ["package.json", "tsconfig.json", "scripts", "src", ...bundledPackages()])
    cpSync(path.join(root, name), path.join(copy, name), { recursive: true });
  symlinkSync(path.join(root, "node_modules/.cache"), path.join(copy, "node_modules/.cache"));
  execFileSync(process.execPath, ["scripts/build.ts"], { cwd: copy });

  for (const file of ["dist/preflight", "dist/preflight.mjs"])
    expect(digest(path.join(copy, file)), file).toBe(digest(path.join(root, file)));
  expect(readFileSync(path.join(copy, "dist/preflight.mjs"), "utf8")).not.toContain(copy);
});

/** Copied, not linked: the bundler follows links to where a package really is. */
function bundledPackages(): readonly string[] {
  const text = readFileSync(path.join(root, "dist/metafile.json"), "utf8");
  const { inputs } = JSON.parse(text) as { inputs: Record<string, object> };
  const packages = Object.keys(inputs).map(
    (file) => /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0],
  );
  return [...new Set(packages)].filter((folder) => folder !== undefined);
}

function digest(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
