import type { Connection, Host } from "../settings/connection.ts";
import { type Database, openDatabase, type Session } from "./database.ts";
import { classify, ConnectionFault, type Fault, isWaitedFor } from "./errors.ts";
import {
  destroyOnAbort,
  type Encryption,
  openSocket,
  resolveTargets,
  type Target,
} from "./socket.ts";
import { type Proof, readProof } from "./tls.ts";
import { inTime, unlessAborted } from "./waiting.ts";

export type Failed = {
  readonly kind: "failed";
  readonly fault: Fault;
  readonly place: string;
};

export type Connected = { readonly kind: "connected"; readonly database: Database } | Failed;

export type ConnectOptions = {
  readonly applicationName: string;
  /** Ends everything; the promise then rejects with the signal's reason. */
  readonly signal: AbortSignal;
  /** Milliseconds that the next attempt (one address) may take. */
  readonly attemptTimeout: () => number;
  /** Milliseconds after which a server that says nothing is given up; the default is right. */
  readonly silence?: number;
};

/**
 * One pass over every host of the list and every address of each, in order, as libpq does: the next one
 * is tried only when nobody useful answered. A refused login or a wrong certificate ends the pass.
 */
export async function connect(connection: Connection, options: ConnectOptions): Promise<Connected> {
  const passes = sessionsInOrder(connection.targetSession).map((wanted): Pass => ({
    ...options,
    connection,
    wanted,
  }));
  const result = await firstUseful(
    passes.flatMap((pass) => connection.hosts.map((host) => () => tryHost(host, pass))),
  );
  if (result === null) throw new TypeError("a connection needs at least one host");
  return result;
}

/** What every attempt of a pass is made with. */
type Pass = ConnectOptions & {
  readonly connection: Connection;
  readonly wanted: WantedSession;
};

type WantedSession = Exclude<Connection["targetSession"], "prefer-standby">;

function sessionsInOrder(target: Connection["targetSession"]): readonly WantedSession[] {
  return target === "prefer-standby" ? ["standby", "any"] : [target];
}

/** The first result that no further attempt may better, or the last one; null: there was nothing to try. */
async function firstUseful(
  attempts: readonly (() => Promise<Connected>)[],
): Promise<Connected | null> {
  let last: Connected | null = null;
  for (const attempt of attempts) {
    last = await attempt();
    if (last.kind === "connected" || !isWaitedFor(last.fault)) return last;
  }
  return last;
}

async function tryHost(host: Host, pass: Pass): Promise<Connected> {
  const { signal, attemptTimeout } = pass;
  let targets: readonly Target[];
  try {
    targets = await unlessAborted(
      inTime(resolveTargets(host), attemptTimeout(), "resolving the name"),
      signal,
    );
  } catch (error) {
    signal.throwIfAborted();
    return failed(error, `host ${host.host}, port ${host.port}`);
  }
  const result = await firstUseful(targets.map((target) => () => tryTarget(target, pass)));
  return result ?? failed(new ConnectionFault("CLOSED_EARLY"), host.host);
}

export function failed(error: unknown, place: string): Failed {
  return { kind: "failed", fault: classify(error, "connect"), place };
}

/** `allow` and `prefer` have a second way to try when the server refuses the first. */
async function tryTarget(target: Target, pass: Pass): Promise<Connected> {
  const { tls, source } = pass.connection;
  const isLocal = "path" in target.dial;
  let proof: Proof = { check: "none", ca: null, client: null };
  try {
    if (!isLocal) proof = await readProof(tls);
  } catch (error) {
    return failed(error, source);
  }
  const [first, second] = isLocal ? ["none" as const] : encryptions[tls.mode];
  const result = await tryEncryption(target, first, proof, pass);
  if (second === undefined || result.kind === "connected" || !mayDiffer.has(result.fault.code))
    return result;
  // It has said no to TLS already: the second way would be the first again.
  if (first === "offer" && result.encrypted === false) return result;
  const other = await tryEncryption(target, second, proof, pass);
  // The refusal of the way that a person would expect is the one to tell.
  return other.kind === "connected" ? other : result;
}

/** The way to try first, and the second one where there is one. */
const encryptions: Record<Connection["tls"]["mode"], readonly [Encryption, Encryption?]> = {
  disable: ["none"],
  allow: ["none", "insist"],
  prefer: ["offer", "none"],
  require: ["insist"],
  "verify-ca": ["insist"],
  "verify-full": ["insist"],
};

/** pg_hba.conf may refuse one kind of connection and accept the other, and `prefer` is content with none. */
const mayDiffer: ReadonlySet<string> = new Set([
  "28000",
  "TLS_CLOSED",
  "TLS_EXPIRED",
  "TLS_FAILED",
  "TLS_REFUSED",
  "TLS_UNTRUSTED",
]);

/** `encrypted`: null until the server has said what it can. */
type Tried = Connected & { readonly encrypted?: boolean | null };

async function tryEncryption(
  target: Target,
  encryption: Encryption,
  proof: Proof,
  { connection, wanted, applicationName, signal, attemptTimeout, silence }: Pass,
): Promise<Tried> {
  const deadline = new AbortController();
  const timer = setTimeout(
    () => deadline.abort(new ConnectionFault("TIMED_OUT")),
    attemptTimeout(),
  );
  const limit = AbortSignal.any([signal, deadline.signal]);
  let stop = (): void => {};
  let encrypted: boolean | null = null;
  try {
    const socket = await openSocket(target, encryption, proof, limit);
    encrypted = "encrypted" in socket;
    stop = destroyOnAbort(socket, limit);
    const { user, database: name, options: parameters } = connection;
    const { password } = target;
    const login = { user, password, database: name, applicationName, options: parameters };
    const database = await openDatabase(socket, login, target, silence);
    if (database.session.isTemporary && "path" in target.dial) {
      await database.close();
      throw new ConnectionFault("TEMPORARY_SERVER");
    }
    if (fits[wanted](database.session)) return { kind: "connected", database };
    await database.close();
    throw new ConnectionFault(
      "WRONG_SESSION",
      `${wanted} wanted, ${describeServer(database.session)} found`,
    );
  } catch (error) {
    signal.throwIfAborted();
    const cause: unknown = deadline.signal.aborted ? deadline.signal.reason : error;
    return { ...failed(cause, target.place), encrypted };
  } finally {
    stop();
    clearTimeout(timer);
  }
}

const fits: Record<WantedSession, (session: Session) => boolean> = {
  any: () => true,
  "read-write": ({ readOnly, inRecovery }) => !readOnly && !inRecovery,
  "read-only": ({ readOnly, inRecovery }) => readOnly || inRecovery,
  primary: ({ inRecovery }) => !inRecovery,
  standby: ({ inRecovery }) => inRecovery,
};

function describeServer({ inRecovery, readOnly }: Session): string {
  return inRecovery ? "a standby" : readOnly ? "a read-only primary" : "a primary";
}
