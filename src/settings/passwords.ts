import type { Parameter } from "./connection-parameters.ts";
import type { Connection, Host } from "./connection.ts";
import {
  type Findings,
  homeOf,
  readVariable,
  type Sources,
  withoutBackslashes,
} from "./sources.ts";
import { words } from "./values.ts";

/** What libpq's password file (`PGPASSFILE`, else `~/.pgpass`) has for a host, or null. The first line that fits counts. */
type PasswordOf = (host: Pick<Host, "host" | "port">) => string | null;

/** As in libpq, only a plain file that nobody else can access is read. */
export function readPasswordFile(
  { user, database }: Pick<Connection, "user" | "database">,
  passfile: Parameter | null,
  sources: Sources,
  findings: Findings,
): PasswordOf {
  const home = homeOf(sources);
  const path = passfile?.value ?? (home === null ? null : `${home}/.pgpass`);
  if (path === null) return () => null;
  const text = readPrivately(path, passfile, sources, findings);
  if (text === null) return () => null;
  const lines = text
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .map((line) => line.replace(/\r+$/, ""));
  return ({ host, port }) => {
    const name = host === "/var/run/postgresql" ? "localhost" : host;
    return passwordFor([name, String(port), database, user], lines);
  };
}

function readPrivately(
  path: string,
  passfile: Parameter | null,
  { readFile, statFile }: Sources,
  { warnings }: Findings,
): string | null {
  // The path is not repeated: people put the secret itself there.
  const name = passfile === null ? "~/.pgpass" : `the password file that ${passfile.place} names`;
  const status = statFile(path);
  if (status === null) {
    if (passfile !== null) warnings.push(`${name} is not there, or cannot be seen`);
    return null;
  }
  if (!status.isFile) {
    warnings.push(`${name} is not a plain file, so it is not read, as by libpq`);
    return null;
  }
  if ((status.mode & 0o077) !== 0) {
    warnings.push(
      `${name} can be accessed by its group or by others (mode 0${status.mode.toString(8)}), so it is not read, as by libpq: chmod 0600 (in Kubernetes, defaultMode: 0400)`,
    );
    return null;
  }
  try {
    return readFile(path);
  } catch {
    warnings.push(`${name} cannot be read`);
    return null;
  }
}

/** libpq's `passwordFromFile`: an empty password is none, and no later line is looked at for it. */
function passwordFor(wanted: readonly string[], lines: readonly string[]): string | null {
  for (const line of lines) {
    const rest = wanted.reduce<string | null>(
      (text, field) => (text === null ? null : afterField(text, field)),
      line,
    );
    if (rest === null) continue;
    const [password = ""] = /^(?:\\.|[^:\\]|\\$)*/s.exec(rest) ?? [];
    return password === "" ? null : withoutBackslashes(password);
  }
  return null;
}

/**
 * What stands behind the colon of the first field, where that is the wanted one or `*`; else null. Sign by sign, as in
 * libpq, for which a colon that the wanted text has needs no backslash.
 */
function afterField(text: string, wanted: string): string | null {
  if (text.startsWith("*:")) return text.slice(2);
  let at = 0;
  for (const sign of wanted.split("")) {
    if (text[at] === "\\") at += 1;
    if (text[at] !== sign) return null;
    at += 1;
  }
  return text[at] === ":" ? text.slice(at + 1) : null;
}

/** For passwords that live shorter than a wait, such as the tokens of a cloud's own database logins. */
export const passwordCommandVariable = "PREFLIGHT_PASSWORD_COMMAND";

/** The command, split into words; null when there is none, or when the findings say what is wrong with it. */
export function readPasswordCommand(
  sources: Sources,
  findings: Findings,
): readonly string[] | null {
  const text = readVariable(passwordCommandVariable, sources, findings);
  if (text === null) return null;
  const parsed = words.safeParse(text);
  if (parsed.success) return parsed.data;
  findings.faults.push(
    ...parsed.error.issues.map(({ message }) => `${passwordCommandVariable} ${message}`),
  );
  return null;
}
