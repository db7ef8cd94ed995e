import process from "node:process";
import type { Reporter, TestModule } from "vitest/node";

const shown = 10;

/** Says at the end where the time went. */
export default class SlowestFiles implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const took = modules.map((each) => ({
      file: each.relativeModuleId,
      ms: each.diagnostic().duration,
    }));
    const slowest = took.toSorted((one, other) => other.ms - one.ms).slice(0, shown);
    const lines = slowest.map(({ file, ms }) => `${(ms / 1000).toFixed(0).padStart(6)} s  ${file}`);
    process.stdout.write(`\nThe slowest files\n${lines.join("\n")}\n`);
  }
}
