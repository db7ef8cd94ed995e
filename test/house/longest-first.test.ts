import { existsSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { longest } from "../support/longest-first.ts";

it.each(longest)("%s, which is started first, is there", (file) => {
  expect(existsSync(path.join(import.meta.dirname, "../..", file))).toBe(true);
});
