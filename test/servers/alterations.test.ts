import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { harmful, harmless, rowsOfUsers, unseen, users, warned } from "../proof/schema/extras.ts";
import { type Answer, schemaKinds, type SchemaKind } from "../proof/schema/kinds.ts";
import { detailsOf, sinceOf } from "../proof/schema/world.ts";
import { preflight, type Said } from "../support/in-process.ts";
import { startServer, type TestServer } from "../support/postgres.ts";

/**
 * One of each kind of object, and all that `npm run prove -- --schemas` does to one of them behind the history's back. They do not
 * touch each other: a round alters one object of each kind, and what is said of each is told apart by its name.
 */
const major = Number(process.env["PREFLIGHT_TEST_POSTGRES"] ?? "18");
/** Bake needs 15 or newer. Views are compared where the server prints them as the ledger's did. */
const bakedOn = major >= 15 ? major : 18;
const comparesViews = bakedOn === major;
let server: TestServer;
let scratch: TestServer;
let image: string;
let template: string;

/** Whose names do not have the mark. */
const calledOtherwise: Readonly<Record<string, RegExp>> = {
  extension: /extension (citext|pg_trgm)/,
  operator: /===/,
};

const objects = Object.entries<SchemaKind>(schemaKinds)
  .filter(([, kind]) => sinceOf(kind) <= major)
  .map(([name, kind], at) => {
    const n = `_k${at}_`;
    const { make, alterations } = kind.of(detailsOf({ expression: at, choices: [] }, n));
    const known = alterations.filter(({ since = 13 }) => since <= major);
    return { name, make, alterations: known, says: calledOtherwise[name] ?? new RegExp(n) };
  });

const rounds = Math.max(...objects.map(({ alterations }) => alterations.length));
const logs: string[][] = [];

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
  for (let round = 0; round < rounds; round++) {
    const all = objects.flatMap(({ alterations }) => alterations[round]?.sql ?? []);
    logs.push([...(await checkAfter(all.join(";\n"))).log]);
  }
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
  const url = new URL(server.url);
  url.pathname = "altered";
  await server.sql(server.url, `CREATE DATABASE altered TEMPLATE ${template}`);
  try {
    if (sql !== "") await server.sql(url.href, sql);
    return await say("check", url.href);
  } finally {
    await server.sql(server.url, "DROP DATABASE altered WITH (FORCE)");
  }
}

it("nothing: it is current", async () => {
  const { line } = await checkAfter("");
  expect(line).toMatchObject({ exit: 0, verdict: "current", reason: null });
});

describe.each(objects)("$name", ({ alterations, says }) => {
  it.each(alterations.map((each, round) => ({ ...each, round })))(
    "$answer: $sql",
    ({ answer, isAboutView, round }) => {
      const lines = logs[round]!.filter(
        (text) => text.includes('"event":"drift"') && says.test(text),
      );
      expect(answerIn(lines), lines.join("\n")).toBe(
        isAboutView && !comparesViews ? "nothing" : answer,
      );
    },
  );
});

/** What was made of something, out of the lines about it. */
function answerIn(lines: readonly string[]): Answer {
  if (lines.some((text) => text.includes('"tolerated":false'))) return "drift";
  const isLacking =
    /is (missing: revision 001 \(all\) adds it|not as revision 001 \(all\) makes it)/;
  return lines.some((text) => isLacking.test(text)) ? "said" : "nothing";
}

/** One at a time: they are added to the same table. */
describe("what is added", () => {
  it.each(Object.values({ ...harmless, ...unseen }).flat())("starts: %s", async (sql) => {
    const { exit, log } = await checkAfter(sql);
    expect(exit, log.join("\n")).toBe(0);
  });

  it.each(Object.values(harmful).flat())("is drift: %s", async (sql) => {
    const { exit, log } = await checkAfter(sql);
    expect(exit, log.join("\n")).toBe(20);
  });

  it.each(Object.values(warned).flat())("starts with a warning: %s", async (sql) => {
    const { exit, log } = await checkAfter(sql);
    expect(exit).toBe(0);
    expect(log.some((text) => text.includes('"level":"warn"'))).toBe(true);
  });
});
