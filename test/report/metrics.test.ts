import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { outcomes } from "../../src/core/outcome.ts";
import { verdictKinds } from "../../src/core/verdict.ts";
import { completeLine, emptyRecord } from "../../src/engine/run-record.ts";
import {
  formatMetrics,
  isOurs,
  lastSuccessIn,
  type RunOfMetrics,
} from "../../src/report/metrics.ts";
import type { VerdictLine } from "../../src/report/verdict-schema.ts";

const run: RunOfMetrics = {
  application: "shop",
  version: "1.2.3",
  command: "check",
  endedAt: 1_800_000_000_123,
  tookMs: 1500,
  lastSuccess: null,
};

const nothingSeen = completeLine(
  emptyRecord("0123abcd"),
  { outcome: "unavailable", reason: "no answer", next: [] },
  69,
);

const drifted: VerdictLine = {
  ...nothingSeen,
  verdict: "drifted",
  outcome: "drift",
  exit: 20,
  tool: "alembic",
  server: "18.4",
  drift: { missing: 2, changed: 1, extra: 3 },
  waitedMs: 20,
  lockWaitMs: 5,
  actedMs: 1234,
};

const upgraded: VerdictLine = {
  ...drifted,
  verdict: "unversioned",
  outcome: "ready",
  exit: 0,
  actions: [
    { kind: "stamp", from: [], to: ["a"], because: "proven" },
    { kind: "upgrade", revisions: ["b", "c"] },
    { kind: "upgrade", revisions: ["d"] },
  ],
};

const unenforced: VerdictLine = { ...drifted, outcome: "ready", exit: 0, wouldExit: 20 };

function samples(line: VerdictLine, more: Partial<RunOfMetrics> = {}): readonly string[] {
  return formatMetrics(line, { ...run, ...more })
    .split("\n")
    .filter((text) => text !== "" && !text.startsWith("#"));
}

describe("a run's metrics", () => {
  it.each([
    [
      drifted,
      'preflight_info{application="shop",version="1.2.3",command="check",tool="alembic",server="18.4"} 1',
    ],
    [
      nothingSeen,
      'preflight_info{application="shop",version="1.2.3",command="check",tool="",server=""} 1',
    ],
    [drifted, 'preflight_outcome{application="shop",outcome="drift"} 1'],
    [drifted, 'preflight_outcome{application="shop",outcome="ready"} 0'],
    [drifted, 'preflight_exit_code{application="shop"} 20'],
    [drifted, 'preflight_enforced{application="shop"} 1'],
    [drifted, 'preflight_would_exit_code{application="shop"} 20'],
    [unenforced, 'preflight_exit_code{application="shop"} 0'],
    [unenforced, 'preflight_enforced{application="shop"} 0'],
    [unenforced, 'preflight_would_exit_code{application="shop"} 20'],
    [drifted, 'preflight_verdict{application="shop",verdict="drifted"} 1'],
    [drifted, 'preflight_verdict{application="shop",verdict="current"} 0'],
    [nothingSeen, 'preflight_verdict{application="shop",verdict="drifted"} 0'],
    [drifted, 'preflight_drift{application="shop",kind="missing"} 2'],
    [drifted, 'preflight_drift{application="shop",kind="changed"} 1'],
    [drifted, 'preflight_drift{application="shop",kind="extra"} 3'],
    [upgraded, 'preflight_actions{application="shop",kind="stamp"} 1'],
    [upgraded, 'preflight_actions{application="shop",kind="widen"} 0'],
    [upgraded, 'preflight_actions{application="shop",kind="upgrade"} 2'],
    [upgraded, 'preflight_revisions{application="shop"} 3'],
    [drifted, 'preflight_duration_seconds{application="shop"} 1.5'],
    [drifted, 'preflight_phase_duration_seconds{application="shop",phase="wait"} 0.02'],
    [drifted, 'preflight_phase_duration_seconds{application="shop",phase="lock"} 0.005'],
    [drifted, 'preflight_phase_duration_seconds{application="shop",phase="act"} 1.234'],
    [drifted, 'preflight_last_run_timestamp_seconds{application="shop"} 1800000000.123'],
    [upgraded, 'preflight_last_success_timestamp_seconds{application="shop"} 1800000000.123'],
  ])("of $outcome hold %s", (line, sample) => {
    expect(samples(line)).toContain(sample);
  });

  it("name every outcome and every verdict, of which one is so", () => {
    for (const outcome of Object.keys(outcomes) as VerdictLine["outcome"][]) {
      const found = samples({ ...nothingSeen, outcome }).filter((text) =>
        text.startsWith("preflight_outcome{"),
      );
      expect(found).toHaveLength(Object.keys(outcomes).length);
      expect(found.filter((text) => text.endsWith(" 1"))).toEqual([
        `preflight_outcome{application="shop",outcome="${outcome}"} 1`,
      ]);
    }
    for (const verdict of verdictKinds)
      expect(
        samples({ ...nothingSeen, verdict }).filter((text) => /^preflight_verdict.* 1$/.test(text)),
      ).toEqual([`preflight_verdict{application="shop",verdict="${verdict}"} 1`]);
  });

  it("say nothing of drift where no database was looked at", () => {
    expect(formatMetrics(nothingSeen, run)).not.toContain("preflight_drift");
  });

  it("keep the last success over a failure, and have none before the first", () => {
    expect(formatMetrics(drifted, run)).not.toContain("last_success");
    expect(samples(drifted, { lastSuccess: 1_700_000_000_500 })).toContain(
      'preflight_last_success_timestamp_seconds{application="shop"} 1700000000.5',
    );
    expect(samples(upgraded, { lastSuccess: 1_700_000_000_500 })).toContain(
      'preflight_last_success_timestamp_seconds{application="shop"} 1800000000.123',
    );
  });

  it("end as OpenMetrics wants it", () => {
    expect(formatMetrics(drifted, run)).toMatch(/\n# EOF\n$/);
  });
});

test("whatever the file is called, it is one label on one line", () => {
  const application = fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^[\\"\n{}=, ]*$/));
  const lines = formatMetrics(drifted, run).split("\n").length;
  fc.assert(
    fc.property(application, (name) => {
      const text = formatMetrics(drifted, { ...run, application: name });
      expect(text.split("\n")).toHaveLength(lines);
      const [, label = ""] =
        /^preflight_exit_code\{application="((?:[^"\\\n]|\\[\\"n])*)"\} 20$/m.exec(text) ?? [];
      const unescaped = label.replace(/\\(.)/g, (_, sign: string) => (sign === "n" ? "\n" : sign));
      expect(unescaped).toBe(name);
    }),
  );
});

describe("what a run reads of the file before it", () => {
  it("is the last success that it wrote itself", () => {
    const text = formatMetrics(upgraded, { ...run, application: 'odd "name" } 7' });
    expect(lastSuccessIn(text, run.endedAt + 1000)).toBe(run.endedAt);
  });

  it("lies never in the future", () => {
    expect(lastSuccessIn(formatMetrics(upgraded, run), 1_700_000_000_000)).toBe(1_700_000_000_000);
  });

  it.each([
    "",
    "# EOF\n",
    formatMetrics(drifted, run),
    'preflight_last_success_timestamp_seconds{application="shop"} NaN',
    'preflight_last_success_timestamp_seconds{application="shop"} -5',
    'preflight_last_success_timestamp_seconds{application="shop"} 1800 17',
  ])("is nothing in %j", (text) => {
    expect(lastSuccessIn(text, run.endedAt)).toBeNull();
  });

  it.each([
    [true, ""],
    [true, "\n"],
    [true, formatMetrics(drifted, run)],
    [false, "[alembic]\nscript_location = alembic\n"],
    [false, "# TYPE node_load1 gauge\n"],
    [false, "\0\0\0\0"],
  ])("is ours to replace: %s for %j", (ours, text) => {
    expect(isOurs(text)).toBe(ours);
  });
});
