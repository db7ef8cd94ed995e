import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { CannotJudge } from "../../src/core/outcome.ts";
import { connectAndWait } from "../../src/database/wait.ts";
import type { WaitOptions } from "../../src/database/wait.ts";
import type { Database } from "../../src/database/database.ts";
import type { LogEvent, Waiting } from "../../src/database/waiting.ts";
import type { Connection } from "../../src/settings/connection.ts";

/** The settings' reading of a test server's URL. */
export function connectionTo(url: string, changes: Partial<Connection> = {}): Connection {
  const { hostname, port, username, password, pathname } = new URL(url);
  return {
    source: "DATABASE_URL",
    hosts: [{ host: hostname, port: Number(port || 5432) }],
    user: decodeURIComponent(username),
    password: password === "" ? null : decodeURIComponent(password),
    database: decodeURIComponent(pathname.slice(1)),
    tls: { mode: "prefer", rootCert: null },
    applicationName: null,
    options: null,
    targetSession: "any",
    ...changes,
  };
}

export function realTime(events: LogEvent[] = []): Waiting {
  return {
    clock: () => performance.now(),
    sleep: (milliseconds, signal) => sleep(milliseconds, undefined, { signal }),
    signal: new AbortController().signal,
    log: (event) => events.push(event),
  };
}

export function open(
  connection: Connection | string,
  options: Partial<WaitOptions> = {},
): Promise<Database> {
  const target = typeof connection === "string" ? connectionTo(connection) : connection;
  return connectAndWait(target, {
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
