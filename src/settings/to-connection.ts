import { isIP } from "node:net";
import { libpqParameters, type Parameter, type Parameters } from "./connection-parameters.ts";
import {
  type Connection,
  defaultPort,
  type Host,
  sslModes,
  targetSessions,
  type Tls,
} from "./connection.ts";
import { passwordCommandVariable, readPasswordFile } from "./passwords.ts";
import { type Findings, homeOf, isSet, type Sources } from "./sources.ts";

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
    findings.faults.push(`there is no user in ${source}, and the system has no user name`);
  const tls = readTls(given, sources, findings);
  const targetSession = readWord("target_session_attrs", targetSessions, given, findings) ?? "any";
  const password = given.get("password") ?? null;
  const isAsked = isSet(sources.env, passwordCommandVariable);
  if (password !== null && isAsked) {
    findings.faults.push(
      `${passwordCommandVariable} and ${password.place} are both set: which password counts is not clear`,
    );
  }
  if (tls.mode === "verify-full" && hasNamelessAddress(given)) {
    findings.faults.push(
      `${given.get("hostaddr")?.place} needs a host beside it: sslmode=verify-full compares its name with the certificate`,
    );
  }
  if (findings.faults.length > before || user === null) return null;

  const database = given.get("dbname")?.value ?? user;
  const passwordOf =
    password !== null || isAsked
      ? () => password?.value ?? null
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
    schema: null,
  };
}

/** Where libpq and psycopg's wheels look when no host is named, as Debian builds them. */
const defaultHost = "/var/run/postgresql";

function judgeKeywords(given: Parameters, findings: Findings): void {
  for (const [keyword, { value, place }] of given) {
    const { use, harmless = [] } = libpqParameters[keyword] ?? { use: "idle" };
    if (use === "service" && !given.has("host")) {
      findings.faults.push(`${place}: service files are not read, so the host is not known`);
    } else if (use === "service" || (use === "beyond" && !harmless.includes(value))) {
      findings.warnings.push(`${place} is not honoured by preflight's own connection`);
    }
  }
}

/** Each place of the list is a host, an address, or both: the address is dialled, the host is what it is called. */
function readHosts(given: Parameters, findings: Findings): readonly Omit<Host, "password">[] {
  const named = given.get("host");
  const dialled = given.get("hostaddr");
  const names = (named?.value ?? (dialled === undefined ? defaultHost : null))?.split(",");
  const addresses = dialled?.value.split(",");
  const places = addresses ?? names ?? [];
  const port = given.get("port");
  const ports = (port?.value ?? "").split(",");
  const hosts = places.map((_, index) => ({
    host: names?.[index] ?? "",
    address: addresses?.[index] ?? "",
    port: Number((ports.length === 1 ? ports[0] : ports[index]) || defaultPort),
  }));
  if (named !== undefined && !hosts.every(({ host, address }) => isHost(host || address))) {
    findings.faults.push(`${named.place} is not a host name, an address or a socket directory`);
  }
  if (
    dialled !== undefined &&
    !hosts.every(({ host, address }) => isIP(address) > 0 || (address === "" && host !== ""))
  ) {
    findings.faults.push(`${dialled.place} is not an IPv4 or IPv6 address`);
  }
  if (hosts.some(({ host, address }) => address !== "" && host.startsWith("/"))) {
    findings.faults.push(
      `${dialled?.place} gives an address beside a socket directory: keep one of them`,
    );
  }
  if (names !== undefined && names.length !== places.length) {
    findings.faults.push(`${dialled?.place} does not name as many addresses as there are hosts`);
  }
  if (!ports.every((text) => text === "" || isPort(text))) {
    findings.faults.push(`${port?.place} is not a port from 1 to 65535`);
  }
  if (ports.length > 1 && ports.length !== places.length) {
    findings.faults.push(`${port?.place} does not name as many ports as there are hosts`);
  }
  return hosts.map(({ host, address, port }) => ({
    host: host || address,
    address: address || null,
    port,
  }));
}

function hasNamelessAddress(given: Parameters): boolean {
  return given.has("hostaddr") && (given.get("host")?.value ?? "").split(",").includes("");
}

function isHost(host: string): boolean {
  return host.startsWith("/") || isIP(host) > 0 || /^[^\s:/@?#[\]%]+$/.test(host);
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65535;
}

/** libpq's meaning of its parameters, with its default files (`initialize_SSL`). */
function readTls(given: Parameters, sources: Sources, findings: Findings): Tls {
  const named = given.get("sslrootcert");
  const mode =
    readMode(given, findings) ?? (named?.value === "system" ? "verify-full" : ("prefer" as const));
  if (named?.value === "system" && mode !== "verify-full") {
    findings.faults.push(
      `${named.place} is system, which libpq allows with sslmode=verify-full only`,
    );
  }
  if (mode === "disable") return { mode, rootCert: named?.value ?? null, client: null };
  const rootCert = named?.value ?? defaultFile("root.crt", sources);
  if (rootCert !== null) warnOfRevocations(given, sources, findings);
  return { mode, rootCert, client: readClient(given, sources, findings) };
}

/** `ssl` has the same words in asyncpg; `ssl=true` is JDBC's, and libpq reads it as `require`. */
function readMode(given: Parameters, findings: Findings): Tls["mode"] | null {
  const ssl = given.get("ssl");
  const [libpqMode, asyncpgMode] = ["sslmode", "ssl"].map((keyword) => {
    const value = given.get(keyword)?.value ?? "";
    const word = value === "no-verify" || keyword === "ssl" ? nodesModes.get(value) : undefined;
    return word ?? readWord(keyword, sslModes, given, findings);
  });
  const isInOneUrl = ssl !== undefined && given.get("sslmode")?.place.includes(" in ") === true;
  if (isInOneUrl && libpqMode && asyncpgMode && libpqMode !== asyncpgMode) {
    findings.faults.push(`${ssl.place} and sslmode say different things: keep one of them`);
  }
  return asyncpgMode ?? libpqMode ?? null;
}

/** node-postgres' words, and JDBC's `true`. */
const nodesModes: ReadonlyMap<string, Tls["mode"]> = new Map([
  ["no-verify", "require"],
  ["true", "require"],
  ["1", "require"],
  ["false", "disable"],
  ["0", "disable"],
]);

/** One word out of a few; null when it is not given, or when it is another one and the findings say so. */
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

/** Without a certificate there is none to show; a certificate without its key is found when both are read. */
function readClient(given: Parameters, sources: Sources, findings: Findings): Tls["client"] {
  if (given.get("sslcertmode")?.value === "disable") return null;
  const named = given.get("sslcert");
  const certificate = named?.value ?? defaultFile("postgresql.crt", sources);
  if (certificate === null) return null;
  if (named !== undefined && sources.statFile(named.value) === null) {
    findings.warnings.push(
      `${named.place} names no file that can be seen: no certificate is shown`,
    );
    return null;
  }
  const key = given.get("sslkey")?.value ?? inHome("postgresql.key", sources);
  if (key === null) {
    findings.faults.push(`${named?.place} has no key: name it with sslkey or PGSSLKEY`);
    return null;
  }
  warnOfOpenKey(key, given.get("sslkey"), sources, findings);
  return { certificate, key, keyPassword: given.get("sslpassword")?.value ?? null };
}

/** libpq refuses such a key; drivers that do not use libpq read it, and so do we. */
function warnOfOpenKey(
  key: string,
  named: Parameter | undefined,
  { statFile }: Sources,
  { warnings }: Findings,
): void {
  const status = statFile(key);
  if (status === null) return;
  const forbidden = status.owner === 0 ? 0o037 : 0o077;
  if (status.isFile && (status.mode & forbidden) === 0) return;
  warnings.push(
    `${named?.place ?? "~/.postgresql/postgresql.key"} can be accessed by others than its owner: libpq would not use this key; chmod 0600`,
  );
}

/** A named list is warned of where all parameters are judged. */
function warnOfRevocations(given: Parameters, sources: Sources, { warnings }: Findings): void {
  if (given.has("sslcrl") || given.has("sslcrldir")) return;
  if (defaultFile("root.crl", sources) === null) return;
  warnings.push("~/.postgresql/root.crl is not honoured by preflight's own connection");
}

/** The path of one of libpq's own files, where it is there. */
function defaultFile(name: string, sources: Sources): string | null {
  const path = inHome(name, sources);
  return path === null || sources.statFile(path) === null ? null : path;
}

function inHome(name: string, sources: Sources): string | null {
  const home = homeOf(sources);
  return home === null ? null : `${home}/.postgresql/${name}`;
}
