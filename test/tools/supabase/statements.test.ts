import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digestOf, recordedStatements } from "../../../src/tools/supabase/statements.ts";
import { versionTable } from "../../../src/tools/supabase/version-table.ts";
import { startServer, type TestServer } from "../../support/postgres.ts";

/** What `supabase migration up` of that version recorded for these files. */
const { cases }: Recorded = JSON.parse(
  await readFile(new URL("recorded.json", import.meta.url), "utf8"),
) as Recorded;

type Recorded = {
  readonly version: string;
  readonly cases: readonly {
    readonly title: string;
    readonly text: string;
    readonly statements: readonly string[];
  }[];
};

describe("statements", () => {
  test.each(cases)("$title", async ({ text, statements }) => {
    expect(await recordedStatements(text)).toEqual(statements);
  });
});

describe("on a server", () => {
  let server: TestServer;
  let url: string;
  beforeAll(async () => {
    server = await startServer();
    url = await server.createDatabase();
  });
  afterAll(() => server?.stop());

  test.each(cases)("the digest of what was recorded: $title", async ({ text, statements }) => {
    expect(await recordedDigest(statements)).toBe(digestOf(text));
  });

  test.each([
    ["another word", "create table a (id int);", "create table a (id bigint);"],
    ["another comment", "-- a\nselect 1;", "-- b\nselect 1;"],
    ["one statement less", "select 1;\nselect 2;", "select 1;"],
  ])("the digest differs: %s", async (_, before, after) => {
    expect(await recordedDigest(await recordedStatements(before))).not.toBe(digestOf(after));
  });

  async function recordedDigest(statements: readonly string[]): Promise<unknown> {
    const quoted = statements.map((statement) => `'${statement.replaceAll("'", "''")}'`);
    const [row] = await server.sql(
      url,
      `SELECT ${versionTable.digest?.expression} AS digest FROM (SELECT ARRAY[${quoted.join()}]::text[] AS statements) AS recorded`,
    );
    return row?.["digest"];
  }

  /** Supabase's own tool is too large to come with the project: its program's path records the cases anew. */
  const cli = process.env["PREFLIGHT_TEST_SUPABASE"] ?? "";
  test.skipIf(cli === "")("Supabase's own tool records the same", async () => {
    const project = await mkdtemp(join(tmpdir(), "preflight-supabase-"));
    const migrations = join(project, "supabase/migrations");
    await mkdir(migrations, { recursive: true });
    for (const [index, { text }] of cases.entries())
      await writeFile(join(migrations, `${1000 + index}_x.sql`), text);
    const words = [
      "migration",
      "repair",
      "--status",
      "applied",
      "--yes",
      `--remote=${url}?sslmode=disable`,
    ];
    const env = { ...process.env, HOME: project, SUPABASE_TELEMETRY_DISABLED: "1" };
    await promisify(execFile)(cli, words, { cwd: project, env });
    const rows = await server.sql(
      url,
      "SELECT to_jsonb(statements) AS statements FROM supabase_migrations.schema_migrations ORDER BY version",
    );
    expect(rows.map((row) => row["statements"])).toEqual(cases.map(({ statements }) => statements));
    await rm(project, { recursive: true });
  });
});
