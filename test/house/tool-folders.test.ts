import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { settingsTable } from "../../src/settings/settings-table.ts";
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

it("no flag is explained by a tool's name but the one that chooses among them", () => {
  const word = new RegExp(`\\b(?:${names.join("|")})\\b`, "i");
  const named = Object.entries(settingsTable)
    // The language of the files is called what the tool is.
    .filter(([, { about }]) => word.test(about.replaceAll("SQL", "")))
    .map(([flag]) => flag);
  expect(named).toEqual(["tool"]);
});
