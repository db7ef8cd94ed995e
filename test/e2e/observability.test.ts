import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { outcomes } from "../../src/core/outcome.ts";
import { metricsTable } from "../../src/report/metrics.ts";
import { promtool } from "../support/prometheus.ts";

const directory = "examples/observability";
const rules = path.join(directory, "preflight-rules.yaml");

type Panel = {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly gridPos: Readonly<Record<"x" | "y" | "w" | "h", number>>;
  readonly datasource: unknown;
  readonly targets: readonly { readonly expr: string; readonly datasource: unknown }[];
  readonly fieldConfig: {
    readonly defaults: { readonly mappings?: readonly { readonly options: unknown }[] };
  };
};

const dashboard = JSON.parse(
  readFileSync(path.join(directory, "grafana-dashboard.json"), "utf8"),
) as {
  readonly title: string;
  readonly uid: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string }[] };
};

describe("the alert rules", () => {
  it("are valid, and fire when they should and only then", async () => {
    expect(await promtool(["check", "rules", rules])).toMatchObject({ code: 0 });
    const test = path.join(directory, "preflight-rules-test.yaml");
    const { code, output } = await promtool(["test", "rules", test]);
    expect(code, output).toBe(0);
  });

  it("each has a test that sees it fire", () => {
    const tests = readFileSync(path.join(directory, "preflight-rules-test.yaml"), "utf8");
    const names = readFileSync(rules, "utf8").matchAll(/- alert: (\w+)/g);
    for (const [, name] of names)
      expect(tests).toMatch(new RegExp(`alertname: ${name}\\n +exp_alerts:\\n`));
  });
});

describe("the dashboard", () => {
  it("has panels that overlap nowhere, all of the one data source that is asked for", () => {
    expect(dashboard).toMatchObject({ title: "Preflight", uid: "preflight" });
    expect(dashboard.schemaVersion).toBeGreaterThan(30);
    const names = dashboard.templating.list.map(({ name }) => name);
    expect(names).toEqual(["datasource", "application"]);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    const taken = new Set<string>();
    for (const { gridPos, targets, datasource, title } of dashboard.panels) {
      for (const of of [datasource, ...targets.map((target) => target.datasource)])
        expect(of, title).toEqual({ type: "prometheus", uid: "${datasource}" });
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(taken.has(`${x},${y}`), title).toBe(false);
          taken.add(`${x},${y}`);
        }
    }
  });

  it("asks what Prometheus can parse", async () => {
    const expressions = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
    const records = expressions.map((expr, at) => ({ record: `panel:${at}`, expr }));
    const file = path.join(mkdtempSync(path.join(tmpdir(), "preflight-panels-")), "panels.yaml");
    // Every JSON is YAML.
    writeFileSync(file, JSON.stringify({ groups: [{ name: "panels", rules: records }] }));
    const { code, output } = await promtool(["check", "rules", file]);
    expect(code, output).toBe(0);
    expect(output).toContain(`${expressions.length} rules found`);
  });

  it("names every exit code as the table does", () => {
    const mappings = dashboard.panels[0]?.fieldConfig.defaults.mappings ?? [];
    const shown = mappings[0]?.options as Readonly<Record<string, { readonly text: string }>>;
    const named = Object.entries(shown).map(([exit, { text }]) => [text, Number(exit)]);
    expect(Object.fromEntries(named)).toEqual(
      Object.fromEntries(
        Object.entries(outcomes)
          .filter(([outcome]) => outcome !== "signal")
          .map(([outcome, { exit }]) => [outcome, exit]),
      ),
    );
    expect(mappings[1]?.options).toMatchObject({ from: 129, result: { text: "signal" } });
  });
});

it.each([
  rules,
  path.join(directory, "preflight-rules-test.yaml"),
  path.join(directory, "grafana-dashboard.json"),
  "docs/observability.md",
])("%s names only metrics, outcomes and kinds that are written", (file) => {
  const text = readFileSync(file, "utf8").replaceAll('\\"', '"');
  const names = [...text.matchAll(/\bpreflight_\w+/g)].map(([name]) => name);
  expect(names.length).toBeGreaterThan(0);
  for (const name of names) expect(Object.keys(metricsTable)).toContain(name);
  const kinds = "missing changed extra stamp widen upgrade".split(" ");
  for (const [, label, values = ""] of text.matchAll(/\b(outcome|kind)[=!~]+"([^"]+)"/g))
    for (const value of values.split("|"))
      expect(label === "outcome" ? Object.keys(outcomes) : kinds).toContain(value);
});
