import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import process from "node:process";

/** A kind of machine that a binary is built for. */
export type Target = keyof typeof runtimes;

export const bunVersion = "1.4.5";

/**
 * Bun's own executables, one of which is in each binary: npm packages, and what npm says of their integrity
 * (`npm view <package>@<version> dist.integrity`). "baseline": they do without AVX2, which older and some virtual machines lack.
 */
const runtimes = {
  "linux-amd64": {
    npm: "@oven/bun-linux-x64-baseline",
    integrity:
      "sha512-s8yMwYcFnnrA178gji0gZbkE2WVDej/Ti1x770oPfihxyRxSMNhGhiAQNXV53aDeraZxksdvKV/RAdQBCd0qPA==",
  },
  "linux-amd64-musl": {
    npm: "@oven/bun-linux-x64-musl-baseline",
    integrity:
      "sha512-cWJhU8h0+MiUgpSt99sQhjxLIIosKEcKYdtKddohokUvAuN6jKOy7g7+QDTZTXtwHxz93wL3BX+L6wXVPDUH3A==",
  },
  "linux-arm64": {
    npm: "@oven/bun-linux-aarch64",
    integrity:
      "sha512-4BXmsSKnjOrlGWqZV4x/oWa7AVoR+B6lCXddMzOAXBIm3t50eslg9wb66gmtW1AamEQ1l1CDvmmruysEhqOWMg==",
  },
  "linux-arm64-musl": {
    npm: "@oven/bun-linux-aarch64-musl",
    integrity:
      "sha512-XCNc+WvvMAdNNb+OWTogpy+N9wm62fkVeEVLb6how0RZhW5LPi6c7BlkeVCuWps7XjEl2saFpHFa20/1E+PAHg==",
  },
} as const;

export const targets = Object.keys(runtimes) as readonly Target[];

/** The one of this machine, where it is Linux with glibc, which is also the compiler. */
export const ownTarget: Target = process.arch === "arm64" ? "linux-arm64" : "linux-amd64";

const cache = path.join(import.meta.dirname, "../../node_modules/.cache/runtimes");

/** The path of the target's runtime, which is fetched once: npm leaves out packages for other platforms than this one. */
export function fetchRuntime(target: Target): string {
  const { npm, integrity } = runtimes[target];
  const executable = path.join(cache, `${target}-${bunVersion}`);
  if (existsSync(executable)) return executable;

  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(path.join(cache, "fetching-"));
  try {
    const pack = ["pack", "--silent", "--pack-destination", folder, `${npm}@${bunVersion}`];
    const tarball = path.join(folder, execFileSync("npm", pack, { encoding: "utf8" }).trim());
    const seen = `sha512-${createHash("sha512").update(readFileSync(tarball)).digest("base64")}`;
    if (seen !== integrity)
      throw new Error(
        `${npm}@${bunVersion} is ${seen}, and scripts/build/runtimes.ts says ${integrity}`,
      );
    execFileSync("tar", ["-xzf", tarball, "-C", folder, "package/bin/bun"]);
    renameSync(path.join(folder, "package/bin/bun"), executable);
    return executable;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
