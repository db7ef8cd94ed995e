import { readDatabase } from "./connection-source.ts";
import { parseConnectionUrl } from "./connection-url.ts";
import { type Connection, defaultPort } from "./connection.ts";
import { type Findings, readVariable, type Sources } from "./sources.ts";

/** Where else the environment leads, in variables that the application's own program may read. */
export type ProgramAddress = {
  /** The variables: safe to print. */
  readonly source: string;
  readonly place: Place;
  /** `server`: the same database by name, at another host or port. */
  readonly differs: "database" | "server";
};

/** The address beside the one that counts here which differs most from it; null: none does. */
export function readProgramAddress(judged: Connection, sources: Sources): ProgramAddress | null {
  const differing = placesIn(sources)
    .filter(({ source }) => source !== judged.source)
    .flatMap(({ source, place }): ProgramAddress[] => {
      const differs = comparePlaces(judged, place);
      return differs === "database" || differs === "server" ? [{ source, place, differs }] : [];
    });
  return differing.find(({ differs }) => differs === "database") ?? differing[0] ?? null;
}

const ownVariables: ReadonlySet<string> = new Set([
  "PREFLIGHT_DATABASE_URL",
  "PREFLIGHT_DATABASE_URL_FILE",
  "PREFLIGHT_PASSWORD_COMMAND",
]);

/**
 * The address that counts without Preflight's own variables, where another role or other options may lead to another
 * schema. Null: there is none, or it leads to the same.
 */
export function readProgramConnection(judged: Connection, sources: Sources): Connection | null {
  if (judged.source !== "PREFLIGHT_DATABASE_URL") return null;
  const env = Object.fromEntries(
    Object.entries(sources.env).filter(([name]) => !ownVariables.has(name)),
  );
  // Whatever is wrong with these variables is their program's affair.
  const other = readDatabase({ ...sources, env }, { faults: [], warnings: [] });
  const isSame = other?.user === judged.user && other.options === judged.options;
  return isSame ? null : other;
}

function placesIn(sources: Sources): readonly { readonly source: string; readonly place: Place }[] {
  // Whatever is wrong with a variable that does not count here is its program's affair.
  const findings: Findings = { faults: [], warnings: [] };
  const read = (name: string): string | null => readVariable(name, sources, findings);
  const url = parseConnectionUrl(read("DATABASE_URL") ?? "");
  const parts = (prefix: "POSTGRES_" | "PG", database: string): Place => ({
    host: onlyHost(read(`${prefix}HOST`)),
    port: toPort(read(`${prefix}PORT`)),
    database: onlyName(read(database)),
  });
  return [
    ...(url.kind === "faults"
      ? []
      : [
          {
            source: "DATABASE_URL",
            place: {
              host: onlyHost(url.parameters.get("host") ?? null),
              port: toPort(url.parameters.get("port") ?? null),
              database: onlyName(url.parameters.get("dbname") ?? null),
            },
          },
        ]),
    {
      source: "POSTGRES_HOST, POSTGRES_PORT, POSTGRES_DB",
      place: parts("POSTGRES_", "POSTGRES_DB"),
    },
    { source: "PGHOST, PGPORT, PGDATABASE", place: parts("PG", "PGDATABASE") },
  ];
}

/** libpq takes a whole address for a name, password and all. */
function onlyName(database: string | null): string | null {
  return database !== null && /:\/\/|=/.test(database) ? null : database;
}

/** Of a list, which one it will be is not known. */
function onlyHost(host: string | null): string | null {
  return host?.includes(",") === true ? null : host;
}

function toPort(text: string | null): number | null {
  const port = Number(text ?? "");
  return Number.isInteger(port) && port > 0 ? port : null;
}

/** What a person must know at every start; null: nothing. Poolers give a database other hosts and ports, and rarely another name. */
export function warnOfAddress(judged: Connection, other: ProgramAddress | null): string | null {
  if (other?.differs !== "database" || judged.source !== "PREFLIGHT_DATABASE_URL") return null;
  return `${judged.source} names the database ${judged.database}, which is judged, and ${other.source} names ${other.place.database}: if the application works on that one, nothing is known of it`;
}

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
