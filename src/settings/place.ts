import type { Connection } from "./connection.ts";

/** Where a program works, as far as it is known. */
export type Place = {
  readonly host: string | null;
  readonly port: number | null;
  readonly database: string | null;
};

/**
 * - `same`: the same server and the same database, by their names
 * - `server`: another host or port, which may be a pooler's, or another name for the same
 * - `database`: a database of another name
 * - `unknown`: too little is known
 */
export type Likeness = "same" | "server" | "database" | "unknown";

const defaultPort = 5432;

export function comparePlaces(judged: Connection, { host, port, database }: Place): Likeness {
  if (database === null) return "unknown";
  if (database !== judged.database) return "database";
  if (host === null) return "unknown";
  const isThere = judged.hosts.some(
    (one) =>
      [one.host, one.address].some((name) => name !== null && nameOf(name) === nameOf(host)) &&
      one.port === (port ?? defaultPort),
  );
  return isThere ? "same" : "server";
}

/** This machine has several names. */
function nameOf(host: string): string {
  const name = host.toLowerCase().replaceAll(/^\[|\]$|\.$/g, "");
  return name.startsWith("/") || /^(?:localhost|127\.\d+\.\d+\.\d+|::1)$/.test(name)
    ? "this machine"
    : name;
}

export function describePlace({ host, port, database }: Place): string {
  return [
    host === null ? null : `host ${host}`,
    port === null ? null : `port ${port}`,
    database === null ? null : `database ${database}`,
  ]
    .filter((part) => part !== null)
    .join(", ");
}
