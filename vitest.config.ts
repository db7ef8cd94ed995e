import { defineConfig } from "vitest/config";

const slow = { testTimeout: 120_000, hookTimeout: 180_000 };

export default defineConfig({
  test: {
    // Most of them wait for other processes; more at a time would run into each other's deadlines.
    maxWorkers: 2,
    globalSetup: "test/support/temporary-files.ts",
    projects: [
      { test: { name: "core", include: ["test/core/**/*.test.ts"], testTimeout: 60_000 } },
      { test: { name: "tools", include: ["test/tools/**/*.test.ts"], ...slow } },
      { test: { name: "database", include: ["test/database/**/*.test.ts"], ...slow } },
      { test: { name: "ledger", include: ["test/ledger/**/*.test.ts"], ...slow } },
      { test: { name: "e2e", include: ["test/e2e/**/*.test.ts"], ...slow } },
      {
        test: {
          name: "faults",
          include: ["test/faults/**/*.test.ts"],
          ...slow,
          testTimeout: 300_000,
        },
      },
      {
        test: {
          name: "proof",
          include: ["test/proof/**/*.test.ts"],
          ...slow,
          testTimeout: 600_000,
        },
      },
      { test: { name: "fuzz", include: ["test/fuzz/**/*.test.ts"], testTimeout: 3_600_000 } },
    ],
  },
});
