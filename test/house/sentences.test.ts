import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";

const src = path.join(import.meta.dirname, "../../src");

it("no sentence is written twice", () => {
  const places = new Map<string, string[]>();
  for (const file of globSync("**/*.ts", { cwd: src })) {
    const lines = readFileSync(path.join(src, file), "utf8").split("\n");
    for (const [index, line] of lines.entries())
      for (const [, text = ""] of line.matchAll(/"((?:[^"\\]|\\.)+)"/g)) {
        if (!/^[\w`%-]+(?: \S+){4}/.test(text)) continue;
        places.set(text, [...(places.get(text) ?? []), `${file}:${index + 1}`]);
      }
  }
  expect(places.size, "sentences were found").toBeGreaterThan(300);
  const twice = [...places].filter(([, found]) => found.length > 1);
  expect(Object.fromEntries(twice)).toEqual({});
});
