import { afterAll, beforeAll, expect, it } from "vitest";
import type { TestServer } from "../support/postgres.ts";
import { startGround } from "./ground.ts";
import { knownFault } from "./known.ts";
import { prove, worldsEach } from "./prove.ts";
import { sampleOf } from "./sample.ts";

let server: TestServer;

beforeAll(async () => {
  server = await startGround();
});

afterAll(async () => {
  await server?.stop();
});

/** Some worlds of some histories; `npm run prove` plays thousands. */
const histories = 3;
const worlds = 14;
const seed = 1;

it("answers rightly on a sample of random histories, homes, neighbours and states", async () => {
  const numbers = sampleOf(histories, worlds, worldsEach);
  const wrong: string[] = [];
  await prove(server, {
    seed,
    numbers,
    jobs: 2,
    onCase: ({ world, violations, number, description }) => {
      for (const violation of violations)
        if (knownFault(world, violation) === null)
          wrong.push(`case ${number}: ${violation.kind}: ${violation.what} (${description})`);
    },
    onTrouble: (what, error) => void wrong.push(`${what} could not be played: ${String(error)}`),
  });
  expect(wrong, `alone: npm run prove -- --seed ${seed} --case NUMBER`).toEqual([]);
});
