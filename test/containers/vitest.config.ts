import { defineConfig } from "vitest/config";

/** Real containers: `npm run test:containers`. One file after the other, because all share one Docker engine. */
export default defineConfig({
  test: {
    name: "containers",
    globalSetup: ["test/support/temporary-files.ts", "test/containers/support/engine-setup.ts"],
    include: ["test/containers/**/*.test.ts"],
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 900_000,
  },
});
