import { describe, expect, test } from "vitest";
import { connect, look, type World } from "./connection-world.ts";

const home = "/home/me";

function at(query: string, world: Partial<World> = {}): World {
  return { ...world, env: { DATABASE_URL: `postgres://u@h/d?${query}`, HOME: home, ...world.env } };
}

describe("libpq's hostaddr is dialled, and the host is what it is called", () => {
  test.each([
    ["postgres://h:5/d?hostaddr=10.0.0.1", [["h", "10.0.0.1", 5]]],
    ["postgres:///d?hostaddr=10.0.0.1", [["10.0.0.1", "10.0.0.1", 5432]]],
    [
      "postgres:///d?hostaddr=%3A%3A1,10.0.0.1&host=a,b&port=1,2",
      [
        ["a", "::1", 1],
        ["b", "10.0.0.1", 2],
      ],
    ],
    [
      "postgres:///d?hostaddr=,10.0.0.1&host=a,",
      [
        ["a", null, 5432],
        ["10.0.0.1", "10.0.0.1", 5432],
      ],
    ],
  ] as const)("%s", (url, expected) => {
    const { hosts } = connect({ env: { DATABASE_URL: url } });
    expect(hosts.map(({ host, address, port }) => [host, address, port])).toEqual(expected);
  });

  test("PGHOSTADDR counts for a URL's host, as in libpq", () => {
    const env = { DATABASE_URL: "postgres://h/d", PGHOSTADDR: "10.0.0.1" };
    expect(connect({ env }).hosts).toMatchObject([{ host: "h", address: "10.0.0.1" }]);
  });

  test("its password is looked for under the host's name", () => {
    const env = { DATABASE_URL: "postgres://u@h/d?hostaddr=10.0.0.1", PGPASSFILE: "/pass" };
    const files = { "/pass": "10.0.0.1:*:*:*:no\nh:*:*:*:yes" };
    expect(connect({ env, files }).hosts[0]?.password).toBe("yes");
  });

  test.each([
    ["host=a,b&hostaddr=10.0.0.1", /as many addresses as there are hosts/],
    ["hostaddr=db.example.org", /not an IPv4 or IPv6 address/],
    ["host=a,&hostaddr=10.0.0.1,", /not an IPv4 or IPv6 address|not a host name/],
    ["host=/tmp&hostaddr=10.0.0.1", /beside a socket directory/],
    ["hostaddr=10.0.0.1,10.0.0.2&port=1,2,3", /as many ports/],
    ["hostaddr=10.0.0.1&sslmode=verify-full", /needs a host beside it/],
  ])("%s is refused", (query, fault) => {
    const { faults } = look({ env: { DATABASE_URL: `postgres:///d?${query}` } });
    expect(faults.join("\n")).toMatch(fault);
  });

  test("sslmode=verify-full with a name for every address is right", () => {
    const env = { DATABASE_URL: "postgres://10.0.0.1/d?hostaddr=10.0.0.1&sslmode=verify-full" };
    expect(connect({ env }).tls.mode).toBe("verify-full");
  });
});

describe("this client's certificate", () => {
  const files = { "/c.crt": "", "/c.key": "" };
  const standard = {
    [`${home}/.postgresql/postgresql.crt`]: "",
    [`${home}/.postgresql/postgresql.key`]: "",
  };

  test("sslcert, sslkey and sslpassword, in the address and in the environment", () => {
    const client = { certificate: "/c.crt", key: "/c.key", keyPassword: null };
    const url = at("sslcert=/c.crt&sslkey=/c.key&sslpassword=word", { files });
    expect(connect(url).tls.client).toEqual({ ...client, keyPassword: "word" });
    const env = { PGSSLCERT: "/c.crt", PGSSLKEY: "/c.key" };
    expect(connect(at("", { files, env })).tls.client).toEqual(client);
    expect(look(url)).toMatchObject({ faults: [], warnings: [] });
  });

  test("libpq's own files, where they are there", () => {
    expect(connect(at("")).tls.client).toBeNull();
    expect(connect(at("", { files: standard })).tls.client).toEqual({
      certificate: `${home}/.postgresql/postgresql.crt`,
      key: `${home}/.postgresql/postgresql.key`,
      keyPassword: null,
    });
    expect(connect(at("sslcert=/c.crt", { files })).tls.client?.key).toBe(
      `${home}/.postgresql/postgresql.key`,
    );
  });

  test("HOME counts, and else the system's home", () => {
    const env = { DATABASE_URL: "postgres://u@h/d" };
    expect(connect({ env, files: standard, osHome: home }).tls.client).not.toBeNull();
    const elsewhere = { ...env, HOME: "/elsewhere" };
    expect(connect({ env: elsewhere, files: standard, osHome: home }).tls.client).toBeNull();
  });

  test("is not shown where it is not wanted, or where no TLS is", () => {
    for (const query of ["sslcertmode=disable", "sslmode=disable"])
      expect(connect(at(query, { files: standard })).tls.client).toBeNull();
  });

  test("one that is named and not there is a warning, as libpq goes on without it", () => {
    const { connection, warnings } = look(at("sslcert=/none&sslkey=/c.key", { files }));
    expect(connection?.tls.client).toBeNull();
    expect(warnings).toEqual([expect.stringContaining("sslcert in DATABASE_URL names no file")]);
  });

  test.each([
    [0o600, 0],
    [0o640, 1],
    [0o644, 1],
  ])("a key of mode %o: libpq's judgement is said", (mode, count) => {
    const world = at("sslcert=/c.crt&sslkey=/c.key", { files, modes: { "/c.key": mode } });
    const { connection, warnings } = look(world);
    expect(connection?.tls.client?.key).toBe("/c.key");
    expect(warnings).toHaveLength(count);
    for (const warning of warnings) expect(warning).toMatch(/libpq would not use .*chmod 0600/);
  });

  test("a key without any home to look for it in is a fault", () => {
    const env = { DATABASE_URL: "postgres://u@h/d?sslcert=/c.crt" };
    expect(look({ env, files }).faults).toEqual([expect.stringContaining("has no key")]);
  });
});

describe("the authority's certificate", () => {
  const root = `${home}/.postgresql/root.crt`;

  test("sslrootcert, else libpq's own file where it is there", () => {
    expect(connect(at("")).tls.rootCert).toBeNull();
    expect(connect(at("", { files: { [root]: "" } })).tls.rootCert).toBe(root);
    expect(connect(at("sslrootcert=/ca", { files: { [root]: "" } })).tls.rootCert).toBe("/ca");
  });

  test("libpq's own list of revoked certificates is not honoured, which is said where it would count", () => {
    const files = { [root]: "", [`${home}/.postgresql/root.crl`]: "" };
    expect(look(at("sslmode=verify-ca", { files })).warnings).toEqual([
      expect.stringContaining("root.crl is not honoured"),
    ]);
    expect(look(at("sslmode=disable", { files })).warnings).toEqual([]);
  });
});

describe("the command for the password", () => {
  const command = { PREFLIGHT_PASSWORD_COMMAND: "token" };

  test.each([
    [{ DATABASE_URL: "postgres://u:S3kr1t@h/d" }, "password in DATABASE_URL"],
    [{ DATABASE_URL: "postgres://u@h/d?password=S3kr1t" }, "password in DATABASE_URL"],
    [{ DATABASE_URL: "postgres://u@h/d", PGPASSWORD: "S3kr1t" }, "PGPASSWORD"],
    [{ POSTGRES_HOST: "h", POSTGRES_PASSWORD: "S3kr1t" }, "POSTGRES_PASSWORD"],
    [{ PGHOST: "h", PGPASSWORD: "S3kr1t" }, "PGPASSWORD"],
  ] as const)("beside a password is a fault that names both: %#", (env, place) => {
    expect(look({ env: { ...env, ...command } }).faults).toEqual([
      `PREFLIGHT_PASSWORD_COMMAND and ${place} are both set: which password counts is not clear`,
    ]);
  });

  test("takes the place of the password file, whose mode is then no matter", () => {
    const env = { DATABASE_URL: "postgres://u@h/d", PGPASSFILE: "/pass", ...command };
    const world = { env, files: { "/pass": "*:*:*:*:no" }, modes: { "/pass": 0o644 } };
    expect(look(world)).toMatchObject({
      warnings: [],
      connection: { hosts: [{ password: null }] },
    });
  });
});

test("several hosts without a port, and PGPORT: libpq and SQLAlchemy differ", () => {
  for (const url of ["postgres://a,b/d", "postgres:///d?host=a,b"]) {
    const env = { DATABASE_URL: url, PGPORT: "6432" };
    expect(look({ env }).faults).toEqual([expect.stringContaining("give each host its port")]);
    expect(look({ env: { ...env, PGPORT: "5432" } }).faults).toEqual([]);
  }
});
