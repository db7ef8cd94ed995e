/** Brings databases into every state that Preflight knows, runs the built program on each, and prints one line each. */
import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { styleText } from "node:util";
import { verdictLine, type VerdictLine } from "../src/report/verdict-schema.ts";
import { startServer } from "../test/support/postgres.ts";
import { pythonEnvironment } from "../test/support/python.ts";
import { type Example, readScenarios, type Scenario } from "../test/support/scenario.ts";
import {
  bakeExample,
  environment,
  makeDatabase,
  makeImage,
  preflight,
  type Shop,
} from "../test/support/shop.ts";

/** In the order of the README's table; every verdict must occur. */
const shown = [
  "current",
  "current-in-a-schema",
  "fresh",
  "behind",
  "unversioned",
  "unversioned-ambiguous",
  "unversioned-data-unseen",
  "mismatched-back",
  "mismatched-stamped-only",
  "missing-file",
  "missing-file-squashed",
  "missing-file-only-retired",
  "overlapping",
  "ahead",
  "ahead-incompatible",
  "drifted-extras",
  "drifted-column-missing",
  "drifted-not-enforced",
  "partial",
  "partial-invalid-index",
  "unknown-other-application",
  "broken-history",
  "sql-fresh",
  "sql-behind",
  "sql-unversioned",
  "sql-unversioned-half",
  "sql-out-of-order",
  "sql-edited",
  "sql-partial-interrupted",
  "sql-broken-transaction",
  "sql-migration-failed",
  "supabase-fresh",
  "supabase-unversioned-head",
  "supabase-platform",
  "supabase-drifted-policy",
];

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(signal, () => stop.abort(signal));

const cleanups: (() => unknown)[] = [];
try {
  process.exitCode = await demonstrate();
} catch (error) {
  if (!stop.signal.aborted)
    say(`\nThe demo stopped: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[String(stop.signal.reason)] ?? 1;
} finally {
  // What was started last is ended first.
  for (const cleanup of cleanups.toReversed()) await cleanup();
}

/** @returns the exit code: 1 when a result is not the expected one */
async function demonstrate(): Promise<number> {
  const started = Date.now();
  const scenarios = chooseScenarios();
  say("Preflight asks before an application starts: may this image start against this database?\n");
  const shop = await prepareShop();

  const columns = chooseWidths(scenarios);
  say(
    `\n${styleText("bold", formatRow(["the database", "verdict", "what was done", "exit"], columns))}`,
  );
  let wrong = 0;
  for (const scenario of scenarios) {
    const line = await runScenario(shop, scenario);
    const isExpected = meets(line, scenario.expect);
    if (!isExpected) wrong += 1;
    const colour = !isExpected ? "red" : line.exit === 0 ? "green" : "yellow";
    const row = [scenario.title, line.verdict ?? "none", describeDone(line), String(line.exit)];
    say(styleText(colour, formatRow(row, columns)));
    if (!isExpected)
      say(
        styleText(
          "red",
          `  expected ${JSON.stringify(scenario.expect)}\n  got ${JSON.stringify(line)}`,
        ),
      );
  }
  const seconds = ((Date.now() - started) / 1000).toFixed(0);
  say(`\n${scenarios.length} databases, ${scenarios.length - wrong} as expected, ${seconds} s.\n`);
  say(describeNextSteps());
  return wrong === 0 ? 0 : 1;
}

function describeNextSteps(): string {
  const program = path.join(import.meta.dirname, "../dist/preflight");
  return `Next, in your own application's directory (the one that holds alembic.ini, migrations/ or supabase/):
  ${program} audit                   what is wrong with the migration files; needs no database
  ${program} bake                    replays them on a scratch server, writes preflight.ledger.json
  DATABASE_URL=… ${program} check    what run would do to that database; it cannot write
The README has the lines for your Dockerfile. \`npm test\` runs the tests.`;
}

function chooseScenarios(): readonly Scenario[] {
  const all = new Map(readScenarios().map((scenario) => [scenario.name, scenario]));
  const chosen = shown.map((name) => {
    const scenario = all.get(name);
    if (scenario === undefined) throw new Error(`there is no scenario ${name}`);
    return scenario;
  });
  const verdicts = verdictLine.shape.verdict.unwrap().options;
  const lacking = verdicts.filter(
    (verdict) => !chosen.some(({ expect }) => expect.verdict === verdict),
  );
  if (lacking.length > 0) throw new Error(`no scenario shows ${lacking.join(", ")}`);
  return chosen;
}

async function prepareShop(): Promise<Shop> {
  const python = await during(
    "A Python with real Alembic (the first time it is installed)",
    pythonEnvironment(),
  );
  // Options, even empty ones, ask for a server of our own.
  const server = await during("An embedded PostgreSQL", startServer({ settings: [] }));
  cleanups.push(server.stop);
  const bake = async (example: Example): Promise<string> => {
    const baked = await during(
      `preflight bake: the migrations of examples/${example}, replayed twice on a scratch database`,
      bakeExample(example, python, ["--scratch-url", server.url]),
    );
    cleanups.push(() => rmSync(baked.image, { recursive: true, force: true }));
    stop.signal.throwIfAborted();
    say(`  ${readFileSync(baked.ledger).length} bytes of preflight.ledger.json`);
    return baked.ledger;
  };
  const ledger = await bake("shop");
  const ledgers = { tickets: await bake("tickets"), notes: await bake("notes") };
  return { server, python, ledger, ledgers };
}

async function runScenario(shop: Shop, scenario: Scenario): Promise<VerdictLine> {
  stop.signal.throwIfAborted();
  const url = await makeDatabase(shop, scenario);
  const image = makeImage(shop, scenario);
  try {
    const options = { cwd: image, env: environment(shop, url) };
    const { line, stderr } = await preflight("binary", ["run", ...(scenario.flags ?? [])], options);
    stop.signal.throwIfAborted();
    if (line === null) throw new Error(`${scenario.name}: no verdict line:\n${stderr}`);
    return line;
  } finally {
    rmSync(image, { recursive: true, force: true });
  }
}

function meets(
  line: VerdictLine,
  { exit, outcome, verdict, actions }: Scenario["expect"],
): boolean {
  const kinds = line.actions.map(({ kind }) => kind);
  return (
    line.exit === exit &&
    line.outcome === outcome &&
    line.verdict === verdict &&
    (actions === undefined || actions.join() === kinds.join())
  );
}

function describeDone({ outcome, actions }: VerdictLine): string {
  const done = actions.map((action) => {
    switch (action.kind) {
      case "stamp":
        return "stamped";
      case "undo":
        return "taken back";
      case "repair":
        return "repaired";
      case "widen":
        return "widened";
      case "upgrade":
        return `upgraded ${action.revisions.length}`;
    }
  });
  if (done.length > 0) return done.join(", ");
  if (outcome === "migration-failed") return "failed";
  return outcome === "ready" ? "nothing" : "refused";
}

/** The titles give way where the terminal is narrow. */
function chooseWidths(scenarios: readonly Scenario[]): readonly number[] {
  const others = [14, 19, 4];
  const longest = Math.max(...scenarios.map(({ title }) => title.length));
  const room =
    (process.stdout.columns ?? Infinity) - others.reduce((sum, each) => sum + each + 2, 0);
  return [Math.max(20, Math.min(longest, room)), ...others];
}

function formatRow(cells: readonly string[], widths: readonly number[]): string {
  return cells.map((cell, index) => fit(cell, widths[index] ?? 0, index === 3)).join("  ");
}

function fit(text: string, width: number, isNumber: boolean): string {
  if (isNumber) return text.padStart(width);
  return text.length <= width ? text.padEnd(width) : `${text.slice(0, width - 1)}…`;
}

async function during<Value>(what: string, work: Promise<Value>): Promise<Value> {
  stop.signal.throwIfAborted();
  const started = Date.now();
  process.stdout.write(`${what} … `);
  const value = await work;
  say(`${((Date.now() - started) / 1000).toFixed(1)} s`);
  return value;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
