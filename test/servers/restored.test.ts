import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dumpAndRestore } from "../support/pg-dump.ts";
import { startServer, type TestServer } from "../support/postgres.ts";
import { expectLine, runProgram } from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { environment } from "../support/shop.ts";
import { type Ability, beforehand, expressions, placesOf } from "./expressions.ts";

/** The server under test, and the newest. 13 has neither functions in SQL's own words nor statistics of expressions. */
const major = process.env["PREFLIGHT_TEST_POSTGRES"] ?? "18";
const majors = [...new Set([major, "18"])];
/** Bake needs 15 or newer. */
const canBake = Number(major) >= 15;
const servers = new Map<string, TestServer>();
let env: Record<string, string>;

beforeAll(async () => {
  env = environment({ python: await pythonEnvironment() }, "");
  for (const each of majors) servers.set(each, await startServer({ major: each }));
});

afterAll(async () => {
  for (const server of servers.values()) await server.stop();
});

/** Where it is baked and made, and where it is restored. The newest with itself stands beside the one before it. */
const ways = [
  ...(["17", "18"].includes(major) ? [["18", "18"] as const] : []),
  ...(major === "18" ? [] : [["18", major] as const]),
  ...(major === "18" || !canBake ? [] : [[major, major] as const]),
  // Each way of printing views: 15, and 16 to 18.
  ...(["15", "17"].includes(major) ? [[major, "18"] as const] : []),
] as const;

const modern: ReadonlySet<Ability> = new Set(["virtual columns", "no enforcement"]);

describe.each(ways)("baked and made on PostgreSQL %s, dumped, and restored on %s", (from, to) => {
  const isModern = from === "18" && to === "18";

  it("every expression in every place is what it was", async () => {
    const text = expressions.map((each, key) => placesOf(each, key, isModern ? modern : new Set()));
    await expectTheSame(`${beforehand}${text.join("")}`);
  });

  it("every structure is what it was", async () => {
    const text = readFileSync(path.join(import.meta.dirname, "structures.sql"), "utf8");
    // pg_dump 18 writes that in words of 18, whatever the server.
    const isInNewWords = Number(from) > 16 && to !== "18";
    await expectTheSame(isInNewWords ? text.replace("ALTER x SET NOT NULL, ", "") : text);
  });

  async function expectTheSame(sql: string): Promise<void> {
    const image = mkdtempSync(path.join(tmpdir(), "preflight-image-"));
    mkdirSync(path.join(image, "migrations"));
    writeFileSync(path.join(image, "migrations/001_all.sql"), sql);
    const [source, target] = [servers.get(from)!, servers.get(to)!];
    const say = async (command: string, url = "") => {
      const place = { ...env, DATABASE_URL: url, PREFLIGHT_SCRATCH_URL: source.url };
      const ended = await runProgram("binary", [command], { cwd: image, env: place });
      const { exit, verdict, drift, proven, reason } = expectLine(ended);
      return { exit, verdict, drift, proven, reason };
    };
    const none = { missing: 0, changed: 0, extra: 0 };
    expect(await say("bake")).toMatchObject({ exit: 0 });
    const made = await source.createDatabase();
    expect(await say("run", made)).toMatchObject({ exit: 0, verdict: "fresh" });
    const restored = await target.createDatabase();
    await dumpAndRestore(from, made, restored);
    expect(await say("check", restored)).toEqual({
      exit: 0,
      verdict: "current",
      drift: none,
      proven: ["001"],
      reason: null,
    });
    await target.sql(restored, "DROP TABLE preflight_migrations");
    expect(await say("check", restored)).toEqual({
      exit: 0,
      verdict: "unversioned",
      drift: none,
      proven: ["001"],
      reason: null,
    });
  }
});
