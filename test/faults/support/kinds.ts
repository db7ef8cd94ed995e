import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { factKey } from "../../../src/core/facts.ts";
import { look } from "../../../src/database/look.ts";
import { connectionTo, open } from "../../database/support.ts";
import { execute, writeHistory, type Written } from "../../support/histories.ts";
import type { TestServer } from "../../support/postgres.ts";
import { runProgram } from "../../support/process.ts";
import type { PythonEnvironment } from "../../support/python.ts";
import { alembic, environment } from "../../support/shop.ts";

/** Advisory locks that migrations wait for. The canary is taken by whoever migrates. */
export const gates = { working: 4711, between: 4712 } as const;
const canary = 4713;

/** How a history of three revisions commits, and from where a run begins. Everywhere the first one is there already. */
export const kinds = {
  /** Alembic, one transaction for all. */
  together: "chain",
  /** Alembic, one for each revision. */
  each: "chain",
  /** The same on a database whose version rows are gone: a stamp comes first. */
  stamp: "chain",
  /** Alembic, with CREATE INDEX CONCURRENTLY. */
  index: "index",
  /** Alembic, with rows that are written outside of a transaction. */
  rows: "rows",
  /** Plain SQL. */
  files: "files",
  /** Plain SQL, with a file that cannot run in one transaction. */
  outside: "outside",
} as const;

export type Kind = keyof typeof kinds;
type History = (typeof kinds)[Kind];

export function isAlembic(kind: Kind): boolean {
  return kind !== "files" && kind !== "outside";
}

export function versionTableOf(kind: Kind) {
  return isAlembic(kind)
    ? { layout: alembicTool.versionTable, ...alembicTool.versionTable.usual }
    : { layout: sql.versionTable, ...sql.versionTable.usual };
}

/** Nobody may migrate beside another: the second one fails and says so. */
const alone = `DO $$BEGIN IF NOT pg_try_advisory_lock(${canary}) THEN RAISE EXCEPTION 'two migrators at once'; END IF; END$$`;
const wait = (gate: number): string => `SELECT pg_advisory_xact_lock_shared(${gate})`;

const first = [
  "CREATE TABLE counter (n int NOT NULL)",
  "INSERT INTO counter VALUES (0)",
  "CREATE TABLE log (what text NOT NULL)",
  "CREATE TABLE orders (id int PRIMARY KEY, total int NOT NULL)",
  "INSERT INTO orders SELECT n, n FROM generate_series(1, 3) n",
  "CREATE VIEW seen AS SELECT 1 AS one",
];
const index = "CREATE INDEX CONCURRENTLY orders_total ON orders (total)";
const rows = ["UPDATE counter SET n = n + 1", "INSERT INTO log VALUES ('b')"];
/** What it makes of the counter depends on how often, and in which order, the two came. */
const last = [
  alone,
  wait(gates.between),
  "UPDATE counter SET n = n * 10 + 1",
  "INSERT INTO log VALUES ('c')",
  "CREATE TABLE c_made (id int PRIMARY KEY)",
];
const second: Readonly<Record<History, readonly string[]>> = {
  chain: [
    alone,
    "CREATE TABLE b_made (id int)",
    ...rows,
    wait(gates.working),
    "ALTER TABLE b_made ADD COLUMN more int",
  ],
  index: [alone, index],
  rows: [alone, ...rows, wait(gates.working)],
  files: [
    alone,
    "CREATE TABLE b_made (id int)",
    ...rows,
    wait(gates.working),
    "ALTER TABLE b_made ADD COLUMN more int",
  ],
  outside: [alone, index, ...rows, wait(gates.working), "CREATE TABLE b_made (id int)"],
};

/** The point "asked" is before it connects to say where it works, "spawned" before it connects to work, "exiting" after its commit. */
const env = `
import os
import sys
import time

from alembic import context
from sqlalchemy import create_engine, pool


isAtWork = "upgrade" in sys.argv


def wait(point):
    gate = os.path.join(os.environ.get("GATES", "/nowhere"), point)
    if os.path.exists(gate):
        open(gate + ".reached", "w").close()
    while os.path.exists(gate):
        time.sleep(0.02)


try:
    import psycopg  # noqa: F401

    driver = "postgresql+psycopg"
except ImportError:
    driver = "postgresql+psycopg2"

wait("spawned" if isAtWork else "asked")
url = driver + "://" + os.environ["DATABASE_URL"].split("://", 1)[1]
with create_engine(url, poolclass=pool.NullPool).connect() as connection:
    context.configure(
        connection=connection, transaction_per_migration=os.environ.get("EACH") == "yes"
    )
    with context.begin_transaction():
        context.run_migrations()
    if isAtWork:
        wait("exiting")
`;
import { alembic as alembicTool } from "../../../src/tools/alembic/alembic.ts";
import { sql } from "../../../src/tools/sql/sql.ts";

export type Ground = {
  readonly server: TestServer;
  readonly python: PythonEnvironment;
};

/** An image with its ledger, a database where a run begins, and what one has when nothing disturbs it. */
export type Prepared = {
  readonly image: string;
  readonly template: string;
  readonly whole: Contents;
};

export async function prepare(
  ground: Ground,
  wanted: readonly Kind[],
): Promise<ReadonlyMap<Kind, Prepared>> {
  const images = new Map<History, Promise<string>>();
  const all = wanted.map(async (kind) => {
    const history = kinds[kind];
    const image = images.get(history) ?? makeImage(ground, history);
    images.set(history, image);
    return [kind, await prepareKind(ground, kind, await image)] as const;
  });
  return new Map(await Promise.all(all));
}

async function makeImage({ python }: Ground, history: History): Promise<string> {
  const isFiles = history === "files" || history === "outside";
  const image = isFiles ? writeFiles(history) : writeRevisions(history);
  const place = { cwd: image, env: environment({ python }, "") };
  const baked = await runProgram("binary", ["bake"], place);
  if (baked.exit !== 0) throw new Error(`the bake of ${history} failed:\n${baked.stderr}`);
  return image;
}

function writeRevisions(history: "chain" | "index" | "rows"): string {
  const inParts = history !== "chain";
  const revisions: readonly Written[] = [
    { id: "a", upgrade: first.map(execute).join("\n") },
    { id: "b", after: "a", upgrade: inParts ? autocommit(second[history]) : lines(second.chain) },
    { id: "c", after: "b", upgrade: lines(last) },
  ];
  return writeHistory(revisions, { env });
}

function lines(statements: readonly string[]): string {
  return statements.map(execute).join("\n");
}

function autocommit(statements: readonly string[]): string {
  return `with op.get_context().autocommit_block():\n${statements.map((each) => `    ${execute(each)}`).join("\n")}`;
}

function writeFiles(history: "files" | "outside"): string {
  const image = mkdtempSync(path.join(tmpdir(), "preflight-kill-"));
  mkdirSync(path.join(image, "migrations"));
  for (const [name, statements] of [
    ["1_a", first],
    ["2_b", second[history]],
    ["3_c", last],
  ] as const)
    writeFileSync(path.join(image, "migrations", `${name}.sql`), `${statements.join(";\n")};\n`);
  return image;
}

async function prepareKind(ground: Ground, kind: Kind, image: string): Promise<Prepared> {
  const { server, python } = ground;
  const template = await server.createDatabase();
  if (isAlembic(kind)) await alembic(ground, image, template, "upgrade", "a");
  else await applyFirst(ground, image, template);
  if (kind === "stamp") await server.sql(template, "DELETE FROM alembic_version");
  const name = new URL(template).pathname.slice(1);
  const url = await copyOf(server, name);
  const env = { ...environment({ python }, url), EACH: "yes" };
  const ended = await runProgram("binary", ["run"], { cwd: image, env });
  if (ended.exit !== 0) throw new Error(`an undisturbed run of ${kind} failed:\n${ended.stderr}`);
  return { image, template: name, whole: await contentsOf(url, kind) };
}

async function applyFirst({ python }: Ground, image: string, url: string): Promise<void> {
  const cwd = mkdtempSync(path.join(tmpdir(), "preflight-kill-"));
  mkdirSync(path.join(cwd, "migrations"));
  cpSync(path.join(image, "migrations/1_a.sql"), path.join(cwd, "migrations/1_a.sql"));
  const ended = await runProgram("binary", ["run"], { cwd, env: environment({ python }, url) });
  if (ended.exit !== 0) throw new Error(`the first file failed:\n${ended.stderr}`);
}

let copies = 0;

export async function copyOf(server: TestServer, template: string): Promise<string> {
  copies += 1;
  const name = `kill_${process.pid}_${copies}`;
  await server.sql(server.url, `CREATE DATABASE ${name} TEMPLATE ${template}`);
  const url = new URL(server.url);
  url.pathname = name;
  return url.href;
}

export type Contents = {
  readonly rows: readonly (string | null)[];
  readonly facts: readonly string[];
  readonly data: Readonly<Record<string, string>>;
};

/** The version rows, the schema, and the rows of every table that is not ours. */
export async function contentsOf(url: string, kind: Kind): Promise<Contents> {
  const db = await open(connectionTo(url));
  try {
    const seen = await look(db, { versionTable: versionTableOf(kind), scope: null });
    const data = await db.query<{ name: string; rows: string }>(`
      SELECT c.relname AS name, query_to_xml(format('SELECT to_jsonb(t) AS row FROM %I t ORDER BY 1', c.relname), true, false, '')::text AS rows
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'public' AND c.relkind = 'r' AND c.relname !~ '^(preflight_|alembic_version)' ORDER BY 1`);
    return {
      rows: seen.versionTable?.rows ?? [],
      facts: seen.facts.map(factKey).sort(),
      data: Object.fromEntries(data.map(({ name, rows }) => [name, rows])),
    };
  } finally {
    await db.close();
  }
}
