import type { Socket } from "node:net";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { CannotJudge } from "../../src/core/outcome.ts";
import { cannotGoOn } from "../../src/database/errors.ts";
import { hear, say, startTalk, type Talk } from "../../src/database/protocol.ts";
import { connectionTo, open } from "../database/support.ts";
import { eventually } from "../support/databases.ts";
import {
  description,
  error,
  message,
  password,
  row,
  scriptedServer,
  sites,
  type Fault,
  type Login,
  type Script,
  type ScriptedServer,
  type Site,
} from "./scripted-server.ts";
import { faults } from "./server-faults.ts";

const servers: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

const logins: readonly Login[] = ["trust", "cleartext", "md5", "scram"];

type End = { readonly outcome: string; readonly reason: string; readonly next: readonly string[] };

/** Connects, asks one question, and says how it ended; a promise that never settles is the test's failure. */
async function run(script: Script, timeout = 400): Promise<End> {
  const server = await scriptedServer(script);
  servers.push(server);
  const connection = connectionTo("postgres://app@127.0.0.1/app", {
    hosts: [{ host: "127.0.0.1", port: server.port }],
    password,
  });
  const end = await Promise.race([
    connectAndAsk(connection, timeout),
    new Promise<End>((resolve) => {
      setTimeout(() => resolve({ outcome: "hangs", reason: "", next: [] }), 20_000).unref();
    }),
  ]);
  await eventually(async () => server.open() === 0, "every connection is closed");
  return end;
}

async function connectAndAsk(
  connection: ReturnType<typeof connectionTo>,
  timeout: number,
): Promise<End> {
  try {
    const db = await open(connection, { timeout, silence: 400 });
    try {
      const rows = await db.query("SELECT 1 AS one").catch((thrown: unknown) => {
        throw cannotGoOn(thrown, "asking");
      });
      return { outcome: "answered", reason: JSON.stringify(rows), next: [] };
    } finally {
      await db.close();
    }
  } catch (thrown) {
    if (!(thrown instanceof CannotJudge))
      return { outcome: `thrown: ${String(thrown)}`, reason: "", next: [] };
    return { outcome: thrown.outcome, reason: thrown.message, next: thrown.next };
  }
}

const documented = new Set([
  "answered",
  "unavailable",
  "protocol",
  "permission",
  "config",
  "temporary",
]);

function expectEnd(end: End, what: string): void {
  const story = `${what}: ${JSON.stringify(end)}`;
  if (!documented.has(end.outcome)) expect.fail(story);
  if (end.outcome !== "answered" && end.next.length === 0) expect.fail(`no remedy: ${story}`);
  if (/\p{Cc}/u.test(end.reason) || end.reason.includes(password)) expect.fail(story);
  if (end.reason.length > 1200) expect.fail(story);
}

describe("a server that speaks as it should", () => {
  test.each(logins)("%s: in one piece or byte by byte, it is understood", async (login) => {
    expect(await run({ login, faults: {} }, 5000)).toMatchObject({ reason: '[{"one":1}]' });
    const byByte = (socket: Socket, bytes: Buffer): void => {
      socket.setNoDelay(true);
      for (const byte of bytes) socket.write(Buffer.from([byte]));
    };
    const slowly = await run({ login, faults: {}, send: byByte }, 5000);
    expect(slowly).toMatchObject({ outcome: "answered", reason: '[{"one":1}]' });
  });
});

describe("a server that goes wrong ends the attempt as a fault with a remedy, at every message", () => {
  test.each(Object.keys(faults))("a server that %s (fault 5)", async (name) => {
    const cases = logins.flatMap((login) =>
      sites.filter((site) => isReached(site, login)).map((site) => ({ login, site })),
    );
    const isLong = name === "says rows without end" || name === "describes without end";
    await inBatches(cases, 12, async ({ login, site }) => {
      // Right for a long time: see the size of an answer below.
      if (isLong && /^(?:first|second) /.test(site)) return;
      const end = await run({ login, faults: { [site]: faults[name]! } });
      expectEnd(end, `${name}, at ${site}, ${login}`);
    });
  });
});

test("a server that refuses what every PostgreSQL understands is none (fault 8)", async () => {
  const refusal = error({ S: "ERROR", C: "42601", M: "syntax" });
  const refuse: Fault = (socket) => (
    socket.write(Buffer.concat([refusal, message("Z", "I")])),
    false
  );
  const end = await run({ login: "trust", faults: { "first description": refuse } });
  expect(end).toMatchObject({ outcome: "protocol" });
  expectEnd(end, "42601");
});

describe("what is said of a server", () => {
  test.each([
    [
      "trust",
      "authentication ok",
      "asks for Kerberos",
      "permission",
      "that preflight does not speak: GSSAPI",
    ],
    [
      "trust",
      "authentication ok",
      "offers OAUTHBEARER only",
      "permission",
      'not speak: "OAUTHBEARER"',
    ],
    ["scram", "sasl proof", "leaves a message out", "protocol", "did not prove that it knows"],
    ["scram", "sasl proof", "proves nothing", "protocol", "does not know the password's secret"],
    [
      "scram",
      "sasl challenge",
      "challenges with years of work",
      "protocol",
      '"2147483647" SCRAM iterations',
    ],
    ["trust", "authentication ok", "cannot fork", "unavailable", "cannot start a process"],
    [
      "trust",
      "authentication ok",
      "says that it starts, in another language",
      "unavailable",
      "startet",
    ],
    [
      "trust",
      "setting",
      "reports settings without end",
      "protocol",
      "longer than any that is right",
    ],
    ["trust", "second row", "says nothing more", "temporary", "the server stopped answering"],
    [
      "trust",
      "second row",
      "says notices without end",
      "temporary",
      "the server stopped answering",
    ],
    ["trust", "second ready", "closes", "temporary", "was lost"],
  ] as const)("%s, %s: a server that %s (fault 5)", async (login, site, name, outcome, reason) => {
    const end = await run({ login, faults: { [site]: faults[name]! } });
    expect(end.outcome, end.reason).toBe(outcome);
    expect(end.reason).toContain(reason);
  });
});

test.each([
  "says notices without end",
  "reports settings without end",
  "announces a message of 2 GB",
])("a server that %s while logging in is left after some megabytes", async (name) => {
  const server = await scriptedServer({ login: "trust", faults: { setting: faults[name]! } });
  servers.push(server);
  const hosts = [{ host: "127.0.0.1", port: server.port }];
  const end = await connectAndAsk(connectionTo("postgres://app@127.0.0.1/app", { hosts }), 0);
  expect(end.reason).toContain("longer than any that is right");
  await eventually(async () => server.open() === 0, "the connection is closed");
  expect(server.sent()).toBeLessThan(64 * 1024 * 1024);
});

test("an answer may have half a gigabyte of rows, and no more", () => {
  const columns = description(["a", 25]).subarray(5);
  let talk: Talk = hear({ ...startTalk(true), phase: "ready", asked: 1 }, "T", columns);
  const megabyte = row("x".repeat(1024 * 1024)).subarray(5);
  for (let count = 0; count < 500; count += 1) talk = hear(talk, "D", megabyte);
  const more = (): void => {
    for (let count = 0; count < 20; count += 1) talk = hear(talk, "D", megabyte);
  };
  expect(more).toThrow("longer than any that is right");
});

test("whoever polls for hours is told of the same settings again and again", () => {
  const setting = message("S", "search_path\0pg_catalog, pg_temp\0").subarray(5);
  let talk: Talk = { ...startTalk(true), phase: "ready" };
  for (let poll = 0; poll < 10_000; poll += 1) {
    talk = hear(say(talk, "Q", Buffer.alloc(0)), "C", Buffer.from("SET\0"));
    talk = hear(hear(talk, "S", setting), "Z", Buffer.from("I"));
  }
  expect(talk.asked).toBe(0);
});

/** Changes to the bytes of a right conversation, wherever they fall. */
type Edit = {
  readonly at: number;
  readonly kind: "replace" | "insert" | "delete";
  readonly bytes: readonly number[];
};

const edits = fc.array(
  fc.record<Edit>({
    at: fc.nat(420),
    kind: fc.constantFrom("replace", "insert", "delete"),
    bytes: fc.array(fc.nat(255), { minLength: 1, maxLength: 8 }),
  }),
  { minLength: 1, maxLength: 4 },
);

/** Found once; kept. */
const corpus: readonly [Login, readonly Edit[]][] = [
  // The second byte of a length.
  ["trust", [{ at: 6, kind: "replace", bytes: [0x7f] }]],
  // The kind of the first authentication request.
  ["scram", [{ at: 9, kind: "replace", bytes: [11] }]],
  ["md5", [{ at: 2, kind: "delete", bytes: [0] }]],
  // A sign of the server's version that no log should see.
  ["md5", [{ at: 254, kind: "replace", bytes: [0] }]],
  // A message from before its time.
  ["trust", [{ at: 1, kind: "insert", bytes: [0x5a, 0, 0, 0, 5, 0x49] }]],
];

test("random changes to a right conversation end as a fault, or are of no account", async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...logins), edits, async (login, changes) => {
      const send = spoil(changes);
      expectEnd(await run({ login, faults: {}, send }, 100), JSON.stringify({ login, changes }));
    }),
    {
      numRuns: Number(process.env["PREFLIGHT_FUZZ_RUNS"] ?? 200),
      examples: corpus.map(([login, changes]) => [login, [...changes]]),
    },
  );
}, 600_000);

/** Offsets are those of each connection's right bytes. */
function spoil(changes: readonly Edit[]): NonNullable<Script["send"]> {
  const said = new WeakMap<Socket, number>();
  return (socket, right) => {
    const start = said.get(socket) ?? 0;
    said.set(socket, start + right.length);
    const bytes = [...right];
    for (const { at, kind, bytes: other } of changes) {
      const index = at - start;
      if (index < 0 || index >= right.length) continue;
      bytes.splice(
        index,
        kind === "insert" ? 0 : other.length,
        ...(kind === "delete" ? [] : other),
      );
    }
    socket.write(Buffer.from(bytes));
  };
}

/** What comes before the login and after it is the same for every kind of login. */
function isReached(site: Site, login: Login): boolean {
  if (site === "sasl challenge" || site === "sasl proof") return login === "scram";
  if (site === "authentication request") return login !== "trust";
  return site === "authentication ok" || login === "trust";
}

async function inBatches<T>(
  items: readonly T[],
  size: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < items.length; at += size)
    await Promise.all(items.slice(at, at + size).map(work));
}
