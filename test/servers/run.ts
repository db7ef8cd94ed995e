import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { olderMajors, olderServer } from "../support/servers.ts";

const project = join(import.meta.dirname, "../..");
const config = "test/servers/vitest.config.ts";

/** What was asked for (`npm run test:servers -- 13 16`), else every major but the one of `npm test`. */
const asked = process.argv.slice(2);
const results: { readonly major: string; readonly line: string; readonly failed: boolean }[] = [];

for (const major of asked.length > 0 ? asked : olderMajors) {
  await olderServer(major);
  process.stdout.write(`\n== PostgreSQL ${major}\n`);
  const started = performance.now();
  const ran = spawnSync("npx", ["vitest", "run", "--config", config], {
    cwd: project,
    env: { ...process.env, PREFLIGHT_TEST_POSTGRES: major, NO_COLOR: "1" },
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const failed = ran.status !== 0;
  if (failed) process.stdout.write(ran.stdout);
  const tests = /^\s*Tests\s+(.*)$/m.exec(ran.stdout)?.[1] ?? "no tests ran";
  const seconds = Math.round((performance.now() - started) / 1000);
  const line = `PostgreSQL ${major}: ${failed ? "FAILED" : "passed"}: ${tests}, ${seconds} s`;
  process.stdout.write(`== ${line}\n`);
  results.push({ major, line, failed });
}

process.stdout.write(`\n${results.map(({ line }) => line).join("\n")}\n`);
if (results.some(({ failed }) => failed)) process.exitCode = 1;
