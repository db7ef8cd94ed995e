import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { connectAndWait, type WaitOptions } from "../../src/database/wait.ts";
import type { LogEvent } from "../../src/report/log.ts";
import type { Connection } from "../../src/settings/connection.ts";
import { connectionTo, fakeServer, open, realTime, refusalOf } from "../database/support.ts";
import { freePort, startServer, type TestServer } from "../support/postgres.ts";
import { copyServer, type Copy } from "./copied-server.ts";
import { error, scriptedServer, type ScriptedServer } from "./scripted-server.ts";

let server: TestServer;
const servers: ScriptedServer[] = [];

beforeAll(async () => {
  server = await startServer({
    settings: ["password_encryption = 'scram-sha-256'", "wal_level = replica"],
    hba: [
      "local all all trust",
      "local replication all trust",
      "host all postgres 127.0.0.1/32 trust",
      "host all trusted 127.0.0.1/32 trust",
      "host all all 127.0.0.1/32 scram-sha-256",
    ],
  });
});
afterAll(() => server?.stop());
afterEach(async () => {
  for (const one of servers.splice(0)) await one.stop();
});

/** Time that passes only while somebody sleeps. `meanwhile` is what happens in the world during each sleep. */
function ownTime(meanwhile: (sleeps: number) => Promise<unknown> = async () => {}): WaitOptions & {
  readonly events: LogEvent[];
  readonly pauses: number[];
} {
  let now = 1_000_000;
  const pauses: number[] = [];
  const events: LogEvent[] = [];
  return {
    applicationName: "preflight/test",
    timeout: 60_000,
    clock: () => now,
    sleep: async (milliseconds) => {
      now += milliseconds;
      pauses.push(milliseconds);
      await meanwhile(pauses.length);
    },
    random: Math.random,
    signal: new AbortController().signal,
    log: (event) => events.push(event),
    events,
    pauses,
  };
}

function wait(connection: Connection, options: WaitOptions): ReturnType<typeof connectAndWait> {
  return connectAndWait(async () => connection, options);
}

async function say(...errors: readonly Buffer[]): Promise<ScriptedServer> {
  let count = 0;
  const one = await scriptedServer({
    login: "trust",
    faults: {
      "authentication ok": (socket) => {
        const words = errors[Math.min(count, errors.length - 1)]!;
        count += 1;
        socket.end(words);
        return false;
      },
    },
  });
  servers.push(one);
  return one;
}

function at(port: number, changes: Parameters<typeof connectionTo>[1] = {}): Connection {
  return connectionTo(server.url, { hosts: [{ host: "127.0.0.1", port }], ...changes });
}

describe("what is waited for", () => {
  test("a server that starts late is met (fault 1)", async () => {
    const port = await freePort();
    let late: TestServer | undefined;
    const time = ownTime(async (sleeps) => {
      if (sleeps === 8) late = await startServer({ port });
    });
    try {
      const db = await wait(at(port), time);
      await db.close();
      expect(time.pauses).toHaveLength(8);
      expect(time.events.at(-1)).toMatchObject({ level: "info", event: "database.connected" });
    } finally {
      await late?.stop();
    }
  });

  test("nothing listens for ever: the first failure is said, and then one line every ten seconds (fault 2)", async () => {
    const time = ownTime();
    const refusal = await refusalOf(wait(at(await freePort()), time));
    expect(refusal).toMatchObject({ outcome: "unavailable" });
    expect(refusal.message).toContain("within 60s: last: connection refused");
    const waited = time.events.map(({ waitedMs }) => Number(waitedMs));
    expect(waited.length).toBe(6);
    waited
      .slice(1)
      .forEach((ms, index) => expect(ms - waited[index]!).toBeGreaterThanOrEqual(10_000));
    expect(Math.max(...time.pauses)).toBeLessThanOrEqual(2000);
    expect(time.pauses.reduce((sum, ms) => sum + ms, 0)).toBeCloseTo(60_000, 3);
  });

  test("a change of what is wrong is said at once", async () => {
    const starting = error({ S: "FATAL", C: "57P03", M: "the database system is starting up" });
    const full = error({ S: "FATAL", C: "53300", M: "sorry, too many clients already" });
    const one = await say(starting, starting, full, full, starting);
    const time = ownTime();
    await refusalOf(wait(at(one.port), { ...time, timeout: 3000 }));
    expect(time.events.map(({ code }) => code)).toEqual(["57P03", "53300", "57P03"]);
  });

  test("a server in recovery that lets nobody in is met when it does (fault 6)", async () => {
    const copy = await copyServer(server, { standby: true, settings: ["hot_standby = off"] });
    const port = await freePort();
    try {
      copy.start(["-p", String(port), "-h", "127.0.0.1"]);
      const events: LogEvent[] = [];
      const opening = open(at(port), { ...realTime(events), timeout: 60_000 });
      await expect
        .poll(() => events.map(({ code }) => code), { timeout: 30_000 })
        .toContain("57P03");
      await copy.stop();
      copy.start(["-p", String(port), "-h", "127.0.0.1", "-c", "hot_standby=on"]);
      await (await opening).close();
    } finally {
      await copy.remove();
    }
  });

  test("too many connections: one attempt a step, until there is room (fault 7)", async () => {
    await server.sql(server.url, "CREATE ROLE trusted LOGIN CONNECTION LIMIT 1");
    const trusted = connectionTo(server.url, { user: "trusted" });
    const first = await open(trusted);
    const time = ownTime(async (sleeps) => {
      if (sleeps === 5) await first.close();
      if (sleeps >= 5) await new Promise((resolve) => setTimeout(resolve, 50));
    });
    await (await wait(trusted, time)).close();
    expect(time.events[0]).toMatchObject({ code: "53300" });

    const full = await say(error({ S: "FATAL", C: "53300", M: "sorry, too many clients already" }));
    const steps = ownTime();
    const refusal = await refusalOf(wait(at(full.port), steps));
    expect(refusal.next[0]).toContain("max_connections");
    expect(full.connections()).toBe(steps.pauses.length + 1);
  });

  test.each(["57014", "53100", "53200", "58030", "58P01", "40001", "55006", "XX000", "99999"])(
    "%s while logging in: waited for, and unavailable at the deadline",
    async (code) => {
      const one = await say(error({ S: "FATAL", C: code, M: "not now" }));
      const refusal = await refusalOf(wait(at(one.port), { ...ownTime(), timeout: 2000 }));
      expect(refusal).toMatchObject({ outcome: "unavailable" });
      expect(refusal.message).toContain("not now");
      expect(one.connections()).toBeGreaterThan(2);
    },
  );

  test("--timeout 0 tries once", async () => {
    const one = await say(error({ S: "FATAL", C: "57P03", M: "starting" }));
    const time = { ...ownTime(), timeout: 0 };
    await refusalOf(wait(at(one.port), time));
    expect(one.connections()).toBe(1);
    expect(time.pauses).toEqual([]);
  });
});

describe("what is tried a few times", () => {
  test.each([
    [
      "an HTTP server",
      (socket: { end: (text: string) => unknown }) => socket.end("HTTP/1.1 400\r\n\r\n"),
    ],
    [
      "a MySQL server",
      (socket: { write: (bytes: Buffer) => unknown }) =>
        socket.write(Buffer.from("4a0000000a382e302e3336", "hex")),
    ],
  ] as const)("%s: twice, and then it is said (fault 8)", async (_, behave) => {
    const fake = await fakeServer(behave);
    const time = ownTime();
    const refusal = await refusalOf(
      wait(at(fake.port, { tls: { mode: "disable", rootCert: null } }), time),
    );
    expect(refusal).toMatchObject({ outcome: "protocol" });
    expect(refusal.message).toContain("is not PostgreSQL");
    expect([fake.connections(), time.pauses]).toEqual([2, [500]]);
    await fake.stop();
  });

  test("a wrong password: three times in nine seconds, and then it is a matter of permission (fault 10)", async () => {
    await server.sql(server.url, "CREATE ROLE known LOGIN PASSWORD 'right'");
    const time = ownTime();
    const known = connectionTo(server.url, { user: "known", password: "wr0ng" });
    const refusal = await refusalOf(wait(known, time));
    expect(refusal).toMatchObject({ outcome: "permission" });
    expect(time.pauses).toEqual([4500, 4500]);
    expect(time.events).toHaveLength(1);
    expect(time.events[0]?.msg).toContain("trying again in 4500ms: the role or its password may");
    expect(JSON.stringify([refusal.message, refusal.next, time.events])).not.toContain("wr0ng");
    const shorter = ownTime();
    await refusalOf(wait(known, { ...shorter, timeout: 1000 }));
    expect(shorter.pauses, "or until the deadline").toEqual([1000]);
  });

  test("a role that is created five seconds late, and a database (fault 11)", async () => {
    const role = ownTime(() => server.sql(server.url, "CREATE ROLE later LOGIN PASSWORD 'later'"));
    await (
      await wait(connectionTo(server.url, { user: "later", password: "later" }), role)
    ).close();
    expect(role.pauses).toEqual([4500]);
    const database = ownTime(() => server.createDatabase("later"));
    await (await wait(connectionTo(server.url, { database: "later" }), database)).close();
    expect(database.pauses).toEqual([4500]);
  });

  test("a database that is never there is a matter of configuration (fault 12)", async () => {
    const time = ownTime();
    const refusal = await refusalOf(wait(connectionTo(server.url, { database: "never" }), time));
    expect(refusal).toMatchObject({
      outcome: "config",
      next: ["create the database never, or name another one in DATABASE_URL"],
    });
    expect(time.pauses).toEqual([4500, 4500]);
  });

  test("a token that has run out is read anew (fault 15)", async () => {
    await server.sql(server.url, "CREATE ROLE token LOGIN PASSWORD 'fresh'");
    const tokens = ["stale", "fresh"];
    const time = ownTime();
    const db = await connectAndWait(
      async () => connectionTo(server.url, { user: "token", password: tokens.shift()! }),
      time,
    );
    await db.close();
    expect(time.pauses).toEqual([4500]);
  });

  test("no password where one is asked for: nothing is sent, and nothing tried again", async () => {
    const time = ownTime();
    const refusal = await refusalOf(wait(connectionTo(server.url, { user: "token" }), time));
    expect(refusal).toMatchObject({
      outcome: "permission",
      next: ["give the password of token in DATABASE_URL"],
    });
    expect(time.pauses).toEqual([]);
  });
});

describe("what a pooler says", () => {
  const pooler = (text: string): Promise<ScriptedServer> =>
    say(error({ S: "FATAL", C: "08P01", M: text }));

  test.each([
    "unsupported startup parameter: options",
    "unsupported startup parameter in options: jit",
  ])("%s: a matter of configuration, at once, with the remedy (fault 18)", async (text) => {
    const one = await pooler(text);
    const refusal = await refusalOf(wait(at(one.port), ownTime()));
    expect(refusal).toMatchObject({ outcome: "config" });
    expect(refusal.next.join()).toMatch(/PREFLIGHT_DATABASE_URL.*leave.*ignore_startup_parameters/);
    expect(one.connections()).toBe(1);
  });

  test.each([
    ['server login failed: FATAL password authentication failed for user "app"', "unavailable", 10],
    ["server login has been failing, try again later (server_login_retry)", "unavailable", 10],
    ["query_wait_timeout", "unavailable", 10],
    ["pooler error: something new", "unavailable", 10],
    ["no such database: app", "config", 3],
    ["no such user: app", "permission", 3],
    ["SASL authentication failed", "permission", 3],
    ["password authentication failed", "permission", 3],
  ] as const)("%s: %s", async (text, outcome, attempts) => {
    const one = await pooler(text);
    const refusal = await refusalOf(wait(at(one.port), ownTime()));
    expect(refusal).toMatchObject({ outcome });
    if (attempts === 3) expect(one.connections()).toBe(3);
    else expect(one.connections()).toBeGreaterThanOrEqual(attempts);
  });
});

describe("several servers", () => {
  let standby: Copy;
  let port: number;
  beforeAll(async () => {
    standby = await copyServer(server, { standby: true });
    port = await freePort();
    standby.start(["-p", String(port), "-h", "127.0.0.1"]);
    await (await open(at(port), { timeout: 60_000 })).close();
  });
  afterAll(() => standby?.remove());

  const pair = (): Connection["hosts"] =>
    [port, server.port].map((one) => ({
      host: "127.0.0.1",
      address: null,
      port: one,
      password: null,
    }));

  test.each([
    ["any", "standby"],
    ["read-write", "primary"],
    ["read-only", "standby"],
    ["primary", "primary"],
    ["standby", "standby"],
    ["prefer-standby", "standby"],
  ] as const)(
    "%s of a standby and a primary is the %s (fault 17)",
    async (targetSession, which) => {
      for (const hosts of [pair(), pair().toReversed()]) {
        const db = await open(connectionTo(server.url, { hosts, targetSession }), { timeout: 0 });
        const first =
          targetSession === "any" ? hosts[0]!.port : which === "standby" ? port : server.port;
        expect(db.place).toContain(`port ${first}`);
        expect(db.session.inRecovery).toBe(first === port);
        await db.close();
      }
    },
  );

  test("one that is down is passed over, whatever is asked for", async () => {
    const hosts = [{ host: "127.0.0.1", port: await freePort() }, ...pair()];
    const db = await open(connectionTo(server.url, { hosts, targetSession: "primary" }), {
      timeout: 0,
    });
    expect(db.place).toContain(`port ${server.port}`);
    await db.close();
  });

  test("a name with a dead and a live address leads to the live one (fault 3)", async () => {
    // Nothing listens on ::1, and the order of the two is the resolver's.
    const db = await open(
      connectionTo(server.url, { hosts: [{ host: "localhost", port: server.port }] }),
      { timeout: 0 },
    );
    await db.close();
    const hosts = [{ host: "nobody.invalid", address: "127.0.0.1", port: server.port }];
    await (await open(connectionTo(server.url, { hosts }), { timeout: 0 })).close();
  });

  test.each(["read-write", "primary"] as const)(
    "only a standby, and %s is asked for: waited for, until it is promoted (fault 16)",
    async (targetSession) => {
      const time = ownTime();
      const refusal = await refusalOf(
        wait(at(port, { targetSession }), { ...time, timeout: 3000 }),
      );
      expect(refusal).toMatchObject({ outcome: "unavailable" });
      expect(refusal.message).toContain(`${targetSession} wanted, a standby found`);
      expect(time.events).toHaveLength(1);
    },
  );

  test("a standby that is promoted becomes what is waited for (fault 16)", async () => {
    const time = ownTime(async (sleeps) => {
      if (sleeps === 3)
        await server.sql(`postgres://postgres@127.0.0.1:${port}/postgres`, "SELECT pg_promote()");
    });
    const db = await wait(at(port, { targetSession: "read-write" }), time);
    expect(db.session).toMatchObject({ inRecovery: false, readOnly: false });
    await db.close();
  });
});

test("the server that prepares a new database over a socket is not taken for the final one (fault 9)", async () => {
  const copy = await copyServer(server, { standby: false });
  const port = await freePort();
  const hosts = [{ host: copy.directory, port }];
  try {
    copy.start(["-p", String(port), "-c", "listen_addresses="]);
    const events: LogEvent[] = [];
    const opening = open(connectionTo(server.url, { hosts }), {
      ...realTime(events),
      timeout: 60_000,
    });
    await expect
      .poll(() => events.map(({ code }) => code), { timeout: 30_000 })
      .toContain("TEMPORARY_SERVER");
    await copy.stop();
    copy.start(["-p", String(port), "-h", "127.0.0.1"]);
    const db = await opening;
    expect(await db.query("SELECT current_setting('listen_addresses') AS tcp")).toEqual([
      { tcp: "127.0.0.1" },
    ]);
    await db.close();
  } finally {
    await copy.remove();
  }
});
