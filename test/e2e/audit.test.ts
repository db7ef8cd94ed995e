import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { auditReport } from "../../src/report/audit-report.ts";
import { verdictLine } from "../../src/report/verdict-schema.ts";
import { writeHistory } from "../support/histories.ts";
import { type Ended, everyProgram, expectLine, logOf, runProgram } from "../support/process.ts";

const env = { PATH: process.env["PATH"] ?? "" };

const files = {
  "migrations/001_customers.sql": "CREATE TABLE customers (id int PRIMARY KEY, email text);\n",
  "migrations/002_email.sql":
    "-- Purpose: find customers by email\nCREATE INDEX by_email ON customers (email);\nALTER TABLE customers RENAME COLUMN email TO mail;\n",
};

describe.each(everyProgram)("%s: audit of SQL files", (program) => {
  it("tells each finding with its place and a remedy, and ends with 0", async () => {
    const ended = await runProgram(program, ["audit", "--verbose"], { cwd: write(files), env });
    expect(expectLine(ended)).toMatchObject({ outcome: "ready", verdict: null, tool: "sql" });
    const place = { file: "migrations/002_email.sql", event: "audit.finding" };
    expect(eventsOf(ended, "audit.finding")).toEqual([
      expect.objectContaining({ level: "debug", rule: "not-repeatable" }),
      expect.objectContaining({
        ...place,
        level: "warn",
        line: 2,
        rule: "create-index",
        remedy: "in a file of its own: CREATE INDEX CONCURRENTLY by_email ON customers (email)",
      }),
      expect.objectContaining({ ...place, level: "debug", line: 2, rule: "not-repeatable" }),
      expect.objectContaining({ ...place, level: "warn", line: 3, rule: "rename-column" }),
    ]);
    expect(logOf(ended)).toContain(
      "2 revisions from 001 (customers) to 002 (email): 1 danger, 1 warning, 2 notes",
    );
  });

  it("--json puts the same on stdout, before the verdict line", async () => {
    const cwd = write({ ...files, "migrations/004_gap.sql": "SELECT 1;\n" });
    const ended = await runProgram(program, ["audit", "--json", "--verbose"], { cwd, env });
    const [report, line, ...others] = ended.stdout.trimEnd().split("\n");
    expect(others).toEqual([]);
    expect(verdictLine.parse(JSON.parse(line ?? "")).outcome).toBe("ready");
    const { findings, warnings, summary } = auditReport.strict().parse(JSON.parse(report ?? ""));
    expect(findings.map(({ file, line, rule }) => ({ file, line, rule }))).toEqual(
      eventsOf(ended, "audit.finding").map(({ file, line, rule }) => ({ file, line, rule })),
    );
    expect(summary).toEqual({ fault: 0, danger: 1, warning: 1, note: 2, files: 2 });
    expect(warnings).toEqual([expect.stringContaining("between 2 and 4")]);
  });
});

it("faults are findings too, and only they end it with 24", async () => {
  const cwd = write({
    ...files,
    "migrations/003_typo.sql": "SELECT 1;\n  CREATE TABEL t ();\n",
    "migrations/004_begin.sql": "BEGIN;\nCREATE TABLE t ();\nROLLBACK;\n",
    "migrations/04_begin.sql": "SELECT 1;\n",
    "migrations/005_new.sql": "-- Purpose: new\n-- Breaking Changes:\n-- Rollback:\n\n",
  });
  const ended = await runProgram("binary", ["audit", "--json"], { cwd, env });
  const [report = "", line = ""] = ended.stdout.split("\n");
  expect(verdictLine.parse(JSON.parse(line))).toMatchObject({
    verdict: "broken-history",
    exit: 24,
  });
  expect(ended.exit).toBe(24);
  const { findings, summary } = auditReport.parse(JSON.parse(report));
  const faults = findings.map(({ file, line, rule }) => [file, line, rule]);
  expect(faults).toEqual(
    expect.arrayContaining([
      ["migrations/003_typo.sql", 2, "unreadable"],
      ["migrations/004_begin.sql", 1, "unreadable"],
      ["migrations/005_new.sql", null, "unreadable"],
      ["migrations/004_begin.sql", null, "duplicate-id"],
    ]),
  );
  expect(summary.fault).toBe(findings.length);
  expect(eventsOf(ended, "audit.finding").map(({ level }) => level)).toEqual(
    findings.map(() => "error"),
  );
});

it("reads a Supabase history as well", async () => {
  const cwd = write({
    "supabase/migrations/20240101000000_a.sql": "CREATE TABLE public.notes (id int);\n",
    "supabase/migrations/20240102000000_b.sql": 'TRUNCATE "public"."notes";\n',
  });
  const ended = await runProgram("binary", ["audit"], { cwd, env });
  expect(expectLine(ended)).toMatchObject({ outcome: "ready", tool: "supabase" });
  expect(eventsOf(ended, "audit.finding")).toContainEqual(
    expect.objectContaining({
      file: "supabase/migrations/20240102000000_b.sql",
      line: 1,
      rule: "truncate",
    }),
  );
});

it("of an Alembic history it says what Alembic would stumble over", async () => {
  const long = "a_revision_id_of_more_than_32_characters";
  const cwd = writeHistory([{ id: "first" }, { id: long, after: "first" }]);
  const ended = await runProgram("binary", ["audit", "--json"], { cwd, env });
  const [report = ""] = ended.stdout.split("\n");
  expect(ended.exit).toBe(0);
  expect(auditReport.parse(JSON.parse(report)).findings).toEqual([
    expect.objectContaining({ rule: "long-id", file: expect.stringContaining(long) as unknown }),
    expect.objectContaining({ rule: "operations-unread", level: "note", file: null }),
  ]);
});

it("no secret gets into the report", async () => {
  const secret = "wholly_secret_word";
  const cwd = write({ "migrations/1_a.sql": `DROP TABLE ${secret};\n` });
  const place = { cwd, env: { ...env, DB_PASSWORD: secret } };
  const ended = await runProgram("binary", ["audit", "--json"], place);
  expect(ended.exit).toBe(0);
  expect(ended.stdout).toContain("drop-table");
  expect(`${ended.stdout}${ended.stderr}`).not.toContain(secret);
});

function write(texts: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(path.join(tmpdir(), "preflight-sql-"));
  for (const [file, text] of Object.entries(texts)) {
    mkdirSync(path.dirname(path.join(directory, file)), { recursive: true });
    writeFileSync(path.join(directory, file), text);
  }
  return directory;
}

function eventsOf({ stderr }: Ended, event: string): readonly Record<string, unknown>[] {
  return stderr
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => line["event"] === event);
}
