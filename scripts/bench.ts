/**
 * Whole-process figures, in one run, as ratios to a peer: these machines are noisy, so the contenders take turns and
 * medians are compared. Nothing is asserted.
 *
 * BENCH_ROUNDS=60    how often
 * BENCH_PARTS=start  which of start, bake, apply, replicas
 * BENCH_EARLIER=FILE an earlier build's binary: it starts on the same history, with a ledger of its own
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { startServer } from "../test/support/postgres.ts";
import { pythonEnvironment } from "../test/support/python.ts";
import { compareApply } from "./bench-apply.ts";
import { compareReplicas } from "./bench-replicas.ts";
import { median, must, print, time } from "./measure.ts";

const rounds = Number(process.env["BENCH_ROUNDS"] ?? 15);
const root = path.dirname(import.meta.dirname);
const binary = path.join(root, "dist/preflight");
const bundle = path.join(root, "dist/preflight.mjs");
const earlier = process.env["BENCH_EARLIER"];

const envFile = `import os
from alembic import context
from sqlalchemy import create_engine, pool

url = "postgresql+psycopg://" + os.environ["DATABASE_URL"].split("://", 1)[1]
with create_engine(url, poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
`;

const parts = (process.env["BENCH_PARTS"] ?? "start,bake,apply,replicas").split(",");
const server = await startServer({ settings: ["max_connections = 100"] });
const { bin, python } = await pythonEnvironment();
const made: string[] = [];
try {
  if (parts.includes("start")) for (const tables of [30, 300]) await compareHealthyStart(tables);
  if (parts.includes("bake")) for (const revisions of [100, 300]) compareBake(revisions);
  if (parts.includes("apply")) made.push(await compareApply(server, 200));
  if (parts.includes("replicas")) made.push(await compareReplicas(server, python));
} finally {
  await server.stop();
  for (const directory of made) rmSync(directory, { recursive: true });
}

type Contender = { readonly name: string; readonly argv: readonly string[]; readonly cwd: string };

async function compareHealthyStart(tables: number): Promise<void> {
  const cwd = writeHistory(tables);
  const url = await server.createDatabase();
  const env = environmentFor(url);
  must(["alembic", "upgrade", "heads"], cwd, env);
  must([binary, "bake"], cwd, env);

  const contenders: readonly Contender[] = [
    { name: "psql -c 'select 1'", argv: ["psql", "-X", "-d", url, "-c", "select 1"], cwd },
    { name: "preflight run (binary)", argv: [binary, "run"], cwd },
    { name: "preflight run (Node)", argv: [process.execPath, bundle, "run"], cwd },
    ...(earlier === undefined ? [] : [contendEarlier(earlier, tables, env)]),
    { name: "alembic current", argv: ["alembic", "current"], cwd },
    { name: "alembic upgrade head", argv: ["alembic", "upgrade", "head"], cwd },
  ].filter(({ name, argv }) => isThere(name, argv[0] ?? "", env));

  const times = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (let round = -1; round < rounds; round++)
    for (const { name, argv, cwd: at } of contenders) {
      const took = time(argv, at, env);
      if (round >= 0) times.get(name)?.push(took);
    }
  print(`\nA database at head, ${tables} tables, everything verified (${rounds} rounds, medians)`);
  const peer = median(times.get(contenders[0]?.name ?? "") ?? []);
  for (const { name, argv, cwd: at } of contenders) {
    const own = median(times.get(name) ?? []);
    const memory = peakMemory(argv, at, env);
    print(
      `  ${name.padEnd(24)} ${own.toFixed(0).padStart(6)} ms  ${(own / peer).toFixed(2).padStart(6)} ×  ${memory.padStart(7)} peak`,
    );
  }
}

function contendEarlier(program: string, tables: number, env: NodeJS.ProcessEnv): Contender {
  const cwd = writeHistory(tables);
  must([program, "bake"], cwd, env);
  return { name: "an earlier build", argv: [program, "run"], cwd };
}

function compareBake(revisions: number): void {
  const cwd = writeHistory(revisions);
  const env = environmentFor("");
  const took = time([binary, "bake"], cwd, env);
  const checked = time([binary, "bake", "--check"], cwd, env);
  print(
    `\nbake, ${revisions} revisions: ${(took / 1000).toFixed(1)} s (two replays)   bake --check: ${checked.toFixed(0)} ms`,
  );
}

/** One table a revision, with two foreign keys' worth of ordinary columns, constraints and indexes. */
function writeHistory(revisions: number): string {
  const cwd = mkdtempSync(path.join(tmpdir(), "preflight-bench-"));
  made.push(cwd);
  mkdirSync(path.join(cwd, "alembic/versions"), { recursive: true });
  writeFileSync(path.join(cwd, "alembic.ini"), "[alembic]\nscript_location = alembic\n");
  writeFileSync(path.join(cwd, "alembic/env.py"), envFile);
  for (let index = 0; index < revisions; index++)
    writeFileSync(path.join(cwd, `alembic/versions/r${index}.py`), revisionFile(index));
  return cwd;
}

function revisionFile(index: number): string {
  const parent = index === 0 ? "None" : `"r${index - 1}"`;
  const reference = index === 0 ? "" : `sa.ForeignKey("t${index - 1}.id"), `;
  return `"""Table ${index}."""
import sqlalchemy as sa
from alembic import op

revision = "r${index}"
down_revision = ${parent}


def upgrade():
    op.create_table(
        "t${index}",
        sa.Column("id", sa.BigInteger, primary_key=True),
        sa.Column("parent", sa.BigInteger, ${reference}nullable=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("now()")),
        *[sa.Column(f"c{i}", sa.Integer) for i in range(8)],
        sa.CheckConstraint("c0 > 0", name="t${index}_c0_check"),
    )
    op.create_index("t${index}_parent_idx", "t${index}", ["parent"])
    op.create_index("t${index}_made_at_idx", "t${index}", ["made_at"])
`;
}

function environmentFor(url: string): NodeJS.ProcessEnv {
  return { PATH: `${bin}:${process.env["PATH"]}`, HOME: tmpdir(), DATABASE_URL: url };
}

function isThere(name: string, program: string, env: NodeJS.ProcessEnv): boolean {
  if (spawnSync(program, ["--version"], { env }).error === undefined) return true;
  print(`${name}: left out, there is no ${program} here`);
  return false;
}

/** As the operating system counts it for a finished child; Python can ask it. */
function peakMemory(argv: readonly string[], cwd: string, env: NodeJS.ProcessEnv): string {
  const ask =
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], capture_output=True); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
  const { stdout } = spawnSync(python, ["-c", ask, ...argv], { cwd, env, encoding: "utf8" });
  return `${(Number(stdout) / 1024).toFixed(0)} MB`;
}
