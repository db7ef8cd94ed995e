import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { writeHistory } from "../support/histories.ts";
import { everyProgram, expectLine, logOf, runProgram } from "../support/process.ts";

const env = { PATH: process.env["PATH"] ?? "" };

it.each(everyProgram)("%s: writes the next file beside the others", async (program) => {
  const cwd = place("migrations", { "003_orders.sql": "CREATE TABLE orders ();\n" });
  const ended = await runProgram(program, ["new", "Add e-mail"], { cwd, env });
  expect(expectLine(ended)).toMatchObject({ outcome: "ready", tool: "sql", verdict: null });
  expect(logOf(ended)).toContain("written: migrations/004_add_e_mail.sql");
  expect(logOf(ended)).toContain("has no statement yet");
  const text = readFileSync(path.join(cwd, "migrations/004_add_e_mail.sql"), "utf8");
  expect(text).toMatch(/^-- Purpose: add e mail\n/);

  const audit = await runProgram(program, ["audit"], { cwd, env });
  expect(audit.exit).toBe(24);
  expect(audit.stderr).toContain("004_add_e_mail.sql");
  writeFileSync(path.join(cwd, "migrations/004_add_e_mail.sql"), `${text}SELECT 1;\n`);
  expect((await runProgram(program, ["audit"], { cwd, env })).exit).toBe(0);
});

it("writes a pair where the newest is one, and goes on in a broken history", async () => {
  const cwd = place("db/migrations", {
    "1_a.up.sql": "CREATE TABEL a ();\n",
    "1_a.down.sql": "DROP TABLE a;\n",
  });
  expect((await runProgram("binary", ["new", "b"], { cwd, env })).exit).toBe(0);
  expect(readdirSync(path.join(cwd, "db/migrations")).toSorted()).toEqual([
    "1_a.down.sql",
    "1_a.up.sql",
    "2_b.down.sql",
    "2_b.up.sql",
  ]);
});

it("begins a history where it is told to, in a directory that it makes", async () => {
  const cwd = mkdtempSync(path.join(tmpdir(), "preflight-new-"));
  const nowhere = await runProgram("binary", ["new", "first"], { cwd, env });
  expect(expectLine(nowhere)).toMatchObject({
    outcome: "missing-input",
    next: [expect.stringContaining("--migrations")],
  });
  const deep = ["new", "first", "--migrations", "no/such/place"];
  expect(expectLine(await runProgram("binary", deep, { cwd, env }))).toMatchObject({
    outcome: "missing-input",
    next: [expect.stringContaining("mkdir -p no/such/place"), expect.anything()],
  });
  expect(readdirSync(cwd)).toEqual([]);

  const here = ["new", "first", "--migrations", "migrations"];
  expect((await runProgram("binary", here, { cwd, env })).exit).toBe(0);
  expect(readdirSync(path.join(cwd, "migrations"))).toEqual(["001_first.sql"]);
});

it("Supabase's are named by the time, in supabase/migrations", async () => {
  const cwd = mkdtempSync(path.join(tmpdir(), "preflight-new-"));
  mkdirSync(path.join(cwd, "supabase"));
  const first = await runProgram("binary", ["new", "first"], { cwd, env });
  expect(expectLine(first)).toMatchObject({ outcome: "ready", tool: "supabase" });
  const second = ["new", "second", "--migrations", "supabase/migrations"];
  expect((await runProgram("binary", second, { cwd, env })).exit).toBe(0);
  const names = readdirSync(path.join(cwd, "supabase/migrations")).toSorted();
  expect(names).toEqual([
    expect.stringMatching(/^20\d{12}_first\.sql$/),
    expect.stringMatching(/^20\d{12}_second\.sql$/),
  ]);
  const elsewhere = ["new", "third", "--tool", "supabase", "--migrations", "elsewhere"];
  expect(expectLine(await runProgram("binary", elsewhere, { cwd, env })).outcome).toBe("config");
});

it("leaves Alembic's files to Alembic", async () => {
  const cwd = writeHistory([{ id: "first" }]);
  const ended = await runProgram("binary", ["new", "add_email"], { cwd, env });
  expect(expectLine(ended)).toMatchObject({
    outcome: "config",
    exit: 78,
    next: expect.arrayContaining(['alembic revision -m "add email"']) as unknown,
  });
});

it("writes nothing for a name that is a path", async () => {
  const cwd = place("migrations", { "1_a.sql": "SELECT 1;\n" });
  for (const name of ["../x", "a/b", "x.sql"]) {
    const ended = await runProgram("binary", ["new", name], { cwd, env });
    expect(expectLine(ended)).toMatchObject({ outcome: "usage", exit: 64 });
  }
  expect(readdirSync(path.join(cwd, "migrations"))).toEqual(["1_a.sql"]);
});

it("of many at once, none writes over another", async () => {
  const cwd = place("migrations", { "1_a.sql": "SELECT 1;\n" });
  const all = await Promise.all(
    Array.from({ length: 5 }, async () => await runProgram("binary", ["new", "b"], { cwd, env })),
  );
  const written = all.filter(({ exit }) => exit === 0);
  expect(readdirSync(path.join(cwd, "migrations"))).toHaveLength(1 + written.length);
  for (const ended of all) expect([0, 66]).toContain(ended.exit);
});

function place(directory: string, files: Readonly<Record<string, string>>): string {
  const cwd = mkdtempSync(path.join(tmpdir(), "preflight-new-"));
  mkdirSync(path.join(cwd, directory), { recursive: true });
  for (const [file, text] of Object.entries(files))
    writeFileSync(path.join(cwd, directory, file), text);
  return cwd;
}
