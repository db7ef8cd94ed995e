import { execFileSync } from "node:child_process";
import path from "node:path";
import { expect, test } from "vitest";
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
