import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { olderMajors, olderServer } from "../support/servers.ts";

const project = join(import.meta.dirname, "../..");
const config = "test/servers/vitest.config.ts";

/** What was asked for (`npm run test:servers -- 13 16`), else every major but the one of `npm test`. */
const asked = process.argv.slice(2);
const majors = asked.length > 0 ? asked : [...olderMajors];
/** Two majors at a time, each with one worker: the last file of one does not leave the machine idle. */
const lanes = Math.min(2, majors.length);
const results: { readonly major: string; readonly line: string; readonly failed: boolean }[] = [];

const queue = [...majors];
await Promise.all(
  Array.from({ length: lanes }, async () => {
    for (let major = queue.shift(); major !== undefined; major = queue.shift()) await play(major);
  }),
);
results.sort((a, b) => Number(a.major) - Number(b.major));
process.stdout.write(`\n${results.map(({ line }) => line).join("\n")}\n`);
if (results.some(({ failed }) => failed)) process.exitCode = 1;

async function play(major: string): Promise<void> {
  await olderServer(major);
  const started = performance.now();
  const words = ["vitest", "run", "--config", config, `--maxWorkers=${2 / lanes}`];
  const child = spawn("npx", words, {
    cwd: project,
    env: { ...process.env, PREFLIGHT_TEST_POSTGRES: major, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [said, status] = await Promise.all([text(child.stdout), ended]);
  const failed = status !== 0;
  if (failed) process.stdout.write(said);
  const tests = /^\s*Tests\s+(.*)$/m.exec(said)?.[1] ?? "no tests ran";
  const seconds = Math.round((performance.now() - started) / 1000);
  const line = `PostgreSQL ${major}: ${failed ? "FAILED" : "passed"}: ${tests}, ${seconds} s`;
  process.stdout.write(`== ${line}\n`);
  results.push({ major, line, failed });
}
