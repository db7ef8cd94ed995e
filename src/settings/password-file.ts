import type { Connection } from "./connection.ts";
import type { Findings, Sources } from "./findings.ts";

type Target = Pick<Connection, "hosts" | "user" | "database">;

/**
 * The password that libpq's password file (`PGPASSFILE`, else `~/.pgpass`) has for a target, or null. The first
 * line that fits counts. The file's permissions are not judged: a secret volume is readable by its group.
 */
export function findPassword(
  target: Target,
  passfile: { readonly value: string; readonly place: string } | null,
  { env, readFile }: Sources,
  findings: Findings,
): string | null {
  const home = env["HOME"] ?? "";
  const path = passfile?.value ?? (home === "" ? null : `${home}/.pgpass`);
  if (path === null) return null;
  let text: string;
  try {
    text = readFile(path);
  } catch {
    if (passfile !== null)
      findings.warnings.push(`${passfile.place} names a file that cannot be read`);
    return null;
  }
  const lines = text.split(/\r?\n/).filter((line) => !line.startsWith("#"));
  const passwords = new Set(
    target.hosts.flatMap(({ host, port }) => {
      const name = host === "/var/run/postgresql" ? "localhost" : host;
      return passwordFor([name, String(port), target.database, target.user], lines) ?? [];
    }),
  );
  const [password = null] = passwords;
  if (passwords.size <= 1) return password;
  findings.faults.push("the password file has different passwords for the hosts of one address");
  return null;
}

function passwordFor(wanted: readonly string[], lines: readonly string[]): string | null {
  for (const line of lines) {
    const fields = [...line.matchAll(/((?:\\.|[^:\\])*)(?::|$)/g)].map(([, field = ""]) => field);
    const password = fields[wanted.length];
    const fits = wanted.every((text, at) => fields[at] === "*" || unescape(fields[at]) === text);
    if (fits && password !== undefined && password !== "") return unescape(password);
  }
  return null;
}

/** `\:` and `\\` stand for a colon and a backslash. */
function unescape(field: string | undefined): string {
  return (field ?? "").replace(/\\(.)/g, "$1");
}
