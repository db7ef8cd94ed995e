import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { tools } from "../../src/tools/registry.ts";

const src = path.join(import.meta.dirname, "../../src");
const names = tools.map(({ name }) => name);

it("no file outside of a tool's folder has its name", () => {
  const others = readdirSync(src, { recursive: true, encoding: "utf8" }).filter(
    (file) => file.endsWith(".ts") && !names.some((name) => file.startsWith(`tools/${name}/`)),
  );
  expect(others).toContain("tools/registry.ts");
  // A key in brackets is a property's.
  const literal = new RegExp(`(?<!\\[)(["'\`])(?:${names.join("|")})\\1`);
  const found = others.flatMap((file) =>
    readFileSync(path.join(src, file), "utf8")
      .split("\n")
      .flatMap((line, index) =>
        literal.test(line) ? [`${file}:${index + 1} ${line.trim()}`] : [],
      ),
  );
  expect(found).toEqual([]);
});
