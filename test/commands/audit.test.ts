import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { preflight, type Said } from "../support/in-process.ts";

let cwd = "";
beforeEach(() => {
  cwd = mkdtempSync(path.join(tmpdir(), "preflight-audit-"));
  mkdirSync(path.join(cwd, "migrations"));
});
afterEach(() => rmSync(cwd, { recursive: true }));

function write(...files: readonly string[]): void {
  for (const file of files)
    writeFileSync(
      path.join(cwd, "migrations", file),
      `CREATE TABLE t_${file.slice(0, 3)} (id int);`,
    );
}

async function say(...argv: readonly string[]): Promise<Said> {
  // Nobody listens there.
  return await preflight(argv, { cwd, env: { DATABASE_URL: "postgres://u@127.0.0.1:9/d" } });
}

const gap = "Numbers are missing between 2 and 4. Are all files in the image?";

test("of good files there is a line, and --verbose has the notes", async () => {
  write("001_a.sql", "002_b.sql");
  const { log } = await say("audit");
  expect(log.map((line) => JSON.parse(line).msg)).toEqual([
    "2 revisions from 001 (a) to 002 (b): 2 notes (--verbose shows the notes)",
  ]);
  expect((await say("audit", "--verbose")).log.join("\n")).toContain("not-repeatable");
});

describe("a gap in the numbers is said where the files are worked on", () => {
  beforeEach(() => write("001_a.sql", "002_b.sql", "004_c.sql"));

  test.each([["audit"], ["bake", "--check"]])("%s %s", async (...argv) => {
    expect((await say(...argv.filter((word) => word !== undefined))).log.join()).toContain(gap);
  });

  test.each(["run", "check", "status"])("not by %s", async (command) => {
    const { line, log } = await say(command, "--timeout=0");
    expect(line.outcome).toBe("unavailable");
    expect(log.join()).not.toContain("Numbers are missing");
  });
});

test("of Alembic's files it says that it does not look at what they do", async () => {
  const shop = path.join(import.meta.dirname, "../../examples/shop");
  const { log, line } = await preflight(["audit"], { cwd: shop, env: {} });
  expect(line.exit).toBe(0);
  expect(log.join()).toContain("what the 6 revisions do is not looked at: it is Python");
  expect(log.join()).not.toContain("no faults");
});
