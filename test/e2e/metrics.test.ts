import { once } from "node:events";
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/databases.ts";
import { freePort, startServer } from "../support/postgres.ts";
import {
  type Ended,
  expectLine,
  type Place,
  type Program,
  programs,
  runProgram,
  start,
  startProgram,
} from "../support/process.ts";
import { needProgram } from "../support/programs.ts";
import { promtool, startNodeExporter, startPushgateway } from "../support/prometheus.ts";
import { pythonEnvironment } from "../support/python.ts";
import { bakeExample, environment, makeDatabase, type Shop } from "../support/shop.ts";

let shop: Shop;
let image: string;

beforeAll(async () => {
  const python = await pythonEnvironment();
  const { image: baked, ledger } = await bakeExample("tickets", python);
  const ledgers = { tickets: ledger, notes: "" };
  shop = { server: await startServer(), python, ledger: "", ledgers };
  image = baked;
  chmodSync(image, 0o755);
});

afterAll(async () => {
  await shop?.server.stop();
});

const forms: readonly Program[] = ["binary", "module"];

async function databaseAt(version: string | null, sql: readonly string[] = []): Promise<string> {
  return await makeDatabase(shop, { example: "tickets", at: version, sql });
}

function at(url: string, more: Partial<Place> = {}): Place {
  return { cwd: image, env: environment(shop, url), ...more };
}

function emptyDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), "preflight-metrics-"));
  chmodSync(directory, 0o777);
  return directory;
}

async function closedUrl(): Promise<string> {
  return `postgres://nobody@127.0.0.1:${await freePort()}/none`;
}

type Samples = Readonly<Record<string, number>>;

const parse = `
import json, sys
from prometheus_client import parser as text
from prometheus_client.openmetrics import parser as openmetrics
def samples(families):
    return [[s.name, s.labels, s.value] for family in families for s in family.samples]
written = sys.stdin.read()
strict = list(openmetrics.text_string_to_metric_families(written))
assert all(family.type == "gauge" and family.documentation for family in strict), strict
assert all((family.unit == "seconds") == family.name.endswith("_seconds") for family in strict), strict
assert samples(strict) == samples(text.text_string_to_metric_families(written))
print(json.dumps(samples(strict)))
`;
import type { VerdictLine } from "../../src/report/verdict-schema.ts";

/** As the parsers of Prometheus' own client read it, of OpenMetrics and of the older text format; both must agree. */
async function read(file: string): Promise<Samples> {
  const parsing = start([shop.python.python, "-c", parse], {
    cwd: "/",
    env: {},
    input: readFileSync(file, "utf8"),
  });
  const { exit, stdout, stderr } = await parsing.ended;
  expect(exit, stderr).toBe(0);
  const samples = JSON.parse(stdout) as [string, Record<string, string>, number][];
  return Object.fromEntries(
    samples.map(([name, { application, ...labels }, value]) => {
      expect(application, name).toBe(path.parse(file).name);
      const words = Object.values(labels);
      return [[name.replace("preflight_", ""), ...words].join(" "), value];
    }),
  );
}

/** The metrics say what the verdict line says. */
async function expectAgreement(
  file: string,
  line: VerdictLine,
  command = "check",
): Promise<Samples> {
  const samples = await read(file);
  const ones = (name: string) =>
    Object.entries(samples)
      .filter(([key, value]) => key.startsWith(`${name} `) && value === 1)
      .map(([key]) => key);
  expect(ones("outcome")).toEqual([`outcome ${line.outcome}`]);
  expect(ones("verdict")).toEqual(line.verdict === null ? [] : [`verdict ${line.verdict}`]);
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  expect(samples).toMatchObject({
    [`info ${version} ${command} ${line.tool ?? ""} ${line.server ?? ""}`]: 1,
    exit_code: line.exit,
    enforced: 1,
    would_exit_code: line.exit,
    "phase_duration_seconds wait": line.waitedMs / 1000,
    "phase_duration_seconds lock": line.lockWaitMs / 1000,
    "phase_duration_seconds act": line.actedMs / 1000,
  });
  if (line.server === null) expect(Object.keys(samples).join()).not.toContain("drift missing");
  else
    for (const [kind, count] of Object.entries(line.drift))
      expect(samples[`drift ${kind}`], kind).toBe(count);
  for (const kind of ["stamp", "widen", "upgrade"])
    expect(samples[`actions ${kind}`]).toBe(
      line.actions.filter((each) => each.kind === kind).length,
    );
  const age = Date.now() / 1000 - (samples["last_run_timestamp_seconds"] ?? 0);
  expect(Math.abs(age), "now").toBeLessThan(600);
  if (line.exit === 0)
    expect(samples["last_success_timestamp_seconds"]).toBe(samples["last_run_timestamp_seconds"]);
  return samples;
}

describe.each(forms)("%s --metrics-file", (program) => {
  it("says what the verdict line says, however the run ends", async () => {
    const file = path.join(emptyDirectory(), "shop.prom");
    const head = await databaseAt("006");
    const drifted = await databaseAt("006", [
      "ALTER TABLE tickets DROP COLUMN status CASCADE",
      "CREATE TABLE mine (id int)",
    ]);
    const cases: readonly (readonly [readonly string[], Place, number])[] = [
      [["check"], at(head), 0],
      [["check"], at(drifted), 20],
      [["check", "--exit-code"], at(await databaseAt("003")), 30],
      [["check", "--timeout", "100ms"], at(await closedUrl()), 69],
      [["check", "--nonsense"], at(head), 64],
      [["check", "--timeout", "soon"], at(head), 78],
      [["check", "--migrations", "nowhere"], at(head), 66],
    ];
    for (const [args, place, exit] of cases) {
      const ended = await runProgram(program, [...args, "--metrics-file", file], place);
      const line = expectLine(ended);
      expect(line.exit, ended.stderr).toBe(exit);
      await expectAgreement(file, line);
    }
    expect(readdirSync(path.dirname(file))).toEqual(["shop.prom"]);
  });

  it("of a run that acts, from the variable, before the command starts", async () => {
    const file = path.join(emptyDirectory(), "tickets of Zoë.prom");
    const env = { ...environment(shop, await databaseAt("004")), PREFLIGHT_METRICS_FILE: file };
    const ended = await runProgram(
      program,
      ["run", "--", "grep", "-c", "^preflight_", file],
      at("", { env }),
    );
    const line = expectLine(ended, "stderr");
    expect(line).toMatchObject({ exit: 0, verdict: "behind" });
    expect(Number(ended.stdout)).toBeGreaterThan(30);
    const samples = await expectAgreement(file, line, "run");
    expect(samples["revisions"]).toBe(2);
  });

  it("of a run that a signal ends", async () => {
    const file = path.join(emptyDirectory(), "shop.prom");
    const run = startProgram(program, ["run", "--metrics-file", file], at(await closedUrl()));
    await run.says("database.waiting");
    run.child.kill("SIGTERM");
    const line = expectLine(await run.ended);
    expect(line).toMatchObject({ exit: 143, outcome: "signal" });
    await expectAgreement(file, line, "run");
  });

  it("keeps the last success over refusals and faults, until the next", async () => {
    const file = path.join(emptyDirectory(), "shop.prom");
    const head = await databaseAt("006");
    const last = async (args: readonly string[], url: string) => {
      await runProgram(program, [...args, "--metrics-file", file], at(url));
      return (await read(file))["last_success_timestamp_seconds"];
    };
    expect(await last(["check", "--timeout", "0s"], await closedUrl())).toBeUndefined();
    const first = await last(["check"], head);
    expect(first).toBeGreaterThan(0);
    expect(await last(["check", "--timeout", "0s"], await closedUrl())).toBe(first);
    expect(await last(["check", "--timeout", "soon"], head)).toBe(first);
    expect(await last(["check"], head)).toBeGreaterThan(first ?? Infinity);
  });

  it("replaces nothing that it did not write, and decides as without it", async () => {
    const directory = emptyDirectory();
    const file = path.join(directory, "alembic.ini");
    writeFileSync(file, "[alembic]\n");
    const ended = await runProgram(
      program,
      ["check", "--metrics-file", file],
      at(await databaseAt("006")),
    );
    expect(expectLine(ended)).toMatchObject({ exit: 0, outcome: "ready" });
    expect(warningOf(ended)).toContain(`${file} (there is a file that preflight did not write)`);
    expect(readFileSync(file, "utf8")).toBe("[alembic]\n");
    expect(readdirSync(directory)).toEqual(["alembic.ini"]);
  });

  it("that cannot be written is a warning, and the exit code stays", async () => {
    const head = await databaseAt("006");
    const closed = await closedUrl();
    const readOnly = emptyDirectory();
    chmodSync(readOnly, 0o555);
    // To root, no directory is closed.
    const nobody = process.getuid?.() === 0 ? { uid: 65_534 } : {};
    for (const [file, why] of [
      [path.join(readOnly, "shop.prom"), "EACCES"],
      [path.join(readOnly, "none", "shop.prom"), "ENOENT"],
    ] as const)
      for (const [url, exit] of [
        [head, 0],
        [closed, 69],
      ] as const) {
        const args = ["check", "--timeout", "100ms", "--metrics-file", file];
        const ended = await runProgram(program, args, at(url, nobody));
        expect(expectLine(ended).exit).toBe(exit);
        expect(warningOf(ended)).toContain(`${file} (${why})`);
      }
    expect(readdirSync(readOnly)).toEqual([]);
  });

  it("is a fault where it names a directory, or what is no file, which stays what it is", async () => {
    const directory = emptyDirectory();
    // In the place of a device: a mistake of ours must not cost this machine its /dev/null.
    const socket = path.join(directory, "socket");
    const listening = createServer().listen(socket);
    await once(listening, "listening");
    for (const file of [directory, socket, "nowhere/"]) {
      const args = ["check", "--metrics-file", file];
      const line = expectLine(await runProgram(program, args, at(await closedUrl())));
      expect(line).toMatchObject({ exit: 78, outcome: "config" });
    }
    expect(lstatSync(socket).isSocket()).toBe(true);
    listening.close();
    await once(listening, "close");
    expect(readdirSync(directory)).toEqual([]);
  });

  it("can be read by everybody, whatever the umask, and is written through no link", async () => {
    const directory = emptyDirectory();
    const target = path.join(directory, "target");
    writeFileSync(target, "");
    chmodSync(target, 0o600);
    const file = path.join(directory, "shop.prom");
    symlinkSync(target, file);
    const [binary = "", ...args] = programs[program] ?? [];
    const command = [binary, ...args, "check", "--metrics-file", file];
    const strict = ["sh", "-c", 'umask 077; exec "$@"', "sh", ...command];
    expectLine(await start(strict, at(await databaseAt("006"))).ended);
    expect(lstatSync(file).isFile()).toBe(true);
    expect(statSync(file).mode & 0o777).toBe(0o644);
    expect(readFileSync(target, "utf8")).toBe("");
  });
});

function warningOf({ stderr }: Ended): string {
  const found = stderr.split("\n").filter((text) => text.includes('"metrics.unwritten"'));
  expect(found).toHaveLength(1);
  const line = JSON.parse(found[0] ?? "") as { level: string; msg: string };
  expect(line.level).toBe("warn");
  return line.msg;
}

it("ten replicas that write one file: whoever reads it meanwhile sees a whole one", async () => {
  const directory = emptyDirectory();
  const file = path.join(directory, "shop.prom");
  const place = at(await databaseAt("006"));
  const seen = new Set<string>();
  let isDone = false;
  const reading = (async () => {
    while (!isDone) {
      try {
        seen.add(readFileSync(file, "utf8"));
      } catch (error) {
        expect(error).toMatchObject({ code: "ENOENT" });
      }
      await new Promise(setImmediate);
    }
  })();
  const args = ["check", "--metrics-file", file];
  const replicas = Array.from({ length: 10 }, () => runProgram("binary", args, place));
  for (const ended of await Promise.all(replicas)) {
    expect(expectLine(ended).exit).toBe(0);
    expect(ended.stderr).not.toContain("metrics.unwritten");
  }
  isDone = true;
  await reading;
  expect(seen.size).toBeGreaterThan(1);
  for (const text of seen) expect(text).toMatch(/^# TYPE preflight_info gauge\n[^]*\n# EOF\n$/);
  expect(readdirSync(directory)).toEqual(["shop.prom"]);
});

describe("the programs that collect it", () => {
  it("promtool finds nothing to complain of", async () => {
    const file = path.join(emptyDirectory(), "shop.prom");
    await runProgram("binary", ["check", "--metrics-file", file], at(await databaseAt("003")));
    const text = readFileSync(file, "utf8");
    expect(await promtool(["check", "metrics"], text)).toEqual({ code: 0, output: "" });
    const worse = await promtool(["check", "metrics"], text.replaceAll("# HELP", "# "));
    expect(worse.code).not.toBe(0);
  });

  it("node_exporter serves the files of two applications side by side", async () => {
    const directory = emptyDirectory();
    const [head, behind] = [await databaseAt("006"), await databaseAt("003")];
    const write = async (name: string, url: string) => {
      const file = path.join(directory, name);
      await runProgram("binary", ["check", "--exit-code", "--metrics-file", file], at(url));
    };
    await write("shop.prom", head);
    await write("tickets.prom", behind);
    const exporter = await startNodeExporter(directory);
    try {
      const text = await (await fetch(`${exporter.url}/metrics`)).text();
      const lines = text.split("\n");
      expect(lines).toContain("node_textfile_scrape_error 0");
      expect(lines).toContain('preflight_exit_code{application="shop"} 0');
      expect(lines).toContain('preflight_exit_code{application="tickets"} 30');
    } finally {
      exporter.stop();
    }
  });

  it("a Pushgateway takes it as docs/observability.md sends it, and keeps the last success", async () => {
    await needProgram("curl");
    const directory = emptyDirectory();
    const gateway = await startPushgateway();
    const script = pushScript().replace("http://pushgateway:9091", gateway.url);
    const metrics = async () => (await fetch(`${gateway.url}/metrics`)).text();
    const lastSuccess = async () =>
      /^preflight_last_success_timestamp_seconds\{.*\} (.*)$/m.exec(await metrics())?.[1];
    try {
      const push = async (url: string) => {
        const file = path.join(mkdtempSync(path.join(directory, "pod-")), "shop.prom");
        const env = {
          ...environment(shop, url),
          PATH: `${path.dirname(programs.binary[0] ?? "")}:${process.env["PATH"]}`,
          PREFLIGHT_METRICS_FILE: file,
          PREFLIGHT_TIMEOUT: "100ms",
        };
        return await start(["sh", "-c", script], { cwd: image, env }).ended;
      };
      const first = await push(await databaseAt("006"));
      expect(first.exit, first.stderr).toBe(0);
      const success = await lastSuccess();
      expect(Number(success)).toBeGreaterThan(0);
      expect((await push(await closedUrl())).exit).toBe(69);
      await eventually(
        async () => /^preflight_exit_code\{.*\} 69$/m.test(await metrics()),
        "the refusal is there",
      );
      expect(await lastSuccess()).toBe(success);
    } finally {
      gateway.stop();
    }
  });
});

/** The lines of the documentation between `# push:` and the end of its block. */
function pushScript(): string {
  const text = readFileSync("docs/observability.md", "utf8");
  const [, script] = /```sh\n(# push[^]*?)```/.exec(text) ?? [];
  expect(script, "the block is in the documentation").toBeDefined();
  return script ?? "";
}
