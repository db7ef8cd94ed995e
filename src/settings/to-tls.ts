import type { Tls } from "./connection.ts";
import { type Findings, homeOf, type Sources } from "./findings.ts";
import { type Parameter, type Parameters, readWord } from "./parameters.ts";

const sslModes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;

/** libpq's meaning of its parameters, with its default files (`initialize_SSL`). */
export function readTls(given: Parameters, sources: Sources, findings: Findings): Tls {
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
  const libpqMode = readWord("sslmode", sslModes, given, findings);
  const ssl = given.get("ssl");
  const asyncpgMode =
    ssl?.value === "true" ? "require" : readWord("ssl", sslModes, given, findings);
  const isInOneUrl = ssl !== undefined && given.get("sslmode")?.place.includes(" in ") === true;
  if (isInOneUrl && libpqMode !== null && asyncpgMode !== null && libpqMode !== asyncpgMode) {
    findings.faults.push(`${ssl.place} and sslmode say different things: keep one of them`);
  }
  return asyncpgMode ?? libpqMode;
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
  const home = homeOf(sources);
  const key = given.get("sslkey")?.value ?? (home === null ? null : inHome(home, "postgresql.key"));
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
  const home = homeOf(sources);
  if (home === null) return null;
  const path = inHome(home, name);
  return sources.statFile(path) === null ? null : path;
}

function inHome(home: string, name: string): string {
  return `${home}/.postgresql/${name}`;
}
