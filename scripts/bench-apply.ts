import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestServer } from "../test/support/postgres.ts";
import { median, must, print, time } from "./measure.ts";

const rounds = Number(process.env["BENCH_APPLY_ROUNDS"] ?? 5);
const root = path.dirname(import.meta.dirname);

/**
 * Numbered files applied to empty databases, by three programs that take turns.
 * @returns the directory that holds the files
 */
export async function compareApply(server: TestServer, files: number): Promise<string> {
  const cwd = writeFiles(files);
  must([path.join(root, "dist/preflight"), "bake"], cwd, environmentFor(""));
  const contenders = [
    { name: "psql -f, each file", run: psqlEach },
    { name: "dbmate up", run: dbmateUp },
    { name: "preflight run (binary)", run: preflight(path.join(root, "dist/preflight")) },
    {
      name: "preflight run (Node)",
      run: preflight(process.execPath, path.join(root, "dist/preflight.mjs")),
    },
  ];
  const times = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (let round = -1; round < rounds; round++)
    for (const { name, run } of contenders) {
      const took = run(cwd, await server.createDatabase());
      if (round >= 0) times.get(name)?.push(took);
    }
  print(`\n${files} SQL files on an empty database (${rounds} rounds, medians)`);
  const peer = median(times.get(contenders[0]?.name ?? "") ?? []);
  for (const { name } of contenders) {
    const own = median(times.get(name) ?? []);
    print(
      `  ${name.padEnd(24)} ${own.toFixed(0).padStart(6)} ms  ${(own / peer).toFixed(2).padStart(6)} ×`,
    );
  }
  return cwd;
}

function preflight(...program: readonly string[]) {
  return (cwd: string, url: string): number => time([...program, "run"], cwd, environmentFor(url));
}

/** As a script would: every file a transaction, and nothing is recorded. */
function psqlEach(cwd: string, url: string): number {
  const files = readdirSync(path.join(cwd, "migrations")).sort();
  const psql = ["psql", "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-d", url, "-f"];
  return files
    .map((file) => time([...psql, path.join("migrations", file)], cwd, environmentFor("")))
    .reduce((sum, each) => sum + each, 0);
}

/** The program itself, without the Node script that its package starts it with. */
function dbmateUp(cwd: string, url: string): number {
  const require = createRequire(import.meta.url);
  const dbmate = createRequire(require.resolve("dbmate")).resolve("@dbmate/linux-x64/bin/dbmate");
  const argv = [dbmate, "--no-dump-schema", "--migrations-dir", "dbmate", "up"];
  return time(argv, cwd, environmentFor(`${url}?sslmode=disable`));
}

function writeFiles(count: number): string {
  const cwd = mkdtempSync(path.join(tmpdir(), "preflight-bench-"));
  for (const directory of ["migrations", "dbmate"]) mkdirSync(path.join(cwd, directory));
  for (let index = 1; index <= count; index++) {
    const name = `${String(index).padStart(3, "0")}_table_${index}.sql`;
    writeFileSync(path.join(cwd, "migrations", name), sqlFile(index));
    writeFileSync(
      path.join(cwd, "dbmate", name),
      `-- migrate:up\n${sqlFile(index)}\n-- migrate:down\n`,
    );
  }
  return cwd;
}

function sqlFile(index: number): string {
  const reference = index === 1 ? "" : ` REFERENCES t${index - 1}`;
  return `-- Purpose: table ${index}

CREATE TABLE t${index} (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  parent bigint${reference},
  name text NOT NULL UNIQUE,
  made_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT t${index}_name_check CHECK (name <> '')
);
CREATE INDEX t${index}_parent_idx ON t${index} (parent);
INSERT INTO t${index} (name) VALUES ('first');
`;
}

function environmentFor(url: string): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"], HOME: tmpdir(), DATABASE_URL: url };
}
