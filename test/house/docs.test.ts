import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { generateDocs } from "../../scripts/docs.ts";
import { outcomes } from "../../src/core/outcome.ts";

test.each(generateDocs())(
  "$file holds what the code's tables say (npm run docs)",
  ({ text, wanted }) => {
    expect(text).toBe(wanted);
  },
);

test("the program's own --help holds every outcome with its exit code", () => {
  const help = execFileSync(process.execPath, ["src/main.ts", "--help"], {
    cwd: path.join(import.meta.dirname, "../.."),
    encoding: "utf8",
  });
  for (const [outcome, { exit, meaning }] of Object.entries(outcomes)) {
    const code = outcome === "signal" ? "128+n" : String(exit);
    const row = help.split("\n").find((line) => line.startsWith(`  ${code} `));
    expect(row).toContain(outcome);
    expect(row).toContain(meaning.split(" ").slice(0, 3).join(" "));
  }
});

describe("docs/reliability.md", () => {
  const root = path.join(import.meta.dirname, "../..");
  const rows = readFileSync(path.join(root, "docs/reliability.md"), "utf8")
    .split("\n")
    .flatMap((line) => {
      const [, number] = /^\| (\d+) \|/.exec(line) ?? [];
      return number === undefined ? [] : [{ number: Number(number), line }];
    });

  test("has every row of the fault table once", () => {
    expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: 46 }, (_, at) => at + 1));
  });

  test.each(rows)("names tests that are there, for fault $number", ({ line }) => {
    const files = [...line.matchAll(/\]\(\.\.\/(test\/[^)]+)\)/g)].map(([, file = ""]) => file);
    expect(files.length > 0 || line.endsWith("| not in the suite |")).toBe(true);
    for (const file of files) expect(existsSync(path.join(root, file)), file).toBe(true);
  });

  test("says of every test that names a fault which it is", () => {
    for (const file of testFiles(path.join(root, "test"))) {
      const named = readFileSync(file, "utf8").matchAll(/\(fault (\d+)\)/g);
      for (const [, number] of named) {
        const row = rows.find((each) => each.number === Number(number));
        expect(row?.line, `fault ${number}`).toContain(path.basename(file));
      }
    }
  });
});

function testFiles(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => path.join(directory, name));
}
