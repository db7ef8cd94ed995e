import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";

const src = path.join(import.meta.dirname, "../../src");

/** The files that each file imports, for types too, which the linter's own rule passes over. */
const imports: ReadonlyMap<string, readonly string[]> = new Map(
  readdirSync(src, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => {
      const text = readFileSync(path.join(src, file), "utf8");
      const found = [...text.matchAll(/(?:\bfrom|\bimport\()\s*"(\.[^"]+)"/g)];
      return [file, found.map(([, to]) => path.join(path.dirname(file), to!))] as const;
    }),
);

/** The way back to a file that is on the way already; null: there is none. */
function circleFrom(file: string, way: readonly string[], done: Set<string>): string | null {
  if (way.includes(file)) return [...way.slice(way.indexOf(file)), file].join(" → ");
  if (done.has(file)) return null;
  for (const next of imports.get(file) ?? []) {
    const circle = circleFrom(next, [...way, file], done);
    if (circle !== null) return circle;
  }
  done.add(file);
  return null;
}

it("no file imports itself by way of others", () => {
  expect(imports.get("cli.ts"), "imports are found").not.toEqual([]);
  const done = new Set<string>();
  const circles = [...imports.keys()].map((file) => circleFrom(file, [], done));
  expect(circles.filter((circle) => circle !== null)).toEqual([]);
});
