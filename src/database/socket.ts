import { lookup } from "node:dns/promises";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import type { Host } from "../settings/connection.ts";
import { ConnectionFault } from "./errors.ts";
import { visible } from "./protocol.ts";
import { secure, type Proof } from "./tls.ts";

/** One place to dial: a resolved address, or the path of a Unix socket. */
export type Target = {
  /** As the settings name it; certificates are compared with it. */
  readonly host: string;
  readonly port: number;
  readonly dial: { readonly path: string } | { readonly address: string };
  readonly password: string | null;
  /** "host db, port 5432": for messages. */
  readonly place: string;
};

/** `insist`: only with TLS. `offer`: with TLS if the server has it. */
export type Encryption = "none" | "offer" | "insist";

/** Every target of one host of the list, in the resolver's order. Rejects with the resolver's error. */
export async function resolveTargets({
  host,
  address,
  port,
  password,
}: Host): Promise<readonly Target[]> {
  const target = { host, port, password };
  if (host.startsWith("/")) {
    const path = `${host}/.s.PGSQL.${port}`;
    return [{ ...target, dial: { path }, place: `socket ${path}` }];
  }
  const place = `host ${host}, port ${port}`;
  const given = address ?? (isIP(host) === 0 ? null : host);
  if (given !== null) return [{ ...target, dial: { address: given }, place }];
  const found = await lookup(host, { all: true });
  return found.map((one) => ({
    ...target,
    dial: { address: one.address },
    place: found.length > 1 ? `host ${host} (${one.address}), port ${port}` : place,
  }));
}

/**
 * A socket on which the server expects a start-up message. Unix sockets are never encrypted (as in libpq).
 * The signal destroys it; whoever gets it owns it. Rejects with a ConnectionFault, a system error or the signal's reason.
 */
export async function openSocket(
  target: Target,
  encryption: Encryption,
  proof: Proof,
  signal: AbortSignal,
): Promise<Socket> {
  const socket = await dial(target, signal);
  const stop = destroyOnAbort(socket, signal);
  try {
    if (encryption === "none" || "path" in target.dial) return socket;
    const answer = await askForTls(socket);
    if (answer === "yes") return await secure(socket, target.host, proof);
    if (encryption === "offer") return socket;
    throw new ConnectionFault("TLS_NOT_SUPPORTED");
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    throw error;
  } finally {
    stop();
  }
}

/** Destroys the socket with the signal's reason as its error. Returns what takes that back. */
export function destroyOnAbort(socket: Socket, signal: AbortSignal): () => void {
  const destroy = (): void => {
    socket.destroy(signal.reason instanceof Error ? signal.reason : undefined);
  };
  if (signal.aborted) destroy();
  signal.addEventListener("abort", destroy, { once: true });
  return () => signal.removeEventListener("abort", destroy);
}

function dial(target: Target, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket =
      "path" in target.dial
        ? connectTcp({ path: target.dial.path })
        : connectTcp({ host: target.dial.address, port: target.port, noDelay: true });
    const stop = destroyOnAbort(socket, signal);
    // Stays: an error that nobody waits for must not end the process.
    socket.on("error", (error) => {
      stop();
      reject(signal.aborted ? signal.reason : error);
    });
    socket.once("close", () => reject(new ConnectionFault("CLOSED_EARLY")));
    socket.once("connect", () => {
      stop();
      resolve(socket);
    });
  });
}

const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

/** PostgreSQL answers the SSLRequest with exactly one byte, and sends nothing unasked. */
function askForTls(socket: Socket): Promise<"yes" | "no"> {
  return new Promise((resolve, reject) => {
    const closed = (): void => reject(new ConnectionFault("CLOSED_EARLY"));
    socket.once("error", reject);
    socket.once("close", closed);
    socket.once("data", (bytes: Buffer) => {
      socket.off("error", reject);
      socket.off("close", closed);
      if (bytes.length === 1 && bytes[0] === letter("S")) return resolve("yes");
      if (bytes.length === 1 && bytes[0] === letter("N")) return resolve("no");
      // A server that cannot even start a process for us says so here.
      if (bytes[0] === letter("E")) return reject(new ConnectionFault("TLS_REFUSED"));
      reject(new ConnectionFault("NOT_POSTGRES", `it says ${preview(bytes)}`));
    });
    socket.write(sslRequest);
  });
}

function letter(character: string): number {
  return character.charCodeAt(0);
}

/** A stranger's first words, fit for a message. */
export function preview(bytes: Buffer): string {
  return visible(bytes.subarray(0, 24).toString("latin1"));
}
