import postgres from "postgres";
import { CannotJudge } from "../core/outcome.ts";
import { reportIt } from "../core/ways-out.ts";

/**
 * What a failure means, never read from a message's text.
 * - `unavailable`: nothing (useful) answers; while connecting, waiting may help
 * - `temporary`: the server answered; the same thing later may succeed
 */
export type FaultKind =
  | "unavailable"
  | "temporary"
  | "permission"
  | "config"
  | "protocol"
  | "internal";

export type Fault = {
  readonly kind: FaultKind;
  /** SQLSTATE, errno name or one of our own codes. */
  readonly code: string;
  /** What was seen, fit to stand in a sentence. Holds no secret. */
  readonly says: string;
};

/** `connect`: until the server is ready for the first query. `session`: afterwards. */
export type Phase = "connect" | "session";

/** A fault of the connection that this program found itself, with a code of `ownCodes`. */
export class ConnectionFault extends Error {
  override readonly name = "ConnectionFault";
  readonly code: keyof typeof ownCodes;

  constructor(code: keyof typeof ownCodes, detail = "") {
    const [, says] = ownCodes[code];
    super(detail === "" ? says : `${says}: ${printable(detail)}`);
    this.code = code;
  }
}

export function classify(error: unknown, phase: Phase): Fault {
  if (error instanceof ConnectionFault)
    return { kind: ownCodes[error.code][0], code: error.code, says: error.message };
  if (error instanceof postgres.PostgresError) return faultOfServer(error, phase);
  const code = codeOf(error);
  const known = systemCodes[code];
  if (known !== undefined) return { kind: known[0], code, says: known[1] };
  const says = error instanceof Error ? error.message : String(error);
  return { kind: "internal", code: code === "" ? "UNKNOWN" : code, says };
}

/** Whether another host, another address, or the same one later may do better. */
export function isWaitedFor({ kind }: Fault): boolean {
  return kind === "unavailable" || kind === "temporary";
}

/** The end of the judgement for a failure after the connection stood. `doing` names the interrupted work: "reading the schema". */
export function cannotGoOn(error: unknown, doing: string): CannotJudge {
  if (error instanceof CannotJudge) return error;
  const { kind, code, says } = classify(error, "session");
  // A server that stood a moment ago comes back.
  const outcome = kind === "unavailable" ? "temporary" : kind;
  const next = adviceOfCode[code] ?? sessionAdvice[kind];
  return new CannotJudge(outcome, `${doing} failed: ${says} (${code})`, [next]);
}

/** The same for a promise's `catch`. */
export function throwCannotGoOn(doing: string): (error: unknown) => never {
  return (error) => {
    throw cannotGoOn(error, doing);
  };
}

const sessionAdvice: Record<FaultKind, string> = {
  unavailable: "run it again: the server restarted, failed over or closed the connection",
  temporary: "run it again when the server is less busy",
  permission: "grant the role what it lacks, or connect as the role that owns the schema",
  config: "check that the address names the database that the image belongs to",
  protocol: "check what answers there: a proxy in between may speak a dialect of its own",
  internal: reportIt,
};

/** What to do about a pooler that is too narrow for the work. */
export const directUrl =
  "give a URL that goes around the pooler in PREFLIGHT_DATABASE_URL, or let it pool sessions or transactions (pool_mode)";

const adviceOfCode: Readonly<Record<string, string>> = {
  POOLER_STATEMENTS: directUrl,
  NO_LIBXML:
    "take a PostgreSQL that was built with libxml, as the packages of Debian, Red Hat, Alpine and the official images are",
};

type Meaning = readonly [kind: FaultKind, says: string];

const connectionLost = ["unavailable", "the connection to the server was lost"] as const;
const noAddress = ["unavailable", "the host name has no address"] as const;

/** Failures found by this program. */
const ownCodes = {
  TIMED_OUT: ["unavailable", "no answer in time"],
  CLOSED_EARLY: ["unavailable", "the connection was closed before the server answered"],
  LOST: connectionLost,
  PASSWORD_COMMAND: ["unavailable", "the command for the password failed"],
  POOLER_STATEMENTS: ["config", "the pooler takes transactions apart, and the lock is held by one"],
  NO_LIBXML: [
    "config",
    "the server was built without libxml, through which the version rows are read",
  ],
  STALLED: ["unavailable", "the server stopped answering"],
  NO_PROCESS: ["unavailable", "the server cannot start a process for the connection"],
  TEMPORARY_SERVER: [
    "unavailable",
    "the server has just started and listens on this socket only, as one does that still prepares a new database and will restart",
  ],
  LOGIN_NOT_SUPPORTED: ["permission", "the server asks for a login that preflight does not speak"],
  NO_PASSWORD: ["permission", "the server asks for a password, and there is none"],
  NOT_PROVEN: ["protocol", "the server did not prove that it knows the password's secret"],
  BAD_MESSAGE: ["protocol", "the server says what PostgreSQL does not say"],
  TOO_LONG: ["protocol", "the server's answer is longer than any that is right"],
  WRONG_SESSION: ["unavailable", "no server of the kind that is wanted"],
  TLS_NOT_SUPPORTED: ["protocol", "the server does not support TLS"],
  TLS_REFUSED: ["unavailable", "the server answered the request for TLS with an error"],
  TLS_CLOSED: ["unavailable", "the connection was closed during the TLS handshake"],
  TLS_FAILED: ["protocol", "the TLS handshake failed"],
  TLS_UNTRUSTED: ["protocol", "the server's certificate is not signed by a trusted authority"],
  TLS_EXPIRED: ["protocol", "the server's certificate is not valid at this time"],
  TLS_WRONG_HOST: ["protocol", "the server's certificate is for another host"],
  TLS_ROOT_CERT: ["config", "the root certificate cannot be used"],
  TLS_CLIENT_CERT: ["config", "the client certificate cannot be used"],
  NOT_SUPPORTED: ["protocol", "this server is not supported"],
  NOT_POSTGRES: ["protocol", "what answers there is not PostgreSQL"],
} as const satisfies Record<string, Meaning>;

/** Codes of the operating system, the resolver and the driver. */
const systemCodes: Record<string, Meaning> = {
  ECONNREFUSED: ["unavailable", "connection refused"],
  ECONNRESET: ["unavailable", "connection reset"],
  ECONNABORTED: ["unavailable", "connection aborted"],
  EPIPE: ["unavailable", "connection closed while writing"],
  ETIMEDOUT: ["unavailable", "connection timed out"],
  EHOSTUNREACH: ["unavailable", "host unreachable"],
  EHOSTDOWN: ["unavailable", "host down"],
  ENETUNREACH: ["unavailable", "network unreachable"],
  ENETDOWN: ["unavailable", "network down"],
  EADDRNOTAVAIL: ["unavailable", "address not available"],
  ENOTFOUND: ["unavailable", "the host name does not resolve"],
  EAI_AGAIN: ["unavailable", "the host name cannot be resolved now"],
  EAI_NODATA: noAddress,
  ENODATA: noAddress,
  ESERVFAIL: ["unavailable", "the name server failed"],
  ENOENT: ["unavailable", "no such socket"],
  EACCES: ["permission", "permission denied on the socket"],
  EPERM: ["permission", "connecting is not permitted"],
  CONNECTION_CLOSED: connectionLost,
  CONNECTION_DESTROYED: ["unavailable", "the connection was closed"],
  CONNECTION_ENDED: ["unavailable", "the connection was closed"],
  SASL_SIGNATURE_MISMATCH: ["protocol", "the server does not know the password's secret"],
};

/** SQLSTATEs that mean the same in both phases; five characters before a class of two. */
const sqlStates: Record<string, FaultKind> = {
  "08": "unavailable", // connection exception
  "28": "permission", // invalid authorization
  "40": "temporary", // serialization failure, deadlock
  "53": "temporary", // out of disk, out of memory
  "57": "unavailable", // operator intervention: shutdown, starting up, database dropped
  "58": "temporary", // system error
  XX: "temporary", // internal error, of the server
  "0A000": "config", // not supported, such as ALTER TYPE of a column that a view uses
  "25006": "unavailable", // read-only transaction: a standby, or a primary being switched
  "25P03": "temporary", // idle-in-transaction timeout
  "25P04": "temporary", // transaction timeout
  "3D000": "config", // no such database
  "3F000": "config", // no such schema
  "42501": "permission",
  "53300": "unavailable", // too many connections
  "53400": "unavailable", // configuration limit exceeded
  "55006": "temporary", // object in use
  "55P03": "temporary", // lock timeout
  "57014": "temporary", // statement timeout, or cancelled
};

/** SQLSTATEs that mean something else while connecting. */
const connectSqlStates: Record<string, FaultKind> = {
  "42": "protocol", // does not understand the first query
  "0A000": "protocol", // unsupported frontend protocol
  "42704": "config", // unrecognized configuration parameter
  "22023": "config", // invalid parameter value
};

/**
 * PgBouncer says nearly everything as 08P01, and in English. What is not here (the server behind it is down, its
 * queue is full) is waited for.
 */
const poolerWords: readonly (readonly [says: RegExp, code: string, kind: FaultKind])[] = [
  [/^unsupported startup parameter/, "POOLER_PARAMETER", "config"],
  [/^transaction blocks not allowed in statement pooling/, "POOLER_STATEMENTS", "config"],
  [/^no such database/, "3D000", "config"],
  [/^(?:no such user|SSL required)/, "28000", "permission"],
  [/authentication failed$|login rejected$/, "28P01", "permission"],
];

function faultOfServer(error: postgres.PostgresError, phase: Phase): Fault {
  const { code: given, message, file } = error;
  // Whatever language it speaks: the part of its own source that was not built.
  if (given === "0A000" && file === "xml.c")
    return { kind: ownCodes.NO_LIBXML[0], code: "NO_LIBXML", says: ownCodes.NO_LIBXML[1] };
  const says = printable(message);
  const code = /^[0-9A-Z]{5}$/.test(given) ? given : "NO_SQLSTATE";
  const known = code === "08P01" ? poolerWords.find(([words]) => words.test(message)) : undefined;
  if (known !== undefined) return { kind: known[2], code: known[1], says };
  return { kind: kindOfSqlState(code, phase), code, says };
}

/** While connecting, what nobody knows is waited for, and named at the deadline. */
function kindOfSqlState(code: string, phase: Phase): FaultKind {
  const isConnecting = phase === "connect";
  const tables = isConnecting ? [connectSqlStates, sqlStates] : [sqlStates];
  for (const key of [code, code.slice(0, 2)])
    for (const table of tables) if (table[key] !== undefined) return table[key];
  if (code === "NO_SQLSTATE") return "temporary";
  return isConnecting ? "unavailable" : "internal";
}

/** A server's words, fit for one line of a log or a terminal. */
function printable(message: string): string {
  const line = message.replaceAll(/\p{Cc}+/gu, " ").trim();
  if (line === "") return "an error without words";
  return line.length > 500 ? `${line.slice(0, 500)}…` : line;
}

export function codeOf(error: unknown): string {
  const code: unknown = error instanceof Error && "code" in error ? error.code : "";
  return typeof code === "string" ? code : "";
}
