import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LogEvent } from "../../src/report/log.ts";
import { eventually } from "../support/databases.ts";
import { freePort, startServer, type TestServer } from "../support/postgres.ts";
import { connectionTo, fakeServer, open, realTime, refusalOf } from "./support.ts";

// Made with openssl for these tests, valid for 100 years (expired.crt: never); the authority's key was not kept.
const certificates = join(import.meta.dirname, "certificates");
const certificate = (name: string): string => join(certificates, name);

let server: TestServer;
let plain: string;
const oddPassword = `p@ss:w/o%r#d é日本'"\\ $1`;

beforeAll(async () => {
  server = await startServer({
    settings: ["password_encryption = 'scram-sha-256'"],
    hba: [
      "local all all trust",
      "host all odd 127.0.0.1/32 scram-sha-256",
      "host all outsider 127.0.0.1/32 reject",
      "host all all 127.0.0.1/32 trust",
    ],
  });
  plain = server.url;
  await server.sql(
    plain,
    `CREATE ROLE odd LOGIN PASSWORD '${oddPassword.replaceAll("'", "''")}'; CREATE ROLE outsider LOGIN`,
  );
}, 60_000);
afterAll(() => server?.stop());

describe("a server that answers", () => {
  test("over TCP and over its Unix socket", async () => {
    for (const host of ["127.0.0.1", "localhost", server.socketDirectory ?? ""]) {
      const db = await open(connectionTo(plain, { hosts: [{ host, port: server.port }] }));
      expect(
        await db.query("SELECT 1 AS one, current_setting('application_name') AS name"),
      ).toEqual([{ one: 1, name: "preflight/test" }]);
      await db.close();
    }
  });

  test("a password with odd characters, over SCRAM", async () => {
    const db = await open(connectionTo(plain, { user: "odd", password: oddPassword }));
    expect(await db.query("SELECT current_user AS who")).toEqual([{ who: "odd" }]);
    await db.close();
  });

  test("rows of each statement that returns rows, in one message", async () => {
    const db = await open(plain);
    expect(
      await db.queryAll(
        "BEGIN; SET LOCAL jit = off; SELECT 1 AS a; SELECT 2 AS b WHERE false; SELECT 3 AS c; COMMIT",
      ),
    ).toEqual([[{ a: 1 }], [], [{ c: 3 }]]);
    await db.close();
  });

  test("a lost connection is an error and never a new connection", async () => {
    const db = await open(plain);
    await server.sql(plain, `SELECT pg_terminate_backend(${db.backendPid})`);
    await db.lost;
    await expect(db.query("SELECT 1")).rejects.toMatchObject({ code: "LOST" });
    await expect(db.query("ROLLBACK"), "again and again").rejects.toMatchObject({ code: "LOST" });
    await db.close();
  });

  test("close is repeatable and ends the server process", async () => {
    const db = await open(plain);
    await db.close();
    await db.close();
    await expect(db.query("SELECT 1")).rejects.toThrow();
    await eventually(async () => !(await isAlive(db.backendPid)), "the server process has ended");
  });

  test("the environment's PG… variables have no say", async () => {
    const before = { ...process.env };
    Object.assign(process.env, {
      PGTARGETSESSIONATTRS: "any",
      PGPASSWORD: "x",
      PGHOST: "a,b",
      PGMAX_LIFETIME: "1",
      PGSSL: "require",
    });
    try {
      await (await open(plain)).close();
    } finally {
      process.env = before;
    }
  });
});

describe("a list of hosts", () => {
  test("the next one is tried when one does not answer", async () => {
    const hosts = [
      { host: "127.0.0.1", port: await freePort() },
      { host: "127.0.0.1", port: server.port },
    ];
    await (await open(connectionTo(plain, { hosts }), { timeout: 0 })).close();
  });

  test("target_session_attrs passes over a server that does not fit", async () => {
    const readOnly = await server.createDatabase();
    await server.sql(
      plain,
      `ALTER DATABASE "${new URL(readOnly).pathname.slice(1)}" SET default_transaction_read_only = on`,
    );
    const refusal = await refusalOf(
      open(connectionTo(readOnly, { targetSession: "read-write" }), { timeout: 300 }),
    );
    expect(refusal.outcome).toBe("unavailable");
    expect(refusal.message).toContain("read-write wanted, a read-only primary found");
    await (await open(connectionTo(readOnly, { targetSession: "prefer-standby" }))).close();
    await (await open(connectionTo(readOnly, { targetSession: "primary" }))).close();
  });
});

describe("what waiting may cure", () => {
  test("nothing listens: unavailable at the deadline, naming the place", async () => {
    const port = await freePort();
    const events: LogEvent[] = [];
    const started = performance.now();
    const connection = connectionTo(plain, {
      hosts: [{ host: "127.0.0.1", port }],
      password: "s3cret",
    });
    const refusal = await refusalOf(open(connection, { ...realTime(events), timeout: 1000 }));
    expect(refusal.outcome).toBe("unavailable");
    expect(refusal.message).toBe(
      `PostgreSQL did not become available within 1s: last: connection refused (host 127.0.0.1, port ${port})`,
    );
    expect(performance.now() - started).toBeGreaterThanOrEqual(990);
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ event: "database.waiting", code: "ECONNREFUSED" });
    expect(JSON.stringify([refusal.message, refusal.next, events])).not.toContain("s3cret");
  });

  test("the server comes late", async () => {
    const port = await freePort();
    const opening = open(connectionTo(plain, { hosts: [{ host: "127.0.0.1", port }] }), {
      timeout: 20_000,
    });
    await sleep(300);
    const late = await startServer({ port });
    try {
      await (await opening).close();
    } finally {
      await late.stop();
    }
  }, 30_000);

  test.for([
    [
      "accepts and closes",
      "closed before the server answered",
      (socket: { end: () => unknown }) => socket.end(),
    ],
    [
      "accepts and resets",
      "connection reset",
      (socket: { resetAndDestroy: () => unknown }) => socket.resetAndDestroy(),
    ],
    ["accepts and stalls", "no answer in time", () => {}],
  ] as const)("a server that %s", async ([, says, behave]) => {
    for (const mode of ["disable", "prefer", "require"] as const) {
      const fake = await fakeServer(behave);
      const connection = connectionTo(plain, {
        hosts: [{ host: "127.0.0.1", port: fake.port }],
        tls: { mode, rootCert: null },
      });
      const refusal = await refusalOf(open(connection, { timeout: 700 }));
      expect(refusal.outcome).toBe("unavailable");
      expect(refusal.message).toContain(says);
      await fake.stop();
    }
  });

  test("a host name that does not resolve", async () => {
    const connection = connectionTo(plain, {
      hosts: [{ host: "does-not-exist.invalid", port: 5432 }],
    });
    const refusal = await refusalOf(open(connection, { timeout: 300 }));
    expect(refusal.outcome).toBe("unavailable");
    expect(refusal.message).toContain("does-not-exist.invalid");
  });

  test("the signal ends an attempt that stalls", async () => {
    const fake = await fakeServer(() => {});
    const stop = new AbortController();
    const opening = open(connectionTo(plain, { hosts: [{ host: "127.0.0.1", port: fake.port }] }), {
      ...realTime(),
      signal: stop.signal,
    });
    setTimeout(() => stop.abort(new Error("stopped by the test")), 100);
    await expect(opening).rejects.toThrow("stopped by the test");
    await fake.stop();
  });
});

describe("what waiting cannot cure", () => {
  test("an HTTP server, an SSH server, a MySQL server: not PostgreSQL", async () => {
    const http = createHttpServer();
    await new Promise<void>((done) => {
      http.listen(0, "127.0.0.1", done);
    });
    const ssh = await fakeServer((socket) => socket.write("SSH-2.0-OpenSSH_9.6\r\n"));
    const mysql = await fakeServer((socket) =>
      socket.write(Buffer.from("4a0000000a382e302e3336", "hex")),
    );
    for (const port of [(http.address() as AddressInfo).port, ssh.port, mysql.port]) {
      for (const mode of ["disable", "prefer", "verify-full"] as const) {
        const connection = connectionTo(plain, {
          hosts: [{ host: "127.0.0.1", port }],
          tls: { mode, rootCert: mode === "verify-full" ? "system" : null },
        });
        const refusal = await refusalOf(open(connection, { timeout: 0 }));
        expect(refusal.outcome).toBe("protocol");
        expect(refusal.message).toContain("is not PostgreSQL");
      }
    }
    http.close();
    await ssh.stop();
    await mysql.stop();
  });

  test("a wrong password, an unknown role, a rejected role", async () => {
    for (const change of [
      { user: "odd", password: "wr0ng" },
      { user: "odd" },
      { user: "nobody-here" },
      { user: "outsider" },
    ]) {
      const refusal = await refusalOf(open(connectionTo(plain, change), { timeout: 0 }));
      expect(refusal.outcome).toBe("permission");
      expect(refusal.message).toContain(`user ${change.user}, database postgres`);
      expect(refusal.message).not.toContain("wr0ng");
    }
  });

  test("no such database", async () => {
    const refusal = await refusalOf(
      open(connectionTo(plain, { database: "nowhere" }), { timeout: 0 }),
    );
    expect(refusal.outcome).toBe("config");
    expect(refusal.next).toEqual([
      "create the database nowhere, or name another one in DATABASE_URL",
    ]);
  });

  test("a server without TLS and sslmode=require", async () => {
    const refusal = await refusalOf(
      open(connectionTo(plain, { tls: { mode: "require", rootCert: null } })),
    );
    expect(refusal.outcome).toBe("protocol");
    expect(refusal.message).toContain("does not support TLS");
  });

  test.for([
    [{ mode: "verify-full", rootCert: null }, "needs sslrootcert"],
    [{ mode: "verify-ca", rootCert: "system" }, "needs sslmode=verify-full"],
    [{ mode: "verify-ca", rootCert: "/does/not/exist.pem" }, "cannot be read (ENOENT)"],
    [{ mode: "verify-ca", rootCert: certificate("server.key") }, null],
  ] as const)("%j", async ([tls, says]) => {
    const refusal = await refusalOf(open(connectionTo(plain, { tls })));
    expect(refusal.outcome).toBe(says === null ? "protocol" : "config");
    if (says !== null) expect(refusal.message).toContain(says);
  });
});

describe("TLS", () => {
  let secured: TestServer;
  let expired: TestServer;
  beforeAll(async () => {
    const hba = [
      "local all all trust",
      "host all plainonly 127.0.0.1/32 reject",
      "hostssl all all 127.0.0.1/32 trust",
    ];
    const key = certificate("server.key");
    secured = await startServer({ hba, tls: { certificate: certificate("server.crt"), key } });
    expired = await startServer({ hba, tls: { certificate: certificate("expired.crt"), key } });
  }, 60_000);
  afterAll(async () => {
    await secured?.stop();
    await expired?.stop();
  });

  const at = (
    target: TestServer,
    host: string,
    mode: "allow" | "prefer" | "require" | "verify-ca" | "verify-full" | "disable",
    root: string | null,
  ) =>
    connectionTo(target.url, {
      hosts: [{ host, port: target.port }],
      tls: { mode, rootCert: root },
    });

  test.for([
    ["allow", "127.0.0.1", null],
    ["prefer", "127.0.0.1", null],
    ["require", "127.0.0.1", null],
    ["require", "127.0.0.1", "ca.crt"],
    ["verify-ca", "127.0.0.1", "ca.crt"],
    ["verify-full", "localhost", "ca.crt"],
  ] as const)("%s to %s with root %s is encrypted", async ([mode, host, root]) => {
    const db = await open(at(secured, host, mode, root === null ? null : certificate(root)));
    expect(await db.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")).toEqual([
      { ssl: true },
    ]);
    await db.close();
  });

  test.for([
    ["require", "127.0.0.1", "other-ca.crt", "TLS_UNTRUSTED"],
    ["verify-ca", "127.0.0.1", "other-ca.crt", "TLS_UNTRUSTED"],
    ["verify-full", "127.0.0.1", "ca.crt", "TLS_WRONG_HOST"],
    ["verify-full", "localhost", "other-ca.crt", "TLS_UNTRUSTED"],
  ] as const)("%s to %s with root %s is refused", async ([mode, host, root, code]) => {
    const refusal = await refusalOf(open(at(secured, host, mode, certificate(root))));
    expect(refusal.outcome).toBe("protocol");
    expect(refusal.message).toContain(code);
  });

  test("an authority of the machine does not vouch for it", async () => {
    const refusal = await refusalOf(open(at(secured, "localhost", "verify-full", "system")));
    expect(refusal.message).toContain("TLS_UNTRUSTED");
  });

  test("an expired certificate", async () => {
    const refusal = await refusalOf(
      open(at(expired, "127.0.0.1", "verify-ca", certificate("ca.crt"))),
    );
    expect(refusal.outcome).toBe("protocol");
    expect(refusal.message).toContain("TLS_EXPIRED");
    await (await open(at(expired, "127.0.0.1", "require", null))).close();
  });

  test("disable where the server insists on TLS", async () => {
    const refusal = await refusalOf(
      open(at(secured, "127.0.0.1", "disable", null), { timeout: 0 }),
    );
    expect(refusal.outcome).toBe("permission");
  });
});

async function isAlive(pid: number): Promise<boolean> {
  const rows = await server.sql(plain, `SELECT FROM pg_stat_activity WHERE pid = ${pid}`);
  return rows.length > 0;
}
