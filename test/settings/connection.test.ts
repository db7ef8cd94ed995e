import { describe, expect, test } from "vitest";
import { readScratch } from "../../src/settings/connection-source.ts";
import { noFindings } from "../../src/settings/sources.ts";
import { connect, look, missing } from "./connection-world.ts";

describe("which source counts", () => {
  const everything = {
    PREFLIGHT_DATABASE_URL: "postgres://u@preflight/d",
    DATABASE_URL: "postgres://u@application/d",
    POSTGRES_HOST: "parts",
    PGHOST: "libpq",
  };
  test("the first that is set, in the documented order", () => {
    const { PREFLIGHT_DATABASE_URL, ...withoutFirst } = everything;
    const { DATABASE_URL, ...withoutUrls } = withoutFirst;
    expect(PREFLIGHT_DATABASE_URL).not.toBe(DATABASE_URL);
    const found = [everything, withoutFirst, withoutUrls, { PGHOST: "libpq" }].map((env) => {
      const { source, hosts } = connect({ env });
      return [source, hosts[0]?.host];
    });
    expect(found).toEqual([
      ["PREFLIGHT_DATABASE_URL", "preflight"],
      ["DATABASE_URL", "application"],
      ["POSTGRES_HOST, POSTGRES_USER, POSTGRES_PASSWORD …", "parts"],
      ["PGHOST, PGUSER, PGPASSWORD …", "libpq"],
    ]);
  });

  test("an empty variable is not set", () => {
    expect(connect({ env: { ...everything, PREFLIGHT_DATABASE_URL: "" } }).source).toBe(
      "DATABASE_URL",
    );
  });

  test("nothing set: the fault lists what can be", () => {
    const [fault, ...more] = look({ env: { PGSSLMODE: "require" } }).faults;
    expect(more).toEqual([]);
    for (const name of [
      "PREFLIGHT_DATABASE_URL",
      "DATABASE_URL",
      "POSTGRES_HOST",
      "PGHOST",
      "NAME_FILE",
    ]) {
      expect(fault).toContain(name);
    }
  });

  test("parts without a host are not enough, and no reason to guess one", () => {
    const env = { POSTGRES_USER: "u", POSTGRES_DB: "d" };
    expect(look({ env }).faults).toEqual([
      "POSTGRES_USER, POSTGRES_DB without POSTGRES_HOST: the database's host is not known",
    ]);
    const { connection, warnings } = look({ env: { ...env, PGHOST: "h", PGUSER: "pg" } });
    expect(connection?.user).toBe("pg");
    expect(warnings).toHaveLength(1);
  });
});

describe("what an address leaves out", () => {
  test("libpq's defaults: the system's user, a database of the same name, port 5432, prefer", () => {
    expect(connect({ env: { DATABASE_URL: "postgres://h" }, osUser: "me" })).toEqual({
      source: "DATABASE_URL",
      hosts: [{ host: "h", address: null, port: 5432, password: null }],
      user: "me",
      database: "me",
      tls: { mode: "prefer", rootCert: null, client: null },
      applicationName: null,
      options: null,
      targetSession: "any",
      schema: null,
    });
  });

  test("libpq's variables fill in, and what the URL says wins", () => {
    const env = {
      DATABASE_URL: "postgres://h/d?sslmode=require",
      PGHOST: "other",
      PGPORT: "6000",
      PGUSER: "pg",
      PGPASSWORD: "word",
      PGSSLMODE: "disable",
      PGSSLROOTCERT: "/ca.pem",
      PGAPPNAME: "app",
      PGOPTIONS: "-c search_path=x",
      PGTARGETSESSIONATTRS: "primary",
    };
    expect(connect({ env })).toEqual({
      source: "DATABASE_URL",
      hosts: [{ host: "h", address: null, port: 6000, password: "word" }],
      user: "pg",
      database: "d",
      tls: { mode: "require", rootCert: "/ca.pem", client: null },
      applicationName: "app",
      options: "-c search_path=x",
      targetSession: "primary",
      schema: null,
    });
  });

  test("no user anywhere is a fault", () => {
    expect(look({ env: { DATABASE_URL: "postgres://h/d" }, osUser: null }).faults).toHaveLength(1);
  });

  test("no host is the local socket", () => {
    expect(connect({ env: { DATABASE_URL: "postgres:///d" } }).hosts).toMatchObject([
      { host: "/var/run/postgresql", port: 5432 },
    ]);
  });

  test("the container image's parts have the image's defaults, not libpq's port", () => {
    const env = { POSTGRES_HOST: "h", PGPORT: "6000", PGDATABASE: "other", PGHOSTADDR: "10.0.0.1" };
    const { connection, warnings } = look({ env });
    expect(connection).toMatchObject({
      hosts: [{ host: "h", port: 5432 }],
      user: "postgres",
      database: "postgres",
    });
    expect(warnings).toEqual([]);
  });

  test("POSTGRES_PORT=tcp://… is Kubernetes' and not ours", () => {
    const env = { POSTGRES_HOST: "h", POSTGRES_PORT: "tcp://10.0.0.7:5432" };
    const { connection, warnings } = look({ env });
    expect(connection?.hosts).toMatchObject([{ host: "h", port: 5432 }]);
    expect(warnings).toHaveLength(1);
  });
});

describe("hosts and ports", () => {
  test.each([
    [
      "postgres://a:1,b:2/d",
      [
        ["a", 1],
        ["b", 2],
      ],
    ],
    [
      "postgres:///d?host=a,b&port=7",
      [
        ["a", 7],
        ["b", 7],
      ],
    ],
    [
      "postgres:///d?host=a,b&port=,8",
      [
        ["a", 5432],
        ["b", 8],
      ],
    ],
    ["postgres://[2001:db8::1]:5/d", [["2001:db8::1", 5]]],
    ["postgres://%2Fvar%2Frun/d", [["/var/run", 5432]]],
    ["postgres:///d?hostaddr=10.0.0.1", [["10.0.0.1", 5432]]],
  ])("%s", (url, expected) => {
    const { hosts } = connect({ env: { DATABASE_URL: url } });
    expect(hosts.map(({ host, port }) => [host, port])).toEqual(expected);
  });

  test.each([
    ["postgres://h:0/d", /port in DATABASE_URL is not a port/],
    ["postgres://h:65536/d", /not a port/],
    ["postgres://h:abc/d", /not a port/],
    ["postgres://a,,b/d", /host in DATABASE_URL is not a host/],
    ["postgres:///d?host=h:5432", /not a host/],
    ["postgres:///d?host=a,b&port=1,2,3", /as many ports/],
    ["postgres:///d?service=x", /service files are not read/],
  ])("%s is refused", (url, fault) => {
    expect(look({ env: { DATABASE_URL: url } }).faults).toEqual([expect.stringMatching(fault)]);
  });
});

describe("TLS: libpq's sslmode and asyncpg's ssl are one setting", () => {
  const modes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
  test.each(modes)("%s in both spellings", (mode) => {
    for (const word of ["ssl", "sslmode"]) {
      const env = { DATABASE_URL: `postgresql+asyncpg://h/d?${word}=${mode}` };
      expect(connect({ env }).tls.mode).toBe(mode);
    }
  });

  test("ssl=true means require, as in libpq", () => {
    expect(connect({ env: { DATABASE_URL: "postgres://h/d?ssl=true" } }).tls.mode).toBe("require");
  });

  test("both with different meanings are a fault, with the same meaning not", () => {
    const url = (ssl: string) => ({
      env: { DATABASE_URL: `postgres://h/d?ssl=${ssl}&sslmode=require`, PGSSLMODE: "disable" },
    });
    expect(look(url("disable")).faults).toEqual([expect.stringMatching(/say different things/)]);
    expect(connect(url("require")).tls.mode).toBe("require");
  });

  test("ssl in the URL wins over PGSSLMODE", () => {
    const env = { DATABASE_URL: "postgres://h/d?ssl=require", PGSSLMODE: "disable" };
    expect(connect({ env }).tls.mode).toBe("require");
  });

  test("sslrootcert=system means verify-full, and nothing weaker", () => {
    const url = "postgres://h/d?sslrootcert=system";
    expect(connect({ env: { DATABASE_URL: url } }).tls).toMatchObject({
      mode: "verify-full",
      rootCert: "system",
    });
    expect(look({ env: { DATABASE_URL: `${url}&sslmode=require` } }).faults).toHaveLength(1);
  });

  test.each(["sslmode=on", "sslmode=1", "ssl=on", "target_session_attrs=master"])(
    "%s is a fault",
    (query) => {
      const { faults } = look({ env: { DATABASE_URL: `postgres://h/d?${query}` } });
      expect(faults).toEqual([expect.stringMatching(/in DATABASE_URL must be one of/)]);
    },
  );
});

describe("what libpq knows and we cannot honour is a warning by name", () => {
  test.each([
    "channel_binding=require",
    "sslnegotiation=direct",
    "require_auth=scram-sha-256",
    "requirepeer=postgres",
    "gssencmode=require",
    "sslcrl=/l",
    "sslcrldir=/l",
    "sslcertmode=require",
    "sslsni=0",
    "ssl_min_protocol_version=TLSv1.3",
    "ssl_max_protocol_version=TLSv1.2",
    "min_protocol_version=3.2",
  ])("%s", (parameter) => {
    const { warnings } = look({ env: { DATABASE_URL: `postgres://h/d?${parameter}` } });
    expect(warnings).toEqual([
      expect.stringContaining(`${parameter.split("=")[0]} in DATABASE_URL`),
    ]);
  });

  test.each(["channel_binding=prefer", "connect_timeout=5", "keepalives=1", "sslsni=1"])(
    "%s changes nothing, so nothing is said",
    (parameter) => {
      expect(look({ env: { DATABASE_URL: `postgres://h/d?${parameter}` } })).toMatchObject({
        warnings: [],
        faults: [],
      });
    },
  );

  test("PGSERVICE beside a full address", () => {
    const { warnings } = look({ env: { DATABASE_URL: "postgres://h/d", PGSERVICE: "s" } });
    expect(warnings).toEqual([expect.stringContaining("PGSERVICE")]);
  });
});

describe("secret files", () => {
  test.each([
    ["a file", "word", "word"],
    ["line ends", "word\r\n\n", "word"],
    ["a byte order mark", "\uFEFFword\n", "word"],
    ["inner space kept", " wo rd \n", " wo rd "],
  ])("%s", (_, text, password) => {
    const env = { PGHOST: "h", PGPASSWORD_FILE: "/run/secrets/p" };
    expect(connect({ env, files: { "/run/secrets/p": text } }).hosts[0]?.password).toBe(password);
  });

  test("a whole URL", () => {
    const world = { env: { DATABASE_URL_FILE: "/u" }, files: { "/u": "postgres://u:p@h/d\n" } };
    expect(connect(world)).toMatchObject({ source: "DATABASE_URL", hosts: [{ password: "p" }] });
  });

  test.each([
    ["missing", undefined, /cannot be read \(ENOENT\)/],
    ["empty", "\n", /is empty/],
    ["NUL", "a\0b", /NUL/],
    ["not UTF-8", "a\uFFFDb", /is not UTF-8/],
    ["long", "x".repeat(65537), /longer than 64 KiB/],
  ])("%s is a fault that names the variable only", (_, text, fault) => {
    const files = text === undefined ? {} : { "/S3kr1t": text };
    const { faults } = look({ env: { DATABASE_URL_FILE: "/S3kr1t", PGHOST: "h" }, files });
    expect(faults).toEqual([expect.stringMatching(fault)]);
    expect(faults[0]).toMatch(/^DATABASE_URL_FILE /);
    expect(faults[0]).not.toContain("S3kr1t");
  });

  test("64 KiB are allowed", () => {
    const files = { "/p": "x".repeat(65536) };
    expect(
      connect({ env: { PGHOST: "h", PGPASSWORD_FILE: "/p" }, files }).hosts[0]?.password,
    ).toHaveLength(65536);
  });

  test("both NAME and NAME_FILE are a fault, for every part at once", () => {
    const env = {
      POSTGRES_HOST: "h",
      POSTGRES_USER: "u",
      POSTGRES_USER_FILE: "/u",
      POSTGRES_PASSWORD: "S3kr1t",
      POSTGRES_PASSWORD_FILE: "/p",
    };
    const { faults } = look({ env });
    expect(faults).toEqual([
      expect.stringContaining("POSTGRES_USER and POSTGRES_USER_FILE"),
      expect.stringContaining("POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE"),
    ]);
    expect(faults.join()).not.toContain("S3kr1t");
  });
});

describe("libpq's password file", () => {
  const passfile = [
    "# a comment: h:5432:d:u:commented",
    "other:5432:d:u:no",
    "h:5432:d:someone:no",
    String.raw`h:5432:d:u:a\:b\\c`,
    "*:*:*:*:last",
  ].join("\n");

  test("the first line that fits, with its escapes", () => {
    const files = { "/home/me/.pgpass": passfile };
    const of = (url: string) => connect({ env: { DATABASE_URL: url, HOME: "/home/me" }, files });
    expect(of("postgres://u@h/d").hosts[0]?.password).toBe(String.raw`a:b\c`);
    expect(of("postgres://u@elsewhere/d").hosts[0]?.password).toBe("last");
    expect(of("postgres://u:own@h/d").hosts[0]?.password).toBe("own");
  });

  test("a socket of the default directory is called localhost", () => {
    const env = { DATABASE_URL: "postgres://u@/d", PGPASSFILE: "/pass" };
    expect(connect({ env, files: { "/pass": "localhost:*:*:*:word" } }).hosts[0]?.password).toBe(
      "word",
    );
  });

  test("PGPASSFILE that cannot be read is a warning, a missing ~/.pgpass is nothing", () => {
    const env = { DATABASE_URL: "postgres://u@h/d", HOME: "/home/me" };
    expect(look({ env }).warnings).toEqual([]);
    expect(look({ env: { ...env, PGPASSFILE: "/none" } }).warnings).toHaveLength(1);
  });

  test("each host of one address has its own", () => {
    const env = { DATABASE_URL: "postgres://u@a,b/d", PGPASSFILE: "/pass" };
    const files = { "/pass": "a:*:*:*:one\nb:*:*:*:two" };
    expect(connect({ env, files }).hosts.map(({ password }) => password)).toEqual(["one", "two"]);
  });
});

test("the faults of one address are told together", () => {
  const env = { DATABASE_URL: "postgres://h:0/d?sslmode=on&target_session_attrs=x" };
  expect(look({ env, osUser: null }).faults).toHaveLength(4);
});

test("libpq's variables, which may name the real database, never fill in the scratch server", () => {
  const findings = noFindings();
  const env = { PGHOST: "production", PGUSER: "admin", PGPASSWORD: "word", PGPORT: "6000" };
  const scratch = readScratch(
    "postgres:///postgres",
    { env, readFile: missing, statFile: () => null, osUser: "me", osHome: "/home/me" },
    findings,
  );
  expect(scratch).toMatchObject({
    source: "--scratch-url",
    hosts: [{ host: "/var/run/postgresql", port: 5432, password: null }],
    user: "me",
  });
});
