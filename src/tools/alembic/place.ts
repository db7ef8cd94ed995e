import { basename } from "node:path";
import type { Place } from "../../settings/place.ts";

/**
 * `current` in the place of `upgrade`, with all that stands before it: `poetry run alembic -c prod.ini upgrade head`,
 * `python -m alembic …`, `flask db upgrade -d elsewhere`. What a make target or a script does, its words do not tell.
 */
export function locateLike(upgrade: readonly string[]): readonly string[] | null {
  const at = upgrade.indexOf("upgrade");
  const before = upgrade.slice(0, at);
  const after = upgrade.slice(at + 1);
  if (at < 1 || after.includes("--sql")) return null;
  const current = [...before, "current", "--verbose"];
  if (before.at(-1) === "db") return [...current, ...optionsOf(after)];
  return before.some((word) => basename(word) === "alembic") ? current : null;
}

/** Of `flask db upgrade`, what `flask db current` takes as well. */
function optionsOf(words: readonly string[]): readonly string[] {
  return words.flatMap((word, index) => {
    if (/^(?:--directory|--x-arg)=/.test(word)) return [word];
    const value = words[index + 1];
    const hasValue = ["-d", "--directory", "-x", "--x-arg"].includes(word) && value !== undefined;
    return hasValue ? [word, value] : [];
  });
}

/** Alembic prints SQLAlchemy's URL, of which only the password is hidden; of a socket's the host stands behind the question mark. */
export function placeIn(line: string): Place | null {
  const text = /^Current revision\(s\) for (\S+):$/.exec(line.trim())?.[1] ?? "";
  const url = /^[\w+]+:\/\/(?:[^@/]*@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(text);
  if (url === null) return null;
  const [, authority = "", database = "", query = ""] = url;
  const { host = "", port = "" } =
    /^(?<host>\[.*\]|[^:]*)(?::(?<port>\d+))?$/.exec(authority)?.groups ?? {};
  const parameters = new URLSearchParams(query);
  const portGiven = Number(port || (parameters.get("port") ?? ""));
  return {
    host: host || parameters.get("host"),
    port: portGiven > 0 ? portGiven : null,
    database: decode(database || (parameters.get("dbname") ?? "")) || null,
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
