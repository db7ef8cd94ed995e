import { createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import { createServer, type AddressInfo, type Socket } from "node:net";

/** Every message of a whole conversation, in order; the server can go wrong at each of them. */
export const sites = [
  "accept",
  "tls answer",
  "authentication request",
  "sasl challenge",
  "sasl proof",
  "authentication ok",
  "setting",
  "key",
  "ready",
  "first description",
  "first row",
  "first end",
  "first ready",
  "second description",
  "second row",
  "second end",
  "second ready",
] as const;

export type Site = (typeof sites)[number];
export type Login = "trust" | "cleartext" | "md5" | "scram";

/** Sends something else than the right bytes, or nothing. True: the conversation goes on. */
export type Fault = (socket: Socket, right: Buffer) => boolean;

export type Script = {
  readonly login: Login;
  readonly faults: Partial<Record<Site, Fault>>;
  /** How bytes are handed to the network; default: as they are. */
  readonly send?: (socket: Socket, bytes: Buffer) => void;
};

export type ScriptedServer = {
  readonly port: number;
  readonly connections: () => number;
  readonly open: () => number;
  /** Bytes that were sent to anybody. */
  readonly sent: () => number;
  readonly stop: () => Promise<void>;
};

export const password = "s3cret";

/** PostgreSQL's side of a login and of two questions, without PostgreSQL. */
export async function scriptedServer(script: Script): Promise<ScriptedServer> {
  const sockets = new Set<Socket>();
  let count = 0;
  let sent = 0;
  const server = createServer((socket) => {
    count += 1;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => {
      sent += socket.bytesWritten;
      sockets.delete(socket);
    });
    converse(socket, script);
  });
  await new Promise<void>((done) => {
    server.listen(0, "127.0.0.1", done);
  });
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => count,
    open: () => sockets.size,
    sent: () => sent,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => {
        server.close(done);
      });
    },
  };
}

export function message(type: string, ...parts: readonly (string | Buffer)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
  const header = Buffer.alloc(5);
  header.write(type, "latin1");
  header.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

export function error(fields: Readonly<Record<string, string>>): Buffer {
  return message(
    "E",
    ...Object.entries(fields).map(([letter, text]) => `${letter}${text}\0`),
    "\0",
  );
}

export function description(
  ...columns: readonly (readonly [name: string, type: number])[]
): Buffer {
  return message(
    "T",
    int16(columns.length),
    ...columns.flatMap(([name, type]) => [
      `${name}\0`,
      int32(0),
      int16(0),
      int32(type),
      int16(4),
      int32(-1),
      int16(0),
    ]),
  );
}

export function row(...values: readonly string[]): Buffer {
  return message(
    "D",
    int16(values.length),
    ...values.flatMap((value) => [int32(Buffer.byteLength(value)), value]),
  );
}

const bool = 16;
const int4 = 23;
const text = 25;

const firstAnswer = {
  description: description(
    ["pid", int4],
    ["inRecovery", bool],
    ["readOnly", bool],
    ["isTemporary", bool],
    ["version", text],
  ),
  row: row("4711", "f", "f", "f", "PostgreSQL 16.4 on somewhere"),
};
const secondAnswer = { description: description(["one", int4]), row: row("1") };

function converse(socket: Socket, script: Script): void {
  const put = script.send ?? ((to: Socket, bytes: Buffer) => void to.write(bytes));
  let received = Buffer.alloc(0);
  let state: "start" | "password" | "sasl first" | "sasl last" | "ready" | "stopped" = "start";
  let asked = 0;
  let firstBare = "";
  let challenge = "";

  const say = (site: Site, right: Buffer): boolean => {
    if (state === "stopped" || socket.destroyed) return false;
    const fault = script.faults[site];
    if (fault === undefined) {
      if (right.length > 0) put(socket, right);
      return true;
    }
    if (fault(socket, right)) return true;
    state = "stopped";
    return false;
  };
  const finishLogin = (): void => {
    if (!say("authentication ok", message("R", int32(0)))) return;
    if (!say("setting", message("S", "server_version\0", "16.4\0"))) return;
    if (!say("key", message("K", int32(4711), int32(1)))) return;
    if (say("ready", message("Z", "I"))) state = "ready";
  };
  const askForLogin = (): void => {
    if (script.login === "trust") return finishLogin();
    const kinds = {
      cleartext: message("R", int32(3)),
      md5: message("R", int32(5), Buffer.from("salt")),
      scram: message("R", int32(10), "SCRAM-SHA-256\0\0"),
    };
    state = script.login === "scram" ? "sasl first" : "password";
    say("authentication request", kinds[script.login]);
  };
  const answer = (which: "first" | "second"): void => {
    const { description: columns, row: values } = which === "first" ? firstAnswer : secondAnswer;
    if (!say(`${which} description`, columns)) return;
    if (!say(`${which} row`, values)) return;
    if (!say(`${which} end`, message("C", "SELECT 1\0"))) return;
    say(`${which} ready`, message("Z", "I"));
  };
  const hear = (type: string, body: Buffer): void => {
    switch (state) {
      case "password":
        return finishLogin();
      case "sasl first": {
        firstBare = body.toString("latin1").slice(body.indexOf("n,,") + 3);
        const nonce = firstBare.slice(firstBare.indexOf("r=") + 2);
        challenge = `r=${nonce}${randomBytes(12).toString("base64url")},s=${salt.toString("base64")},i=4096`;
        state = "sasl last";
        say("sasl challenge", message("R", int32(11), challenge));
        return;
      }
      case "sasl last": {
        const withoutProof = body.toString("latin1").replace(/,p=.*$/s, "");
        const signature = sign(`${firstBare},${challenge},${withoutProof}`);
        if (say("sasl proof", message("R", int32(12), `v=${signature}`))) finishLogin();
        return;
      }
      case "ready":
        if (type === "X") return void socket.end();
        asked += 1;
        return answer(asked === 1 ? "first" : "second");
      default:
    }
  };
  socket.on("data", (bytes: Buffer) => {
    received = Buffer.concat([received, bytes]);
    for (;;) {
      const start = state === "start" ? 0 : 1;
      if (received.length < start + 4) return;
      const end = start + received.readUInt32BE(start);
      if (received.length < end) return;
      const whole = received.subarray(0, end);
      received = received.subarray(end);
      if (state !== "start") hear(String.fromCharCode(whole[0]!), whole.subarray(5));
      else if (whole.length === 8) say("tls answer", Buffer.from("N"));
      else askForLogin();
    }
  });
  say("accept", Buffer.alloc(0));
}

const salt = Buffer.from("0123456789abcdef");

function sign(text: string): string {
  const hmac = (key: Buffer, data: string): Buffer =>
    createHmac("sha256", key).update(data).digest();
  const salted = pbkdf2Sync(password, salt, 4096, 32, "sha256");
  return hmac(hmac(salted, "Server Key"), text).toString("base64");
}
