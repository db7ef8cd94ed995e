import { type DatabaseAddress, readsOptions } from "../core/database-address.ts";
import { type MappedVariable, programVariables, schemesOf } from "../core/program-env.ts";
import { readDatabase } from "./connection-source.ts";
import { parseConnectionUrl } from "./connection-url.ts";
import { type Connection, defaultPort, type Host } from "./connection.ts";
import { noteOnSchema } from "./foreign-parameters.ts";
import { type Findings, noFindings, readVariable, type Sources } from "./sources.ts";

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

/**
 * The address that counts without Preflight's own variables, where another role or other options may lead to another
 * schema. Null: there is none, or it leads to the same.
 */
export function readProgramConnection(
  judged: Connection,
  sources: Sources,
  mapped: readonly MappedVariable[] | null = null,
): Connection | null {
  const deaf = schemesOf(mapped ?? []).find((scheme) => !readsOptions(scheme));
  if (deaf !== undefined && judged.options !== null)
    return { ...judged, options: null, source: `${judged.source} for ${deaf}` };
  const other = withoutOurs(judged, sources);
  const isSame = other?.user === judged.user && other.options === judged.options;
  return isSame ? null : other;
}

/** What counts without Preflight's own variables; null: the same, or nothing. */
function withoutOurs(judged: Connection, sources: Sources): Connection | null {
  if (judged.source !== "PREFLIGHT_DATABASE_URL") return null;
  const env = Object.fromEntries(
    Object.entries(sources.env).filter(([name]) => !name.startsWith("PREFLIGHT_")),
  );
  // Whatever is wrong with these variables is their program's affair.
  return readDatabase({ ...sources, env }, noFindings());
}

/** The schema that an address names; where Preflight's own says nothing of schemas, the application's of the same database. */
export function readSchema(
  judged: Connection,
  sources: Sources,
  { notes }: Findings,
): string | null {
  if (judged.schema !== null || /search_path/i.test(judged.options ?? "")) return judged.schema;
  const other = withoutOurs(judged, sources);
  if (other === null || other.schema === null || other.database !== judged.database) return null;
  notes.push(noteOnSchema(other.schema, other.source));
  return other.schema;
}

/** The address in a program's words: of several hosts, by the one that was reached. */
export function addressAt(
  { hosts, user, database, tls }: Connection,
  reached: Pick<Host, "host" | "port">,
): DatabaseAddress {
  const { host, port } = reached;
  const known = hosts.find((each) => each.host === host && each.port === port);
  const { client } = tls;
  return {
    host,
    port,
    user,
    password: known?.password ?? null,
    database,
    sslMode: tls.mode === "prefer" ? null : tls.mode,
    sslRootCert: tls.rootCert,
    more: definedOf({
      hostaddr: known?.address === host ? null : known?.address,
      sslcert: client?.certificate,
      sslkey: client?.key,
      sslpassword: client?.keyPassword,
    }),
  };
}

function definedOf(
  record: Readonly<Record<string, string | null | undefined>>,
): Readonly<Record<string, string>> {
  const entries = Object.entries(record).filter((entry): entry is [string, string] =>
    Boolean(entry[1]),
  );
  return Object.fromEntries(entries);
}

/** The world as the program sees it whose variables are set by `--program-env`. */
export function asProgramSees(
  sources: Sources,
  mapped: readonly MappedVariable[] | null,
  connection: Connection | null,
): Sources {
  if (mapped === null) return sources;
  const place = connection?.hosts[0];
  const address = connection && place ? addressAt(connection, place) : nowhere;
  const options = connection?.options ?? null;
  const env = { ...sources.env, ...(options !== null && { PGOPTIONS: options }) };
  return { ...sources, env: { ...env, ...programVariables(mapped, address) } };
}

const nowhere: DatabaseAddress = {
  host: "",
  port: defaultPort,
  user: "",
  password: null,
  database: "",
  sslMode: null,
  sslRootCert: null,
};

function placesIn(sources: Sources): readonly { readonly source: string; readonly place: Place }[] {
  // Whatever is wrong with a variable that does not count here is its program's affair.
  const findings = noFindings();
  const read = (name: string): string | null => readVariable(name, sources, findings);
  const url = parseConnectionUrl(read("DATABASE_URL") ?? "");
  const inUrl = (keyword: string): string | null =>
    url.kind === "faults" ? null : (url.parameters.get(keyword) ?? null);
  return [
    {
      source: "DATABASE_URL",
      place: toPlace(inUrl("host"), inUrl("port"), inUrl("dbname")),
    },
    {
      source: "POSTGRES_HOST, POSTGRES_PORT, POSTGRES_DB",
      place: toPlace(read("POSTGRES_HOST"), read("POSTGRES_PORT"), read("POSTGRES_DB")),
    },
    {
      source: "PGHOST, PGPORT, PGDATABASE",
      place: toPlace(read("PGHOST"), read("PGPORT"), read("PGDATABASE")),
    },
  ];
}

function toPlace(host: string | null, port: string | null, database: string | null): Place {
  const number = Number(port ?? "");
  return {
    // Of a list, which one it will be is not known.
    host: host?.includes(",") === true ? null : host,
    port: Number.isInteger(number) && number > 0 ? number : null,
    // libpq takes a whole address for a name, password and all.
    database: database !== null && /:\/\/|=/.test(database) ? null : database,
  };
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
  return Object.entries({ host, port, database })
    .flatMap(([name, value]) => (value === null ? [] : `${name} ${value}`))
    .join(", ");
}
