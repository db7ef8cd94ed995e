import { describe, expect, test } from "vitest";
import {
  keyOfAddress,
  namedDatabases,
  respellAddress,
} from "../../src/ledger/child-environment.ts";
import { type CommandUpgrade, possibleWays } from "../../src/ledger/lead-child.ts";

const scratch = {
  host: "127.0.0.1",
  port: 5432,
  user: "me",
  password: "it's%",
  database: "scratch",
  sslMode: null,
  sslRootCert: null,
};

describe("an address is known in every spelling", () => {
  test.each([
    ["postgres://u:p@db/stats", "postgres://me:it's%25@127.0.0.1:5432/scratch"],
    [
      "postgresql://db:5432/stats?sslmode=require",
      "postgresql://me:it's%25@127.0.0.1:5432/scratch",
    ],
    [
      "postgresql+asyncpg://u:p@ss:/?@DB/stats",
      "postgresql+asyncpg://me:it's%25@127.0.0.1:5432/scratch",
    ],
    [
      "POSTGRESQL+psycopg_async:///stats?host=db",
      "POSTGRESQL+psycopg_async://me:it's%25@127.0.0.1:5432/scratch",
    ],
    [
      "jdbc:postgresql://db/stats",
      "jdbc:postgresql://127.0.0.1:5432/scratch?user=me&password=it%27s%25",
    ],
    [
      "host=db port=5432 dbname=stats",
      String.raw`host='127.0.0.1' port='5432' user='me' password='it\'s%' dbname='scratch'`,
    ],
  ])("%s", (text, spelled) => {
    expect(keyOfAddress(text)).toBe("db:5432/stats");
    expect(respellAddress(text, scratch)).toBe(spelled);
  });

  test("inside of another text", () => {
    const text = '{"default": "postgres://u:p@db/one", "stats": "postgresql://db/two"}';
    expect(JSON.parse(respellAddress(text, scratch))).toEqual({
      default: "postgres://me:it's%25@127.0.0.1:5432/scratch",
      stats: "postgresql://me:it's%25@127.0.0.1:5432/scratch",
    });
  });

  test.each([
    "",
    "mysql://db/stats",
    "sqlite:///x",
    "redis://db",
    "postgres",
    "/var/lib/postgresql",
    "host=db",
  ])("%s is none", (text) => {
    expect(keyOfAddress(text)).toBe(null);
  });
});

describe("the databases that an environment names", () => {
  test.each<[Record<string, string>, readonly string[], readonly string[]]>([
    [{ DATABASE_URL: "postgres://a/1", STATS_URL: "postgres://b/2" }, ["a:5432/1"], ["b:5432/2"]],
    [
      { POSTGRES_URL: "postgres://a/1", POSTGRES_STATS_URL: "postgres://b/2" },
      ["a:5432/1"],
      ["b:5432/2"],
    ],
    [
      { PREFLIGHT_DATABASE_URL: "postgres://a/1", PREFLIGHT_DB_HOST: "a", PREFLIGHT_DB_USER: "u" },
      [],
      [],
    ],
    [{ PGHOST: "a", PGUSER: "u", PGDATABASE: "1" }, ["a:5432/1"], []],
    [{ POSTGRES_HOST: "a", POSTGRES_USER: "u", POSTGRES_DB: "1" }, ["a:5432/1"], []],
    [{ DB_HOST: "b", DB_USER: "u", DB_NAME: "2", DB_PORT: "6" }, [], ["b:6/2"]],
    [{ DB_HOST: "b", DB_USERNAME: "u" }, [], ["b:5432/"]],
    [{ DBHOST: "b", DBUSER: "u", DBPASS: "x" }, [], ["b:5432/"]],
    [{ STATS_HOST: "b", STATS_USER: "u", STATS_DATABASE: "2" }, [], ["b:5432/2"]],
    [{ SMTP_HOST: "m", SMTP_USER: "u", SMTP_PASSWORD: "x", SMTP_PORT: "25" }, [], []],
    [{ HOSTNAME: "pod", USER: "root", NAME: "x", DB_PORT: "tcp://1" }, [], []],
  ])("%j", (env, first, others) => {
    const named = namedDatabases(env);
    expect(named.filter(({ isFirst }) => isFirst).map(({ key }) => key)).toEqual(first);
    expect(named.filter(({ isFirst }) => !isFirst).map(({ key }) => key)).toEqual(others);
  });

  test("parts are spelled where they were, with a port and a password that log in", () => {
    const [named] = namedDatabases({ DB_HOST: "b", DB_USERNAME: "u", DB_NAME: "2", DB_PASS: "x" });
    expect(named?.spell(scratch)).toEqual({
      DB_HOST: "127.0.0.1",
      DB_USERNAME: "me",
      DB_NAME: "scratch",
      DB_PASS: "it's%",
      DB_PORT: "5432",
    });
  });
});

describe("the ways in which a child is led", () => {
  const fixed = {
    values: [{ text: "postgresql://db/real", isFirst: true }],
    fileName: "alembic.ini",
    copyWith: () => "",
    commands: () => ({ current: [], command: () => [] }),
    variables: () => ({}),
    isCommandOwn: false,
  };
  const ways = (more: Partial<CommandUpgrade>): readonly unknown[] =>
    possibleWays({
      kind: "command",
      cwd: "/",
      current: [],
      command: () => [],
      explain: () => null,
      adviseOnVariables: async () => [],
      runChild: async () => ({ kind: "exited", code: 0 }),
      mapped: [],
      environment: {},
      fixed: null,
      protection: { kind: "one-engine", why: "" },
      without: [],
      proven: { way: { byOnlyOther: false, byCopy: false } },
      ...more,
    }).map(({ byOnlyOther, byCopy }) => [byOnlyOther, byCopy]);

  test("a copy of the file first, so that what stands in it is not even read from", () => {
    expect(ways({})).toEqual([[false, false]]);
    expect(ways({ fixed })).toEqual([
      [false, true],
      [false, false],
    ]);
    const placeholder = {
      ...fixed,
      values: [{ text: "driver://user:pass@localhost/dbname", isFirst: true }],
    };
    expect(ways({ fixed: placeholder })).toEqual([[false, false]]);
  });

  test("no copy for a command of a person's own that could reach more", () => {
    expect(ways({ fixed: { ...fixed, isCommandOwn: true } })).toEqual([[false, false]]);
  });

  test("another variable is the first database's only where it is alone", () => {
    const STATS_URL = "postgres://b/2";
    expect(ways({ environment: { STATS_URL } })).toEqual([
      [false, false],
      [true, false],
    ]);
    expect(ways({ environment: { STATS_URL, SAME: "postgresql://b:5432/2" } })).toHaveLength(2);
    expect(ways({ environment: { STATS_URL, MORE_URL: "postgres://c/3" } })).toHaveLength(1);
    expect(ways({ environment: { STATS_URL, DATABASE_URL: STATS_URL } })).toHaveLength(1);
  });
});
