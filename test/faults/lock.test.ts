import { chmodSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lockKey } from "../../src/database/lock.ts";
import { advisoryLocksIn, eventually, rowsOf, tablesOf } from "../support/databases.ts";
import { execute, writeHistory } from "../support/histories.ts";
import { makeMachine } from "../support/network.ts";
import { startBouncer } from "../support/pgbouncer.ts";
import { startServer } from "../support/postgres.ts";
import {
  expectLine,
  logOf,
  type Program,
  programs,
  runProgram,
  start,
  startProgram,
} from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { alembic, environment, type Shop } from "../support/shop.ts";

let shop: Shop;
beforeAll(async () => {
  shop = { server: await startServer(), python: await pythonEnvironment(), ledger: "" };
});
afterAll(async () => await shop?.server.stop());

/** A directory of numbered files, as the tool `sql` finds them. */
function files(...texts: readonly string[]): string {
  const cwd = mkdtempSync(path.join(tmpdir(), "preflight-files-"));
  mkdirSync(path.join(cwd, "migrations"));
  for (const [index, text] of texts.entries())
    writeFileSync(path.join(cwd, "migrations", `00${index + 1}_step.sql`), text);
  return cwd;
}

const history = writeHistory([{ id: "one", upgrade: execute("CREATE TABLE one (id int)") }]);
const alembicKey = lockKey({ schema: "public", name: "alembic_version" });

/** The words of an upgrade that never ends and never speaks to the database, and how to end it. */
function endlessUpgrade(): { readonly args: readonly string[]; readonly end: () => void } {
  const directory = mkdtempSync(path.join(tmpdir(), "preflight-endless-"));
  const [program, written] = [path.join(directory, "upgrade"), path.join(directory, "pid")];
  writeFileSync(program, `#!/bin/sh\necho $$ > ${written}\nexec sleep 600\n`);
  chmodSync(program, 0o755);
  return {
    args: ["run", "--upgrade-command", program],
    end: () => {
      try {
        process.kill(Number(readFileSync(written, "utf8")), "SIGKILL");
      } catch {
        // It is gone already.
      }
    },
  };
}

test.each(["binary", "module"] as const)(
  "%s: a foreign session holds the lock for ever: temporary, with its process and its name (fault 21)",
  async (program) => {
    const url = await shop.server.createDatabase();
    const foreign = postgres(url, { max: 1, connection: { application_name: "nightly-backup" } });
    const [held] =
      await foreign`SELECT pg_advisory_lock(${alembicKey.toString()}::bigint), pg_backend_pid() AS pid`;
    const pid = Number(held?.["pid"]);
    const ended = await runProgram(program, ["run", "--lock-timeout", "2s"], {
      cwd: history,
      env: environment(shop, url),
    });
    const line = expectLine(ended);
    expect(line).toMatchObject({ exit: 75, outcome: "temporary", actions: [] });
    expect(line.reason).toContain("the lock was not obtained within 2s");
    expect(line.reason).toContain(`process ${pid} (application nightly-backup, from 127.0.0.1`);
    expect(line.reason).toMatch(/connected since 20\d\d-/);
    expect(line.next.join(" ")).toContain(`pg_terminate_backend(${pid})`);
    expect(logOf(ended)).toContain(`waiting for the lock, held by process ${pid}`);
    expect(await tablesOf(shop.server, url)).toEqual([]);
    await foreign.end();
    const again = await runProgram(program, ["run"], { cwd: history, env: environment(shop, url) });
    expect(expectLine(again)).toMatchObject({ exit: 0 });
  },
);

test.each([
  ["binary", "module", "directly connected"],
  ["module", "binary", "directly connected"],
  ["module", "binary", "behind a transaction pooler"],
] as const)(
  "a holder (%s) is killed while it is idle: the follower (%s) goes on, %s (fault 22)",
  async (first, second, how) => {
    const url = await shop.server.createDatabase();
    const bouncer = await startBouncer(shop.server, { mode: "transaction", size: 4 });
    const address = how === "directly connected" ? url : bouncer.through(url);
    const place = { cwd: history, env: environment(shop, address) };
    const endless = endlessUpgrade();
    const holder = startProgram(first, endless.args, place);
    try {
      await holder.says("upgrade.run");
      const follower = startProgram(second, ["run"], place);
      await follower.says("lock.waiting");
      holder.child.kill("SIGKILL");
      const ended = await follower.ended;
      expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0, recordedAfter: ["one"] });
      await eventually(async () => (await advisoryLocksIn(shop.server, url)) === 0, "no lock");
    } finally {
      holder.child.kill("SIGKILL");
      endless.end();
      await bouncer.stop();
    }
  },
);

test("the holder's server process is terminated during the upgrade: temporary, and the next run is ready (fault 25)", async () => {
  const url = await shop.server.createDatabase();
  const place = { cwd: history, env: environment(shop, url) };
  const endless = endlessUpgrade();
  const holder = startProgram("binary", endless.args, place);
  try {
    await holder.says("upgrade.run");
    await shop.server.sql(
      url,
      "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()",
    );
    const line = expectLine(await holder.ended);
    expect(line).toMatchObject({ exit: 75, outcome: "temporary" });
    expect(line.reason).toContain("the lock was lost");
    const again = await runProgram("module", ["run"], place);
    expect(expectLine(again)).toMatchObject({ exit: 0, recordedAfter: ["one"] });
  } finally {
    holder.child.kill("SIGKILL");
    endless.end();
  }
});

test("the holder's machine vanishes from the network: the server lets go of the lock, and the follower is ready (fault 24)", async (context) => {
  const machine = await makeMachine();
  if (typeof machine === "string") return context.skip(machine);
  const endless = endlessUpgrade();
  const server = await startServer({
    address: machine.address,
    hba: [
      "local all all trust",
      "host all all 127.0.0.1/32 trust",
      `host all all ${machine.network} trust`,
    ],
  });
  try {
    const url = await server.createDatabase();
    const there = new URL(url);
    there.hostname = machine.address;
    const holder = start([...machine.there, ...programs.module, ...endless.args], {
      cwd: history,
      env: environment(shop, there.href),
    });
    await holder.says("upgrade.run");
    const follower = startProgram("binary", ["run"], {
      cwd: history,
      env: environment(shop, url),
    });
    await follower.says("lock.waiting");
    await machine.vanish();
    const [left, followed] = await Promise.all([holder.ended, follower.ended]);
    expect(expectLine(followed), followed.stderr).toMatchObject({
      exit: 0,
      recordedAfter: ["one"],
    });
    expect(expectLine(left), left.stderr).toMatchObject({ exit: 75, outcome: "temporary" });
    // Whichever notices first: the heartbeat of the lock, or the system's keepalives of the session at work.
    expect(expectLine(left).reason).toMatch(/the lock was lost|connection timed out/);
  } finally {
    endless.end();
    await server.stop();
    await machine.remove();
  }
}, 180_000);

test("its own run ends too, and says that its connections are gone (fault 24)", async (context) => {
  const machine = await makeMachine();
  if (typeof machine === "string") return context.skip(machine);
  const server = await startServer({
    address: machine.address,
    hba: [
      "local all all trust",
      "host all all 127.0.0.1/32 trust",
      `host all all ${machine.network} trust`,
    ],
  });
  try {
    const there = new URL(await server.createDatabase());
    there.hostname = machine.address;
    const holder = start([...machine.there, ...programs.binary, "run"], {
      cwd: files("SELECT pg_sleep(600)"),
      env: environment(shop, there.href),
    });
    await holder.says("001_step.sql");
    await machine.vanish();
    const left = await holder.ended;
    const line = expectLine(left);
    expect(line, left.stderr).toMatchObject({ exit: 75, outcome: "temporary" });
    // Whichever notices first: the heartbeat of the lock, or the system's keepalives of the session at work.
    expect(line.reason).toMatch(/the lock was lost|connection timed out/);
  } finally {
    await server.stop();
    await machine.remove();
  }
});

describe("CREATE INDEX CONCURRENTLY while five replicas wait, one of them behind PgBouncer", () => {
  /** Whoever holds it decides when the winner comes from the revision before the index to the index. */
  const gate = 4711;
  const waitAtGate = `SELECT pg_advisory_xact_lock(${gate})`;

  async function expectNoDeadlock(url: string, cwd: string, winner: Program): Promise<void> {
    const { server } = shop;
    // At the gate it waits for as long as it takes five others to come.
    const environmentTo = (address: string): Record<string, string> => ({
      ...environment(shop, address),
      PREFLIGHT_DDL_LOCK_TIMEOUT: "none",
    });
    const bouncer = await startBouncer(server, { mode: "transaction", size: 3 });
    const [keeper, writer] = [postgres(url, { max: 1 }), postgres(url, { max: 1 })];
    const count = async (query: string): Promise<number> => (await server.sql(url, query)).length;
    try {
      await keeper`SELECT pg_advisory_lock(${gate})`;
      const first = startProgram(winner, ["run"], { cwd, env: environmentTo(url) });
      const atGate = `SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = ${gate} AND NOT granted`;
      await eventually(async () => (await count(atGate)) === 1, "the winner is at the gate");
      const direct = (["binary", "module", "binary", "module"] as const).map((program) =>
        startProgram(program, ["run"], { cwd, env: environmentTo(url) }),
      );
      const pooled = startProgram("binary", ["run"], {
        cwd,
        env: environmentTo(bouncer.through(url)),
      });
      const all = [first, ...direct, pooled];
      for (const one of all.slice(1)) await one.says("lock.waiting");
      // The index waits for this transaction, and everybody else for the index.
      await writer.unsafe("BEGIN; INSERT INTO things VALUES (1)").simple();
      await keeper`SELECT pg_advisory_unlock(${gate})`;
      const building = "SELECT FROM pg_stat_progress_create_index";
      await eventually(async () => (await count(building)) === 1, "the index is being built");
      // All of them poll meanwhile, more than once.
      await sleep(2500);
      expect(await count(building)).toBe(1);
      await writer.unsafe("COMMIT").simple();
      for (const one of all) {
        const ended = await one.ended;
        expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0 });
      }
      const valid = "SELECT FROM pg_index WHERE indexrelid = 'things_id'::regclass AND indisvalid";
      expect(await count(valid)).toBe(1);
    } finally {
      await Promise.all([keeper.end(), writer.end(), bouncer.stop()]);
    }
    expect(await advisoryLocksIn(server, url)).toBe(0);
  }

  test("in numbered files: no deadlock, all ready (fault 27)", async () => {
    const url = await shop.server.createDatabase();
    const table = "CREATE TABLE things (id int)";
    const before = { cwd: files(table), env: environment(shop, url) };
    expect(expectLine(await runProgram("binary", ["run"], before)).exit).toBe(0);
    const index = "CREATE INDEX CONCURRENTLY things_id ON things (id)";
    await expectNoDeadlock(url, files(table, waitAtGate, index), "binary");
  });

  test("in an autocommit_block of Alembic's: no deadlock, all ready (fault 27)", async () => {
    const url = await shop.server.createDatabase();
    const table = { id: "one", upgrade: execute("CREATE TABLE things (id int)") };
    await alembic(shop, writeHistory([table]), url, "upgrade", "head");
    const index = `with op.get_context().autocommit_block():\n    op.create_index("things_id", "things", ["id"], postgresql_concurrently=True)`;
    const cwd = writeHistory([
      table,
      { id: "two", after: "one", upgrade: execute(waitAtGate) },
      { id: "three", after: "two", upgrade: index },
    ]);
    await expectNoDeadlock(url, cwd, "module");
    expect(await rowsOf(shop.server, url)).toEqual(["three"]);
  });
});
