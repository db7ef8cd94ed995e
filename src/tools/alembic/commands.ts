import { basename } from "node:path";
import { CannotJudge } from "../../core/outcome.ts";
import type { Place } from "../../settings/program-address.ts";
import type { Commands } from "../tool.ts";
import { usualSection } from "./configuration.ts";
import { explainFailure } from "./explain-failure.ts";

/** `alembic`, started in `cwd`; `configs`: what `-c` names, empty where Alembic finds its configuration by itself. */
export function alembicCommands(
  cwd: string,
  configs: readonly string[],
  section: string = usualSection,
): Commands {
  const options = configs.flatMap((config) => ["-c", config]);
  const program = ["alembic", ...options, ...nameOption(section)];
  return {
    ...commandsOf(cwd, program, []),
    refuseOther: (upgrade) => refuseOtherSection(upgrade, section),
  };
}

export function nameOption(section: string): readonly string[] {
  return section === usualSection ? [] : ["-n", section];
}

/** What a person's own command says of the section must be what was read: another one is another history. */
function refuseOtherSection(upgrade: readonly string[], section: string): void {
  const at = upgrade.findIndex((word) => basename(word) === "alembic");
  const end = upgrade.indexOf("upgrade");
  if (at < 0 || end < at) return;
  const named = sectionNamed(upgrade.slice(at + 1, end)) ?? usualSection;
  if (named === section) return;
  throw new CannotJudge(
    "config",
    `--upgrade-command runs section [${named}] of Alembic's configuration, and [${section}] is what is judged`,
    [
      `name the section that counts as Alembic does: alembic -n ${section} upgrade heads`,
      `or have that one judged: --migrations FILE#${named}`,
    ],
  );
}

function sectionNamed(options: readonly string[]): string | null {
  for (const [index, word] of options.entries()) {
    if (word === "-n" || word === "--name") return options[index + 1] ?? null;
    const [, name] = /^(?:--name=|-n)(.+)$/.exec(word) ?? [];
    if (name !== undefined) return name;
  }
  return null;
}

/** Flask-Migrate sets `script_location` in code, so only `flask db` knows it. `directory`: null for its default. */
export function flaskCommands(cwd: string, directory: string | null): Commands {
  return commandsOf(cwd, ["flask", "db"], directory === null ? [] : ["-d", directory]);
}

function commandsOf(cwd: string, program: readonly string[], options: readonly string[]): Commands {
  return {
    cwd,
    upgrade: (target) => [...program, "upgrade", ...options, target],
    current: () => [...program, "current", ...options],
    locate: () => [...program, "current", "--verbose", ...options],
    locateLike,
    placeIn,
    refuseOther: () => {},
    explain: explainFailure,
  };
}

/** A directory of revision files tells nothing about how to run them. */
export function unknownCommands(cwd: string, directory: string): Commands {
  const refuse = (): never => {
    throw new CannotJudge(
      "config",
      `No Alembic configuration is known that leads to ${directory}.`,
      [
        "Name the configuration file instead: --migrations alembic.ini, or alembic.ini#NAME for alembic -n NAME.",
        'Or say how this image upgrades, in Alembic\'s own words: --upgrade-command "alembic -c FILE upgrade heads".',
      ],
    );
  };
  return {
    cwd,
    upgrade: refuse,
    current: refuse,
    locate: refuse,
    locateLike,
    placeIn,
    refuseOther: () => {},
    explain: explainFailure,
  };
}

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
