import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import postgres from "postgres";
import { readSession, readVersion } from "./connect.sql.ts";
import { codeOf, ConnectionFault } from "./errors.ts";
import { type Guard, openGuard } from "./protocol-guard.ts";
import type { LastWords } from "./protocol.ts";
import { refuseOtherServers } from "./server-kind.ts";
import type { Target } from "./socket.ts";

/** One row; the SQL that asks for it vouches for its shape. */
export type Row = Record<string, unknown>;

/**
 * One connection to one server process. It never reconnects: after a loss every query rejects.
 * Queries are one message of the simple protocol each and reject with the driver's or a ConnectionFault error.
 */
export type Database = {
  /** The rows of the only statement that returns rows. `silence` as in `queryAll`. */
  readonly query: <R extends Row = Row>(
    text: string,
    silence?: number | null,
  ) => Promise<readonly R[]>;
  /**
   * One array of rows for each statement that returns rows, in order; one round trip. A server that has not said
   * anything for `silence` milliseconds is given up, and with it the connection; null: however long it takes.
   */
  readonly queryAll: (
    text: string,
    silence?: number | null,
  ) => Promise<readonly (readonly Row[])[]>;
  /** As the server says when asked, which behind a pooler is not what the start-up said. */
  readonly backendPid: number;
  readonly session: Session;
  /** "host db, port 5432": for messages. */
  readonly place: string;
  /** Which one of the address' hosts it is. */
  readonly host: string;
  readonly port: number;
  /** Resolves when the connection is lost; never after `close`. */
  readonly lost: Promise<void>;
  /** Who hears what the server says beside its answers, such as `NOTICE: …`; nobody at first. */
  readonly onNotice: (listener: (text: string) => void) => void;
  /** Says goodbye and destroys the socket within 100 ms. Never rejects. */
  readonly close: () => Promise<void>;
};

export type Session = {
  readonly pid: number;
  readonly inRecovery: boolean;
  readonly readOnly: boolean;
  /** Young, and without a TCP address: an image's entry point starts one to prepare a new database. */
  readonly isTemporary: boolean;
  /** As `version()` says it. */
  readonly version: string;
};

export type Login = {
  readonly user: string;
  readonly password: string | null;
  readonly database: string;
  readonly applicationName: string;
  /** libpq's `options`, sent as it is. */
  readonly options: string | null;
};

/** Our own questions end on the server after 70 seconds at the latest: they have a statement_timeout. */
const longestSilence = 90_000;

/** Logs in over a socket that expects a start-up message. On failure the socket is destroyed. */
export async function openDatabase(
  socket: Socket,
  login: Login,
  { host, port, place }: Pick<Target, "host" | "port" | "place">,
  defaultSilence = longestSilence,
): Promise<Database> {
  let state: "open" | "lost" | "closing" = "open";
  let reportLoss = (): void => {};
  let hear = (_text: string): void => {};
  const lost = new Promise<void>((resolve) => {
    reportLoss = () => {
      if (state === "closing") return;
      state = "lost";
      resolve();
    };
  });
  const watch = watchSilence(() => void gate.stream.destroy(new ConnectionFault("STALLED")));
  const password = login.password ?? "";
  const gate = openGuard(socket, password !== "", watch.heard);
  const pass = async (): Promise<string> => {
    const prepared = gate.isScram() ? await prepare(password) : password;
    // The driver would write to a socket that it no longer has.
    return gate.stream.destroyed ? await new Promise<never>(() => {}) : prepared;
  };
  const sql = postgres(
    driverOptions(handOver(gate), login, {
      pass,
      onclose: () => reportLoss(),
      onnotice: ({ severity, message }) => hear(`${severity}: ${message}`),
    }),
  );

  const queryAll = async (
    text: string,
    silence: number | null = defaultSilence,
  ): Promise<readonly (readonly Row[])[]> => {
    // The driver would try to connect again, and never answer.
    if (state === "lost") throw new ConnectionFault("LOST");
    // It has never had this one, and would not answer either.
    if (gate.stream.destroyed) throw gate.stream.errored ?? new ConnectionFault("LOST");
    try {
      return rowSets(await watch.over(sql.unsafe(text).simple(), silence));
    } catch (error) {
      throw closedByPooler(error, gate.lastWords()) ?? understood(error);
    }
  };
  const query = async <R extends Row>(
    text: string,
    silence?: number | null,
  ): Promise<readonly R[]> => ((await queryAll(text, silence))[0] ?? []) as readonly R[];
  const close = async (): Promise<void> => {
    state = "closing";
    await sayGoodbye(sql, socket);
  };

  try {
    const session = readAnswer(await askFirst(query));
    refuseOtherServers(session.version);
    return {
      query,
      queryAll,
      backendPid: session.pid,
      session,
      place,
      host,
      port,
      lost,
      onNotice: (listener) => {
        hear = listener;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** For whoever waits for an answer while the server says nothing at all. */
function watchSilence(giveUp: () => void) {
  const timers = new Set<NodeJS.Timeout>();
  return {
    heard: (): void => {
      for (const timer of timers) timer.refresh();
    },
    /** @param silence milliseconds; null: however long it takes */
    over: async <T>(answer: PromiseLike<T>, silence: number | null): Promise<T> => {
      if (silence === null) return await answer;
      const timer = setTimeout(giveUp, silence);
      timers.add(timer);
      try {
        return await answer;
      } finally {
        clearTimeout(timer);
        timers.delete(timer);
      }
    },
  };
}

async function sayGoodbye(sql: postgres.Sql, socket: Socket): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    if (socket.destroyed) resolve();
    socket.once("close", () => resolve());
  });
  await sql.end({ timeout: 0 }).catch(() => {});
  await Promise.race([closed, pause(100)]);
  socket.destroy();
}

/** PgBouncer says why, and closes; the driver tells only the latter. */
function closedByPooler(error: unknown, said: LastWords | null): Error | null {
  const isClosed = codeOf(error) === "CONNECTION_CLOSED" || codeOf(error) === "LOST";
  if (!isClosed || said?.code !== "08P01") return null;
  return new ConnectionFault(
    said.message.includes("statement pooling") ? "POOLER_STATEMENTS" : "LOST",
    said.message,
  );
}

/** Errors of the driver itself come from an answer that it could not read. */
function understood(error: unknown): unknown {
  const isKnown = error instanceof postgres.PostgresError || codeOf(error) !== "";
  return isKnown ? error : new ConnectionFault("BAD_MESSAGE", String(error));
}

/** What does not understand the question may still say what it is. */
async function askFirst(query: Database["query"]): Promise<readonly Row[]> {
  try {
    return await query(readSession);
  } catch (error) {
    if (!(error instanceof postgres.PostgresError)) throw error;
    const [other] = await query<{ version: string }>(readVersion).catch(() => []);
    if (other !== undefined) refuseOtherServers(other.version);
    throw error;
  }
}

function readAnswer([row]: readonly Row[]): Session {
  const { pid, inRecovery, readOnly, isTemporary, version } = row ?? {};
  if (
    typeof pid !== "number" ||
    typeof inRecovery !== "boolean" ||
    typeof readOnly !== "boolean" ||
    typeof isTemporary !== "boolean" ||
    typeof version !== "string"
  )
    throw new ConnectionFault("BAD_MESSAGE", "not the answer to the first question");
  return { pid, inRecovery, readOnly, isTemporary, version };
}

/**
 * Gives the socket away once: when the driver wants to connect again, the connection was lost,
 * and with it every lock and setting of the session.
 */
function handOver({ stream }: Guard): () => Duplex {
  let given = false;
  return () => {
    if (given) throw new ConnectionFault("LOST");
    // It may have broken before the driver has asked for it.
    if (stream.destroyed) throw stream.errored ?? new ConnectionFault("CLOSED_EARLY");
    given = true;
    return stream;
  };
}

/** Every option that the driver would otherwise read from PG… variables is given. */
function driverOptions(
  socket: () => Duplex,
  login: Login,
  own: Pick<postgres.Options<{}>, "onclose" | "onnotice" | "pass">,
): postgres.Options<{}> {
  const options = {
    socket,
    ssl: false,
    sslnegotiation: null,
    // No host of the list is left to the driver. It would read PGTARGETSESSIONATTRS where none is given
    // and refuse "any"; with an empty host, "prefer-standby" is content with every server.
    host: [""],
    port: [0],
    target_session_attrs: "prefer-standby",
    user: login.user,
    database: login.database,
    connection: {
      application_name: login.applicationName,
      ...(login.options === null ? {} : { options: login.options }),
    },
    max: 1,
    max_lifetime: null,
    max_pipeline: 100,
    idle_timeout: 0,
    connect_timeout: 0,
    keep_alive: 0,
    backoff: () => 0,
    prepare: false,
    fetch_types: false,
    debug: false,
    publications: "",
    // The password as a function, so that none means none and not PGPASSWORD.
    ...own,
  };
  return options as unknown as postgres.Options<{}>;
}

/** The driver gives one result for one statement and an array for several, and an empty one for the leading BEGIN and SETs. */
function rowSets(result: unknown): readonly (readonly Row[])[] {
  const isList = Array.isArray(result) && !("command" in result);
  const results = (isList ? result : [result]) as readonly Result[];
  return results.filter((one) => Array.isArray(one.columns));
}

type Result = readonly Row[] & { readonly columns?: unknown };

/**
 * What SCRAM makes of a password (RFC 4013): as the server did when it was set, one that may not be prepared stays as
 * it is. ASCII stays as it is too, and needs no tables.
 */
async function prepare(password: string): Promise<string> {
  if (/^\p{ASCII}*$/u.test(password)) return password;
  const { saslprep } = await import("@mongodb-js/saslprep");
  try {
    return saslprep(password);
  } catch {
    return password;
  }
}
