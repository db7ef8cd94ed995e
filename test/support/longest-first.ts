import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Minutes in few lines: tables of cases that stand elsewhere. */
export const longest = [
  "test/e2e/scenarios.test.ts",
  "test/e2e/adopting.test.ts",
  "test/e2e/alembic-setups.test.ts",
  "test/ledger/extensions.test.ts",
  "test/ledger/dates.test.ts",
  "test/faults/kill-matrix.test.ts",
  "test/faults/kill-matrix-server.test.ts",
  "test/faults/program.test.ts",
  "test/fuzz/growth.test.ts",
];

/**
 * Where no earlier run has said how long each file takes, as in a fresh clone, vitest goes by their size: a long one that comes last
 * then runs alone.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const usual = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification): boolean =>
      longest.some((file) => moduleId.endsWith(file));
    return [...usual.filter(isLong), ...usual.filter((each) => !isLong(each))];
  }
}
