import process from "node:process";
import { defineConfig } from "vitest/config";

const major = process.env["PREFLIGHT_TEST_POSTGRES"] ?? "";

/** What is asked of the catalog, and what is written: it may differ in every major. */
const onEvery = [
  "test/servers/{alterations,examples}.test.ts",
  ...(major === "13" ? [] : ["test/servers/restored.test.ts"]),
  "test/database/{extras,look,look-numbered,migrate,server-kind,stamp}.test.ts",
];

/** Sessions, locks, privileges. 16 is where a role no longer inherits as before; 13 and 17 are the ends. */
const onSome = [
  "test/database/**/*.test.ts",
  "test/e2e/{contract-grants,contract-privileges,docs-privileges}.test.ts",
];

/** The tests that ask something of the server; `npm run test:servers` runs them on every major but the one of `npm test`. */
export default defineConfig({
  test: {
    maxWorkers: 2,
    globalSetup: "test/support/temporary-files.ts",
    testTimeout: 120_000,
    hookTimeout: 180_000,
    include: [
      ...onEvery,
      ...(["14", "15"].includes(major) ? [] : onSome),
      // It starts a server of each major itself.
      ...(major === "17" ? ["test/servers/schemas.test.ts"] : []),
      // Three minutes: on the oldest server, which differs most from the one of `npm test`.
      ...(major === "13" ? ["test/scenarios/scenarios.test.ts"] : []),
    ],
  },
});
