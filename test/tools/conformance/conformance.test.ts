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
import { type Kind, stepTool } from "./step-tool.ts";

const inALine = {
  1: "CREATE TABLE shelf (id int PRIMARY KEY);",
  2: "CREATE TABLE book (id int PRIMARY KEY); CREATE TABLE author (id int PRIMARY KEY);",
  3: "ALTER TABLE book ADD COLUMN title text;",
};

const stepsOf: Readonly<Record<Kind, Readonly<Record<string, string>>>> = {
  each: inALine,
  newest: inALine,
  branches: {
    1: inALine[1],
    "2a": "-- after 1\nCREATE TABLE book (id int PRIMARY KEY); CREATE TABLE loan (id int);",
    "2b": "-- after 1\nCREATE TABLE author (id int PRIMARY KEY); CREATE TABLE agent (id int);",
    3: `-- after 2a 2b\n${inALine[3]}`,
  },
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

type Expected = Partial<
  Pick<Said["line"], "outcome" | "recorded" | "recordedAfter" | "proven" | "skipped">
>;

type Case = {
  readonly kind: Kind;
  readonly verdict: (typeof verdictKinds)[number];
  /** What is special about it. */
  readonly name?: string;
  /** How far the tool's program has gone. */
  readonly at: readonly string[];
  /** What has happened to the database since. */
  readonly sql?: string;
  /** What has happened to the image since its bake; null: the file is gone. */
  readonly files?: Readonly<Record<string, string | null>>;
  /** Baked once more after that: what has no file any more is retired. */
  readonly isBakedAgain?: true;
  readonly line: Expected;
};

/** @param second the step after the first */
const anywhere = (kind: Kind, log: string, second: string): readonly Case[] => [
  { kind, verdict: "fresh", at: [], line: { outcome: "ready", recordedAfter: ["3"] } },
  {
    kind,
    verdict: "behind",
    at: [second],
    line: { outcome: "ready", recorded: [second], recordedAfter: ["3"] },
  },
  { kind, verdict: "current", at: ["3"], line: { outcome: "ready", proven: ["3"] } },
  {
    kind,
    verdict: "unversioned",
    at: [second],
    sql: `DROP TABLE ${log}`,
    line: { outcome: "ready", proven: [second], recordedAfter: ["3"] },
  },
  {
    kind,
    verdict: "drifted",
    at: ["3"],
    sql: "ALTER TABLE book DROP COLUMN title; ALTER TABLE author ADD UNIQUE (id)",
    line: { outcome: "drift" },
  },
  {
    kind,
    verdict: "unknown",
    at: [],
    sql:
      kind === "newest"
        ? "CREATE TABLE step_version (step text PRIMARY KEY, dirty boolean); INSERT INTO step_version VALUES ('77', false)"
        : "CREATE TABLE step_log (step text PRIMARY KEY, logged_at timestamptz); INSERT INTO step_log VALUES ('77')",
    line: { outcome: "unproven" },
  },
  {
    kind,
    verdict: "broken-history",
    at: ["1"],
    files: { [`${second}-again.sql`]: "SELECT 1;" },
    line: { outcome: "broken-history" },
  },
];

const cases: readonly Case[] = [
  ...anywhere("each", "step_log", "2"),
  ...anywhere("newest", "step_version", "2"),
  ...anywhere("branches", "step_log", "2a"),
  {
    kind: "each",
    verdict: "mismatched",
    at: ["3"],
    sql: "DELETE FROM step_log WHERE step > '1'",
    line: { outcome: "ready", recorded: ["1"], proven: ["3"], recordedAfter: ["3"] },
  },
  {
    kind: "newest",
    verdict: "mismatched",
    at: ["3"],
    sql: "UPDATE step_version SET step = '1'",
    line: { outcome: "ready", recorded: ["1"], proven: ["3"], recordedAfter: ["3"] },
  },
  {
    kind: "each",
    verdict: "partial",
    at: ["1"],
    sql: "CREATE TABLE book (id int PRIMARY KEY)",
    line: { outcome: "partial" },
  },
  {
    kind: "newest",
    verdict: "partial",
    at: ["2"],
    sql: "UPDATE step_version SET step = '3', dirty = true",
    line: { outcome: "partial" },
  },
  {
    kind: "each",
    verdict: "missing-file",
    at: ["2"],
    sql: "INSERT INTO step_log VALUES ('3')",
    files: { "3.sql": null },
    isBakedAgain: true,
    line: { outcome: "ready", recorded: ["3"], recordedAfter: ["2"] },
  },
  {
    kind: "newest",
    verdict: "missing-file",
    at: ["2"],
    sql: "UPDATE step_version SET step = '3'",
    files: { "3.sql": null },
    isBakedAgain: true,
    line: { outcome: "ready", recorded: ["3"], recordedAfter: ["2"] },
  },
  {
    kind: "each",
    verdict: "ahead",
    at: ["3"],
    sql: "INSERT INTO step_log VALUES ('4'); CREATE TABLE loan (id int)",
    line: { outcome: "ready" },
  },
  {
    kind: "newest",
    verdict: "ahead",
    at: ["3"],
    sql: "UPDATE step_version SET step = '4'; CREATE TABLE loan (id int)",
    line: { outcome: "ready" },
  },
  {
    kind: "newest",
    verdict: "overlapping",
    at: ["3"],
    sql: "INSERT INTO step_version VALUES ('2', false)",
    line: { outcome: "ready", recordedAfter: ["3"] },
  },
  {
    kind: "branches",
    verdict: "behind",
    name: "two heads",
    at: ["2a", "2b"],
    line: { outcome: "ready", recorded: ["2a", "2b"], recordedAfter: ["3"] },
  },
  {
    kind: "branches",
    verdict: "behind",
    name: "a row is missing below a head, and so is what it stands for",
    at: ["2a"],
    sql: "ALTER TABLE book ADD COLUMN title text; INSERT INTO step_log VALUES ('3')",
    line: { outcome: "unproven", recorded: ["3"], recordedAfter: ["3"], skipped: ["2b"] },
  },
  {
    kind: "branches",
    verdict: "unversioned",
    name: "two heads",
    at: ["2b", "2a"],
    sql: "DROP TABLE step_log",
    line: { outcome: "ready", proven: ["2a", "2b"], recordedAfter: ["3"] },
  },
  {
    kind: "branches",
    verdict: "mismatched",
    name: "forwards",
    at: ["3"],
    sql: "DELETE FROM step_log WHERE step > '2a'",
    line: { outcome: "ready", recorded: ["2a"], proven: ["3"], recordedAfter: ["3"] },
  },
  {
    kind: "branches",
    verdict: "mismatched",
    name: "back to one branch",
    at: ["2a"],
    sql: "INSERT INTO step_log VALUES ('2b')",
    line: { outcome: "ready", recorded: ["2a", "2b"], proven: ["2a"], recordedAfter: ["3"] },
  },
  {
    kind: "branches",
    verdict: "mismatched",
    name: "a row is missing below a head, and what it stands for is there",
    at: ["3"],
    sql: "DELETE FROM step_log WHERE step = '2b'",
    line: { outcome: "ready", recorded: ["3"], proven: ["3"], skipped: ["2b"] },
  },
  {
    kind: "branches",
    verdict: "partial",
    at: ["2a"],
    sql: "CREATE TABLE author (id int PRIMARY KEY)",
    line: { outcome: "partial", recorded: ["2a"] },
  },
  {
    kind: "branches",
    verdict: "missing-file",
    at: ["2a", "2b"],
    sql: "INSERT INTO step_log VALUES ('3')",
    files: { "3.sql": null },
    isBakedAgain: true,
    line: { outcome: "ready", recorded: ["2a", "2b", "3"], recordedAfter: ["2a", "2b"] },
  },
  {
    kind: "branches",
    verdict: "current",
    name: "only the file of the head is not in the image",
    at: ["3"],
    files: { "3.sql": null },
    line: { outcome: "ready", recorded: ["2a", "2b", "3"] },
  },
  {
    kind: "branches",
    verdict: "ahead",
    at: ["3"],
    sql: "INSERT INTO step_log VALUES ('4'); CREATE TABLE desk (id int)",
    line: { outcome: "ready", recorded: ["3", "4"] },
  },
];

const kinds = ["each", "newest", "branches"] as const;

test("each of the three is taken through the verdicts that its rows can have", () => {
  for (const kind of kinds) {
    const met = cases.filter((each) => each.kind === kind).map(({ verdict }) => verdict);
    // Where each step has a row, no row includes another.
    const possible = verdictKinds.filter((each) => kind === "newest" || each !== "overlapping");
    expect([...new Set(met)].toSorted()).toEqual(possible.toSorted());
  }
});

describe.each(kinds)("a tool with %s", (kind) => {
  const known = [...tools, stepTool(kind)];
  let image: string;
  beforeAll(async () => {
    image = await mkdtemp(path.join(tmpdir(), "preflight-conformance-"));
    made.push(image);
    await mkdir(path.join(image, "steps"));
    for (const [step, sql] of Object.entries(stepsOf[kind]))
      await writeFile(path.join(image, `steps/${step}.sql`), sql);
    const baked = await preflight(["bake"], { cwd: image, env: environment(""), tools: known });
    expect(baked.line, baked.log.join("\n")).toMatchObject({ outcome: "ready" });
  });

  test.each(cases.filter((each) => each.kind === kind).map(titled))(
    "$title",
    async ({ verdict, at, sql, files = {}, isBakedAgain = false, line }) => {
      const url = await server.createDatabase();
      for (const step of at) await program(kind, image, url, step);
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
      expect(said.line, log).toMatchObject({ verdict, tool: `steps-${kind}`, ...line });
      if (said.line.outcome !== "ready") return;
      const again = await preflight(["check"], { cwd, env: environment(url), tools: known });
      expect(again.line).toMatchObject({
        verdict: verdict === "ahead" ? "ahead" : "current",
        outcome: "ready",
      });
    },
  );
});

function titled(each: Case): Case & { readonly title: string } {
  const { verdict, name } = each;
  return { ...each, title: name === undefined ? verdict : `${verdict}: ${name}` };
}

async function program(kind: string, cwd: string, url: string, target: string): Promise<void> {
  const file = path.join(import.meta.dirname, "program.ts");
  const ended = await start([process.execPath, file, kind, "up", target], {
    cwd,
    env: environment(url),
  }).ended;
  expect(ended.exit, ended.stderr).toBe(0);
}

function environment(url: string): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "", HOME: tmpdir(), DATABASE_URL: url };
}
