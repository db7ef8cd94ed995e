import { defineConfig } from "vitest/config";

/** The tests that ask something of the server; `npm run test:servers` runs them on every major. */
export default defineConfig({
  test: {
    globalSetup: "test/support/temporary-files.ts",
    testTimeout: 120_000,
    hookTimeout: 180_000,
    include: [
      "test/database/**/*.test.ts",
      "test/servers/**/*.test.ts",
      "test/e2e/scenarios.test.ts",
      "test/e2e/contract-privileges.test.ts",
    ],
  },
});
