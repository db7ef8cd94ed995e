/** Random worlds, or random schemas, on real servers, and the program on each of them: see docs/reliability.md, "The proof". */
import process from "node:process";
import { inspect, parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { startGround } from "../test/proof/ground.ts";
import { knownFault } from "../test/proof/known.ts";
import { type CaseReport, prove } from "../test/proof/prove.ts";
import { playRepair, type RepairCase, startRepairs } from "../test/proof/repair/prove.ts";
import {
  kindsOfSchema,
  proveSchemas,
  schemaDimensions,
  type SchemaReport,
  Servers,
} from "../test/proof/schema/prove.ts";
import { kindsOfWorld, Tally, worldDimensions } from "../test/proof/tally.ts";
import { pythonEnvironment } from "../test/support/python.ts";

const { values } = parseArgs({
  options: {
    /** Rich schemas that people have altered, on every major version, instead of worlds. */
    schemas: { type: "boolean", default: false },
    /** Random removals from the examples at every revision, and from two rich schemas, that `repair --apply` makes good. */
    repairs: { type: "boolean", default: false },
    /** With --repairs: only databases whose name begins so, such as "tickets". */
    in: { type: "string", default: "" },
    seed: { type: "string", default: "1" },
    cases: { type: "string", default: "5000" },
    /** The first one's number. */
    from: { type: "string", default: "0" },
    /** This one alone, with all that was logged. */
    case: { type: "string" },
    /** Only cases whose description has this text, such as "state behind". */
    about: { type: "string", default: "" },
    jobs: { type: "string", default: "2" },
    /** Each kind of each dimension must be met so often. Default: 50 in runs of 5000 cases and more. */
    least: { type: "string" },
  },
});
const seed = Number(values.seed);
const only = values.case === undefined ? null : Number(values.case);
const from = only ?? Number(values.from);
const count = only === null ? Number(values.cases) : 1;
const least = values.least === undefined ? (count >= 5000 ? 50 : 0) : Number(values.least);

// As main.ts has it, and why.
for (const flag of ["--no-wasm-tier-up", "--no-wasm-dynamic-tiering"]) setFlagsFromString(flag);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.once(signal, () => process.exit(1));

const { bin } = await pythonEnvironment();
process.env["PATH"] = `${bin}:${process.env["PATH"]}`;
const tally = new Tally(values.schemas ? schemaDimensions : worldDimensions);
const faults = new Map<string, number>();
let wrong = 0;
let done = 0;
let withLeft = 0;
const started = performance.now();
const numbers = Array.from({ length: count }, (_, at) => from + at);
const { about } = values;
const options = { seed, numbers, about, jobs: Number(values.jobs), onTrouble: sayTrouble };
if (values.repairs) {
  const ground = await startRepairs();
  const grounds = ground.grounds.filter(({ name }) => name.startsWith(values.in));
  try {
    for (const number of numbers) takeRepair(await playRepair({ ...ground, grounds }, number));
  } finally {
    await ground.shop.server.stop();
  }
} else if (values.schemas) {
  const servers = new Servers();
  try {
    await proveSchemas(servers, { ...options, onCase: takeSchema });
  } finally {
    await servers.stop();
  }
} else {
  const server = await startGround();
  try {
    await prove(server, { ...options, onCase: takeWorld });
  } finally {
    await server.stop();
  }
}
close();

function sayTrouble(what: string, error: unknown): void {
  wrong += 1;
  say(`\nNOT PLAYED ${what}: ${inspect(error)}`);
}

function takeRepair(played: RepairCase): void {
  const { number, ground, removed, said, wrong: what, left } = played;
  if (left > 0) withLeft += 1;
  if (what !== null) wrong += 1;
  if (what !== null || only !== null) {
    say(`\ncase ${number}: ${ground}: ${removed.join("; ")}`);
    say(
      `  alone: npm run prove -- --repairs --case ${number}${values.in && ` --in "${values.in}"`}`,
    );
    if (what !== null) say(`  WRONG ${what}`);
    if (only !== null) for (const text of said.log) say(`  ${text}`);
  }
  countCase();
}

function takeWorld(report: CaseReport): void {
  tally.add(kindsOfWorld(report));
  const unknown = report.violations.filter((violation) => {
    const about = knownFault(report.world, violation);
    if (about !== null) faults.set(about, (faults.get(about) ?? 0) + 1);
    return about === null;
  });
  if (unknown.length > 0) wrong += 1;
  if (unknown.length > 0 || only !== null) sayCase(report);
  countCase();
}

function takeSchema(report: SchemaReport): void {
  tally.add(kindsOfSchema(report));
  if (report.wrong !== null) wrong += 1;
  if (report.wrong !== null || only !== null) saySchema(report);
  countCase();
}

function countCase(): void {
  done += 1;
  if (done % 100 === 0) sayCount();
}

function saySchema({ number, description, answer, said, wrong: what }: SchemaReport): void {
  say(`\ncase ${number}: ${description}`);
  say(`  alone: npm run prove -- --schemas --seed ${seed} --case ${number}`);
  say(`  right: ${answer}`);
  if (what !== null) say(`  WRONG ${what}`);
  for (const text of said.log)
    if (only !== null || /"level":"(warn|error)"/.test(text)) say(`  ${text}`);
  say(`  ${JSON.stringify(said.line)}`);
}

function sayCase({ number, description, violations, expectation, said }: CaseReport): void {
  say(`\ncase ${number}: ${description}`);
  say(`  alone: npm run prove -- --seed ${seed} --case ${number}`);
  say(`  right: ${expectation.kind}${"because" in expectation ? ` (${expectation.because})` : ""}`);
  for (const { kind, what } of violations) say(`  WRONG ${kind}: ${what}`);
  for (const { line, log } of said) {
    if (only !== null) for (const text of log) say(`  ${text}`);
    say(`  ${JSON.stringify(line)}`);
  }
}

function sayCount(): void {
  const each = Math.round((performance.now() - started) / Math.max(1, done));
  say(`${done} cases, ${wrong} with a wrong answer, ${each} ms each`);
}

function close(): void {
  say("");
  if (!values.repairs) for (const line of tally.lines()) say(line);
  if (values.repairs)
    say(`${withLeft} with something left for a person, the others exactly as they were`);
  for (const [about, times] of faults) say(`known, ${times} times: ${about}`);
  sayCount();
  const lacking = values.repairs ? [] : tally.lacking(least);
  if (lacking.length > 0) say(`met less than ${least} times: ${lacking.join(", ")}`);
  process.exitCode = wrong > 0 || lacking.length > 0 ? 1 : 0;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
