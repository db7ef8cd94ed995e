import { CannotJudge } from "../../core/outcome.ts";
import type { Commands } from "../tool.ts";
import { locateLike, placeIn } from "./place.ts";

/** `alembic`, started in `cwd`; `configs`: what `-c` names, empty where Alembic finds its configuration by itself. */
export function alembicCommands(cwd: string, configs: readonly string[]): Commands {
  const program = ["alembic", ...configs.flatMap((config) => ["-c", config])];
  return {
    cwd,
    upgrade: (target) => [...program, "upgrade", target],
    current: () => [...program, "current"],
    locate: () => [...program, "current", "--verbose"],
    locateLike,
    placeIn,
  };
}

/** Flask-Migrate sets `script_location` in code, so only `flask db` knows it. `directory`: null for its default. */
export function flaskCommands(cwd: string, directory: string | null): Commands {
  const place = directory === null ? [] : ["-d", directory];
  return {
    cwd,
    upgrade: (target) => ["flask", "db", "upgrade", ...place, target],
    current: () => ["flask", "db", "current", ...place],
    locate: () => ["flask", "db", "current", "--verbose", ...place],
    locateLike,
    placeIn,
  };
}

/** A directory of revision files tells nothing about how to run them. */
export function unknownCommands(cwd: string, directory: string): Commands {
  const refuse = (): never => {
    throw new CannotJudge(
      "config",
      `No Alembic configuration is known that leads to ${directory}.`,
      [
        "Name the configuration file instead: --migrations alembic.ini.",
        "Or say how this image upgrades: --upgrade-command.",
      ],
    );
  };
  return { cwd, upgrade: refuse, current: refuse, locate: refuse, locateLike, placeIn };
}
