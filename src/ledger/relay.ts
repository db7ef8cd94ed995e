import { connect, createServer, type Socket } from "node:net";
import type { DatabaseAddress } from "../core/database-address.ts";

/**
 * A Unix socket whose clients are handed on to a server, and to no other databases there than bake's own. Where TLS is
 * asked for, what a client says is not seen: then only the server is fixed.
 */
export async function openRelay(
  path: string,
  server: DatabaseAddress,
  isOurs: (database: string) => boolean,
): Promise<() => void> {
  const clients = new Set<Socket>();
  const relay = createServer({ allowHalfOpen: true }, (client) => {
    clients.add(client.once("close", () => clients.delete(client)).once("error", () => {}));
    if (speaksTls(server)) handOn(client, server, Buffer.alloc(0));
    else readStartup(client, server, isOurs);
  });
  await new Promise<void>((resolve, reject) => {
    relay.once("error", reject).listen(path, resolve);
  });
  return () => {
    for (const client of clients) client.destroy();
    relay.close();
  };
}

/** The same decision as for our own connections to it. */
export function speaksTls({ sslMode }: DatabaseAddress): boolean {
  return sslMode !== null && sslMode !== "disable" && sslMode !== "allow";
}

/** The first message of the protocol: its length, then a version or one of these requests. */
const requests = { cancel: 80_877_102, tls: 80_877_103, gss: 80_877_104 } as const;
/** PostgreSQL's own limit. */
const longestStartup = 10_000;

function readStartup(
  client: Socket,
  server: DatabaseAddress,
  isOurs: (database: string) => boolean,
): void {
  let seen = Buffer.alloc(0);
  const take = (chunk: Buffer): void => {
    seen = Buffer.concat([seen, chunk]);
    if (seen.length < 8) return;
    const length = seen.readInt32BE(0);
    const code = seen.readInt32BE(4);
    if (length < 8 || length > longestStartup) return void client.destroy();
    if (seen.length < length) return;
    if (code === requests.tls || code === requests.gss) {
      client.write("N");
      const rest = seen.subarray(length);
      seen = Buffer.alloc(0);
      if (rest.length > 0) take(rest);
      return;
    }
    client.off("data", take).pause();
    const database = code === requests.cancel ? null : databaseIn(seen.subarray(8, length));
    if (database === null || isOurs(database)) handOn(client, server, seen);
    else client.end(refusal(database));
  };
  client.on("data", take);
}

/** Names and values, each ended by a zero; without a name of its own a database is called like the user. */
function databaseIn(startup: Buffer): string {
  const words = startup.toString("utf8").split("\0");
  const valueOf = (name: string): string | undefined =>
    words.find((_, index) => index % 2 === 1 && words[index - 1] === name);
  return valueOf("database") ?? valueOf("user") ?? "";
}

function handOn(client: Socket, { host, port }: DatabaseAddress, first: Buffer): void {
  const server = host.startsWith("/")
    ? connect({ path: `${host}/.s.PGSQL.${port}`, allowHalfOpen: true })
    : connect({ host, port, allowHalfOpen: true });
  client.once("close", () => server.destroy());
  server.once("error", () => client.destroy()).once("close", () => client.destroy());
  server.write(first);
  client.pipe(server);
  server.pipe(client);
}

/** An ErrorResponse, which every driver shows as the server's own. */
function refusal(database: string): Buffer {
  const fields = [
    "SFATAL",
    "VFATAL",
    "C3D000",
    `M${notOurs}: "${database}"`,
    "HThe upgrade is replayed on databases that bake makes and drops, and it may reach no other.",
    "",
  ];
  const body = Buffer.from(`${fields.join("\0")}\0`);
  const head = Buffer.alloc(5);
  head.write("E");
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

/** How a child that asked for another database can be told by its words. */
export const notOurs = "preflight bake did not make this database";
