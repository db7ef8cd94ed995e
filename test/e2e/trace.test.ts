import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeHistory } from "../support/histories.ts";
import { startServer } from "../support/postgres.ts";
import { type Ended, expectLine, runProgram } from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { environment, makeDatabase, type Shop } from "../support/shop.ts";

let shop: Shop;

beforeAll(async () => {
  shop = { server: await startServer(), python: await pythonEnvironment(), ledger: "" };
});

afterAll(async () => {
  await shop?.server.stop();
});

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const spanId = "00f067aa0ba902b7";
const carried = {
  TRACEPARENT: `00-${traceId}-${spanId}-01`,
  TRACESTATE: "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
  BAGGAGE: "release=1.4.0",
};

const names = Object.keys(carried);
const tell = `import json, os; print("told " + json.dumps({name: os.environ.get(name) for name in ${JSON.stringify(names)}}), flush=True)`;

type LogLine = Readonly<Record<string, unknown>>;

function linesOf({ stderr }: Ended): readonly LogLine[] {
  return stderr
    .split("\n")
    .filter((text) => text.startsWith('{"level"'))
    .map((text) => JSON.parse(text) as LogLine);
}

describe.each(["binary", "module"] as const)("%s in a trace", (program) => {
  /** A run that upgrades by a child, gets its password from another, and becomes a third. */
  async function run(more: Readonly<Record<string, string>>, args: readonly string[] = []) {
    const history = writeHistory([{ id: "teller", upgrade: tell }]);
    const bin = mkdtempSync(path.join(tmpdir(), "preflight-bin-"));
    const password = path.join(bin, "password");
    const seen = path.join(bin, "seen");
    writeFileSync(password, `#!/bin/sh\nprintenv ${names.join(" ")} > ${seen}\necho secret\n`);
    chmodSync(password, 0o755);
    const env = {
      ...environment(shop, await makeDatabase(shop, { at: null })),
      PREFLIGHT_PASSWORD_COMMAND: password,
      ...more,
    };
    const command = ["--", "python3", "-c", tell];
    const ended = await runProgram(program, ["run", ...args, ...command], { cwd: history, env });
    expect(expectLine(ended, "stderr")).toMatchObject({ exit: 0, verdict: "fresh" });
    const child = linesOf(ended).find(({ msg }) => String(msg).startsWith("told "));
    return { ended, child: toldBy(child?.["msg"]), application: toldBy(ended.stdout), seen };
  }

  function toldBy(text: unknown): unknown {
    return JSON.parse(String(text).replace("told ", ""));
  }

  it("names it in every line of its log, and passes it on untouched", async () => {
    const { ended, child, application, seen } = await run(carried);
    const lines = linesOf(ended);
    expect(lines.length).toBeGreaterThan(3);
    for (const line of lines)
      expect(line).toMatchObject({ trace_id: traceId, span_id: spanId, trace_flags: "01" });
    expect(child).toEqual(carried);
    expect(application).toEqual(carried);
    expect(readFileSync(seen, "utf8")).toBe(`${Object.values(carried).join("\n")}\n`);
  });

  it("says at --verbose that a wrong one is ignored, and still passes it on", async () => {
    const wrong = { TRACEPARENT: `00-${"0".repeat(32)}-${spanId}-01` };
    const quiet = await run(wrong);
    expect(quiet.ended.stderr).not.toContain("trace.ignored");
    const { ended, child, application } = await run(wrong, ["--verbose"]);
    const ignored = linesOf(ended).filter(({ event }) => event === "trace.ignored");
    expect(ignored).toMatchObject([{ level: "debug" }]);
    for (const line of linesOf(ended)) expect(Object.keys(line)).not.toContain("trace_id");
    for (const told of [child, application])
      expect(told).toEqual({ ...wrong, TRACESTATE: null, BAGGAGE: null });
  });

  it("is in none by itself", async () => {
    const { ended, child, application } = await run({});
    expect(ended.stderr).not.toContain("trace_id");
    for (const told of [child, application])
      expect(told).toEqual({ TRACEPARENT: null, TRACESTATE: null, BAGGAGE: null });
  });

  it("names it where the settings are wrong, too", async () => {
    const ended = await runProgram(program, ["run", "--timeout", "soon"], {
      cwd: "/",
      env: carried,
    });
    expect(expectLine(ended).exit).toBe(78);
    for (const line of linesOf(ended)) expect(line).toMatchObject({ trace_id: traceId });
  });
});
