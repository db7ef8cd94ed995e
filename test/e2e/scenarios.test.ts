import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { playScenario, startExamples } from "../support/play-scenario.ts";
import { readScenarios } from "../support/scenario.ts";
import {
  builtForms,
  environment,
  ledgerOf,
  makeImage,
  preflight,
  readText,
  type Shop,
} from "../support/shop.ts";

let shop: Shop;
beforeAll(async () => {
  shop = await startExamples("binary");
});
afterAll(async () => {
  await shop?.server.stop();
});

it.each(["shop", "tickets", "notes"] as const)(
  "both forms bake the same bytes, and bake them again over an existing ledger: %s",
  async (example) => {
    const image = makeImage(shop, { name: "", example, ledger: "baked" });
    const before = readText(path.join(image, ledgerOf(example)));
    const baked = await preflight("module", ["bake"], { cwd: image, env: environment(shop, "") });
    expect(baked.exit, baked.stderr).toBe(0);
    expect(readText(path.join(image, ledgerOf(example)))).toBe(before);
  },
);

describe.each(builtForms)("%s", (form) => {
  it.each(readScenarios())("$name: $title", async (scenario) => {
    await playScenario(shop, scenario, form, "answer");
  });
});
