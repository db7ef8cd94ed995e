import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { codeOf, ConnectionFault } from "./errors.ts";
import { hear, type LastWords, readError, readHeader, say, startTalk } from "./protocol.ts";
import { preview } from "./socket.ts";

/** What stands between a socket and the driver. */
export type Guard = {
  /** A socket, as far as the driver uses one. */
  readonly stream: Duplex;
  /** Whether the server has asked for SCRAM. */
  readonly isScram: () => boolean;
  /** null until an error was the last that the server said. */
  readonly lastWords: () => LastWords | null;
};

/**
 * Lets only whole and right messages of the server through. Anything else, and every loss, destroys both sides with
 * a ConnectionFault or a system error, which is what the driver's queries reject with.
 * @param onBytes hears of every sign of life in an answer
 */
export function openGuard(socket: Socket, hasPassword: boolean, onBytes: () => void): Guard {
  const listener = followTalk(hasPassword, onBytes);
  let listening = false;

  const stream = new Duplex({
    allowHalfOpen: false,
    read: () => {
      if (!listening) socket.on("data", receive);
      listening = true;
      socket.resume();
    },
    write: (bytes: Buffer, _encoding, done) => {
      listener.say(bytes);
      // What goes wrong here is heard of as the socket's error or end.
      socket.write(bytes, () => done());
    },
    final: (done) => {
      socket.end(() => done());
    },
    destroy: (error, done) => {
      socket.destroy();
      done(error);
    },
  });
  // The driver says goodbye only to what says that it is open.
  Object.defineProperty(stream, "readyState", { get: () => socket.readyState });
  stream.on("error", () => {});
  socket.on("error", (error) => stream.destroy(tellTls(error)));
  socket.once("close", () =>
    stream.destroy(
      new ConnectionFault(listener.talk().phase === "ready" ? "LOST" : "CLOSED_EARLY"),
    ),
  );
  // Whoever is late hears of neither.
  if (socket.destroyed) stream.destroy(socket.errored ?? new ConnectionFault("CLOSED_EARLY"));
  socket.setKeepAlive(true, 10_000);

  return {
    stream,
    isScram: () => listener.talk().sasl !== null,
    lastWords: listener.lastWords,
  };

  function receive(bytes: Buffer): void {
    const { good, wrong } = listener.hear(bytes);
    for (const part of good) if (!stream.push(part)) socket.pause();
    if (wrong === null) return;
    // What came before it may be the server's own explanation. Not at once: the driver may be about to answer it,
    // and does not look whether it still has a socket.
    socket.off("data", receive);
    setImmediate(() => stream.destroy(wrong));
  }
}

type Heard = { readonly good: readonly Buffer[]; readonly wrong: Error | null };

/** Cuts what both sides say into messages, and judges the server's. */
function followTalk(hasPassword: boolean, onBytes: () => void) {
  let talk = startTalk(hasPassword);
  let started = false;
  let rest: Buffer[] = [];
  let restLength = 0;
  let wanted = 1;
  let lastWords: LastWords | null = null;

  return { talk: () => talk, lastWords: () => lastWords, say: follow, hear: receive };

  /** Our own messages, of which the driver writes only whole ones; the first has no type. */
  function follow(bytes: Buffer): void {
    let at = started ? 0 : bytes.readUInt32BE(0);
    started = true;
    while (at + 5 <= bytes.length) {
      const end = at + 1 + bytes.readUInt32BE(at + 1);
      talk = say(talk, String.fromCharCode(bytes[at]!), bytes.subarray(at + 5, end));
      at = end;
    }
  }

  function receive(bytes: Buffer): Heard {
    const good: Buffer[] = [];
    rest.push(bytes);
    restLength += bytes.length;
    if (restLength < wanted) {
      if (!isAside(rest[0]![0])) onBytes();
      return { good, wrong: null };
    }
    const all = rest.length === 1 ? bytes : Buffer.concat(rest, restLength);
    let wrong: Error | null = null;
    let at = 0;
    try {
      at = readAll(all, good);
    } catch (error) {
      wrong = describe(error, all);
    }
    rest = at === all.length ? [] : [all.subarray(at)];
    restLength = all.length - at;
    return { good, wrong };
  }

  /** @returns where the first message begins that is not whole */
  function readAll(all: Buffer, good: Buffer[]): number {
    let at = 0;
    for (;;) {
      wanted = 5;
      const type = String.fromCharCode(all[at] ?? 0);
      if (at === all.length) return at;
      if (!isAside(all[at])) onBytes();
      if (all.length - at < 5) {
        // A stranger is known by its first letter, and may say no more.
        if (talk.phase === "greeting") readHeader(talk, type, 4);
        return at;
      }
      const end = at + 1 + readHeader(talk, type, all.readUInt32BE(at + 1));
      wanted = end - at;
      if (end > all.length) return at;
      const before = talk.phase;
      talk = hear(talk, type, all.subarray(at + 5, end));
      lastWords = type === "E" ? readError(all.subarray(at + 5, end)) : null;
      if (before === "starting" && talk.phase === "ready") good.push(ownSettings);
      good.push(all.subarray(at, end));
      at = end;
    }
  }
}

/** NOTICE, NOTIFY and settings come unasked, and bring an answer no nearer. */
function isAside(type: number | undefined): boolean {
  return type !== undefined && "NAS".includes(String.fromCharCode(type));
}

function describe(error: unknown, bytes: Buffer): Error {
  if (!(error instanceof ConnectionFault)) return new ConnectionFault("BAD_MESSAGE");
  if (error.code === "NOT_POSTGRES")
    return new ConnectionFault("NOT_POSTGRES", `it says ${preview(bytes)}`);
  if (error.code === "NO_PROCESS")
    return new ConnectionFault("NO_PROCESS", preview(bytes.subarray(1)));
  return error;
}

/**
 * The driver would ask for these where a server (before 14, or PgBouncer) does not report them, and nobody would
 * catch that question's error.
 */
const ownSettings = Buffer.concat(
  ["in_hot_standby", "default_transaction_read_only"].map((name) => {
    const body = Buffer.from(`${name}\0off\0`);
    const header = Buffer.from("S\0\0\0\0");
    header.writeUInt32BE(body.length + 4, 1);
    return Buffer.concat([header, body]);
  }),
);

/** A server that does not like our certificate may say so only after the handshake. */
function tellTls(error: Error): Error {
  const isTls = /^ERR_(?:SSL|TLS|OSSL)/.test(codeOf(error));
  return isTls ? new ConnectionFault("TLS_FAILED", error.message) : error;
}
