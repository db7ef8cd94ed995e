import { isIP } from "node:net";
import type { Connection, Host, Tls } from "./connection.ts";
import { libpqParameters } from "./connection-parameters.ts";
import type { Findings, Sources } from "./findings.ts";
import { readPasswordFile } from "./password-file.ts";

/** A value and the words for where it stands, such as `PGPORT` or `port in DATABASE_URL`. */
export type Parameter = { readonly value: string; readonly place: string };

/** libpq's keywords, and `ssl`, asyncpg's word for `sslmode`. */
export type Parameters = ReadonlyMap<string, Parameter>;

/** Parameters → connection, with libpq's defaults. Null when the findings have a new fault. */
export function toConnection(
  source: string,
  given: Parameters,
  sources: Sources,
  findings: Findings,
): Connection | null {
  const before = findings.faults.length;
  judgeKeywords(given, findings);
  const hosts = readHosts(given, findings);
  const user = given.get("user")?.value ?? sources.osUser;
  if (user === null)
    findings.faults.push(`${source} names no user, and the system has no user name`);
  const tls = readTls(given, findings);
  const targetSession = readWord("target_session_attrs", targetSessions, given, findings) ?? "any";
  if (findings.faults.length > before || user === null) return null;

  const database = given.get("dbname")?.value ?? user;
  const passwordOf = given.has("password")
    ? () => given.get("password")?.value ?? null
    : readPasswordFile({ user, database }, given.get("passfile") ?? null, sources, findings);
  return {
    source,
    hosts: hosts.map((host) => ({ ...host, password: passwordOf(host) })),
    user,
    database,
    tls,
    applicationName: given.get("application_name")?.value ?? null,
    options: given.get("options")?.value ?? null,
    targetSession,
  };
}

/** Where libpq and psycopg's wheels look when no host is named, as Debian builds them. */
const defaultHost = "/var/run/postgresql";
const defaultPort = 5432;

const sslModes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;

const targetSessions = [
  "any",
  "read-write",
  "read-only",
  "primary",
  "standby",
  "prefer-standby",
] as const;

function judgeKeywords(given: Parameters, findings: Findings): void {
  for (const [keyword, { value, place }] of given) {
    const { use, harmless = [] } = libpqParameters[keyword] ?? { use: "idle" };
    if (use === "service" && !given.has("host")) {
      findings.faults.push(`${place}: service files are not read, so the host is not known`);
    } else if (use === "service" || (use === "beyond" && !harmless.includes(value))) {
      findings.warnings.push(`${place} is not honoured by preflight's own connection`);
    }
  }
  if (given.has("host") && given.has("hostaddr")) {
    const place = given.get("hostaddr")?.place;
    findings.warnings.push(`${place} is not honoured: the host is looked up by its name`);
  }
}

function readHosts(given: Parameters, findings: Findings): readonly Omit<Host, "password">[] {
  const named = given.get("host") ?? given.get("hostaddr");
  const hosts = named === undefined ? [defaultHost] : named.value.split(",");
  const port = given.get("port");
  const ports = (port?.value ?? "").split(",");
  if (named !== undefined && !hosts.every(isHost)) {
    findings.faults.push(`${named.place} is not a host name, an address or a socket directory`);
  }
  if (!ports.every((text) => text === "" || isPort(text))) {
    findings.faults.push(`${port?.place} is not a port from 1 to 65535`);
  }
  if (ports.length > 1 && ports.length !== hosts.length) {
    findings.faults.push(`${port?.place} does not name as many ports as there are hosts`);
  }
  return hosts.map((host, index) => ({
    host,
    address: null,
    port: Number((ports.length === 1 ? ports[0] : ports[index]) || defaultPort),
  }));
}

function isHost(host: string): boolean {
  return host.startsWith("/") || isIP(host) > 0 || /^[^\s:/@?#[\]%]+$/.test(host);
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65535;
}

/** `ssl` has the same words in asyncpg; `ssl=true` is JDBC's, and libpq reads it as `require`. */
function readTls(given: Parameters, findings: Findings): Tls {
  const rootCert = given.get("sslrootcert")?.value ?? null;
  const libpqMode = readWord("sslmode", sslModes, given, findings);
  const ssl = given.get("ssl");
  const asyncpgMode =
    ssl?.value === "true" ? "require" : readWord("ssl", sslModes, given, findings);
  const isInOneUrl = ssl !== undefined && given.get("sslmode")?.place.includes(" in ") === true;
  if (isInOneUrl && libpqMode !== null && asyncpgMode !== null && libpqMode !== asyncpgMode) {
    findings.faults.push(`${ssl.place} and sslmode say different things: keep one of them`);
  }
  const mode = asyncpgMode ?? libpqMode;
  if (rootCert === "system" && mode !== null && mode !== "verify-full") {
    findings.faults.push(
      `${given.get("sslrootcert")?.place} is system, which libpq allows with sslmode=verify-full only`,
    );
  }
  return {
    mode: mode ?? (rootCert === "system" ? "verify-full" : "prefer"),
    rootCert,
    client: null,
  };
}

function readWord<Word extends string>(
  keyword: string,
  words: readonly Word[],
  given: Parameters,
  findings: Findings,
): Word | null {
  const parameter = given.get(keyword);
  if (parameter === undefined) return null;
  const word = words.find((known) => known === parameter.value);
  if (word !== undefined) return word;
  findings.faults.push(`${parameter.place} must be one of ${words.join(", ")}`);
  return null;
}
