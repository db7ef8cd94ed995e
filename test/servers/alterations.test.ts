import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { preflight, type Said } from "../proof/preflight.ts";
import { harmful, harmless, rowsOfUsers, unseen, users, warned } from "../proof/schema/extras.ts";
import { type Alteration, schemaKinds, type SchemaKind } from "../proof/schema/kinds.ts";
import { detailsOf, sinceOf } from "../proof/schema/world.ts";
import { startServer, type TestServer } from "../support/postgres.ts";

/** One of each kind of object, and all that `npm run prove -- --schemas` does to it behind the history's back. */
const major = Number(process.env["PREFLIGHT_TEST_POSTGRES"] ?? "18");
/** Bake needs 15 or newer. Views are compared where the server prints them as the ledger's did. */
const bakedOn = major >= 15 ? major : 18;
const comparesViews = bakedOn === major;
let server: TestServer;
let scratch: TestServer;
let image: string;
let template: string;

const objects = Object.entries<SchemaKind>(schemaKinds)
  .filter(([, kind]) => sinceOf(kind) <= major)
  .map(([name, kind], at) => ({
    name,
    ...kind.of(detailsOf({ expression: at, choices: [] }, String(at + 1))),
  }));

beforeAll(async () => {
  server = await startServer({ major: String(major) });
  scratch = bakedOn === major ? server : await startServer({ major: String(bakedOn) });
  image = mkdtempSync(path.join(tmpdir(), "preflight-image-"));
  mkdirSync(path.join(image, "migrations"));
  const made = objects.map(({ make }) => `${make};`);
  writeFileSync(path.join(image, "migrations/001_all.sql"), [users, ...made].join("\n"));
  const url = await server.createDatabase();
  template = new URL(url).pathname.slice(1);
  for (const command of ["bake", "run"]) {
    const { exit, log } = await say(command, url);
    expect(exit, log.join("\n")).toBe(0);
  }
  await server.sql(url, rowsOfUsers);
});

afterAll(async () => {
  await server?.stop();
  if (scratch !== server) await scratch?.stop();
});

async function say(command: string, url: string): Promise<Said> {
  const env = { DATABASE_URL: url, PREFLIGHT_SCRATCH_URL: scratch.url, HOME: tmpdir(), PATH: "" };
  return await preflight([command, "--verbose"], { cwd: image, env });
}

/** A copy of the database at head, after this. */
async function checkAfter(sql: string): Promise<Said> {
  const url = await server.createDatabase();
  const name = new URL(url).pathname.slice(1);
  await server.sql(server.url, `DROP DATABASE ${name}`);
  await server.sql(server.url, `CREATE DATABASE ${name} TEMPLATE ${template}`);
  if (sql !== "") await server.sql(url, sql);
  const said = await say("check", url);
  await server.sql(server.url, `DROP DATABASE ${name}`);
  return said;
}

it("nothing: it is current", async () => {
  const { line } = await checkAfter("");
  expect(line).toMatchObject({ exit: 0, verdict: "current", reason: null });
});

describe.each(objects)("$name", ({ alterations }) => {
  it.each(alterations.filter(({ since = 13 }) => since <= major))("$answer: $sql", expectAnswer);
});

describe("what is added", () => {
  it.each(casesOf({ ...harmless, ...unseen }, "nothing"))(
    "%s: nobody's business: %s",
    expectAnswerTo,
  );
  it.each(casesOf(harmful, "drift"))("%s: drift: %s", expectAnswerTo);
  it.each(casesOf(warned, "nothing"))("%s: a warning: %s", async (_, sql) => {
    const { exit, log } = await checkAfter(sql);
    expect(exit).toBe(0);
    expect(log.some((text) => text.includes('"level":"warn"'))).toBe(true);
  });
});

type Case = readonly [string, string, Alteration["answer"]];

function casesOf(
  groups: Readonly<Record<string, readonly string[]>>,
  answer: Alteration["answer"],
): readonly Case[] {
  return Object.entries(groups).flatMap(([group, each]) =>
    each.map((sql): Case => [group, sql, answer]),
  );
}

async function expectAnswerTo(_: string, sql: string, answer: Alteration["answer"]): Promise<void> {
  await expectAnswer({ sql, answer });
}

async function expectAnswer({ sql, answer, isAboutView }: Alteration): Promise<void> {
  const { exit, line, log } = await checkAfter(sql);
  const right = isAboutView && !comparesViews ? "nothing" : answer;
  expect(exit, log.join("\n")).toBe(right === "drift" ? 20 : 0);
  if (right === "said") {
    expect((line.drift?.missing ?? 0) + (line.drift?.changed ?? 0)).toBeGreaterThan(0);
    expect(log.join("\n")).toMatch(
      /is (missing: revision 001 adds it|not as revision 001 makes it)/,
    );
  }
}
