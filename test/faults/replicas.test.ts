import { readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/databases.ts";
import { startServer, type TestServer } from "../support/postgres.ts";
import { expectLine, runProgram, type Started } from "../support/process.ts";
import { type PythonEnvironment, pythonEnvironment } from "../support/python.ts";
import { dump, dumpWithoutJournal, transactionCounter } from "../support/shop.ts";
import {
  at,
  broken,
  childrenOf,
  exits,
  expectAtHead,
  expectNothingLeft,
  fifty,
  gate,
  headOf,
  type ImageName,
  lineUp,
  makeDatabase,
  makeYard,
  random,
  removeImages,
  runFleet,
  type ToolName,
  tools,
  whoSaid,
  type Yard,
} from "./fleet.ts";

const minutes = 60_000;
/** More of them find more: FLEET_SEEDS=200 for a night. */
const seeds = Number(process.env["FLEET_SEEDS"] ?? 3);
const firstSeed = Number(process.env["FLEET_SEED"] ?? 1);

let server: TestServer;
let python: PythonEnvironment;
const yards = new Map<ToolName, Yard>();

beforeAll(async () => {
  python = await pythonEnvironment();
  server = await startServer({
    settings: [
      "max_connections = 100",
      "log_statement = all",
      "log_connections = on",
      "logging_collector = on",
      "log_line_prefix = '%d|%a|%p|'",
      "log_filename = 'server.log'",
    ],
  });
  for (const tool of tools) yards.set(tool, await makeYard(tool, server, python));
});

afterAll(async () => {
  await server?.stop();
  removeImages([...yards.values()]);
});

describe.each(tools)("fifty replicas at once, %s", (tool) => {
  const all = Array.from({ length: fifty });
  const yard = (): Yard => {
    const found = yards.get(tool);
    if (found === undefined) throw new Error("the images were not made");
    return found;
  };

  it(
    "at head none takes a lock, starts a child or writes: one session each (fault 20)",
    async () => {
      const url = await makeDatabase(yard(), "behind");
      await runFleet(yard(), url, [at(yard(), "new", url)]);
      const before = await dump(server, url);
      const counter = await transactionCounter(server, url);
      const from = serverLog(url).length;
      const place = at(yard(), "new", url);
      // Without a PATH there is no child to start.
      const nowhere = { ...place, env: { ...place.env, PATH: "/nonexistent" } };
      const replicas = await runFleet(
        yard(),
        url,
        all.map(() => nowhere),
      );
      const said = serverLog(url).slice(from);
      expect(exits(replicas)).toEqual({ 0: fifty });
      for (const { line } of replicas)
        expect(line).toMatchObject({ verdict: "current", actions: [], lockWaitMs: 0 });
      const theirs = said.filter((line) => line.includes("|preflight/"));
      const sessions = new Set(theirs.map((line) => line.split("|")[2]));
      expect(sessions.size, "one session each").toBe(fifty);
      expect(said.filter((line) => line.includes("pg_try_advisory"))).toEqual([]);
      expect(await transactionCounter(server, url)).toBe(counter);
      expect(await dump(server, url)).toBe(before);
    },
    5 * minutes,
  );

  it.each(["behind", "fresh", "unversioned"] as const)(
    "%s: exactly one acts, all start, and what changes data is applied once (fault 19)",
    async (beginning) => {
      const url = await makeDatabase(yard(), beginning);
      const replicas = await runFleet(
        yard(),
        url,
        all.map(() => at(yard(), "new", url)),
      );
      expect(exits(replicas)).toEqual({ 0: fifty });
      await expectAtHead(yard(), url);
      const acted = replicas.flatMap(({ line }) => (line.actions.length > 0 ? [line.runId] : []));
      expect(acted.length, "one says that it acted").toBe(1);
      expect(whoSaid("upgrade.start", replicas)).toEqual(acted);
      expect(whoSaid("stamp.start", replicas)).toEqual(beginning === "unversioned" ? acted : []);
    },
    5 * minutes,
  );

  const everySeed = Array.from({ length: seeds }, (_, index) => firstSeed + index);

  it.each(everySeed)(
    "the winner is killed at a random moment, seed %i: another finishes, and what changes data is applied once (fault 22)",
    async (seed) => {
      const pick = random(seed);
      const url = await makeDatabase(yard(), "behind");
      const { replicas, release } = lineUp(all.map(() => at(yard(), "new", url)));
      const kills = 1 + Math.floor(pick() * 3);
      const killed = new Set<Started>();
      release();
      for (let kill = 0; kill < kills; kill++) {
        const winner = await nextToSay("lock.obtained", replicas, killed);
        if (winner === null) break;
        await sleep(pick() * 1500);
        const withChild = pick() < 0.5;
        const pid = winner.child.pid ?? 0;
        const children = withChild ? childrenOf(pid) : [];
        if (winner.child.exitCode === null) killed.add(winner);
        winner.child.kill("SIGKILL");
        for (const child of children) killGroup(child);
      }
      const ended = await Promise.all(replicas.map((one) => one.ended));
      const story = `seed ${seed}, ${killed.size} killed`;
      for (const [index, one] of ended.entries())
        if (one.signal !== "SIGKILL")
          expect(expectLine(one).exit, `${story}\n${one.stderr}`).toBe(0);
        else expect(killed.has(replicas[index] as Started), story).toBe(true);
      await expectNothingLeft(yard(), url);
      await expectAtHead(yard(), url);
    },
    5 * minutes,
  );

  it(
    "old and new images mixed: every one starts, the database is at the new head, nobody stamps",
    async () => {
      const pick = random(firstSeed);
      const url = await makeDatabase(yard(), "behind");
      const images = all.map((_, index): ImageName => (index % 2 === 0 ? "old" : "new"));
      images.sort(() => pick() - 0.5);
      const replicas = await runFleet(
        yard(),
        url,
        images.map((image) => at(yard(), image, url)),
      );
      expect(exits(replicas), `seed ${firstSeed}`).toEqual({ 0: fifty });
      expect(whoSaid("stamp.start", replicas)).toEqual([]);
      await expectAtHead(yard(), url);
      for (const [index, { line }] of replicas.entries())
        expect([headOf(yard(), "old"), headOf(yard(), "new")], images[index]).toContainEqual(
          line.recordedAfter,
        );
    },
    5 * minutes,
  );

  it(
    "old images that the new schema breaks say so, and nobody starts on what it cannot use",
    async () => {
      const pick = random(firstSeed);
      const url = await makeDatabase(yard(), "behind");
      const images = all.map((_, index): ImageName => (index % 2 === 0 ? "old" : "removing"));
      images.sort(() => pick() - 0.5);
      const replicas = await runFleet(
        yard(),
        url,
        images.map((image) => at(yard(), image, url)),
      );
      for (const [index, { line, ended }] of replicas.entries()) {
        if (images[index] === "removing") expect(line.exit, ended.stderr).toBe(0);
        else if (line.exit === 0)
          expect(line.recordedAfter, "it started before").toEqual(headOf(yard(), "old"));
        else expect(line, ended.stderr).toMatchObject({ exit: 22, outcome: "ahead-incompatible" });
      }
      expect(whoSaid("stamp.start", replicas)).toEqual([]);
      await expectAtHead(yard(), url, "removing");
    },
    5 * minutes,
  );

  it(
    "ten whose upgrade fails are not in the way of forty whose upgrade works",
    async () => {
      const url = await makeDatabase(yard(), "behind");
      const replicas = await runFleet(
        yard(),
        url,
        all.map((_, index) => at(yard(), "new", index % 5 === 0 ? broken(url) : url)),
      );
      for (const [index, { line, ended }] of replicas.entries())
        expect(index % 5 === 0 ? [0, 25] : [0], ended.stderr).toContain(line.exit);
      await expectAtHead(yard(), url);
    },
    5 * minutes,
  );

  it(
    "with sessions for thirty only, fifty wait for one another; the winner is killed, and all others start (fault 22)",
    async () => {
      const small = await startServer({ settings: ["max_connections = 30"] });
      try {
        const there = { ...yard(), server: small };
        const url = await makeDatabase(there, "behind");
        const owner = postgres(url, { max: 1, onnotice: () => {} });
        await owner`SELECT pg_advisory_lock(${gate})`;
        // One that waits for a session is let in at random: it may take longer than a minute.
        const patient = at(there, "new", url);
        const place = { ...patient, env: { ...patient.env, PREFLIGHT_TIMEOUT: "5m" } };
        const { replicas, release } = lineUp(all.map(() => place));
        release();
        const winner = await nextToSay("upgrade.start", replicas, new Set());
        await eventually(
          async () => {
            const [row] = await owner`SELECT count(*)::int AS n FROM pg_stat_activity
            WHERE datname = current_database() AND application_name LIKE 'preflight/%'`;
            return Number(row?.["n"]) > 5;
          },
          "some of those that wait have a session, and come and go",
          minutes,
        );
        for (const child of childrenOf(winner?.child.pid ?? 0)) killGroup(child);
        winner?.child.kill("SIGKILL");
        await owner.end();
        const ended = await Promise.all(replicas.map((one) => one.ended));
        const survivors = ended.filter(({ signal }) => signal === null);
        expect(survivors.length).toBe(fifty - 1);
        // A child may find the last session taken: that passes, and whoever started the run starts it again.
        const unlucky = survivors.filter((one) => expectLine(one).exit === 75);
        expect(unlucky.length, unlucky[0]?.stderr).toBeLessThan(3);
        const restarted = await Promise.all(
          unlucky.map(() => runProgram("binary", ["run"], place)),
        );
        for (const one of [...survivors.filter((each) => !unlucky.includes(each)), ...restarted])
          expect(expectLine(one).exit, one.stderr).toBe(0);
        await expectNothingLeft(there, url);
        await expectAtHead(there, url);
      } finally {
        await small.stop();
      }
    },
    5 * minutes,
  );

  it(
    "while one upgrades, whoever waits has one session, and it has four",
    async () => {
      const url = await makeDatabase(yard(), "behind");
      const owner = postgres(url, { max: 1, onnotice: () => {} });
      await owner`SELECT pg_advisory_lock(${gate})`;
      const { replicas, release } = lineUp(all.slice(0, 10).map(() => at(yard(), "new", url)));
      release();
      try {
        const others = replicas.map((one) => said(one, '"event":"lock.waiting"'));
        await eventually(
          async () => {
            const waiting = await owner`
          SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = ${gate} AND NOT granted`;
            return (
              waiting.length > 0 && others.filter((one) => one()).length === replicas.length - 1
            );
          },
          "one is at work and nine wait",
          minutes,
        );
        const expected = [
          ...Array.from({ length: 9 }, () => "preflight 1"),
          "preflight 3",
          "preflight-upgrade 1",
        ];
        await eventually(
          async () => {
            const sessions = await owner`
            SELECT application_name AS name, count(*)::int AS n FROM pg_stat_activity
            WHERE datname = current_database() AND application_name LIKE 'preflight%' GROUP BY 1`;
            const counted = sessions.map(({ name, n }) => `${String(name).split("/")[0]} ${n}`);
            return counted.sort().join() === expected.join();
          },
          `these sessions: ${expected.join(", ")}`,
          minutes,
        );
      } finally {
        await owner.end();
      }
      for (const { ended } of replicas) expect(expectLine(await ended).exit).toBe(0);
      await expectAtHead(yard(), url);
    },
    5 * minutes,
  );
});

it(
  "all fifty broken, sql: each says that its upgrade failed, and nothing is half-done",
  async () => {
    const yard = yards.get("sql");
    if (yard === undefined) throw new Error("the images were not made");
    const url = await makeDatabase(yard, "behind");
    const before = await dump(server, url);
    const place = at(yard, "new", broken(url));
    const replicas = await runFleet(
      yard,
      url,
      Array.from({ length: fifty }, () => place),
    );
    expect(exits(replicas)).toEqual({ 25: fifty });
    expect(await dumpWithoutJournal(server, url)).toBe(before);
  },
  5 * minutes,
);

function said(started: Started, text: string): () => boolean {
  let found = false;
  void (async () => {
    await started.says(text);
    found = true;
  })().catch(() => {});
  return () => found;
}

/** The one that got there after those before were killed; null when all have ended. */
async function nextToSay(
  event: string,
  replicas: readonly Started[],
  but: ReadonlySet<Started>,
): Promise<Started | null> {
  const candidates = replicas.filter((one) => !but.has(one));
  return await Promise.any(
    candidates.map(async (one) => {
      await one.says(`"event":"${event}"`);
      return one;
    }),
  ).catch(() => null);
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

function serverLog(url: string): readonly string[] {
  const file = path.join(server.socketDirectory ?? "", "data/log/server.log");
  const database = decodeURIComponent(new URL(url).pathname.slice(1));
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.startsWith(`${database}|`));
}
