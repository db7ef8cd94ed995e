import { ConnectionFault } from "./errors.ts";

/**
 * What a server may say when, in version 3.0 of PostgreSQL's protocol and as far as this program asks for it.
 * The driver trusts what it reads; whatever passes here is of the right kind, at the right time, whole, and of
 * a size that a server has reason for. https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
export type Talk = {
  readonly phase: "greeting" | "login" | "starting" | "ready";
  /** null: nothing was asked. `first` and `last` are our two SCRAM messages. */
  readonly sasl: null | "first" | "last" | "proven";
  /** What the server has to repeat, as sent. */
  readonly nonce: string | null;
  readonly hasPassword: boolean;
  /** Questions that wait for their ReadyForQuery. */
  readonly asked: number;
  /** Of the rows of the current statement; null where none are announced. */
  readonly columns: number | null;
  /** Bytes of what is kept until the answer is complete, with something for each message. */
  readonly kept: number;
  /** The same of settings. They are kept by name: what comes with every answer of a long session is no more each time. */
  readonly settings: number;
};

export function startTalk(hasPassword: boolean): Talk {
  return {
    phase: "greeting",
    sasl: null,
    nonce: null,
    hasPassword,
    asked: 0,
    columns: null,
    kept: 0,
    settings: 0,
  };
}

const mebibyte = 1024 * 1024;
/** Of one message, and of everything, until the server is ready. */
const loginLimit = { message: 64 * 1024, kept: mebibyte };
const answerLimit = { message: 512 * mebibyte, kept: 512 * mebibyte };
/** What the driver needs for a message beyond its bytes, about. */
const overhead = 128;
/** Seconds of work. PostgreSQL's default is 4096. */
const mostIterations = 5_000_000;

/** Of the five bytes before a message: how long it is, without its type. Throws ConnectionFault. */
export function readHeader(talk: Talk, type: string, length: number): number {
  const limit = talk.phase === "ready" ? answerLimit : loginLimit;
  if (talk.phase === "greeting") {
    // A postmaster that cannot fork says so in plain words: E, text, NUL.
    if (type === "E" && length >= 30_000) throw new ConnectionFault("NO_PROCESS");
    if (!"REN".includes(type) || length < 4 || length > limit.message)
      throw new ConnectionFault("NOT_POSTGRES");
  }
  if (length < 4) throw bad(`a message of length ${length}`);
  if (length > limit.message) throw new ConnectionFault("TOO_LONG", `a message of ${length} bytes`);
  return length;
}

/** @param body without type and length. Throws ConnectionFault. */
export function hear(talk: Talk, type: string, body: Buffer): Talk {
  const next = talk.phase === "ready" ? hearAnswer(talk, type, body) : hearLogin(talk, type, body);
  const limit = next.phase === "ready" ? answerLimit : loginLimit;
  if (next.kept > limit.kept || next.settings > loginLimit.kept)
    throw new ConnectionFault("TOO_LONG");
  return next;
}

/** Our side, as far as the server's depends on it. @param body without type and length */
export function say(talk: Talk, type: string, body: Buffer): Talk {
  if (type === "Q") return { ...talk, asked: talk.asked + 1 };
  if (type !== "p" || talk.sasl !== "first" || talk.nonce !== null) return talk;
  const nonce = /,r=(.+)$/s.exec(body.toString("latin1"))?.[1] ?? null;
  return { ...talk, nonce };
}

function hearLogin(talk: Talk, type: string, body: Buffer): Talk {
  // Everything counts, also what nobody keeps: a login is short.
  const heard = { ...talk, kept: talk.kept + body.length + overhead };
  switch (type) {
    case "E":
    case "N":
      checkFields(body);
      return { ...heard, phase: talk.phase === "greeting" ? "login" : talk.phase };
    case "R":
      if (talk.phase === "starting") break;
      return { ...hearAuthentication(heard, body), kept: heard.kept };
    case "S":
      if (talk.phase !== "starting") break;
      checkStrings(body, 0, 2);
      return { ...heard, settings: heard.settings + body.length + overhead };
    case "K":
      if (talk.phase !== "starting") break;
      if (body.length < 8) throw bad("a key without its bytes");
      return heard;
    case "Z":
      if (talk.phase !== "starting") break;
      checkReady(body);
      return { ...heard, phase: "ready", kept: 0, settings: 0 };
    default:
  }
  throw bad(`${name(type)} while logging in`);
}

function hearAuthentication(talk: Talk, body: Buffer): Talk {
  const login = { ...talk, phase: "login" } as const;
  if (body.length < 4) throw bad("a request for authentication without its kind");
  const kind = body.readUInt32BE(0);
  const rest = body.subarray(4);
  if ([3, 5, 10].includes(kind) && !talk.hasPassword) throw new ConnectionFault("NO_PASSWORD");
  switch (kind) {
    case 0:
      if (talk.sasl !== null && talk.sasl !== "proven") throw new ConnectionFault("NOT_PROVEN");
      return { ...talk, phase: "starting" };
    case 3:
      return login;
    case 5:
      if (rest.length !== 4) throw bad("a salt of the wrong size");
      return login;
    case 10: {
      const offered = rest.toString("latin1").split("\0").filter(Boolean);
      if (!offered.includes("SCRAM-SHA-256"))
        throw new ConnectionFault("LOGIN_NOT_SUPPORTED", offered.map(visible).join(", "));
      if (talk.sasl !== null) throw bad("a second request for SASL");
      return { ...login, sasl: "first" };
    }
    case 11:
      if (talk.sasl !== "first") break;
      checkChallenge(talk, rest.toString("utf8"));
      return { ...login, sasl: "last" };
    case 12:
      if (talk.sasl !== "last" || !rest.toString("latin1").startsWith("v=")) break;
      return { ...login, sasl: "proven" };
    default:
      throw new ConnectionFault("LOGIN_NOT_SUPPORTED", logins[kind] ?? `kind ${kind}`);
  }
  throw bad("SASL out of order");
}

const logins: Record<number, string> = {
  1: "Kerberos 4",
  2: "Kerberos 5",
  4: "crypt",
  6: "SCM credentials",
  7: "GSSAPI",
  8: "GSSAPI",
  9: "SSPI",
};

/** As the driver reads it: of several values of a name, the last. */
function checkChallenge({ nonce }: Talk, text: string): void {
  const values = new Map(text.split(",").map((part) => [part.slice(0, 1), part.slice(2)]));
  const server = values.get("r") ?? "";
  if (nonce === null || !server.startsWith(nonce) || server.length === nonce.length)
    throw bad("a SCRAM nonce that does not continue ours");
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(values.get("s") ?? "")) throw bad("a SCRAM salt");
  const iterations = values.get("i") ?? "";
  if (!/^[1-9][0-9]{0,8}$/.test(iterations) || Number(iterations) > mostIterations)
    throw bad(`${visible(iterations)} SCRAM iterations`);
}

function hearAnswer(talk: Talk, type: string, body: Buffer): Talk {
  const cost = body.length + overhead;
  switch (type) {
    // At any time, and kept by nobody.
    case "N":
      checkFields(body);
      return talk;
    case "A":
      checkStrings(body, 4, 2);
      return talk;
    case "S":
      checkStrings(body, 0, 2);
      return { ...talk, settings: talk.settings + cost };
    case "E":
      checkFields(body);
      return { ...talk, columns: null };
    default:
  }
  if (talk.asked === 0) throw bad(`${name(type)} that nobody has asked for`);
  const kept = talk.kept + cost;
  switch (type) {
    case "T":
      return { ...talk, kept, columns: checkDescription(body) };
    case "D":
      checkRow(body, talk.columns);
      return { ...talk, kept };
    case "C":
      checkStrings(body, 0, 1);
      return { ...talk, kept, columns: null };
    case "I":
      return { ...talk, kept };
    case "Z":
      checkReady(body);
      return { ...talk, asked: talk.asked - 1, kept: 0, settings: 0, columns: null };
    default:
      throw bad(`${name(type)} in an answer`);
  }
}

function checkReady(body: Buffer): void {
  if (body.length !== 1 || !"ITE".includes(body.toString("latin1")))
    throw bad("a transaction state that there is not");
}

/** Of errors and notices: a letter and a string each, and a NUL at the end. */
function checkFields(body: Buffer): void {
  let at = 0;
  while (at < body.length && body[at] !== 0) at = stringEnd(body, at + 1);
  if (at !== body.length - 1) throw bad("an error or a notice that does not end");
}

function checkStrings(body: Buffer, start: number, count: number): void {
  let at = start;
  for (let left = count; left > 0; left -= 1) at = stringEnd(body, at);
  if (at !== body.length) throw endless();
}

function checkDescription(body: Buffer): number {
  if (body.length < 2) throw bad("columns without a number");
  const count = body.readUInt16BE(0);
  let at = 2;
  for (let left = count; left > 0; left -= 1) at = stringEnd(body, at) + 18;
  if (at !== body.length) throw bad("columns of the wrong length");
  return count;
}

function checkRow(body: Buffer, columns: number | null): void {
  if (columns === null || body.length < 2 || body.readUInt16BE(0) !== columns)
    throw bad("a row of other columns than announced");
  let at = 2;
  for (let left = columns; left > 0; left -= 1) {
    if (at + 4 > body.length) throw bad("a row that ends too early");
    const length = body.readInt32BE(at);
    if (length < -1) throw bad("a value of negative length");
    at += 4 + Math.max(length, 0);
  }
  if (at !== body.length) throw bad("a row of the wrong length");
}

/** Where the next thing begins. */
function stringEnd(body: Buffer, start: number): number {
  const end = start < body.length ? body.indexOf(0, start) : -1;
  if (end === -1) throw endless();
  return end + 1;
}

function endless(): ConnectionFault {
  return bad("a text that does not end");
}

function bad(what: string): ConnectionFault {
  return new ConnectionFault("BAD_MESSAGE", what);
}

function name(type: string): string {
  return `a message of type ${visible(type)}`;
}

/** A stranger's bytes, fit for a message. */
export function visible(text: string): string {
  return JSON.stringify(text.slice(0, 40).replaceAll(/[^ -~]+/g, "·"));
}

/** What a server says with FATAL before it closes the connection; the driver would keep it to itself. */
export type LastWords = { readonly code: string; readonly message: string };

/** The body of an ErrorResponse. */
export function readError(fields: Buffer): LastWords {
  const values = new Map(
    fields
      .toString("utf8")
      .split("\0")
      .map((field) => [field.slice(0, 1), field.slice(1)]),
  );
  return { code: values.get("C") ?? "", message: values.get("M") ?? "" };
}
