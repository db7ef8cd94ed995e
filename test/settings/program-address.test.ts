import { describe, expect, test } from "vitest";
import {
  comparePlaces,
  readProgramAddress,
  readProgramConnection,
  warnOfAddress,
} from "../../src/settings/program-address.ts";
import { connect, missing } from "./connection-world.ts";

const url = "postgres://u@db/xa";

function other(env: Readonly<Record<string, string>>) {
  const judged = connect({ env });
  const sources = { env, readFile: missing, statFile: () => null, osUser: "me", osHome: null };
  const found = readProgramAddress(judged, sources);
  return {
    differs: found?.differs ?? null,
    source: found?.source ?? null,
    warning: warnOfAddress(judged, found),
  };
}

describe("where else the environment leads", () => {
  test.each<readonly [string, Readonly<Record<string, string>>, string | null, string | null]>([
    ["the same", { DATABASE_URL: "postgresql+asyncpg://app:pw@db:5432/xa" }, null, null],
    ["another role", { DATABASE_URL: "postgres://other:pw@db/xa?sslmode=require" }, null, null],
    ["another database", { DATABASE_URL: "postgres://u@db/xb" }, "database", "DATABASE_URL"],
    [
      "another host, as a pooler has",
      { DATABASE_URL: "postgres://u@pool/xa" },
      "server",
      "DATABASE_URL",
    ],
    ["another port", { DATABASE_URL: "postgres://u@db:6432/xa" }, "server", "DATABASE_URL"],
    [
      "the name alone",
      { POSTGRES_DB: "xb" },
      "database",
      "POSTGRES_HOST, POSTGRES_PORT, POSTGRES_DB",
    ],
    ["the same name alone", { POSTGRES_DB: "xa" }, null, null],
    ["libpq's", { PGHOST: "db", PGDATABASE: "xb" }, "database", "PGHOST, PGPORT, PGDATABASE"],
    ["only a password", { PGPASSWORD: "x", PGPORT: "5432" }, null, null],
    [
      "Kubernetes' own port",
      { POSTGRES_HOST: "db", POSTGRES_DB: "xa", POSTGRES_PORT: "tcp://10.0.0.1:5432" },
      null,
      null,
    ],
    ["something else than PostgreSQL", { DATABASE_URL: "sqlite:///xb.db" }, null, null],
    [
      "the worse of two",
      { DATABASE_URL: "postgres://u@pool/xa", POSTGRES_DB: "xb" },
      "database",
      "POSTGRES_HOST, POSTGRES_PORT, POSTGRES_DB",
    ],
  ])("%s", (_, env, differs, source) => {
    expect(other({ PREFLIGHT_DATABASE_URL: url, ...env })).toMatchObject({ differs, source });
  });

  test("a database of another name is worth a warning at every start where preflight has an address of its own", () => {
    const named = { DATABASE_URL: "postgres://u:s3cret@db/xb" };
    const { warning } = other({ PREFLIGHT_DATABASE_URL: url, ...named });
    expect(warning).toContain("xa, which is judged, and DATABASE_URL names xb");
    expect(warning).not.toContain("s3cret");
    expect(other({ DATABASE_URL: url, POSTGRES_DB: "postgres" }).warning).toBeNull();
    const pooled = { DATABASE_URL: "postgres://u@pool:6432/xa" };
    expect(other({ PREFLIGHT_DATABASE_URL: url, ...pooled }).warning).toBeNull();
  });
});

describe("two addresses by their meaning", () => {
  const place = { host: "db", port: 5432, database: "xa" };
  test.each([
    ["postgres://u@db/xa", place, "same"],
    ["postgres://u@DB./xa", place, "same"],
    ["postgres://u@db/xa", { ...place, port: null }, "same"],
    ["postgres://u@db:6432/xa", { ...place, port: null }, "server"],
    ["postgres://u@db/XA", place, "database"],
    ["postgres://u@db/xa", { ...place, host: null }, "unknown"],
    ["postgres://u@db/xa", { ...place, database: null }, "unknown"],
    ["postgres://u@a:5432,db:5432/xa", place, "same"],
    ["postgres://u@localhost/xa", { ...place, host: "127.0.0.1" }, "same"],
    ["postgres://u@[::1]/xa", { ...place, host: "localhost" }, "same"],
    ["postgres://u@/xa?host=/run/postgresql", { ...place, host: "localhost" }, "same"],
    ["postgres://u@db/xa?hostaddr=10.0.0.1", { ...place, host: "10.0.0.1" }, "same"],
    ["postgres://u@db.internal/xa", place, "server"],
  ])("%s, %j: %s", (judged, where, likeness) => {
    expect(comparePlaces(connect({ env: { DATABASE_URL: judged } }), where)).toBe(likeness);
  });
});

/** Each of them may also be a file's path. */
test.each(["PREFLIGHT_DATABASE_URL", "PREFLIGHT_PASSWORD_COMMAND"])(
  "the application's role is known beside %s as a file",
  (name) => {
    const own = { PREFLIGHT_DATABASE_URL: url, PREFLIGHT_PASSWORD_COMMAND: "print-password" };
    const { [name as keyof typeof own]: text, ...rest } = own;
    const env = {
      ...rest,
      [`${name}_FILE`]: "/run/value",
      DATABASE_URL: "postgres://app:pw@db/xa",
    };
    const world = { env, files: { "/run/value": text } };
    const judged = connect(world);
    const readFile = (path: string) => (path === "/run/value" ? text : missing());
    const sources = { env, readFile, statFile: () => null, osUser: "me", osHome: null };
    expect(readProgramConnection(judged, sources)).toMatchObject({ user: "app" });
  },
);
