import { cp, mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { verdictKinds } from "../../../src/core/verdict.ts";
import { tools } from "../../../src/tools/registry.ts";
import { preflight, type Said } from "../../support/in-process.ts";
import { startServer, type TestServer } from "../../support/postgres.ts";
import { start } from "../../support/process.ts";
import { stepTool } from "./step-tool.ts";

const steps = {
  1: "CREATE TABLE shelf (id int PRIMARY KEY);",
  2: "CREATE TABLE book (id int PRIMARY KEY); CREATE TABLE author (id int PRIMARY KEY);",
  3: "ALTER TABLE book ADD COLUMN title text;",
};

let server: TestServer;
const made: string[] = [];
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  await server?.stop();
  for (const directory of made) await rm(directory, { recursive: true });
});

type Expected = Partial<Pick<Said["line"], "outcome" | "recorded" | "recordedAfter" | "proven">>;

type Case = {
  readonly rows: "each" | "newest";
  readonly verdict: (typeof verdictKinds)[number];
  /** How far the tool's program has gone. */
  readonly at: "nothing" | "1" | "2" | "3";
  /** What has happened to the database since. */
  readonly sql?: string;
  /** What has happened to the image since its bake; null: the file is gone. */
  readonly files?: Readonly<Record<string, string | null>>;
  /** Baked once more after that: what has no file any more is retired. */
  readonly isBakedAgain?: true;
  readonly line: Expected;
};

const anywhere = (rows: Case["rows"], log: string): readonly Case[] => [
  { rows, verdict: "fresh", at: "nothing", line: { outcome: "ready", recordedAfter: ["3"] } },
  { rows, verdict: "behind", at: "2", line: { outcome: "ready", recordedAfter: ["3"] } },
  { rows, verdict: "current", at: "3", line: { outcome: "ready", proven: ["3"] } },
  {
    rows,
    verdict: "unversioned",
    at: "2",
    sql: `DROP TABLE ${log}`,
    line: { outcome: "ready", proven: ["2"], recordedAfter: ["3"] },
  },
  {
    rows,
    verdict: "drifted",
    at: "3",
    sql: "ALTER TABLE book DROP COLUMN title; ALTER TABLE author ADD UNIQUE (id)",
    line: { outcome: "drift" },
  },
  {
    rows,
    verdict: "unknown",
    at: "nothing",
    sql:
      rows === "each"
        ? "CREATE TABLE step_log (step text PRIMARY KEY, logged_at timestamptz); INSERT INTO step_log VALUES ('77')"
        : "CREATE TABLE step_version (step text PRIMARY KEY, dirty boolean); INSERT INTO step_version VALUES ('77', false)",
    line: { outcome: "unproven" },
  },
  {
    rows,
    verdict: "broken-history",
    at: "1",
    files: { "2-again.sql": "SELECT 1;" },
    line: { outcome: "broken-history" },
  },
];

const cases: readonly Case[] = [
  ...anywhere("each", "step_log"),
  ...anywhere("newest", "step_version"),
  {
    rows: "each",
    verdict: "mismatched",
    at: "3",
    sql: "DELETE FROM step_log WHERE step > '1'",
    line: { outcome: "ready", recorded: ["1"], proven: ["3"], recordedAfter: ["3"] },
  },
  {
    rows: "newest",
    verdict: "mismatched",
    at: "3",
    sql: "UPDATE step_version SET step = '1'",
    line: { outcome: "ready", recorded: ["1"], proven: ["3"], recordedAfter: ["3"] },
  },
  {
    rows: "each",
    verdict: "partial",
    at: "1",
    sql: "CREATE TABLE book (id int PRIMARY KEY)",
    line: { outcome: "partial" },
  },
  {
    rows: "newest",
    verdict: "partial",
    at: "2",
    sql: "UPDATE step_version SET step = '3', dirty = true",
    line: { outcome: "partial" },
  },
  {
    rows: "each",
    verdict: "missing-file",
    at: "2",
    sql: "INSERT INTO step_log VALUES ('3')",
    files: { "3.sql": null },
    isBakedAgain: true,
    line: { outcome: "ready", recorded: ["3"], recordedAfter: ["2"] },
  },
  {
    rows: "newest",
    verdict: "missing-file",
    at: "2",
    sql: "UPDATE step_version SET step = '3'",
    files: { "3.sql": null },
    isBakedAgain: true,
    line: { outcome: "ready", recorded: ["3"], recordedAfter: ["2"] },
  },
  {
    rows: "each",
    verdict: "ahead",
    at: "3",
    sql: "INSERT INTO step_log VALUES ('4'); CREATE TABLE loan (id int)",
    line: { outcome: "ready" },
  },
  {
    rows: "newest",
    verdict: "ahead",
    at: "3",
    sql: "UPDATE step_version SET step = '4'; CREATE TABLE loan (id int)",
    line: { outcome: "ready" },
  },
  {
    rows: "newest",
    verdict: "overlapping",
    at: "3",
    sql: "INSERT INTO step_version VALUES ('2', false)",
    line: { outcome: "ready", recordedAfter: ["3"] },
  },
];

test("each of the two is taken through the verdicts that its rows can have", () => {
  for (const rows of ["each", "newest"] as const) {
    const met = cases.filter((each) => each.rows === rows).map(({ verdict }) => verdict);
    // Where each step has a row, no row includes another.
    const possible = verdictKinds.filter((kind) => rows === "newest" || kind !== "overlapping");
    expect(met.toSorted()).toEqual(possible.toSorted());
  }
});

describe.each(["each", "newest"] as const)("a tool with %s", (rows) => {
  const known = [...tools, stepTool(rows)];
  let image: string;
  beforeAll(async () => {
    image = await mkdtemp(path.join(tmpdir(), "preflight-conformance-"));
    made.push(image);
    await mkdir(path.join(image, "steps"));
    for (const [step, sql] of Object.entries(steps))
      await writeFile(path.join(image, `steps/${step}.sql`), sql);
    const baked = await preflight(["bake"], { cwd: image, env: environment(""), tools: known });
    expect(baked.line, baked.log.join("\n")).toMatchObject({ outcome: "ready" });
  });

  test.each(cases.filter((each) => each.rows === rows))(
    "$verdict",
    async ({ verdict, at, sql, files = {}, isBakedAgain = false, line }) => {
      const url = await server.createDatabase();
      if (at !== "nothing") await program(rows, image, url, at);
      if (sql !== undefined) await server.sql(url, sql);
      const cwd = await mkdtemp(path.join(tmpdir(), "preflight-conformance-"));
      made.push(cwd);
      await cp(image, cwd, { recursive: true });
      for (const [name, text] of Object.entries(files)) {
        const file = path.join(cwd, "steps", name);
        await (text === null ? rm(file) : writeFile(file, text));
      }
      if (isBakedAgain) await preflight(["bake"], { cwd, env: environment(""), tools: known });
      const said = await preflight(["run"], { cwd, env: environment(url), tools: known });
      const log = said.log.join("\n");
      expect(said.line, log).toMatchObject({ verdict, tool: `steps-${rows}`, ...line });
      if (said.line.outcome !== "ready") return;
      const again = await preflight(["check"], { cwd, env: environment(url), tools: known });
      expect(again.line).toMatchObject({
        verdict: verdict === "ahead" ? "ahead" : "current",
        outcome: "ready",
      });
    },
  );
});

async function program(rows: string, cwd: string, url: string, target: string): Promise<void> {
  const file = path.join(import.meta.dirname, "program.ts");
  const ended = await start([process.execPath, file, rows, "up", target], {
    cwd,
    env: environment(url),
  }).ended;
  expect(ended.exit, ended.stderr).toBe(0);
}

function environment(url: string): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "", HOME: tmpdir(), DATABASE_URL: url };
}
