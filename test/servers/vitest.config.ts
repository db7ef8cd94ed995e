import { defineConfig } from "vitest/config";

/** The tests that ask something of the server; `npm run test:servers` runs them on every major. */
export default defineConfig({
  test: {
    maxWorkers: 2,
    globalSetup: "test/support/temporary-files.ts",
    testTimeout: 120_000,
    hookTimeout: 180_000,
    include: [
      "test/database/**/*.test.ts",
      "test/servers/**/*.test.ts",
      "test/e2e/contract-grants.test.ts",
      "test/e2e/contract-privileges.test.ts",
      "test/e2e/docs-privileges.test.ts",
      // Three minutes: on the oldest server, which differs most from the one of `npm test`.
      ...(process.env["PREFLIGHT_TEST_POSTGRES"] === "13" ? ["test/e2e/scenarios.test.ts"] : []),
    ],
  },
});
