import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { Migration, Statement } from "../../src/core/migration.ts";
import { CannotJudge } from "../../src/core/outcome.ts";
import type { Database } from "../../src/database/database.ts";
import { cannotGoOn } from "../../src/database/errors.ts";
import type { MigrateOptions, MigrationEnd } from "../../src/database/migrate-work.ts";
import { ensureVersionTable, migrate } from "../../src/database/migrate.ts";
import { connectAndWait, type WaitOptions } from "../../src/database/wait.ts";
import type { Waiting } from "../../src/database/waiting.ts";
import type { LogEvent } from "../../src/report/log.ts";
import type { Connection, Host, Tls } from "../../src/settings/connection.ts";
import { sql } from "../../src/tools/sql/sql.ts";
import type { TestServer } from "../support/postgres.ts";

type Changes = Partial<Omit<Connection, "hosts" | "tls">> & {
  readonly hosts?: readonly (Pick<Host, "host" | "port"> & Partial<Host>)[];
  readonly tls?: Pick<Tls, "mode" | "rootCert"> & Partial<Tls>;
  /** Of every host. */
  readonly password?: string;
};

/** The settings' reading of a test server's URL. */
export function connectionTo(url: string, changes: Changes = {}): Connection {
  const { hostname, port, username, password: given, pathname } = new URL(url);
  const {
    hosts,
    tls,
    password = given === "" ? null : decodeURIComponent(given),
    ...more
  } = changes;
  const places = hosts ?? [{ host: hostname, port: Number(port || 5432) }];
  return {
    source: "DATABASE_URL",
    hosts: places.map((place) => ({ address: null, password, ...place })),
    user: decodeURIComponent(username),
    database: decodeURIComponent(pathname.slice(1)),
    tls: { mode: "prefer", rootCert: null, client: null, ...tls },
    applicationName: null,
    options: null,
    targetSession: "any",
    schema: null,
    ...more,
  };
}

export function realTime(events: LogEvent[] = []): Waiting & { readonly random: () => number } {
  return {
    clock: () => performance.now(),
    sleep: (milliseconds, signal) => sleep(milliseconds, undefined, { signal }),
    random: Math.random,
    signal: new AbortController().signal,
    log: (event) => events.push(event),
  };
}

export function open(
  connection: Connection | string,
  options: Partial<WaitOptions> = {},
): Promise<Database> {
  const target = typeof connection === "string" ? connectionTo(connection) : connection;
  return connectAndWait(async () => target, {
    ...realTime(),
    applicationName: "preflight/test",
    timeout: 5000,
    ...options,
  });
}

/** The CannotJudge that the work ends with. */
export async function refusalOf(work: Promise<unknown>): Promise<CannotJudge> {
  const error: unknown = await work.then(
    () => new Error("nothing was thrown"),
    (thrown: unknown) => thrown,
  );
  if (error instanceof CannotJudge) return error;
  throw error;
}

/** A file of these statements, one below the other. */
export function fileOf(texts: readonly string[], changes: Partial<Migration> = {}): Migration {
  let line = 1;
  const statements = texts.map((text): Statement => {
    const at = line;
    line += text.split("\n").length;
    const isAlone = /\b(?:CONCURRENTLY|VACUUM)\b/.test(text);
    return { text, line: at, isAlone, isDdl: !isAlone && /^(?:CREATE|ALTER|DROP)\b/.test(text) };
  });
  const alone = statements.find(({ isAlone }) => isAlone);
  return {
    id: "007",
    name: "bonds",
    file: "migrations/007_bonds.sql",
    checksum: "0123456789abcdef",
    header: [],
    statements,
    recorded: null,
    outside: alone === undefined ? null : { line: alone.line, why: "it cannot" },
    ...changes,
  };
}

export const versionTable = { schema: "public", name: "preflight_migrations" };

/** Applies a file over a connection of its own, and sees to it that its session ends as it began. */
export async function applyFile(
  server: TestServer,
  url: string,
  file: Migration,
  changes: Partial<MigrateOptions> & { readonly user?: string } = {},
): Promise<MigrationEnd> {
  const { user = "postgres", ...options } = changes;
  const db = await open(connectionTo(url, { user }));
  try {
    const before = await db.query(wholeSession);
    await ensureVersionTable(db, options.layout ?? sql.versionTable, options.table ?? versionTable);
    const end = await migrate(db, file, {
      ...realTime(),
      layout: sql.versionTable,
      table: versionTable,
      row: { version: file.id, name: file.name, checksum: file.checksum, statements: null },
      runId: "run-1",
      applicationName: "preflight/test",
      ddlLockTimeout: 5000,
      timeout: null,
      resumeAt: 0,
      random: Math.random,
      cancel: () => server.sql(url, `SELECT pg_cancel_backend(${db.backendPid})`),
      onStatement: () => {},
      ...options,
    });
    const after = await db.query(wholeSession).catch((error: unknown) => {
      throw cannotGoOn(error, "looking at the session");
    });
    expect(after).toEqual(before);
    return end;
  } finally {
    await db.close();
  }
}

/** Role and settings, that no transaction is open, and what else belongs to a session. */
const wholeSession = `
SELECT current_user::text, session_user::text, now() = statement_timestamp() AS outside,
       (SELECT count(*)::int FROM pg_class WHERE relnamespace = pg_my_temp_schema()) AS temporary,
       (SELECT count(*)::int FROM pg_prepared_statements) AS prepared,
       (SELECT count(*)::int FROM pg_listening_channels()) AS listening,
       (SELECT json_object_agg(name, setting ORDER BY name) FROM pg_settings WHERE name NOT LIKE 'plpgsql%') AS settings`;

export type FakeServer = {
  readonly port: number;
  readonly connections: () => number;
  readonly stop: () => Promise<void>;
};

/** A TCP server that is not PostgreSQL. */
export async function fakeServer(behave: (socket: Socket) => void): Promise<FakeServer> {
  const sockets = new Set<Socket>();
  let count = 0;
  const server: Server = createServer((socket) => {
    count += 1;
    sockets.add(socket);
    socket.on("error", () => {});
    behave(socket);
  });
  await new Promise<void>((done) => {
    server.listen(0, "127.0.0.1", done);
  });
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await new Promise((done) => {
      server.close(done);
    });
  };
  return { port: (server.address() as AddressInfo).port, connections: () => count, stop };
}
