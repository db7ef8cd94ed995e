import { rmSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startServer } from "../support/postgres.ts";
import { pythonEnvironment } from "../support/python.ts";
import { readScenarios, type Scenario } from "../support/scenario.ts";
import {
  bakeExample,
  dump,
  environment,
  type Form,
  forms,
  ledgerOf,
  makeDatabase,
  makeImage,
  preflight,
  type Ran,
  readText,
  type Shop,
  transactionCounter,
} from "../support/shop.ts";

let shop: Shop;

beforeAll(async () => {
  // A server of our own: the transaction counter is compared, so nobody else may write.
  const server = await startServer({ settings: ["autovacuum = off"] });
  const python = await pythonEnvironment();
  const { ledger } = await bakeExample("shop", python);
  const ledgers = {
    tickets: (await bakeExample("tickets", python)).ledger,
    notes: (await bakeExample("notes", python)).ledger,
  };
  shop = { server, python, ledger, ledgers };
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

/** On an older server the question is the server's: one form asks it. */
const asking: readonly Form[] =
  process.env["PREFLIGHT_TEST_POSTGRES"] === undefined
    ? (Object.keys(forms) as Form[])
    : ["binary"];

describe.each(asking)("%s", (form) => {
  it.each(readScenarios())("$name: $title", async (scenario) => {
    const url = await makeDatabase(shop, scenario);
    const image = makeImage(shop, scenario);
    const run = async (command: "check" | "run"): Promise<Ran> =>
      await preflight(form, [command, ...(scenario.flags ?? [])], {
        cwd: image,
        env: environment(shop, url),
      });
    // Where one form tells how `check` and a second `run` go, the other forms are asked for the answer alone.
    if (form === "binary" && asking.length > 1) await playWhole(scenario, url, run);
    else expectScenario(scenario, await run("run"));
    rmSync(image, { recursive: true });
  });
});

async function playWhole(
  scenario: Scenario,
  url: string,
  run: (command: "check" | "run") => Promise<Ran>,
): Promise<void> {
  const before = await dump(shop.server, url);
  const counter = await transactionCounter(shop.server, url);

  const checked = await run("check");
  expect(await dump(shop.server, url), "check must not write").toBe(before);
  expect(await transactionCounter(shop.server, url), "check must not take a transaction id").toBe(
    counter,
  );

  const ran = await run("run");
  expectScenario(scenario, ran);
  if (!isFailureOfTheUpgrade(ran)) {
    expect(checked.line.exit, "check exits as run does").toBe(ran.exit);
    expect(checked.line.verdict).toBe(ran.line.verdict);
    expect(checked.line.actions, "check plans what run does").toEqual(ran.line.actions);
  }
  if (ran.line.actions.length === 0 && !isFailureOfTheUpgrade(ran))
    expect(await dump(shop.server, url), "whoever does nothing writes nothing").toBe(before);
  if (ran.exit !== 0) return;
  const again = await run("run");
  expect(again.line, again.stderr).toMatchObject({ exit: 0, actions: [] });
}

function expectScenario({ expect: wanted }: Scenario, { exit, line, stderr }: Ran): void {
  const { log = [], actions, ...fields } = wanted;
  expect({ ...line, exit }, stderr).toMatchObject(fields);
  if (actions !== undefined) expect(line.actions.map(({ kind }) => kind)).toEqual(actions);
  for (const text of log) expect(stderr).toContain(text);
  if (exit !== 0) {
    expect(line.reason).not.toBeNull();
    expect(line.next.length, "a refusal says what to do").toBeGreaterThan(0);
  }
}

function isFailureOfTheUpgrade({ line }: Ran): boolean {
  return line.outcome === "migration-failed" || line.outcome === "verify-failed";
}
