import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DatabaseAddress } from "../../src/core/database-address.ts";
import { unsaidInUrl } from "../../src/core/database-address.ts";
import { parseProgramEnv, programVariables, suggestMapping } from "../../src/core/program-env.ts";
import { parseConnectionUrl } from "../../src/settings/connection-url.ts";

const address: DatabaseAddress = {
  host: "db.internal",
  port: 6432,
  user: "shop",
  password: "p@ss/w:rd%",
  database: "shop",
  sslMode: "verify-full",
  sslRootCert: "/ca.pem",
};

function expand(text: string, at: DatabaseAddress = address): Readonly<Record<string, string>> {
  const { variables, faults } = parseProgramEnv(text);
  expect(faults).toEqual([]);
  return programVariables(variables, at);
}

describe("a template is filled in", () => {
  test("each part as it is, and the URL encoded", () => {
    expect(
      expand(
        "H={host}; P={port}; U={user}; W={password}; D={database}\nS={sslmode}; URL={url}; A={url:postgresql+asyncpg}",
      ),
    ).toEqual({
      H: "db.internal",
      P: "6432",
      U: "shop",
      W: "p@ss/w:rd%",
      D: "shop",
      S: "verify-full",
      URL: "postgresql://shop:p%40ss%2Fw%3Ard%25@db.internal:6432/shop?sslmode=verify-full&sslrootcert=%2Fca.pem",
      A: "postgresql+asyncpg://shop:p%40ss%2Fw%3Ard%25@db.internal:6432/shop?ssl=verify-full",
    });
  });

  test.each([
    ["A={{host}}", "{host}"],
    ["A={{{host}}}", "{db.internal}"],
    ['A={{"host": "{host}", "port": {port}}}', '{"host": "db.internal", "port": 6432}'],
    ["A=", ""],
    ["A=a=b", "a=b"],
    ["A=  x y  ", "x y"],
  ])("%s", (text, value) => {
    expect(expand(text)).toEqual({ A: value });
  });

  test("what is not said: no password, and libpq's usual sslmode", () => {
    const bare = { ...address, password: null, sslMode: null, sslRootCert: null };
    expect(expand("W={password}; S={sslmode}; URL={url}", bare)).toEqual({
      W: "",
      S: "prefer",
      URL: "postgresql://shop@db.internal:6432/shop",
    });
  });

  test("a socket, an IPv6 address, and what else libpq must be told", () => {
    const socket = { ...address, host: "/run/pg", sslMode: null, sslRootCert: null };
    expect(
      expand("A={url}; B={url:postgresql+asyncpg}; C={url:postgresql+pg8000}; H={host}", socket),
    ).toEqual({
      A: "postgresql://shop:p%40ss%2Fw%3Ard%25@/shop?host=%2Frun%2Fpg&port=6432",
      B: "postgresql+asyncpg://shop:p%40ss%2Fw%3Ard%25@/shop?host=%2Frun%2Fpg&port=6432",
      C: "postgresql+pg8000://shop:p%40ss%2Fw%3Ard%25@/shop?unix_sock=%2Frun%2Fpg%2F.s.PGSQL.6432",
      H: "/run/pg",
    });
    const more = { ...address, host: "::1", sslRootCert: null, more: { sslcert: "/c.crt" } };
    expect(expand("A={url:postgresql+psycopg}", more)["A"]).toBe(
      "postgresql+psycopg://shop:p%40ss%2Fw%3Ard%25@[::1]:6432/shop?sslmode=verify-full&sslcert=%2Fc.crt",
    );
  });
});

test.each([
  [
    "A={hots}",
    "has {hots}, and there are {host}, {port}, {user}, {password}, {database}, {sslmode}, {url} and {url:postgresql+DRIVER} in A",
  ],
  ["A={}", "something in braces"],
  ["A={url:mysql}", "{url:mysql}"],
  ["A={url:asyncpg}", "{url:asyncpg}"],
  ["A={S3kr1t!}", "something in braces"],
  ["A={host", 'has a "{"'],
  ["A=host}", 'has a "}"'],
  ["A={{host}", 'has a "}"'],
  ["A={ho{st}}", 'has a "{"'],
  ["S3kr1t", "must be NAME=TEMPLATE"],
  ["1A={host}", "must be NAME=TEMPLATE"],
  ["A-B={host}", "must be NAME=TEMPLATE"],
  ["={host}", "must be NAME=TEMPLATE"],
  ["A={host}; A={port}", "sets A twice"],
  ["PREFLIGHT_TIMEOUT=1s", "preflight's own"],
  ["PGAPPNAME=x", "preflight's own"],
  ["PGOPTIONS=x", "preflight's own"],
])("%s is a fault that repeats no value", (text, fault) => {
  const { faults } = parseProgramEnv(text);
  expect(faults).toEqual([expect.stringContaining(fault)]);
  expect(faults[0]).not.toContain("S3kr1t");
});

test("all faults at once", () => {
  expect(parseProgramEnv("A={x}; B={y}; C={host}").faults).toHaveLength(2);
});

const word = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => !text.includes("\0"));
const anyAddress = fc.record({
  host: fc.constantFrom("db", "10.0.0.1", "::1", "/run/pg"),
  port: fc.integer({ min: 1, max: 65535 }),
  user: word,
  password: fc.option(word),
  database: word,
  sslMode: fc.constantFrom(null, "disable", "require"),
  sslRootCert: fc.constantFrom(null, "/ca.pem", "/a b&c=d.pem"),
});

test("a URL leads to where the parts lead", () => {
  const schemes = fc.constantFrom(
    "postgresql",
    "postgres",
    "postgresql+psycopg",
    "postgresql+asyncpg",
  );
  fc.assert(
    fc.property(anyAddress, schemes, (at, scheme) => {
      const { URL = "" } = expand(`URL={url:${scheme}}`, at);
      const reading = parseConnectionUrl(URL);
      const { ssl, sslmode, sslrootcert, ...place } = Object.fromEntries(
        reading.kind === "parameters" ? reading.parameters : [],
      );
      expect(place).toEqual({
        host: at.host,
        port: String(at.port),
        user: at.user,
        ...(at.password !== null && { password: at.password }),
        dbname: at.database,
      });
      expect(ssl ?? sslmode ?? null).toBe(at.sslMode);
      const unsaid = unsaidInUrl(scheme, at, null);
      expect(sslrootcert ?? null).toBe(unsaid.includes("sslrootcert") ? null : at.sslRootCert);
    }),
  );
});

test("a text without braces and separators is what the variable gets, and any text is read or refused", () => {
  const plain = fc.string({ unit: "grapheme" }).filter((text) => !/[{};\r\n]/.test(text));
  fc.assert(
    fc.property(plain, (text) => {
      expect(expand(`A=${text}`)).toEqual({ A: text.trim() });
    }),
  );
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(() => parseProgramEnv(text)).not.toThrow();
    }),
  );
});

test("braces that are doubled come back single", () => {
  fc.assert(
    fc.property(
      fc.string().filter((text) => !/[;\r\n]/.test(text)),
      (text) => {
        const doubled = text.replaceAll(/[{}]/g, "$&$&");
        expect(expand(`A=${doubled}`)).toEqual({ A: text.trim() });
      },
    ),
  );
});

describe("the mapping that the names of variables suggest", () => {
  test.each([
    [
      ["DB_HOST", "DB_PORT", "DB_USER", "DB_PASSWORD", "DB_NAME", "SECRET_KEY"],
      "DB_HOST={host}; DB_PORT={port}; DB_USER={user}; DB_PASSWORD={password}; DB_NAME={database}",
    ],
    [
      ["POSTGRES_SERVER", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"],
      "POSTGRES_SERVER={host}; POSTGRES_USER={user}; POSTGRES_PASSWORD={password}; POSTGRES_DB={database}",
    ],
    [["SQLALCHEMY_DATABASE_URI"], "SQLALCHEMY_DATABASE_URI={url:postgresql+asyncpg}"],
    [["APP_DB_URL", "SMTP_HOST", "SMTP_USER", "SMTP_PORT"], "APP_DB_URL={url:postgresql+asyncpg}"],
  ])("%j", (names, mapping) => {
    expect(suggestMapping(names, "postgresql+asyncpg")).toBe(`--program-env '${mapping}'`);
    expect(parseProgramEnv(mapping).faults).toEqual([]);
  });

  test.each([[["SMTP_HOST", "SMTP_USER"]], [["HOSTNAME", "PORT"]], [["REDIS_URL"]], [[]]])(
    "%j: none",
    (names) => {
      expect(suggestMapping(names, "postgresql")).toBeNull();
    },
  );
});
