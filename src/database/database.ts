import type { Socket } from "node:net";
import postgres from "postgres";
import { ConnectionFault } from "./errors.ts";
import { expectPostgres } from "./socket.ts";
import { readSession, readVersion } from "./connect.sql.ts";
import { refuseOtherServers } from "./server-kind.ts";

/** One row; the SQL that asks for it vouches for its shape. */
export type Row = Record<string, unknown>;

/**
 * One connection to one server process. It never reconnects: after a loss every query rejects.
 * Queries are one message of the simple protocol each and reject with the driver's or a ConnectionFault error.
 */
export type Database = {
  /** The rows of the only statement that returns rows. */
  readonly query: <R extends Row = Row>(text: string) => Promise<readonly R[]>;
  /** One array of rows for each statement that returns rows, in order; one round trip. */
  readonly queryAll: (text: string) => Promise<readonly (readonly Row[])[]>;
  /** As the server says when asked, which behind a pooler is not what the start-up said. */
  readonly backendPid: number;
  readonly session: Session;
  /** "host db, port 5432": for messages. */
  readonly place: string;
  /** Resolves when the connection is lost; never after `close`. */
  readonly lost: Promise<void>;
  /** Who hears what the server says beside its answers, such as `NOTICE: …`; nobody at first. */
  readonly onNotice: (listener: (text: string) => void) => void;
  /** Says goodbye and destroys the socket within 100 ms. Never rejects. */
  readonly close: () => Promise<void>;
};

export type Session = { readonly inRecovery: boolean; readonly readOnly: boolean };

export type Login = {
  readonly user: string;
  readonly password: string | null;
  readonly database: string;
  readonly applicationName: string;
  /** libpq's `options`, sent as it is. */
  readonly options: string | null;
};

/** Logs in over a socket that expects a start-up message. On failure the socket is destroyed. */
export async function openDatabase(socket: Socket, login: Login, place: string): Promise<Database> {
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
  const sql = postgres(
    driverOptions(handOver(socket, expectPostgres(socket)), login, {
      onclose: () => reportLoss(),
      onnotice: ({ severity, message }) => hear(`${severity}: ${message}`),
    }),
  );

  const queryAll = async (text: string): Promise<readonly (readonly Row[])[]> => {
    // The driver would try to connect again, and never answer.
    if (state === "lost") throw new ConnectionFault("LOST");
    return rowSets(await sql.unsafe(text).simple());
  };
  const query = async <R extends Row>(text: string): Promise<readonly R[]> =>
    ((await queryAll(text))[0] ?? []) as readonly R[];
  const close = async (): Promise<void> => {
    state = "closing";
    const closed = new Promise<void>((resolve) => {
      if (socket.destroyed) resolve();
      socket.once("close", () => resolve());
    });
    await sql.end({ timeout: 0 }).catch(() => {});
    await Promise.race([closed, pause(100)]);
    socket.destroy();
  };

  try {
    const [session] = await query<Session & { pid: number; version: string }>(readSession).catch(
      async (error: unknown) => {
        const [other] = await query<{ version: string }>(readVersion).catch(() => []);
        if (other !== undefined) refuseOtherServers(other.version);
        throw error;
      },
    );
    if (session === undefined) throw new ConnectionFault("NOT_POSTGRES");
    const { pid, inRecovery, readOnly, version } = session;
    refuseOtherServers(version);
    return {
      query,
      queryAll,
      backendPid: pid,
      session: { inRecovery, readOnly },
      place,
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

/**
 * Gives the socket away once: when the driver wants to connect again, the connection was lost,
 * and with it every lock and setting of the session.
 */
function handOver(socket: Socket, foundFault: () => ConnectionFault | null): () => Socket {
  let given = false;
  return () => {
    const fault = foundFault();
    if (fault !== null) throw fault;
    if (given || socket.destroyed) throw new ConnectionFault(given ? "LOST" : "CLOSED_EARLY");
    given = true;
    return socket;
  };
}

/** Every option that the driver would otherwise read from PG… variables is given. */
function driverOptions(
  socket: () => Socket,
  login: Login,
  listeners: Pick<postgres.Options<{}>, "onclose" | "onnotice">,
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
    // As a function, so that no password means none and not PGPASSWORD.
    pass: () => login.password ?? "",
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
    keep_alive: 10,
    backoff: () => 0,
    prepare: false,
    fetch_types: false,
    debug: false,
    publications: "",
    ...listeners,
  };
  return options as unknown as postgres.Options<{}>;
}

/** The driver gives one result for one statement and an array for several, and an empty one for the leading BEGIN and SETs. */
function rowSets(result: unknown): readonly (readonly Row[])[] {
  const results = (isListOfResults(result) ? result : [result]) as readonly Result[];
  return results.filter((one) => Array.isArray(one.columns));
}

type Result = readonly Row[] & { readonly columns?: unknown };

function isListOfResults(result: unknown): boolean {
  return Array.isArray(result) && !("command" in result);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}
