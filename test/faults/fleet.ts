import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  cpSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect } from "vitest";
import type { VerdictLine } from "../../src/report/verdict-schema.ts";
import { advisoryLocksIn, eventually, sessionsIn } from "../support/databases.ts";
import { applyByHand } from "../support/numbered.ts";
import type { TestServer } from "../support/postgres.ts";
import {
  type Ended,
  expectLine,
  type Place,
  programs,
  runProgram,
  start,
  type Started,
} from "../support/process.ts";
import type { PythonEnvironment } from "../support/python.ts";
import { alembic, environment } from "../support/shop.ts";

/** The replicas of the issue. */
export const fifty = 50;

/** Whoever holds it stops every migration inside its work. */
export const gate = 4711;
/** A migration that finds it taken is not alone; it goes with the transaction, also with a dead run's. */
const onlyOne = 815;

const runs = `CREATE TABLE runs (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, who text NOT NULL);
CREATE TABLE accounts (balance int NOT NULL, legacy int);
INSERT INTO accounts VALUES (0)`;
const alone = `DO $$ BEGIN
  IF NOT pg_try_advisory_xact_lock(${onlyOne}) THEN RAISE EXCEPTION 'two migrators at once'; END IF;
  IF current_setting('fleet.broken', true) = '1' THEN RAISE EXCEPTION 'this image is broken'; END IF;
END $$`;
const count = `INSERT INTO runs (who) SELECT current_setting('application_name');
UPDATE accounts SET balance = balance + 1;
SELECT pg_advisory_xact_lock_shared(${gate});
SELECT pg_sleep(0.3)`;
const extend = "ALTER TABLE runs ADD COLUMN note text";
const remove = "ALTER TABLE accounts DROP COLUMN legacy";

/** What the examples' histories are continued with: the canary, in three migrations. */
const canary = {
  create_runs: `${alone};\n${runs}`,
  count_runs: `${alone};\n${count}`,
  last: `${alone};\n${extend}`,
  last_removes: `${alone};\n${remove}`,
};

export type ImageName =
  /** Everything. */
  | "new"
  /** Without the last migration, which adds something. */
  | "old"
  /** As `new`, but the last migration removes what `old` needs. */
  | "removing";

export const tools = ["alembic", "sql"] as const;
export type ToolName = (typeof tools)[number];

/** A kind of database to begin with. */
export type Beginning = "fresh" | "behind" | "unversioned";

/** One tool's images, and the databases that they meet on one server. */
export type Yard = {
  readonly tool: ToolName;
  readonly server: TestServer;
  readonly python: PythonEnvironment;
  readonly images: Readonly<Record<ImageName, string>>;
};

const root = path.join(import.meta.dirname, "../../examples");

export async function makeYard(
  tool: ToolName,
  server: TestServer,
  python: PythonEnvironment,
): Promise<Yard> {
  const images = {
    new: writeImage(tool, ["create_runs", "count_runs", "last"]),
    old: writeImage(tool, ["create_runs", "count_runs"]),
    removing: writeImage(tool, ["create_runs", "count_runs", "last_removes"]),
  };
  for (const cwd of Object.values(images)) {
    const env = environment({ python }, "");
    const baked = await runProgram("binary", ["bake"], { cwd, env });
    expect(baked.exit, baked.stderr).toBe(0);
  }
  return { tool, server, python, images };
}

function writeImage(tool: ToolName, names: readonly (keyof typeof canary)[]): string {
  const image = mkdtempSync(path.join(tmpdir(), "preflight-fleet-"));
  const example = path.join(root, tool === "alembic" ? "shop" : "tickets");
  cpSync(example, image, {
    recursive: true,
    filter: (file) => !file.includes("__pycache__") && !file.endsWith("preflight.ledger.json"),
  });
  for (const [index, name] of names.entries()) {
    if (tool === "sql")
      writeFileSync(
        path.join(image, `migrations/00${index + 7}_${name}.sql`),
        `${canary[name]};\n`,
      );
    else
      writeFileSync(
        path.join(image, `alembic/versions/000${index + 7}_${name}.py`),
        revisionFile(name, names[index - 1] ?? "index_placed_at"),
      );
  }
  return image;
}

function revisionFile(name: keyof typeof canary, after: string): string {
  return `from alembic import op

revision = "${name}"
down_revision = "${after}"


def upgrade():
    op.get_bind().exec_driver_sql("""${canary[name]}""")


def downgrade():
    pass
`;
}

/** The version rows at the end of an image's history. */
export function headOf({ tool }: Yard, image: ImageName): readonly string[] {
  if (tool === "alembic")
    return [{ new: "last", old: "count_runs", removing: "last_removes" }[image]];
  return [image === "old" ? "008" : "009"];
}

export async function makeDatabase(yard: Yard, beginning: Beginning): Promise<string> {
  const { server, tool } = yard;
  const url = await server.createDatabase();
  if (beginning === "fresh") return url;
  if (tool === "sql") await applyByHand(server, url, "tickets", "006");
  else await alembic(yard, path.join(root, "shop"), url, "upgrade", "index_placed_at");
  if (beginning === "unversioned") await server.sql(url, `DROP TABLE ${versionTable[tool]}`);
  return url;
}

const versionTable = { alembic: "alembic_version", sql: "preflight_migrations" } as const;

export function at(yard: Yard, image: ImageName, url: string): Place {
  // The gate is a lock as well, and is waited for as long as a test holds it.
  const limit = yard.tool === "alembic" ? { PREFLIGHT_DDL_LOCK_TIMEOUT: "none" } : {};
  return { cwd: yard.images[image], env: { ...environment(yard, url), ...limit } };
}

/** An address under which every migration fails. */
export function broken(url: string): string {
  return `${url}?options=${encodeURIComponent("-c fleet.broken=1")}`;
}

export type Fleet = {
  readonly replicas: readonly Started[];
  /** Until then none of them begins. */
  readonly release: () => void;
};

/**
 * Replicas that wait to begin at the same moment: to start fifty processes takes a while. Every tenth is the module, all
 * others the binary.
 */
export function lineUp(places: readonly Place[]): Fleet {
  const directory = mkdtempSync(path.join(tmpdir(), "preflight-line-"));
  const line = path.join(directory, "line");
  execFileSync("mkfifo", [line]);
  // To open a pipe for reading waits for a writer.
  const replicas = places.map((place, index) => {
    const program = programs[index % 10 === 9 ? "module" : "binary"];
    const argv = ["/bin/sh", "-c", ': < "$0"; exec "$@"', line, ...program, "run", "--verbose"];
    return start(argv, place);
  });
  const release = (): void => {
    const writer = openSync(line, constants.O_RDWR);
    void closeAtTheEnd(writer);
  };
  const closeAtTheEnd = async (writer: number): Promise<void> => {
    await Promise.allSettled(replicas.map(({ ended }) => ended));
    closeSync(writer);
    rmSync(directory, { recursive: true });
  };
  return { replicas, release };
}

export type Replica = { readonly ended: Ended; readonly line: VerdictLine };

/** Starts this many at once and waits for all: each has one verdict line, and nothing is left behind. */
export async function runFleet(
  yard: Yard,
  url: string,
  places: readonly Place[],
): Promise<readonly Replica[]> {
  const { replicas, release } = lineUp(places);
  release();
  const ended = await Promise.all(replicas.map((one) => one.ended));
  await expectNothingLeft(yard, url);
  return ended.map((one) => ({ ended: one, line: expectLine(one) }));
}

/** Neither a lock nor a session (I8). */
export async function expectNothingLeft({ server }: Yard, url: string): Promise<void> {
  await eventually(async () => (await sessionsIn(server, url)).length === 0, "no session left");
  expect(await advisoryLocksIn(server, url), "no lock left").toBe(0);
}

/** The history is applied to its end, and its data migration was applied exactly once (I2, I4). */
export async function expectAtHead(
  yard: Yard,
  url: string,
  image: ImageName = "new",
): Promise<void> {
  const { server, tool } = yard;
  const column = tool === "alembic" ? "version_num" : "version";
  const rows = await server.sql(url, `SELECT ${column} AS v FROM ${versionTable[tool]} ORDER BY 1`);
  const versions = rows.map((row) => String(row["v"]));
  expect(tool === "sql" ? versions.slice(-1) : versions).toEqual(headOf(yard, image));
  expect(await server.sql(url, "SELECT balance FROM accounts")).toEqual([{ balance: 1 }]);
  const [{ who } = {}, ...others] = await server.sql(url, "SELECT who FROM runs");
  expect(others, "one run has migrated").toEqual([]);
  expect(String(who)).toMatch(/^preflight-upgrade\//);
}

/** The runs whose log has this event. */
export function whoSaid(event: string, replicas: readonly Replica[]): readonly string[] {
  return replicas
    .filter(({ ended }) => ended.stderr.includes(`"event":"${event}"`))
    .map(({ line }) => line.runId);
}

/** Exit codes, and how many have each: `{ "0": 50 }`. */
export function exits(replicas: readonly Replica[]): Readonly<Record<string, number>> {
  const codes: Record<string, number> = {};
  for (const { line } of replicas) codes[line.exit] = (codes[line.exit] ?? 0) + 1;
  return codes;
}

/** A generator of numbers in [0, 1) that a seed repeats. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A process' children, from the operating system. */
export function childrenOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8")
        .split(" ")
        .filter((word) => word !== "")
        .map(Number),
    );
  } catch {
    return [];
  }
}

export function removeImages(yards: readonly Yard[]): void {
  for (const { images } of yards)
    for (const image of Object.values(images)) rmSync(image, { recursive: true, force: true });
}
