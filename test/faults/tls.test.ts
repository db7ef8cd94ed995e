import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CannotJudge } from "../../src/core/outcome.ts";
import type { Tls } from "../../src/settings/connection.ts";
import { connectionTo, open, refusalOf } from "../database/support.ts";
import { eventually } from "../support/databases.ts";
import { startServer, type TestServer } from "../support/postgres.ts";
import { pythonEnvironment } from "../support/python.ts";

// Made with openssl for these tests, valid for 100 years (expired.crt: in 2024); the authorities' keys were not kept.
const certificate = (name: string): string => path.join(import.meta.dirname, "certificates", name);

const modes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;
const roots = [null, "ca.crt", "other-ca.crt", "missing.crt", "system"] as const;
const hosts = ["localhost", "127.0.0.1"] as const;

let plain: TestServer;
let secured: TestServer;
let home: string;

const hba = [
  "local all all trust",
  "hostssl all onlyplain 127.0.0.1/32 reject",
  "hostnossl all onlytls 127.0.0.1/32 reject",
  "hostssl all certified 127.0.0.1/32 cert map=people",
  "hostssl all checked 127.0.0.1/32 trust clientcert=verify-ca",
  "host all all 127.0.0.1/32 trust",
];
const roles =
  "CREATE ROLE onlyplain LOGIN; CREATE ROLE onlytls LOGIN; CREATE ROLE certified LOGIN; CREATE ROLE checked LOGIN";

beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), "preflight-tls-"));
  // Where PostgreSQL's user may read it.
  const authority = path.join(tmpdir(), `authority-${process.pid}.crt`);
  await cp(certificate("ca.crt"), authority);
  [plain, secured] = await Promise.all([
    startServer({ hba: hba.filter((line) => !line.includes("cert")) }),
    startServer({
      hba: hba.map((line) => line.replace(" map=people", " map=people")),
      settings: [`ssl_ca_file = '${authority}'`],
      tls: { certificate: certificate("good.crt"), key: certificate("server.key") },
    }),
  ]);
  await writeFile(
    path.join(secured.socketDirectory!, "data", "pg_ident.conf"),
    "people app certified\n",
  );
  for (const one of [plain, secured]) await one.sql(one.url, roles);
  await secured.sql(secured.url, "SELECT pg_reload_conf()");
});
afterAll(async () => {
  await plain?.stop();
  await secured?.stop();
});

/** The server shows another certificate from now on. */
async function show(name: string): Promise<void> {
  const target = path.join(secured.socketDirectory!, "data", "server.crt");
  const loaded = "SELECT pg_conf_load_time()::text AS at";
  const [before] = await secured.sql(secured.url, loaded);
  await writeFile(target, await readFile(certificate(name)));
  await secured.sql(secured.url, "SELECT pg_reload_conf()");
  await eventually(
    async () => (await secured.sql(secured.url, loaded))[0]?.["at"] !== before?.["at"],
    "the configuration is read again",
  );
}

type Case = {
  readonly server: TestServer;
  readonly host: string;
  readonly user: string;
  readonly mode: Tls["mode"];
  readonly root: string | null;
};

type Outcome = "tls" | "plain" | "refused";

/** As libpq would have it from the same parameters. */
async function libpq(cases: readonly Case[]): Promise<readonly (readonly [Outcome, string])[]> {
  const strings = cases.map(({ server, host, user, mode, root }) =>
    [
      `host=${host} hostaddr=127.0.0.1 port=${server.port} user=${user} dbname=postgres`,
      `sslmode=${mode} gssencmode=disable connect_timeout=10`,
      ...(root === null ? [] : [`sslrootcert=${rootPath(root)}`]),
    ].join(" "),
  );
  const { python } = await pythonEnvironment();
  return await new Promise((resolve, reject) => {
    const program = path.join(import.meta.dirname, "libpq.py");
    const child = execFile(
      python,
      [program],
      { env: { HOME: home, PATH: "/usr/bin:/bin" }, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout) => (error === null ? resolve(JSON.parse(stdout)) : reject(error)),
    );
    child.stdin?.end(JSON.stringify(strings));
  });
}

function rootPath(root: string): string {
  return root === "system" ? root : certificate(root);
}

async function ours({ server, host, user, mode, root }: Case): Promise<readonly [Outcome, string]> {
  const connection = connectionTo(server.url, {
    hosts: [{ host, address: "127.0.0.1", port: server.port }],
    user,
    tls: { mode, rootCert: root === null ? null : rootPath(root) },
  });
  try {
    const db = await open(connection, { timeout: 0 });
    const [row] = await db.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    await db.close();
    return [row?.["ssl"] === true ? "tls" : "plain", ""];
  } catch (error) {
    if (!(error instanceof CannotJudge)) throw error;
    expect(["protocol", "permission", "config"], error.message).toContain(error.outcome);
    expect(error.next.length, error.message).toBeGreaterThan(0);
    return ["refused", error.message];
  }
}

/** Safer on purpose: whoever names a file for `require` relies on it; libpq would go on without. */
function differs({ mode, root, server }: Case): boolean {
  return mode === "require" && root === "missing.crt" && server === secured;
}

async function compare(servers: () => TestServer, users: readonly string[]): Promise<number> {
  const cases: Case[] = [];
  for (const mode of modes)
    for (const root of roots)
      for (const host of hosts)
        for (const user of users) cases.push({ server: servers(), mode, root, host, user });
  const expected = await libpq(cases);
  for (const [index, one] of cases.entries()) {
    const [theirs, said] = expected[index]!;
    const [mine, reason] = await ours(one);
    const what = `${one.mode}, root ${one.root}, ${one.host}, ${one.user}; libpq: ${theirs} ${said}; ours: ${mine} ${reason}`;
    if (differs(one) && theirs === "tls") expect(mine, what).toBe("refused");
    else expect(mine, what).toBe(theirs);
  }
  return cases.length;
}

describe("every sslmode with every sslrootcert does what libpq does", () => {
  test("with a server without TLS (fault 13)", async () => {
    expect(await compare(() => plain, ["postgres"])).toBe(60);
  });

  test("with a server that has it, insists on it for one role and forbids it for another", async () => {
    await show("good.crt");
    expect(await compare(() => secured, ["postgres", "onlytls", "onlyplain"])).toBe(180);
  });

  test.each([
    "wrong-host.crt",
    "expired.crt",
    "unknown.crt",
    "address.crt",
    "address-in-name.crt",
    "name-in-name.crt",
    "wildcard.crt",
  ])("with a server that shows %s (fault 14)", async (name) => {
    await show(name);
    expect(await compare(() => secured, ["postgres"])).toBe(60);
  });
});

describe("a refusal says what is wrong and what to do", () => {
  test.each([
    ["expired.crt", "verify-ca", "ca.crt", "TLS_EXPIRED", "renew"],
    ["unknown.crt", "verify-full", "ca.crt", "TLS_UNTRUSTED", "sslrootcert"],
    ["wrong-host.crt", "verify-full", "ca.crt", "TLS_WRONG_HOST", "host name"],
    ["good.crt", "require", "missing.crt", "TLS_ROOT_CERT", "sslrootcert"],
  ] as const)("%s, %s with %s: %s (fault 14)", async (shown, mode, root, code, remedy) => {
    await show(shown);
    const refusal = await refusalOf(
      open(
        connectionTo(secured.url, {
          hosts: [{ host: "localhost", address: "127.0.0.1", port: secured.port }],
          tls: { mode, rootCert: certificate(root) },
        }),
      ),
    );
    expect(refusal.outcome).toBe(code === "TLS_ROOT_CERT" ? "config" : "protocol");
    expect(refusal.message).toContain(code);
    expect(refusal.next.join()).toContain(remedy);
  });

  test("a Unix socket needs no certificate, whatever sslmode says", async () => {
    const hosts = [{ host: secured.socketDirectory!, port: secured.port }];
    for (const rootCert of [null, certificate("missing.crt")]) {
      const tls = { mode: "verify-full", rootCert } as const;
      await (await open(connectionTo(secured.url, { hosts, tls }), { timeout: 0 })).close();
    }
  });
});

describe("a client certificate", () => {
  const pair = (
    cert: string,
    key: string,
    keyPassword: string | null = null,
  ): NonNullable<Tls["client"]> => ({
    certificate: certificate(cert),
    key: certificate(key),
    keyPassword,
  });
  const as = (user: string, client: Tls["client"], mode: Tls["mode"] = "require") =>
    connectionTo(secured.url, { user, tls: { mode, rootCert: null, client } });

  test.each(["certified", "checked"])("lets %s in, with an encrypted key too", async (user) => {
    await show("good.crt");
    for (const client of [
      pair("client.crt", "client.key"),
      pair("client.crt", "client-encrypted.key", "s3cret"),
    ]) {
      for (const mode of ["prefer", "require"] as const) {
        const db = await open(as(user, client, mode), { timeout: 0 });
        expect(
          await db.query("SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()"),
        ).toEqual([{ client_dn: "/CN=app" }]);
        await db.close();
      }
    }
  });

  test.each([
    ["none where one is asked for", null, "permission"],
    [
      "one of an authority that the server does not know",
      pair("stranger.crt", "client.key"),
      "protocol",
    ],
    ["a key that belongs to another", pair("client.crt", "server.key"), "config"],
    ["a file that is not there", pair("nowhere.crt", "client.key"), "config"],
    ["a key that is not there", pair("client.crt", "nowhere.key"), "config"],
    ["a key that is none", pair("client.crt", "client.crt"), "config"],
    ["a wrong passphrase", pair("client.crt", "client-encrypted.key", "wr0ng"), "config"],
    ["no passphrase", pair("client.crt", "client-encrypted.key"), "config"],
  ] as const)("%s: refused, with the path and no secret", async (_, client, outcome) => {
    for (const user of ["certified", "checked"]) {
      const refusal = await refusalOf(open(as(user, client), { timeout: 0 }));
      expect(refusal.outcome, refusal.message).toBe(outcome);
      expect(refusal.next.length).toBeGreaterThan(0);
      if (outcome === "config") expect(refusal.message).toMatch(/certificates\/\w+/);
      expect(`${refusal.message}${refusal.next.join()}`).not.toMatch(/wr0ng|s3cret|PRIVATE KEY-/);
    }
  });

  test("is not read where there is no TLS", async () => {
    const client = pair("nowhere.crt", "nowhere.key");
    await (await open(as("postgres", client, "disable"), { timeout: 0 })).close();
  });
});
