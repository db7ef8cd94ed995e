import { afterAll, beforeAll, it } from "vitest";
import { playScenario, startExamples } from "../support/play-scenario.ts";
import { readScenarios } from "../support/scenario.ts";
import type { Shop } from "../support/shop.ts";

let shop: Shop;
beforeAll(async () => {
  shop = await startExamples("cli");
});
afterAll(async () => {
  await shop?.server.stop();
});

/** In one process: what the built forms make of it, `npm run test:program` asks. */
it.each(readScenarios())("$name: $title", async (scenario) => {
  await playScenario(shop, scenario, "cli", "whole");
});
