import { expect, test } from "vitest";
import { fixedAddresses } from "../../../src/tools/alembic/addresses.ts";
import { alembicCommands } from "../../../src/tools/alembic/commands.ts";
import { parseIni, readIni } from "../../../src/tools/alembic/configuration.ts";
import type { AlembicLocation } from "../../../src/tools/alembic/locate.ts";

const location: AlembicLocation = {
  place: "alembic.ini",
  configFile: "/app/50%/alembic.ini",
  section: "alembic",
  scriptDirectory: "/app/alembic",
  versionDirectories: [],
  recursive: false,
  sourceless: false,
  root: "/app",
  ledgerDirectory: "/app",
  commands: alembicCommands("/app", []),
  withIni: (ini) => alembicCommands("/app", [ini]),
};

const ini = `# sqlalchemy.url = postgresql://commented/out
[alembic]
script_location = %(here)s/alembic
databases = main, stats
sqlalchemy.url: postgresql://u:a%%b@db/one

[main]
sqlalchemy.url = postgresql+asyncpg://db/two
[stats]
SQLALCHEMY.URL=postgresql://%(user)s@db/three
  and another line
[handler_x]
args = (sys.stderr,)
`;

test("every URL is found, with whose it is, and replaced in a copy that reads the same otherwise", () => {
  const fixed = fixedAddresses(location, ini)!;
  expect(fixed.values).toEqual([
    { text: "postgresql://u:a%b@db/one", isFirst: true },
    { text: "postgresql+asyncpg://db/two", isFirst: true },
    { text: "postgresql://%(user)s@db/three", isFirst: false },
  ]);
  const copy = fixed.copyWith(["postgresql://me:100%@h/1", "two", "three"]);
  const parsed = parseIni(copy);
  if (parsed.kind === "fault") throw new Error(parsed.fault.why);
  const read = (section: string, key: string): unknown =>
    readIni(parsed.ini, section, key, { here: "/tmp" });
  expect(read("alembic", "sqlalchemy.url")).toEqual({
    kind: "value",
    value: "postgresql://me:100%@h/1",
  });
  expect(read("alembic", "script_location")).toEqual({
    kind: "value",
    value: "/app/50%/alembic",
  });
  expect(read("main", "sqlalchemy.url")).toEqual({ kind: "value", value: "two" });
  expect(copy).toContain("# sqlalchemy.url = postgresql://commented/out");
  expect(copy).not.toContain("%(user)s");
  expect(fixed.commands("/tmp/copy.ini").upgrade("heads")).toEqual([
    "alembic",
    "-c",
    "/tmp/copy.ini",
    "upgrade",
    "heads",
  ]);
});

test("without a URL, or where the program takes no other file, there is nothing to copy", () => {
  expect(fixedAddresses(location, "[alembic]\nscript_location = x\n")).toBe(null);
  expect(fixedAddresses({ ...location, withIni: null }, ini)).toBe(null);
});
