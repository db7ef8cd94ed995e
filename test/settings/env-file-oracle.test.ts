import { spawnSync } from "node:child_process";
import { parseEnv } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseEnvFile } from "../../src/settings/env-file.ts";
import { pythonEnvironment } from "../support/python.ts";

const dotenv = `
import io, json, sys
from dotenv import dotenv_values
texts = json.load(sys.stdin)
json.dump([{k: v for k, v in dotenv_values(stream=io.StringIO(t)).items() if v is not None} for t in texts], sys.stdout)
`;

const text = (...signs: readonly string[]) =>
  fc
    .array(fc.constantFrom("a", "b1", " ", "=", ...signs), { maxLength: 5 })
    .map((pieces) => pieces.join(""));
const signs = ["#", " #", "'", '"', "\\", "\\n", "`", "$", "${a}", ";", "ä", "\t", ",", "&", "%"];
const value = fc.oneof(
  text(),
  text(...signs),
  text(...signs).map((inside) => `'${inside}'`),
  text(...signs, "\n").map((inside) => `"${inside}"`),
);
const line = fc.oneof(
  fc
    .tuple(
      fc.constantFrom("", "", " ", "export "),
      fc.constantFrom("A", "DB_HOST", "b_2", "_C", "1A", "A-B", "A B", ""),
      fc.constantFrom("=", "=", "=", " = ", ": "),
      value,
      fc.constantFrom("", "", " ", " # c", "#c"),
    )
    .map((parts) => parts.join("")),
  fc.constantFrom("", "# comment", "  # 'comment", "NAME", "export NAME"),
);
const file = fc
  .tuple(fc.array(line, { maxLength: 4 }), fc.constantFrom("\n", "\n", "\r\n"))
  .map(([lines, end]) => lines.join(end));

test("what is accepted means the same to Node and to python-dotenv", async () => {
  const texts = fc.sample(file, { numRuns: 20_000, seed: 7 });
  const { python } = await pythonEnvironment();
  const { stdout, stderr } = spawnSync(python, ["-c", dotenv], {
    input: JSON.stringify(texts),
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  expect(stderr.replaceAll(/^.*could not parse.*\n/gm, "")).toBe("");
  const pythons = JSON.parse(stdout) as readonly Record<string, string>[];
  let accepted = 0;
  for (const [index, each] of texts.entries()) {
    const { variables, faults } = parseEnvFile(each);
    if (faults.length > 0) continue;
    if (Object.keys(variables).length > 0) accepted += 1;
    expect(variables, `python-dotenv: ${JSON.stringify(each)}`).toEqual(pythons[index]);
    // Of a name without a value Node 24 takes the next line for it (`A= `), or `export ` for a part of the name.
    if (/=[ \t]*(?:#.*)?\r?(?:\n|$)/.test(each)) continue;
    expect(variables, `Node: ${JSON.stringify(each)}`).toEqual({ ...parseEnv(each) });
  }
  expect(accepted, "enough is accepted to tell").toBeGreaterThan(1000);
});
