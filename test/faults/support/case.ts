import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect } from "vitest";
import type { VerdictLine } from "../../../src/report/verdict-schema.ts";
import { advisoryLocksIn, eventually } from "../../support/databases.ts";
import {
  type Ended,
  expectLine,
  logOf,
  type Place,
  type Program,
  type Started,
  startProgram,
} from "../../support/process.ts";
import { alembic, environment } from "../../support/shop.ts";
import { type Gatekeeper, gatekeeperName, makeGatekeeper, type Point } from "./gates.ts";
import { contentsOf, copyOf, type Ground, isAlembic, type Kind, type Prepared } from "./kinds.ts";
import { groupOf, kill, marker, processesOf } from "./processes.ts";
import { tally } from "./tally.ts";

/** Who is stopped, and how. */
export const victims = {
  us: "SIGKILL of preflight",
  child: "SIGKILL of the child's process group",
  both: "SIGKILL of preflight and of its child",
  worker: "the end of the server process at work",
  lock: "the end of the lock's server process",
  term: "SIGTERM",
  pause: "SIGSTOP, and SIGCONT after more than a heartbeat",
  server: "a crash of the server, and its restart",
} as const;
export type Victim = keyof typeof victims;

/** A case of a table, with the program that plays it. */
export type Case = {
  readonly kind: Kind;
  readonly point: Point;
  readonly victim: Victim;
  readonly program: Program;
  /** What the run itself may end with; null: it is killed. */
  readonly exits: readonly (number | null)[];
  /** How the next run ends. */
  readonly next: readonly (0 | 23)[];
};

/** One database with a run on it, and what stops it. */
export type Scene = {
  readonly ground: Ground;
  readonly prepared: Prepared;
  readonly each: Case;
  readonly url: string;
  readonly id: string;
  readonly gatekeeper: Gatekeeper;
  readonly place: Place;
  /** Starts a run that meets the gates outside of the database as well. */
  readonly begin: () => Started;
  /** Starts another, which meets only those in the database. */
  readonly beginAgain: (...args: readonly string[]) => Started;
};

let scenes = 0;

export async function setScene(ground: Ground, prepared: Prepared, each: Case): Promise<Scene> {
  const url = await copyOf(ground.server, prepared.template);
  const directory = mkdtempSync(path.join(tmpdir(), "preflight-gates-"));
  scenes += 1;
  const id = `${process.pid}-${scenes}`;
  const env = {
    ...environment(ground, url),
    [marker]: id,
    // Whoever waits at a gate waits for as long as the test takes.
    PREFLIGHT_DDL_LOCK_TIMEOUT: "none",
    ...(each.kind === "each" && { EACH: "yes" }),
  };
  const place = { cwd: prepared.image, env };
  const begin = (more: Readonly<Record<string, string>>, args: readonly string[]): Started =>
    startProgram(each.program, ["run", ...args, "--", "echo", "the application"], {
      ...place,
      env: { ...env, ...more },
    });
  return {
    ground,
    prepared,
    each,
    url,
    id,
    place,
    gatekeeper: makeGatekeeper(ground.server, url, each.kind, directory),
    begin: () => begin({ GATES: directory }, []),
    beginAgain: (...args) => begin({}, args),
  };
}

/** Kill it, see that nothing is left, run it again, and compare with what was never disturbed. */
export async function play(scene: Scene, strike: (run: Started) => Promise<void>): Promise<void> {
  const { each, gatekeeper, begin } = scene;
  tally.cases += 1;
  try {
    const run = await gatekeeper.stopAt(each.point, begin);
    await strike(run);
    tally.kills += 1;
    if (each.victim === "pause") await gatekeeper.open();
    const ended = await run.ended;
    judgeFirst(scene, ended);
    const next = await runAgain(scene, ended);
    await expectNoTrace(scene);
    if (next !== null) await completeByHand(scene, next);
    await expectWhole(scene);
  } catch (error) {
    tally.wrong += 1;
    throw error;
  } finally {
    await gatekeeper.open();
    for (const pid of processesOf(scene.id)) kill(pid, "SIGKILL");
  }
}

export async function strikeAt(
  victim: Exclude<Victim, "server">,
  { gatekeeper, ground, url }: Scene,
  { child }: Started,
): Promise<void> {
  const us = child.pid ?? 0;
  const terminate = async (pid: number | null): Promise<void> => {
    expect(pid, "the server process that is to end").not.toBeNull();
    await ground.server.sql(url, `SELECT pg_terminate_backend(${pid})`);
  };
  switch (victim) {
    case "us":
      return kill(us, "SIGKILL");
    case "child":
    case "both": {
      const group = groupOf(us);
      expect(group, "the child that is to be killed").not.toBeNull();
      if (victim === "both") kill(us, "SIGKILL");
      return kill(-(group ?? 0), "SIGKILL");
    }
    case "worker":
      return await terminate(await gatekeeper.waiting());
    case "lock":
      return await terminate(await gatekeeper.holder());
    case "term":
      return kill(us, "SIGTERM");
    case "pause":
      kill(us, "SIGSTOP");
      await new Promise((resolve) => {
        setTimeout(resolve, 4000);
      });
      return kill(us, "SIGCONT");
  }
}

function judgeFirst({ each }: Scene, ended: Ended): void {
  const story = `${ended.stdout}\n${ended.stderr}`;
  expect(each.exits, story).toContain(ended.exit);
  expect(logOf(ended), "never two migrators at once").not.toContain("two migrators");
  if (ended.exit === null) expect(ended.signal).toBe("SIGKILL");
  else expectLine(withoutCommand(ended), "stderr");
  expect(ended.stdout, story).toBe(ended.exit === 0 ? "the application\n" : "");
}

/** The application's own words are not ours to judge. */
function withoutCommand(ended: Ended): Ended {
  return { ...ended, stdout: "" };
}

/** @returns what it says where a person is needed; null: it is done */
async function runAgain(scene: Scene, ended: Ended): Promise<VerdictLine | null> {
  const { each, gatekeeper, beginAgain } = scene;
  const hasOrphans = each.victim === "us" || each.victim === "both";
  // Whoever comes after a run that ended by itself finds nothing of it; after a SIGKILL there may be orphans at work.
  if (!hasOrphans) {
    await expectNoTrace(scene);
    await gatekeeper.open();
    await expectCut(scene);
  }
  const again = beginAgain();
  if (hasOrphans) {
    await untilWaitingOrEnded(again);
    await gatekeeper.open();
  }
  tally.reruns += 1;
  const next = await again.ended;
  const story = `the first:\n${ended.stderr}\nthe next:\n${next.stdout}\n${next.stderr}`;
  expect(logOf(next), "never two migrators at once").not.toContain("two migrators");
  expect(each.next, story).toContain(next.exit);
  const line = expectLine(withoutCommand(next), "stderr");
  expect(next.stdout, story).toBe(next.exit === 0 ? "the application\n" : "");
  return next.exit === 0 ? null : line;
}

/** A run that meets orphans says that it waits for something, or has its answer without waiting. */
async function untilWaitingOrEnded(run: Started): Promise<void> {
  const hints = ['.waiting"', '"database.busy"', "orphan"];
  await Promise.race([run.ended, ...hints.map((hint) => run.says(hint))]).catch(() => {});
}

/** Nothing of the run: no process, no session, no lock. */
export async function expectNoTrace({ ground, url, id }: Scene): Promise<void> {
  await eventually(
    async () => processesOf(id).length === 0,
    "no process of the run is left",
    20_000,
  );
  let left: readonly unknown[] = [];
  const ask = async (): Promise<boolean> => {
    left = await ground.server.sql(
      url,
      `SELECT application_name, state, wait_event, left(query, 100) AS query FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
         AND application_name <> '${gatekeeperName}'`,
    );
    return left.length === 0;
  };
  await eventually(ask, "no session of the run is left", 15_000).catch((error: unknown) => {
    throw new Error(`sessions are left: ${JSON.stringify(left)}`, { cause: error });
  });
}

type Evidence = {
  readonly rows: readonly string[];
  readonly b: number;
  readonly c: number;
  readonly bMade: boolean;
  readonly cMade: boolean;
  readonly hasIndex: boolean;
  readonly n: number;
};

async function evidenceOf({ ground, url, each }: Scene): Promise<Evidence> {
  const versions = isAlembic(each.kind)
    ? "SELECT version_num AS v FROM alembic_version"
    : "SELECT version AS v FROM preflight_migrations";
  const [row] = await ground.server.sql(
    url,
    `SELECT (SELECT coalesce(json_agg(v ORDER BY v), '[]') FROM (${versions}) t) AS rows,
            (SELECT count(*)::int FROM log WHERE what = 'b') AS b, (SELECT count(*)::int FROM log WHERE what = 'c') AS c,
            to_regclass('b_made') IS NOT NULL AS "bMade", to_regclass('c_made') IS NOT NULL AS "cMade",
            EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('orders_total') AND indisvalid) AS "hasIndex",
            (SELECT n FROM counter) AS n`,
  );
  const evidence = row as unknown as Evidence & { rows: unknown };
  const rows = typeof evidence.rows === "string" ? JSON.parse(evidence.rows) : evidence.rows;
  return { ...evidence, rows: rows as readonly string[] };
}

/** What the rows claim is there, nothing was done twice, and of what commits at once there is no half. */
async function expectCut(scene: Scene): Promise<void> {
  const { kind } = scene.each;
  const found = await evidenceOf(scene);
  const story = JSON.stringify(found);
  const applied = appliedBy(kind, found.rows);
  expect(applied, story).not.toBeNull();
  expect(found.b, story).toBeLessThanOrEqual(1);
  expect(found.c, story).toBeLessThanOrEqual(1);
  const isWritten = { b: kind === "index" ? 0 : 1 };
  if (applied?.includes("b") === true) expect(found.b, story).toBe(isWritten.b);
  const isAtOnce = !["index", "rows", "outside"].includes(kind);
  if (isAtOnce) {
    const hasB = applied?.includes("b") === true;
    expect([found.b, found.bMade, found.n >= 1], story).toEqual([hasB ? 1 : 0, hasB, hasB]);
  }
  const hasC = applied?.includes("c") === true;
  expect([found.c, found.cMade], story).toEqual([hasC ? 1 : 0, hasC]);
}

/** Null: no state that a run may leave. */
function appliedBy(kind: Kind, rows: readonly string[]): readonly string[] | null {
  if (!isAlembic(kind)) {
    const all = ["1", "2", "3"].slice(0, rows.length);
    return rows.length > 0 && rows.every((row, at) => row === all[at])
      ? ["a", "b", "c"].slice(0, rows.length)
      : null;
  }
  if (rows.length === 0) return kind === "stamp" ? [] : null;
  const at = ["a", "b", "c"].indexOf(rows[0] ?? "");
  return rows.length === 1 && at >= 0 ? ["a", "b", "c"].slice(0, at + 1) : null;
}

/** What the refusal names is true, and doing what it asks for leads to head. */
async function completeByHand(scene: Scene, line: VerdictLine): Promise<void> {
  const { ground, prepared, url, beginAgain } = scene;
  tally.partial += 1;
  const found = await evidenceOf(scene);
  // Whoever is asked to look, looks when nobody is at work any more.
  if (found.rows.includes("c")) return;
  expect(line).toMatchObject({ verdict: "partial", outcome: "partial" });
  const said = line.reason ?? "";
  const story = `${said}\n${line.next.join("\n")}\n${JSON.stringify(found)}`;

  if (said.includes("INVALID") || line.next.some((way) => way.includes("INVALID"))) {
    expect(found.hasIndex, story).toBe(false);
    const drop = line.next
      .map((way) => /DROP INDEX (?:CONCURRENTLY )?[\w."]+/.exec(way)?.[0])
      .find(Boolean);
    expect(drop, story).toContain("orders_total");
    await ground.server.sql(url, drop ?? "");
  }
  if (said.includes("statements")) await expectTruth(scene, found, said);
  if (said.includes("does not commit all at once")) {
    expect(said).toContain("revision b");
    // Here a person sees whether its rows are there; both ways are offered.
    if (found.b === 1) {
      expect(line.next.join("\n"), story).toContain("preflight stamp b");
      await alembic(ground, prepared.image, url, "stamp", "--purge", "b");
    }
  }
  const resumes = line.next.some((way) => way.includes("--resume"));
  const last = await beginAgain(...(resumes ? ["--resume"] : [])).ended;
  tally.reruns += 1;
  expect(expectLine(withoutCommand(last), "stderr"), `${story}\n${last.stderr}`).toMatchObject({
    exit: 0,
    outcome: "ready",
  });
}

/** Statements of the file outside of a transaction: canary, index, counter, log, gate, table. */
async function expectTruth({ ground, url }: Scene, found: Evidence, said: string): Promise<void> {
  const [row] = await ground.server.sql(url, "SELECT done, state FROM preflight_progress");
  const [done, state] = [Number(row?.["done"]), String(row?.["state"])];
  expect(said).toContain(`${done} of its 6 statements`);
  const isDone = { index: done > 1, counter: done > 2, log: done > 3, table: done > 5 };
  expect([found.n === 1, found.b === 1, found.bMade], said).toEqual([
    isDone.counter,
    isDone.log,
    isDone.table,
  ]);
  if (state !== "started") return expect(found.hasIndex, said).toBe(isDone.index);
  // In doubt: whether it took effect is for a person to see, who undoes it.
  expect(said).toContain("not recorded");
  await ground.server.sql(url, "DROP INDEX IF EXISTS orders_total");
}

export async function expectWhole(scene: Scene): Promise<void> {
  const { url, each, prepared, ground } = scene;
  const contents = await contentsOf(url, each.kind);
  if (JSON.stringify(contents.data) !== JSON.stringify(prepared.whole.data)) tally.lost += 1;
  expect(contents).toEqual(prepared.whole);
  expect(await advisoryLocksIn(ground.server, url), "no lock is left").toBe(0);
  await expectNoTrace(scene);
}
