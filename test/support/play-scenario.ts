import { rmSync } from "node:fs";
import { expect } from "vitest";
import { startServer } from "./postgres.ts";
import { pythonEnvironment } from "./python.ts";
import type { Scenario } from "./scenario.ts";
import {
  bakeExample,
  dump,
  environment,
  type Form,
  makeDatabase,
  makeImage,
  preflight,
  type Ran,
  type Shop,
  transactionCounter,
} from "./shop.ts";

type Command = "check" | "status" | "run";

/** A server for the scenarios, and the ledgers of all examples, baked by the program that is to play them. */
export async function startExamples(form: Form): Promise<Shop> {
  // A server of our own: the transaction counter is compared, so nobody else may write.
  const server = await startServer({ settings: ["autovacuum = off"] });
  const python = await pythonEnvironment();
  const bake = async (example: "shop" | "tickets" | "notes"): Promise<string> =>
    (await bakeExample(example, python, [], form)).ledger;
  const ledger = await bake("shop");
  const ledgers = { tickets: await bake("tickets"), notes: await bake("notes") };
  return { server, python, ledger, ledgers };
}

/**
 * `run` must answer what the scenario says. `whole`: `check` before it must write nothing and say the same, and a second `run` must
 * find nothing to do.
 */
export async function playScenario(
  shop: Shop,
  scenario: Scenario,
  form: Form,
  how: "whole" | "answer",
): Promise<void> {
  const url = await makeDatabase(shop, scenario);
  const image = makeImage(shop, scenario);
  const run = async (command: Command): Promise<Ran> =>
    await preflight(form, [command, ...(scenario.flags ?? [])], {
      cwd: image,
      env: environment(shop, url),
    });
  if (how === "whole") await playWhole(shop, scenario, url, run);
  else expectScenario(scenario, await run("run"));
  rmSync(image, { recursive: true });
}

async function playWhole(
  { server }: Shop,
  scenario: Scenario,
  url: string,
  run: (command: Command) => Promise<Ran>,
): Promise<void> {
  const before = await dump(server, url);
  const counter = await transactionCounter(server, url);

  const checked = await run("check");
  const shown = await run("status");
  expect(await dump(server, url), "check and status must not write").toBe(before);
  expect(await transactionCounter(server, url), "nor take a transaction id").toBe(counter);

  const { exit, outcome, verdict, actions, reason } = checked.line;
  expect(shown.line, "status ends as check does").toMatchObject({
    exit,
    outcome,
    verdict,
    actions,
    reason,
  });

  const ran = await run("run");
  expectScenario(scenario, ran);
  if (!isFailureOfTheUpgrade(ran)) {
    expect(checked.line.exit, "check exits as run does").toBe(ran.exit);
    expect(checked.line.verdict).toBe(ran.line.verdict);
    expect(checked.line.actions, "check plans what run does").toEqual(ran.line.actions);
  }
  if (ran.line.actions.length === 0 && !isFailureOfTheUpgrade(ran))
    expect(await dump(server, url), "whoever does nothing writes nothing").toBe(before);
  if (ran.exit !== 0) return;
  const again = await run("run");
  expect(again.line, again.stderr).toMatchObject({ exit: 0, actions: [] });
}

function expectScenario({ expect: wanted }: Scenario, { exit, line, stderr }: Ran): void {
  const { log = [], actions, cause, ...fields } = wanted;
  expect({ ...line, exit }, stderr).toMatchObject(fields);
  if (actions !== undefined) expect(line.actions.map(({ kind }) => kind)).toEqual(actions);
  expect(causeIn(stderr), "the cause of a refusal").toBe(cause);
  for (const text of log) expect(stderr).toContain(text);
  if (exit !== 0) {
    expect(line.reason).not.toBeNull();
    expect(line.next.length, "a refusal says what to do").toBeGreaterThan(0);
  }
}

/** What the log's last refusal was for. */
function causeIn(log: string): string | undefined {
  return [...log.matchAll(/"event":"refused","cause":"([^"]+)"/g)].at(-1)?.[1];
}

function isFailureOfTheUpgrade({ line }: Ran): boolean {
  return line.outcome === "migration-failed" || line.outcome === "verify-failed";
}
