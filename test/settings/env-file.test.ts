import { describe, expect, test } from "vitest";
import { commands } from "../../src/cli.ts";
import { parseEnvFile, readEnvFile } from "../../src/settings/env-file.ts";
import { readSettings } from "../../src/settings/read-settings.ts";
import { noFindings } from "../../src/settings/sources.ts";
import { missing } from "./connection-world.ts";

const known = { commands, tools: ["alembic", "sql", "supabase"] };

function read(text: string, env: Readonly<Record<string, string>> = {}) {
  const findings = noFindings();
  const sources = { env, readFile: () => text, statFile: () => null, osUser: null, osHome: null };
  return { variables: readEnvFile(".env", "--env-file", sources, findings), ...findings };
}

test("as people write it", () => {
  const text = `# The shop's
export DB_HOST=db
DB_PORT = 5432 # usual
DB_PASSWORD='p#ss "word" $1'
DB_NAME="shop"
EMPTY=
KEY="-----BEGIN
line-----"
TWO="a\\nb"
DSN=postgresql://u:p%23@h/d?a=b
WINDOWS=C:\\new
`;
  expect(parseEnvFile(text.replaceAll("\n", "\r\n"))).toEqual({
    variables: {
      DB_HOST: "db",
      DB_PORT: "5432",
      DB_PASSWORD: 'p#ss "word" $1',
      DB_NAME: "shop",
      EMPTY: "",
      KEY: "-----BEGIN\nline-----",
      TWO: "a\nb",
      DSN: "postgresql://u:p%23@h/d?a=b",
      WINDOWS: "C:\\new",
    },
    faults: [],
  });
});

describe("a line that programs read in different ways is a fault that repeats no value", () => {
  test.each([
    "PASSWORD=S3kr1t#more",
    "PASSWORD='S3kr1t",
    'PASSWORD="S3kr1t',
    'PASSWORD="S3kr1t\\t"',
    "PASSWORD='it\\'s S3kr1t'",
    "PASSWORD=`S3kr1t`",
    "PASSWORD=${S3kr1t}",
    "PASSWORD='a${S3kr1t}'",
    'PASSWORD="S3kr1t" more',
  ])("%s", (line) => {
    const { variables, faults } = read(`A=1\n\n${line}\nB=2\n`);
    expect(variables).not.toHaveProperty("PASSWORD");
    expect(faults[0]).toMatch(/^--env-file names a file of which line 3 .*\(PASSWORD\)/);
    expect(faults.join()).not.toContain("S3kr1t");
  });

  test("all of them at once, and the rest is read", () => {
    const { variables, faults } = read("S3kr1t: x\nA=1\nB=x#y\n1C=2\n");
    expect(variables).toEqual({ A: "1" });
    expect(faults).toEqual([
      "--env-file names a file of which line 1 is not NAME=value",
      expect.stringContaining("line 3"),
      "--env-file names a file of which line 4 is not NAME=value",
    ]);
  });
});

test.each([
  ["A\0=1", /NUL byte/],
  ["A=\uFFFD", /not UTF-8/],
  ["A=1\n".repeat(300_000), /longer than 1 MiB/],
])("a file that is none: %#", (text, why) => {
  expect(read(text)).toMatchObject({ variables: {}, faults: [expect.stringMatching(why)] });
});

describe("flag > environment > file > default", () => {
  function settings(
    argv: readonly string[],
    env: Readonly<Record<string, string>>,
    file: string,
    cwd = "/shop",
  ) {
    const files: Record<string, string> = { "/shop/.env": file };
    return readSettings(
      argv,
      {
        env,
        cwd,
        readFile: (each) => files[each] ?? missing(),
        statFile: (each) => (each in files ? { isFile: true, mode: 0o600, owner: 0 } : null),
        osUser: "me",
        osHome: null,
      },
      known,
    );
  }
  const url = "DATABASE_URL=postgresql://u:S3kr1t@file/d\n";
  const args = ["--env-file", ".env"];

  test("the file's address, where there is no other", () => {
    const given = `${url}PREFLIGHT_TIMEOUT=7s\nPREFLIGHT_DRIFT=warn\nMY_TOKEN=longenough\n`;
    expect(
      settings([...args, "--timeout", "9s"], { PREFLIGHT_DRIFT: "fail" }, given),
    ).toMatchObject({
      settings: {
        database: { source: "DATABASE_URL", hosts: [{ host: "file" }] },
        timeout: 9000,
        policy: { drift: "fail" },
        fileVariables: { DATABASE_URL: expect.any(String), MY_TOKEN: "longenough" },
        secrets: expect.arrayContaining(["S3kr1t", "longenough"]),
      },
    });
    expect(settings([], { PREFLIGHT_ENV_FILE: ".env" }, given)).toMatchObject({
      settings: { timeout: 7000, policy: { drift: "warn" } },
    });
  });

  test.each<[Record<string, string>, string, string]>([
    [{ DATABASE_URL: "postgresql://u@env/d" }, url, "env"],
    [{ POSTGRES_HOST: "env" }, url, "env"],
    [{ PGHOST: "env" }, url, "env"],
    [{ PREFLIGHT_DATABASE_URL: "postgresql://u@env/d" }, url, "env"],
    [
      { DATABASE_URL: "postgresql://u@env/d" },
      "PREFLIGHT_DATABASE_URL=postgresql://u@file/d",
      "env",
    ],
    [{ DATABASE_URL: "" }, url, "file"],
    [{ POSTGRES_PASSWORD: "x", PGSSLMODE: "disable" }, url, "file"],
    [{ POSTGRES_PASSWORD: "x" }, "POSTGRES_HOST=file\nPOSTGRES_PASSWORD=y\n", "file"],
  ])("%j beside %s: %s", (env, file, host) => {
    const result = settings(args, env, file);
    expect(result).toMatchObject({ settings: { database: { hosts: [{ host }] } } });
  });

  test("what is passed over is said", () => {
    expect(settings(args, { POSTGRES_HOST: "env" }, url)).toMatchObject({
      settings: { notes: [expect.stringMatching(/^DATABASE_URL .*POSTGRES_HOST/)] },
    });
  });

  test("NAME_FILE in the environment is NAME", () => {
    const { variables } = read(url, { DATABASE_URL_FILE: "/run/url" });
    expect(variables).toEqual({});
    expect(read("APP=1\n", { APP_FILE: "x" }).variables).toEqual({ APP: "1" });
  });

  test("and in the file: it is not read before what the environment names", () => {
    const { variables, notes } = read("DATABASE_URL_FILE=/run/url\n", { PGHOST: "env" });
    expect(variables).toEqual({});
    expect(notes).toEqual([expect.stringMatching(/^DATABASE_URL_FILE .*PGHOST/)]);
  });

  test("a file that is not there is a fault; one that nobody named is mentioned where it may matter", () => {
    expect(settings(["--env-file", "other"], {}, url)).toMatchObject({
      outcome: "config",
      faults: ["--env-file names a file that cannot be read (ENOENT)", expect.any(String)],
    });
    const mentioned = (env: Record<string, string>, cwd: string) => {
      const result = settings([], env, url, cwd);
      return result.kind === "faults" && result.faults.join().includes("--env-file .env");
    };
    expect(mentioned({}, "/shop")).toBe(true);
    expect(mentioned({ POSTGRES_USER: "u" }, "/shop")).toBe(true);
    expect(mentioned({}, "/elsewhere")).toBe(false);
    expect(mentioned({ DATABASE_URL: "mysql://h" }, "/shop")).toBe(false);
  });
});
