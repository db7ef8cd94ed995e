import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { outcomes } from "../../src/core/outcome.ts";

const examples = path.join(import.meta.dirname, "../../examples/kubernetes");

type Rule = {
  readonly action: string;
  readonly onExitCodes?: {
    readonly containerName: string;
    readonly operator: string;
    readonly values: readonly number[];
  };
  readonly onPodConditions?: readonly { readonly type: string }[];
};
type JobSpec = {
  readonly backoffLimit: number;
  readonly podFailurePolicy: { readonly rules: readonly Rule[] };
  readonly template: {
    readonly spec: { readonly restartPolicy: string; readonly containers: readonly object[] };
  };
};

/** Of the outcomes with an exit code of their own, 0 apart: a Job that ended well asks no rule. */
const failures = Object.entries(outcomes)
  .filter(([outcome]) => outcome !== "ready" && outcome !== "signal")
  .map(([, row]) => row);
const codes = (retry: boolean): readonly number[] =>
  failures.filter((row) => row.retry === retry).map(({ exit }) => exit);

const jobs: readonly (readonly [string, (document: never) => JobSpec])[] = [
  ["base/job.yaml", ({ spec }: { spec: JobSpec }) => spec],
  ["sql-files/job.yaml", ({ spec }: { spec: JobSpec }) => spec],
  [
    "base/cronjob.yaml",
    ({ spec }: { spec: { jobTemplate: { spec: JobSpec } } }) => spec.jobTemplate.spec,
  ],
];

describe.each(jobs)("examples/kubernetes/%s", (file, jobOf) => {
  const [document] = parseAllDocuments(readFileSync(path.join(examples, file), "utf8"));
  const job = jobOf(document?.toJS() as never);

  test("fails at once on the exit codes that no retry cures, and counts those that pass", () => {
    const rules = job.podFailurePolicy.rules.filter(({ onExitCodes }) => onExitCodes !== undefined);
    expect(rules).toEqual([
      {
        action: "FailJob",
        onExitCodes: { containerName: "preflight", operator: "In", values: codes(false) },
      },
      {
        action: "Count",
        onExitCodes: { containerName: "preflight", operator: "In", values: codes(true) },
      },
    ]);
    expect(job.backoffLimit).toBeGreaterThan(0);
  });

  test("is a policy as the API server takes it", () => {
    const { rules } = job.podFailurePolicy;
    expect(rules.length).toBeLessThanOrEqual(20);
    for (const values of rules.flatMap(({ onExitCodes }) =>
      onExitCodes ? [onExitCodes.values] : [],
    )) {
      expect(values).toEqual([...new Set(values)].sort((a, b) => a - b));
      expect(values.length).toBeLessThanOrEqual(255);
      expect(values).not.toContain(0);
    }
    const { restartPolicy, containers } = job.template.spec;
    expect(restartPolicy, "podFailurePolicy needs it").toBe("Never");
    expect(containers).toMatchObject([{ name: "preflight" }]);
    // The first rule that fits counts: a drained node also ends the container with a code.
    expect(rules[0]).toEqual({
      action: "Ignore",
      onPodConditions: [{ type: "DisruptionTarget", status: "True" }],
    });
  });
});

test("docs/kubernetes.md says of every exit code what the Job does with it", () => {
  const text = readFileSync(path.join(examples, "../../docs/kubernetes.md"), "utf8");
  const rows = [...text.matchAll(/^\| (\d+\S*) \| `([^`]+)` \| (\w*)/gm)];
  const wanted = Object.entries(outcomes).map(([outcome, { exit, retry }]) => {
    if (outcome === "ready") return ["0", outcome, ""];
    if (outcome === "signal") return ["128+n", outcome, "Ignore"];
    return [String(exit), outcome, retry ? "Count" : "FailJob"];
  });
  expect(rows.map(([, ...cells]) => cells)).toEqual(wanted);
});
