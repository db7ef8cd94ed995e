import { quoteIdentifier } from "./quote.ts";

/** The schemas of a search_path, as the server reads it: what is not in quotes has small letters, and a name counts once. */
export function schemasOfPath(setting: string): readonly string[] {
  const names = setting.match(/"(?:[^"]|"")*"|[^",\s]+/g) ?? [];
  const plain = names.map((name) =>
    name.startsWith('"')
      ? name.slice(1, -1).replaceAll('""', '"')
      : name.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()),
  );
  return [...new Set(plain)];
}

/** The search_path that start-up options ask for; null: they ask for none. As libpq's `options`: a backslash keeps a space. */
export function pathOfOptions(options: string | null): string | null {
  const words = ((options ?? "").match(/(?:\\.|[^\s\\])+/g) ?? []).map((word) =>
    word.replaceAll(/\\(.)/g, "$1"),
  );
  const settings = words.flatMap((word, index) => {
    if (words[index - 1] === "-c") return [word];
    return word === "-c" ? [] : (/^(?:-c|--)(.*)$/s.exec(word)?.slice(1) ?? []);
  });
  return (
    settings.flatMap((setting) => /^search[_-]path=(.*)$/s.exec(setting)?.slice(1) ?? []).at(-1) ??
    null
  );
}

/** The same options, with a search_path that overrides whatever the database, the role or they themselves have set. */
export function optionsWithPath(options: string | null, schemas: readonly string[]): string {
  const path = schemas.map(quoteIdentifier).join(",");
  const asked = `-c search_path=${path.replaceAll(/[\\\s]/g, "\\$&")}`;
  return options === null ? asked : `${options} ${asked}`;
}
