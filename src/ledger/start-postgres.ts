import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CannotJudge } from "../core/outcome.ts";
import type { PostgresPrograms } from "./find-postgres.ts";
import type { OsUser } from "./os-user.ts";
import { makeReachable } from "./reachable.ts";
import { watchOver } from "./watchdog.ts";

/** A PostgreSQL server of our own that forgets everything. */
export type OwnServer = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** Path of its Unix socket. */
  readonly socket: string;
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
      runAs === null
        ? found
        : { ...found, directory: await makeReachable(found.directory, directory) };
    await makeCluster(programs, directory, runAs, signal);
    for (let attempt = 1; ; attempt++) {
      const port = await freePort();
      const start = await startServer(programs, directory, port, runAs, signal);
      server = start.server;
      if (start.failure === null) {
        stopWatching = watchOver(server.pid!, directory);
        const socket = join(directory, `.s.PGSQL.${port}`);
        return { host: "127.0.0.1", port, user: superuser, password, socket, stop };
      }
      await endProcess(server);
      if (attempt === 3 || !/could not bind|already in use/i.test(start.failure))
        throw unusable(programs, "postgres", start.failure);
    }
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Dumped schemas give everything to this role. */
const superuser = "postgres";

async function makeCluster(
  programs: PostgresPrograms,
  directory: string,
  runAs: OsUser | null,
  signal: AbortSignal,
): Promise<void> {
  const options = ["--no-sync", "-E", "UTF8", "--locale=C", "-U", superuser, "-A", "scram-sha-256"];
  const files = ["--pwfile", join(directory, "password"), "-D", join(directory, "data")];
  const { child, output } = run(programs, "initdb", [...options, ...files], directory, runAs);
  const stop = (): void => void child.kill("SIGKILL");
  signal.addEventListener("abort", stop, { once: true });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  }).finally(() => signal.removeEventListener("abort", stop));
  signal.throwIfAborted();
  if (code !== 0) throw unusable(programs, "initdb", output());
}

async function startServer(
  programs: PostgresPrograms,
  directory: string,
  port: number,
  runAs: OsUser | null,
  signal: AbortSignal,
): Promise<{ readonly server: ChildProcess; readonly failure: string | null }> {
  const settings = [...serverSettings, `port=${port}`, `unix_socket_directories=${directory}`];
  const { child, output } = run(
    programs,
    "postgres",
    ["-D", join(directory, "data"), ...settings.flatMap((setting) => ["-c", setting])],
    directory,
    runAs,
  );
  let failed: string | null = null;
  child.once("error", (error) => (failed = error.message));
  try {
    for (let waited = 0; waited < 30_000; waited += 25) {
      if (failed !== null) return { server: child, failure: failed };
      if (child.exitCode !== null || child.signalCode !== null)
        return { server: child, failure: output() };
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
  programs: PostgresPrograms,
  name: "initdb" | "postgres",
  args: readonly string[],
  directory: string,
  runAs: OsUser | null,
): { readonly child: ChildProcess; readonly output: () => string } {
  const child = spawn(join(programs.directory, name), args, {
    cwd: directory,
    env: { PATH: programs.directory, LC_ALL: "C", TZ: "UTC" },
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

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        typeof address === "object" && address !== null
          ? resolve(address.port)
          : reject(new Error("no free port")),
      );
    });
  });
}

function unusable(programs: PostgresPrograms, name: string, output: string): CannotJudge {
  const last = output.trim().split("\n").slice(-5).join(" | ");
  return new CannotJudge(
    "missing-input",
    `The scratch server could not be started: ${name} in ${programs.directory} failed: ${last}`,
    ["name a PostgreSQL server for the bake with --scratch-url"],
  );
}
