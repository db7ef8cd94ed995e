import { afterAll, expect, it } from "vitest";
import { sampleOf } from "../proof/sample.ts";
import { proveSchemas, Servers, worldsEach } from "../proof/schema/prove.ts";

const servers = new Servers();

afterAll(async () => await servers.stop());

/** Some worlds of some schemas; `npm run prove -- --schemas` plays thousands. */
const schemas = 6;
const worlds = 12;
const seed = 1;

it("answers rightly on a sample of random schemas, alterations, dumps and majors", async () => {
  const numbers = sampleOf(schemas, worlds, worldsEach);
  const wrong: string[] = [];
  await proveSchemas(servers, {
    seed,
    numbers,
    jobs: 2,
    onCase: ({ wrong: what, number, description }) => {
      if (what !== null) wrong.push(`case ${number}: ${what} (${description})`);
    },
    onTrouble: (what, error) => void wrong.push(`${what} could not be played: ${String(error)}`),
  });
  expect(wrong, `alone: npm run prove -- --schemas --seed ${seed} --case NUMBER`).toEqual([]);
});
