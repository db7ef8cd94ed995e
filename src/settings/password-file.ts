import type { Connection, Host } from "./connection.ts";
import type { Findings, Sources } from "./findings.ts";

/** What libpq's password file (`PGPASSFILE`, else `~/.pgpass`) has for a host, or null. The first line that fits counts. */
type PasswordOf = (host: Pick<Host, "host" | "port">) => string | null;

/** The file's permissions are not judged: a secret volume is readable by its group. */
export function readPasswordFile(
  { user, database }: Pick<Connection, "user" | "database">,
  passfile: { readonly value: string; readonly place: string } | null,
  { env, readFile }: Sources,
  findings: Findings,
): PasswordOf {
  const home = env["HOME"] ?? "";
  const path = passfile?.value ?? (home === "" ? null : `${home}/.pgpass`);
  if (path === null) return () => null;
  let text: string;
  try {
    text = readFile(path);
  } catch {
    if (passfile !== null)
      findings.warnings.push(`${passfile.place} names a file that cannot be read`);
    return () => null;
  }
  const lines = text.split(/\r?\n/).filter((line) => !line.startsWith("#"));
  return ({ host, port }) => {
    const name = host === "/var/run/postgresql" ? "localhost" : host;
    return passwordFor([name, String(port), database, user], lines);
  };
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
