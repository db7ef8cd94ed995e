import path from "node:path";
import { dotenvIsThere } from "../core/ways-out.ts";
import { libpqParameters, type Parameter, type Parameters } from "./connection-parameters.ts";
import { parseConnectionUrl } from "./connection-url.ts";
import { type Connection, defaultPort } from "./connection.ts";
import { readForeign } from "./foreign-parameters.ts";
import { type Findings, isSet, readVariable, type Sources } from "./sources.ts";
import { toConnection } from "./to-connection.ts";

/** The database to judge, from the first source that is set; null when the findings say why there is none. */
export function readDatabase(sources: Sources, findings: Findings): Connection | null {
  const before = findings.faults.length;
  const connection = readFirstSource(sources, findings);
  return findings.faults.length > before ? null : connection;
}

/**
 * The server on which `bake` makes its own databases; null when none is named. libpq's variables, which may
 * name the real database, fill in nothing here.
 */
export function readScratch(
  flag: string | null,
  sources: Sources,
  findings: Findings,
): Connection | null {
  const name = "PREFLIGHT_SCRATCH_URL";
  const text = flag ?? readVariable(name, sources, findings);
  if (text === null) return null;
  const alone: Sources = { ...sources, env: {} };
  return readUrl(flag === null ? name : "--scratch-url", text, new Map(), alone, findings);
}

function readFirstSource(sources: Sources, findings: Findings): Connection | null {
  const { env } = sources;
  const url = ["PREFLIGHT_DATABASE_URL", "DATABASE_URL"].find((name) => isSet(env, name));
  if (url !== undefined) {
    const text = readVariable(url, sources, findings);
    if (text === null) return null;
    return readUrl(url, text, libpqVariables(sources, findings), sources, findings);
  }
  if (isSet(env, "POSTGRES_HOST")) return readParts(sources, findings);
  if (libpqAddress.some((name) => isSet(env, name))) {
    if (postgresParts.some((name) => isSet(env, name))) {
      findings.warnings.push(
        "POSTGRES_… counts only with POSTGRES_HOST: libpq's variables are used instead",
      );
    }
    return toConnection(nameOfLibpqs, libpqVariables(sources, findings), sources, findings);
  }
  const halves = postgresParts.filter((name) => isSet(env, name));
  const isDotenvThere = sources.statFile(path.join(sources.cwd ?? "", ".env"))?.isFile === true;
  const dotenv = isDotenvThere ? `; ${dotenvIsThere}` : "";
  findings.faults.push(
    halves.length > 0
      ? `${halves.join(", ")} without POSTGRES_HOST: the database's host is not known${dotenv}`
      : `no database is named: set PREFLIGHT_DATABASE_URL, or DATABASE_URL, or POSTGRES_HOST with POSTGRES_PORT, POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB, or PGHOST and libpq's other variables; each also as NAME_FILE${dotenv}`,
  );
  return null;
}

/** What a person looks for who is told to check something there. */
const nameOfParts = "POSTGRES_HOST, POSTGRES_USER, POSTGRES_PASSWORD …";
const nameOfLibpqs = "PGHOST, PGUSER, PGPASSWORD …";

const postgresParts = [
  "POSTGRES_PORT",
  "POSTGRES_USER",
  "POSTGRES_PASSWORD",
  "POSTGRES_DB",
] as const;

/** The libpq variables that say where a database is; the others only say how to speak to it. */
const libpqAddress = [
  "PGHOST",
  "PGHOSTADDR",
  "PGPORT",
  "PGUSER",
  "PGPASSWORD",
  "PGDATABASE",
  "PGSERVICE",
] as const;

function readUrl(
  name: string,
  text: string,
  fill: Parameters,
  sources: Sources,
  findings: Findings,
): Connection | null {
  const reading = parseConnectionUrl(text);
  if (reading.kind === "faults") {
    findings.faults.push(...reading.faults.map((fault) => `${name} ${fault}`));
    return null;
  }
  const { scheme, others } = reading;
  const meant = readForeign(others, { own: reading.parameters, scheme, name }, findings);
  const own = [...meant.parameters].map(([keyword, value]): [string, Parameter] => [
    keyword,
    { value, place: `${keyword} in ${name}` },
  ]);
  if (isPortUnclear(reading.parameters, fill)) {
    findings.faults.push(
      `${name} names several hosts and no port, and PGPORT does: programs read that in different ways; give each host its port`,
    );
    return null;
  }
  const connection = toConnection(name, new Map([...fill, ...own]), sources, findings);
  return connection && { ...connection, schema: meant.schema };
}

/** libpq takes 5432 for `//a,b` and PGPORT for `?host=a,b`; SQLAlchemy does it the other way round. */
function isPortUnclear(url: ReadonlyMap<string, string>, fill: Parameters): boolean {
  const hosts = (url.get("host") ?? "").split(",");
  const ports = (url.get("port") ?? "").replaceAll(",", "");
  return (
    hosts.length > 1 &&
    ports === "" &&
    (fill.get("port")?.value ?? String(defaultPort)) !== String(defaultPort)
  );
}

/**
 * The variables of PostgreSQL's container image, with that image's defaults (user `postgres`). Only the port is
 * not taken from libpq's variables: whoever names the host this way means its usual port.
 */
function readParts(sources: Sources, findings: Findings): Connection | null {
  const read = (place: string, standard: string | null): Parameter | null => {
    const value = readVariable(place, sources, findings) ?? standard;
    return value === null ? null : { value, place };
  };
  let port = read("POSTGRES_PORT", String(defaultPort));
  // Kubernetes injects POSTGRES_PORT=tcp://10.0.0.1:5432 beside a service named "postgres".
  if (port?.value.startsWith("tcp://") === true) {
    findings.warnings.push("POSTGRES_PORT is Kubernetes' own variable for a service: 5432 is used");
    port = { ...port, value: String(defaultPort) };
  }
  const own = {
    port,
    host: read("POSTGRES_HOST", null),
    user: read("POSTGRES_USER", "postgres"),
    password: read("POSTGRES_PASSWORD", null),
    dbname: read("POSTGRES_DB", null),
  };
  const given = libpqVariables(sources, findings);
  given.delete("hostaddr");
  given.delete("dbname");
  for (const [keyword, part] of Object.entries(own)) if (part !== null) given.set(keyword, part);
  return toConnection(nameOfParts, given, sources, findings);
}

/** What libpq would take from the environment for whatever an address leaves out. */
function libpqVariables(sources: Sources, findings: Findings): Map<string, Parameter> {
  const given = new Map<string, Parameter>();
  // The name of PGSSLMODE=require before PostgreSQL 8.0; libpq still reads it.
  if (sources.env["PGREQUIRESSL"]?.startsWith("1") === true)
    given.set("sslmode", { value: "require", place: "PGREQUIRESSL" });
  for (const [keyword, { variable: place }] of Object.entries(libpqParameters)) {
    const value = place === null ? null : readVariable(place, sources, findings);
    if (value !== null && place !== null) given.set(keyword, { value, place });
  }
  return given;
}
