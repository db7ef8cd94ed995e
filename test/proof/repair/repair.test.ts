import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startExamples } from "../../support/play-scenario.ts";
import type { Shop } from "../../support/shop.ts";
import { groundsOf, playRepair, richGround } from "./prove.ts";

let shop: Shop;
beforeAll(async () => {
  shop = await startExamples("cli");
});
afterAll(async () => {
  await shop?.server.stop();
});

const tests = path.join(import.meta.dirname, "../..");
const first = Number(process.env["REPAIRS_FROM"] ?? 1);
const count = Number(process.env["REPAIRS"] ?? 25);

it("puts back what was removed at random, and loses nothing", async () => {
  const grounds = [
    ...(await groundsOf(shop)),
    await richGround(shop, "torture", path.join(tests, "database/torture.sql")),
    await richGround(shop, "structures", path.join(tests, "servers/structures.sql")),
  ];
  const only = process.env["REPAIRS_IN"];
  const chosen = grounds.filter(({ name }) => only === undefined || name.startsWith(only));
  const wrong: string[] = [];
  let [exact, left] = [0, 0];
  for (let number = first; number < first + count; number += 1) {
    const played = await playRepair(shop, chosen, number);
    if (played.left > 0) left += 1;
    else exact += 1;
    if (played.wrong !== null)
      wrong.push(`${number} ${played.ground}: ${played.removed.join("; ")}: ${played.wrong}`);
  }
  const file = process.env["REPAIRS_OUT"];
  if (file !== undefined) writeFileSync(file, wrong.join("\n\n"));
  if (count > 25) process.stdout.write(`${exact} exact, ${left} with something left\n`);
  expect(wrong).toEqual([]);
}, 3_600_000);
