import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import postgres from "postgres";
import { afterAll, beforeAll, expect, it } from "vitest";
import { factKey } from "../../src/core/facts.ts";
import { look } from "../../src/database/look.ts";
import { sql } from "../../src/tools/sql/sql.ts";
import { connectionTo, open } from "../database/support.ts";
import { startServer, type TestServer } from "../support/postgres.ts";
import { expectLine, runProgram, startProgram } from "../support/process.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => await server?.stop());

/** Whoever holds it decides how far a run comes: each file set has one statement that waits for it. */
const gate = 4711;

it("a run that is stopped at any statement, and run again, gives the schema of a run that is not", async () => {
  let stoppedOutside = 0;
  await fc.assert(
    fc.asyncProperty(anyFiles(), fc.constantFrom(...waysToStop), async (files, how) => {
      const cwd = writeFiles(files);
      const whole = await server.createDatabase();
      expectLine(await runProgram("binary", ["run"], at(cwd, whole)));

      const broken = await server.createDatabase();
      const owner = postgres(broken, { max: 1, onnotice: () => {} });
      await owner`SELECT pg_advisory_lock(${gate})`;
      const run = startProgram("binary", ["run"], at(cwd, broken));
      await untilWaiting(owner);
      if (how === "terminate")
        await owner`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = ${gate} AND NOT granted`;
      else run.child.kill(how);
      const stopped = await run.ended;
      expect(stopped.exit, "a run that was stopped did not succeed").not.toBe(0);
      await untilAlone(owner);
      await owner.end();

      const again = await runProgram("binary", ["run"], at(cwd, broken));
      if (again.exit === 23) {
        stoppedOutside += 1;
        const { verdict, reason } = expectLine(again);
        expect(verdict).toBe("partial");
        expect(reason, "it names the statement").toContain("pg_advisory_xact_lock");
        const resumed = await runProgram("binary", ["run", "--resume"], at(cwd, broken));
        expect(expectLine(resumed), resumed.stderr).toMatchObject({ exit: 0 });
      } else expect(expectLine(again), again.stderr).toMatchObject({ exit: 0 });

      expect(await contentsOf(broken)).toEqual(await contentsOf(whole));
      const last = await runProgram("binary", ["run"], at(cwd, broken));
      expect(expectLine(last)).toMatchObject({ verdict: "current", actions: [] });
    }),
    {
      numRuns: 12,
      examples: waysToStop.map((how) => [outsideOfATransaction, how] as [string[][], typeof how]),
    },
  );
  expect(stoppedOutside, "files outside of a transaction were among them").toBeGreaterThan(0);
}, 300_000);

const waysToStop = ["SIGKILL", "SIGTERM", "terminate"] as const;

const outsideOfATransaction = [
  ["CREATE TABLE t1 (id int PRIMARY KEY, a int)"],
  [
    "CREATE INDEX CONCURRENTLY i1 ON t1 (a)",
    "INSERT INTO t1 SELECT n, n FROM generate_series(1, 3) n",
    `SELECT pg_advisory_xact_lock(${gate})`,
    "CREATE INDEX CONCURRENTLY i2 ON t1 (a, id)",
  ],
];

type Statement = { readonly kind: string; readonly pick: number };

/** Files of valid statements, one of which waits at the gate. */
function anyFiles(): fc.Arbitrary<readonly (readonly string[])[]> {
  const statement = fc.record({
    kind: fc.constantFrom(
      "table",
      "column",
      "index",
      "concurrently",
      "rows",
      "change",
      "view",
      "enum",
    ),
    pick: fc.nat(),
  });
  const file = fc.array(statement, { minLength: 1, maxLength: 4 });
  return fc
    .tuple(fc.array(file, { minLength: 1, maxLength: 4 }), fc.nat(), fc.nat())
    .map(([plans, fileOfGate, placeOfGate]) => {
      const tables: number[] = [];
      let counter = 0;
      const files = plans.map((plan) =>
        plan.map((each) => {
          counter += 1;
          return statementOf(each, counter, tables);
        }),
      );
      const gated = files[fileOfGate % files.length]!;
      gated.splice(placeOfGate % (gated.length + 1), 0, `SELECT pg_advisory_xact_lock(${gate})`);
      return files;
    });
}

/** Without a table there is nothing to change yet. */
function statementOf({ kind, pick }: Statement, number: number, tables: number[]): string {
  const chosen = tables[pick % Math.max(1, tables.length)];
  if (chosen === undefined || kind === "table") {
    tables.push(number);
    return `CREATE TABLE t${number} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int NOT NULL DEFAULT 1)`;
  }
  const table = `t${chosen}`;
  switch (kind) {
    case "column":
      return `ALTER TABLE ${table} ADD COLUMN c${number} text DEFAULT 'x; -- no comment'`;
    case "index":
      return `CREATE INDEX i${number} ON ${table} (a)`;
    case "concurrently":
      return `CREATE INDEX CONCURRENTLY i${number} ON ${table} (a)`;
    case "rows":
      return `INSERT INTO ${table} (a) SELECT generate_series(1, ${1 + (pick % 5)})`;
    case "change":
      return `UPDATE ${table} SET a = a * 2 + 1`;
    case "view":
      return `CREATE VIEW v${number} AS SELECT count(*) AS n FROM ${table}`;
    default:
      return `CREATE TYPE e${number} AS ENUM ('one', 'two')`;
  }
}

function writeFiles(files: readonly (readonly string[])[]): string {
  const cwd = mkdtempSync(path.join(tmpdir(), "preflight-interrupted-"));
  mkdirSync(path.join(cwd, "migrations"));
  for (const [index, statements] of files.entries())
    writeFileSync(
      path.join(cwd, "migrations", `${index + 1}_file.sql`),
      `-- Purpose: file ${index + 1}\n${statements.join(";\n")};\n`,
    );
  return cwd;
}

function at(cwd: string, url: string) {
  return { cwd, env: { DATABASE_URL: url } };
}

async function untilWaiting(sql: postgres.Sql): Promise<void> {
  for (;;) {
    const waiting =
      await sql`SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = ${gate} AND NOT granted`;
    if (waiting.length > 0) return;
    await sleep(20);
  }
}

/** A killed client's server process goes on until it looks at its socket. */
async function untilAlone(sql: postgres.Sql): Promise<void> {
  await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`;
  for (;;) {
    const others = await sql`SELECT FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`;
    if (others.length === 0) return;
    await sleep(20);
  }
}

/** The schema, the rows of every table, and which files are recorded. Numbers that a rollback has used up stay used. */
async function contentsOf(url: string): Promise<unknown> {
  const db = await open(connectionTo(url));
  try {
    const versionTable = { layout: sql.versionTable, ...sql.versionTable.usual };
    const { facts, versionTable: rows, progress } = await look(db, { versionTable, scope: null });
    const data = await db.query(`
      SELECT c.relname, query_to_xml(format('SELECT to_jsonb(t) - ''id'' AS row FROM %I t ORDER BY 1', c.relname), true, false, '')::text AS rows
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'public' AND c.relkind = 'r' AND c.relname !~ '^preflight_' ORDER BY 1`);
    return { facts: facts.map(factKey).sort(), rows: rows?.rows, progress, data: [...data] };
  } finally {
    await db.close();
  }
}
