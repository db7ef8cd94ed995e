import { afterAll, beforeAll, expect, it } from "vitest";
import { playRepair, type RepairGround, startRepairs } from "./prove.ts";

let ground: RepairGround;
beforeAll(async () => {
  ground = await startRepairs();
});
afterAll(async () => {
  await ground?.shop.server.stop();
});

/** `npm run prove -- --repairs` plays as many as one likes. */
const sample = 20;

it("puts back what was removed at random, names what it leaves, and loses nothing", async () => {
  const wrong: string[] = [];
  for (let number = 1; number <= sample; number += 1) {
    const played = await playRepair(ground, number);
    if (played.wrong !== null) wrong.push(`case ${number}, ${played.ground}: ${played.wrong}`);
  }
  expect(wrong, "alone: npm run prove -- --repairs --case NUMBER").toEqual([]);
});
