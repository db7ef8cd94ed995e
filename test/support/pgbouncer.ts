import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chown, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import postgres from "postgres";
import { freePort, type TestServer } from "./postgres.ts";

type PoolMode = "session" | "transaction" | "statement";

export type Bouncer = {
  /** The same database, through the pooler. */
  readonly through: (url: string) => string;
  /** What the admin console says to `SHOW …`. */
  readonly show: (what: string) => Promise<readonly Record<string, unknown>[]>;
  readonly stop: () => Promise<void>;
};

export type BouncerOptions = {
  readonly mode: PoolMode;
  /** Server connections for one user in one database. */
  readonly size: number;
  /** Roles that log in with SCRAM; without any, everybody is trusted. */
  readonly passwords?: Readonly<Record<string, string>>;
  /** More lines for the section [pgbouncer]. */
  readonly settings?: readonly string[];
};

const program = "/usr/sbin/pgbouncer";

/** A real PgBouncer before a test server, never as root. */
export async function startBouncer(server: TestServer, options: BouncerOptions): Promise<Bouncer> {
  await install();
  const directory = await mkdtemp(join(tmpdir(), "preflight-pgbouncer-"));
  const port = await freePort();
  const owner = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const settings = join(directory, "pgbouncer.ini");
  const users = join(directory, "users.txt");
  await writeFile(users, usersOf(options));
  await writeFile(settings, settingsOf(server, options, { port, users }));
  if (owner.uid !== undefined)
    for (const path of [directory, settings, users]) await chown(path, owner.uid, owner.gid);
  const child = spawn(program, [settings], {
    ...owner,
    cwd: directory,
    stdio: ["ignore", "ignore", "pipe"],
  });
  // A test process that dies must not leave a pooler behind.
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  const console = `postgres://pgbouncer:pgbouncer@127.0.0.1:${port}/pgbouncer`;
  const bouncer: Bouncer = {
    through: (url) => {
      const changed = new URL(url);
      changed.port = String(port);
      for (const [user, password] of Object.entries(options.passwords ?? {}))
        if (changed.username === user) changed.password = password;
      return changed.href;
    },
    show: async (what) => await ask(console, `SHOW ${what}`),
    stop: async () => {
      await end(child);
      process.off("exit", kill);
      await rm(directory, { recursive: true, force: true });
    },
  };
  try {
    await untilUp(bouncer, child);
    return bouncer;
  } catch (error) {
    await bouncer.stop();
    throw error;
  }
}

const administrator = "pgbouncer";

function usersOf({ passwords = {} }: BouncerOptions): string {
  const users = { postgres: "", ...passwords, [administrator]: administrator };
  return Object.entries(users)
    .map(([name, password]) => `"${name}" "${password}"\n`)
    .join("");
}

function settingsOf(
  server: TestServer,
  { mode, size, passwords, settings = [] }: BouncerOptions,
  { port, users }: { readonly port: number; readonly users: string },
): string {
  return [
    "[databases]",
    `* = host=${server.host} port=${server.port}`,
    "[pgbouncer]",
    "listen_addr = 127.0.0.1",
    `listen_port = ${port}`,
    "unix_socket_dir =",
    `auth_type = ${passwords === undefined ? "trust" : "scram-sha-256"}`,
    `auth_file = ${users}`,
    `admin_users = ${administrator}`,
    `pool_mode = ${mode}`,
    `default_pool_size = ${size}`,
    "max_client_conn = 200",
    ...settings,
    "",
  ].join("\n");
}

async function untilUp(bouncer: Bouncer, child: ChildProcess): Promise<void> {
  let output = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4000);
  });
  const deadline = Date.now() + 30_000;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`pgbouncer ended: ${output}`);
    try {
      await bouncer.show("VERSION");
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(50);
    }
  }
}

async function ask(url: string, text: string): Promise<readonly Record<string, unknown>[]> {
  const client = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} });
  try {
    return [...(await client.unsafe(text).simple())] as Record<string, unknown>[];
  } finally {
    await client.end({ timeout: 1 });
  }
}

/** Its SIGTERM is an immediate shutdown. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((done) => {
    child.once("exit", () => done());
  });
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
  await ended;
  clearTimeout(timer);
}

async function install(): Promise<void> {
  if (await isThere()) return;
  if (process.getuid?.() === 0)
    await promisify(execFile)("apt-get", [
      "install",
      "-y",
      "--no-install-recommends",
      "pgbouncer",
    ]).catch(() => null);
  if (await isThere()) return;
  throw new Error(
    `The tests need PgBouncer (${program}). On Debian: apt-get install -y --no-install-recommends pgbouncer.`,
  );
}

async function isThere(): Promise<boolean> {
  return await stat(program).then(
    () => true,
    () => false,
  );
}
