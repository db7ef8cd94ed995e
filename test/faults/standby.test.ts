import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually } from "../support/databases.ts";
import { freePort, startServer, type TestServer } from "../support/postgres.ts";
import { expectLine, logOf, runProgram, startProgram } from "../support/process.ts";
import { type Copy, copyServer } from "./copied-server.ts";

let primary: TestServer;
let standby: Copy;
let port: number;

beforeAll(async () => {
  primary = await startServer({ settings: ["autovacuum = off"] });
  standby = await copyServer(primary, { standby: true });
  port = await freePort();
  standby.start(["-p", String(port), "-h", "127.0.0.1"]);
});
afterAll(async () => {
  await standby?.remove();
  await primary?.stop();
});

/** An image of one file, or of two, and a database that has the first. */
async function scene() {
  const [one, two] = [writeImage(1), writeImage(2)];
  const database = new URL(await primary.createDatabase()).pathname.slice(1);
  const to = (...ports: readonly number[]) =>
    `postgres://postgres@${ports.map((each) => `127.0.0.1:${each}`).join(",")}/${database}`;
  expectLine(await runProgram("binary", ["run"], at(one, to(primary.port))));
  await untilReplayed();
  return { one, two, to };
}

async function untilReplayed(): Promise<void> {
  const [row] = await primary.sql(primary.url, "SELECT pg_current_wal_flush_lsn()::text AS lsn");
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  await eventually(async () => {
    const [seen] = await primary
      .sql(url, `SELECT pg_last_wal_replay_lsn() >= '${String(row?.["lsn"])}' AS there`)
      .catch(() => []);
    return seen?.["there"] === true;
  }, "the standby has followed");
}

function writeImage(files: number): string {
  const cwd = mkdtempSync(path.join(tmpdir(), "preflight-standby-"));
  mkdirSync(path.join(cwd, "migrations"));
  for (let file = 1; file <= files; file += 1)
    writeFileSync(path.join(cwd, `migrations/${file}_t.sql`), `CREATE TABLE t${file} (id int);\n`);
  return cwd;
}

function at(cwd: string, url: string) {
  return { cwd, env: { DATABASE_URL: url } };
}

it("at head a standby is good enough to start, and for check in any case", async () => {
  const { one, two, to } = await scene();
  const ready = expectLine(await runProgram("binary", ["run"], at(one, to(port))));
  expect(ready).toMatchObject({ exit: 0, verdict: "current" });
  const checked = expectLine(await runProgram("module", ["check"], at(two, to(port))));
  expect(checked).toMatchObject({ exit: 0, verdict: "behind" });
  expect(checked.actions).toHaveLength(1);
});

it("only a standby, and something is to be done: waited for until the deadline, and nothing is written (fault 16)", async () => {
  const { two, to } = await scene();
  const ended = await runProgram("binary", ["run", "--timeout", "2s"], at(two, to(port)));
  const line = expectLine(ended);
  expect(line).toMatchObject({ exit: 69, verdict: "behind", actions: [] });
  expect(line.reason).toContain("a standby found");
  expect(logOf(ended)).toContain("this server is a standby: one that can be written to is wanted");
  expect(await primary.sql(to(primary.port), "SELECT to_regclass('t2')::text AS t2")).toEqual([
    { t2: null },
  ]);
});

it("the standby stands first in the list: the primary is asked for what is to be done (fault 17)", async () => {
  const { two, to } = await scene();
  const line = expectLine(await runProgram("binary", ["run"], at(two, to(port, primary.port))));
  expect(line).toMatchObject({ exit: 0, verdict: "behind", recordedAfter: ["2"] });
});

it("a server that is read-only for a while is waited for (fault 16)", async () => {
  const { two, to } = await scene();
  const set = async (value: "on" | "off") => {
    await primary.sql(primary.url, `ALTER SYSTEM SET default_transaction_read_only = ${value}`);
    await primary.sql(primary.url, "SELECT pg_reload_conf()");
  };
  await set("on");
  try {
    const run = startProgram("binary", ["run"], at(two, to(primary.port)));
    await run.says("one that can be written to is wanted");
    await set("off");
    expect(expectLine(await run.ended)).toMatchObject({ exit: 0, recordedAfter: ["2"] });
  } finally {
    await set("off").catch(() => {});
  }
});

it("a standby that is promoted while it is waited for does the work itself (fault 16)", async () => {
  const { two, to } = await scene();
  const run = startProgram("binary", ["run"], at(two, to(port)));
  await run.says("one that can be written to is wanted");
  await primary.sql(`postgres://postgres@127.0.0.1:${port}/postgres`, "SELECT pg_promote()");
  expect(expectLine(await run.ended)).toMatchObject({ exit: 0, recordedAfter: ["2"] });
});
