import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/support/longest-first.ts";

const slow = { testTimeout: 120_000, hookTimeout: 180_000 };

/** They wait for other processes more than they work. */
const waiting = { maxWorkers: 3, sequence: { groupOrder: 0 } };
/** They fill the machine, or measure: more at a time would run into each other's deadlines. */
const demanding = { maxWorkers: 2, sequence: { groupOrder: 1 } };

/** Fifty at once, whoever is killed at an exact moment, and locks that are held for so long. */
const demandingFaults = [
  "test/faults/{replicas,kill-matrix,kill-matrix-server,kill-matrix-exec}.test.ts",
  "test/faults/{begun,bytes,lock,upgrade-locks}.test.ts",
];

/** Dozens of bakes and of databases, which the fast tests leave to those of the built program. */
const long = [
  "test/ledger/{extensions,dates,numbered-images}.test.ts",
  "test/tools/alembic/{explain-failure,program-env}.test.ts",
  "test/scenarios/libraries.test.ts",
];

export default defineConfig({
  test: {
    globalSetup: "test/support/temporary-files.ts",
    sequence: { sequencer: LongestFirst },
    reporters: ["default", "./test/support/slowest-files.ts"],
    projects: [
      {
        test: {
          name: "core",
          include: ["test/{core,settings,report,commands,engine,house}/**/*.test.ts"],
          exclude: ["test/settings/*-oracle.test.ts"],
          ...waiting,
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: "tools",
          include: ["test/{tools,pgsql,audit}/**/*.test.ts", "test/settings/*-oracle.test.ts"],
          exclude: long,
          ...waiting,
          ...slow,
        },
      },
      {
        test: {
          name: "database",
          include: ["test/database/**/*.test.ts", "test/servers/alterations.test.ts"],
          ...demanding,
          ...slow,
        },
      },
      {
        test: {
          name: "ledger",
          include: ["test/ledger/**/*.test.ts"],
          exclude: long,
          ...waiting,
          ...slow,
        },
      },
      {
        test: {
          name: "scenarios",
          include: ["test/scenarios/**/*.test.ts"],
          exclude: long,
          ...waiting,
          ...slow,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts", ...long],
          ...waiting,
          ...slow,
        },
      },
      {
        test: {
          name: "faults",
          include: demandingFaults,
          ...demanding,
          ...slow,
          testTimeout: 300_000,
        },
      },
      {
        test: {
          name: "more faults",
          include: ["test/faults/**/*.test.ts"],
          exclude: demandingFaults,
          ...waiting,
          ...slow,
          testTimeout: 300_000,
        },
      },
      {
        test: {
          name: "proof",
          include: ["test/proof/**/*.test.ts"],
          ...demanding,
          ...slow,
          testTimeout: 600_000,
        },
      },
      {
        test: {
          name: "fuzz",
          include: ["test/fuzz/**/*.test.ts"],
          ...demanding,
          // Of the children that test/fuzz/growth.test.ts starts, which is still at it when the other files are done.
          maxConcurrency: 2,
          testTimeout: 3_600_000,
        },
      },
    ],
  },
});
