import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commands } from "../../src/cli.ts";
import { parseConnectionUrl } from "../../src/settings/connection-url.ts";
import { readSettings } from "../../src/settings/read-settings.ts";
import { addressTable, settingsTable } from "../../src/settings/settings-table.ts";
import { corpus, fuzz, search } from "./fuzz.ts";
import { sourcesOf } from "./sources.ts";

const known = { commands, tools: ["alembic", "sql", "supabase"] };

const marker = "S3kr1t";

/** The names of flags, of parameters and of variables in a file or a template are told. */
const tellsName =
  /does not know: \w+$|^unknown flag --?[\w-]+|whom to trust: |is no parameter that libpq|of which line \d+ has a value|PROGRAM_ENV (?:has|sets)|--program-env (?:has|sets)/;

describe("no fault of the settings repeats a value, whatever it is", () => {
  const check = (bytes: Buffer): void => {
    const url = bytes.toString("utf8");
    const read = parseConnectionUrl(url);
    expect(parseConnectionUrl(url)).toEqual(read);
    if (read.kind === "faults") {
      expect(read.faults.length).toBeGreaterThan(0);
      // The name of a parameter is told; whether it is one, a raw "&" in a password hides from everybody.
      const said = read.faults.filter((fault) => !/does not know: \w+$/.test(fault));
      expect(said.join("\n")).not.toContain(marker);
    }
  };

  test("of a connection URL", async () => {
    for (const { bytes } of corpus("url")) check(bytes);
    await fuzz(
      "url",
      [
        marker,
        "postgres://",
        "postgresql+asyncpg://",
        "sslmode=",
        "&",
        "?",
        "%40",
        "%",
        "+",
        "[::1]",
        ",",
        "host=/tmp",
      ],
      check,
    );
  });

  const pieces = fc.constantFrom(
    marker,
    "a",
    "1",
    " ",
    "'",
    '"',
    "\\",
    "$",
    "{",
    "(",
    "=",
    "%",
    "@",
    ":",
    "/",
    "?",
    "#",
    "&",
    "-",
    "--",
    "~",
    "\n",
    "\0",
    "\ufeff",
    "é",
    "\ud83d\ude00",
    "postgres://",
    "none",
    "true",
    "5s",
    "head",
  );
  const value = fc.oneof(
    fc.array(pieces, { maxLength: 6 }).map((parts) => parts.join("")),
    fc.constantFrom(
      "1",
      "5s",
      "true",
      "none",
      "proven",
      "sql",
      "/file",
      `postgres://u:${marker}@h/d`,
    ),
  );
  const flags = Object.keys(settingsTable);
  const word = fc.oneof(
    fc.constantFrom("run", "check", "bake", "audit", "new", "--", "-", "--help", "-h", "--version"),
    fc.constantFrom(...flags).map((flag) => `--${flag}`),
    fc
      .tuple(fc.constantFrom(...flags, "x", "__proto__", "constructor"), value)
      .map(([flag, text]) => `--${flag}=${text}`),
    value,
  );
  const names = [
    ...Object.values(settingsTable).map(({ variable }) => variable),
    ...Object.keys(addressTable),
    "DATABASE_URL",
    "PREFLIGHT_DATABASE_URL",
    "POSTGRES_HOST",
    "POSTGRES_PORT",
    "POSTGRES_USER",
    "POSTGRES_PASSWORD",
    "POSTGRES_DB",
    "PGHOST",
    "PGPORT",
    "PGUSER",
    "PGPASSWORD",
    "PGDATABASE",
    "PGSSLMODE",
    "PGPASSFILE",
    "PGOPTIONS",
    "PGTARGETSESSIONATTRS",
    "PGSERVICE",
    "HOME",
    "DEBUG",
    "PREFLIGHT_X",
    "X_URL",
    "API_KEY",
  ].flatMap((name) => [name, `${name}_FILE`]);
  const environment = fc.dictionary(fc.constantFrom(...names, "__proto__", "constructor"), value, {
    maxKeys: 8,
  });

  type World = [string[], Record<string, string>, string, boolean];

  const checkWorld = ([argv, env, file, isThere]: World): void => {
    const readFile = (): string => {
      if (isThere) return file;
      throw Object.assign(new Error(`no ${marker}`), { code: "ENOENT" });
    };
    const read = readSettings(argv, sourcesOf(env, readFile), known);
    expect(readSettings(argv, sourcesOf(env, readFile), known)).toEqual(read);
    if (read.kind === "faults") {
      expect(["usage", "config"]).toContain(read.outcome);
      expect(read.faults.length).toBeGreaterThan(0);
      const said = read.faults.filter((fault) => !tellsName.test(fault));
      expect(said.join("\n")).not.toContain(marker);
    }
    if (read.kind === "settings") {
      const said = read.settings.warnings.filter((warning) => !tellsName.test(warning));
      expect(said.join("\n")).not.toContain(marker);
      for (const { password } of read.settings.database?.hosts ?? [])
        if (password !== null && password.trim() !== "")
          expect(read.settings.secrets).toContain(password);
    }
  };

  test("of flags and variables", async () => {
    for (const { bytes } of corpus("settings"))
      checkWorld(JSON.parse(bytes.toString("utf8")) as World);
    await search(
      "settings",
      fc.tuple(fc.array(word, { maxLength: 6 }), environment, value, fc.boolean()),
      checkWorld,
    );
  });

  test("of a password file and of a file with a secret", async () => {
    const read = (bytes: Buffer): void => {
      const text = bytes.toString("utf8");
      for (const env of [
        { PGHOST: "h", PGUSER: "u", PGDATABASE: "d", PGPASSFILE: "/f" },
        { DATABASE_URL_FILE: "/f" },
        { POSTGRES_HOST: "h", POSTGRES_PASSWORD_FILE: "/f" },
      ]) {
        const result = readSettings(
          ["check"],
          sourcesOf(env, () => text, null),
          known,
        );
        if (result.kind === "faults") expect(result.faults.join("\n")).not.toContain(marker);
        if (result.kind !== "settings") continue;
        for (const { password } of result.settings.database?.hosts ?? [])
          if (password !== null && password.trim() !== "")
            expect(result.settings.secrets).toContain(password);
      }
    };
    for (const { bytes } of corpus("secret-file")) read(bytes);
    await fuzz(
      "secret-file",
      [marker, "h:5432:d:u:", "*:", "\\:", "\\\\", "\\", "#", "postgres://u:"],
      read,
    );
  });
});
