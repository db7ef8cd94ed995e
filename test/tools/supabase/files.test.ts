import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { supabase } from "../../../src/tools/supabase/supabase.ts";
import type { Candidate, FoundHistory } from "../../../src/tools/tool.ts";

/** A directory with these files; a name alone stands for a file that does nothing. */
async function project(...files: readonly (string | readonly [string, string])[]): Promise<string> {
  const cwd = await mkdtemp(join(tmpdir(), "preflight-supabase-"));
  for (const file of files) {
    const [name, text] = typeof file === "string" ? [file, "select 1;\n"] : file;
    await mkdir(join(cwd, dirname(name)), { recursive: true });
    await writeFile(join(cwd, name), text);
  }
  return cwd;
}

const one = "supabase/migrations/20240101000000_one.sql";

async function find(cwd: string): Promise<Candidate> {
  const [only] = await supabase.find({ cwd, env: {} });
  if (only === undefined) throw new Error("nothing found");
  return only;
}

async function read(cwd: string): Promise<FoundHistory> {
  return await (await find(cwd)).read(new Map());
}

async function versions(...names: readonly string[]): Promise<readonly string[]> {
  const { graph } = await read(
    await project(...names.map((name) => `supabase/migrations/${name}`)),
  );
  if (graph.kind === "broken") throw new Error(JSON.stringify(graph.faults));
  return [...graph.history.revisions.keys()];
}

async function load(text: string) {
  const { upgrade } = await read(await project([one, text]));
  if (upgrade.kind === "command") throw new Error("no command is run");
  return (await upgrade.load(["20240101000000"]))[0];
}

describe("places", () => {
  test("it is found below the current directory", async () => {
    const cwd = await project(one);
    const { place, ledgerDirectory } = await find(cwd);
    expect(place).toBe("supabase/migrations");
    expect(ledgerDirectory).toBe(join(cwd, "supabase"));
    const { root, graph, tool } = await read(cwd);
    expect(root).toBe(cwd);
    expect(graph).toMatchObject({ history: { heads: ["20240101000000"] } });
    expect(JSON.stringify(graph.kind === "sound" && [...graph.history.revisions])).toContain(
      `"${one}"`,
    );
    expect(tool.versionTable.usual).toEqual({
      schema: "supabase_migrations",
      name: "schema_migrations",
    });
  });

  test.each([
    ["nothing", []],
    ["no migration", ["supabase/config.toml", "supabase/migrations/README.md"]],
    ["migrations of another tool", ["migrations/20240101000000_one.sql"]],
  ])("it is not found where there is %s", async (_, files) => {
    expect(await supabase.find({ cwd: await project(...files), env: {} })).toEqual([]);
  });

  test.each(["app", "app/supabase", "app/supabase/migrations", "./app/supabase/migrations/"])(
    "%s leads to it",
    async (path) => {
      const cwd = await project(`app/${one}`);
      const located = await supabase.locate(path, { cwd, env: {} });
      expect(located?.ledgerDirectory).toBe(join(cwd, "app/supabase"));
    },
  );

  test("other directories do not lead to it", async () => {
    const where = { cwd: await project("migrations/20240101000000_one.sql", "a.sql"), env: {} };
    expect(await supabase.locate("migrations", where)).toBeNull();
    expect(await supabase.locate("a.sql", where)).toBeNull();
  });
});

// As `supabase migration up` 3.1.0 applied them.
describe("files", () => {
  test("by version, as text", async () => {
    expect(
      await versions(
        "007_bond.sql",
        "10_c.sql",
        "2_b.sql",
        "20240101000000_init.sql",
        "50_a.b.sql",
        "20240101_x.sql",
      ),
    ).toEqual(["007", "10", "2", "20240101", "20240101000000", "50"]);
  });

  test.each([
    "30.sql",
    "x_y.sql",
    "40_a.sql.bak",
    "20240102_Hello.SQL",
    "20240102-hello.sql",
    "README.md",
    "sub/60_x.sql",
  ])("%s is no migration", async (name) => {
    expect(await versions("1_a.sql", name)).toEqual(["1"]);
  });

  test("names can be empty, and down files are not known", async () => {
    expect(await versions("1_.sql", "2_x.down.sql", "3_größe & Co.sql")).toEqual(["1", "2", "3"]);
  });

  test("an old dump of the platform is passed over when it is the first", async () => {
    expect(await versions("20211208235959_init.sql", "3_b.sql")).toEqual(["3"]);
    expect(await versions("20211209000000_init.sql", "3_b.sql")).toEqual(["20211209000000", "3"]);
    expect(await versions(".keep", "20200101000000_init.sql", "3_b.sql")).toEqual([
      "20200101000000",
      "3",
    ]);
  });

  test("two files of one version are a fault", async () => {
    const cwd = await project("supabase/migrations/1_a.sql", "supabase/migrations/1_b.sql");
    expect((await read(cwd)).graph).toMatchObject({ faults: [{ kind: "duplicate-id", id: "1" }] });
  });

  test("other zeros are another version", async () => {
    expect(await versions("1_a.sql", "001_b.sql")).toEqual(["001", "1"]);
  });
});

describe("loading", () => {
  test("what is to be recorded, and what is to be run", async () => {
    expect(await load("-- Purpose: a\ncreate table a (id int); -- done\n")).toMatchObject({
      id: "20240101000000",
      name: "one",
      recorded: ["-- Purpose: a\ncreate table a (id int)", "-- done"],
      statements: [{ text: "create table a (id int)", line: 2 }],
      outside: null,
    });
  });

  test.each([
    ["-- pg-delta: transaction=false\ncall p();", 1],
    ["\uFEFF-- pg-delta: transaction=false\r\ncall p();", 1],
    ["-- pg-delta: transaction=false, please\ncall p();", null],
    ["-- pg-delta: transaction=false\nselect 1;\nvacuum;", 3],
  ])("without a transaction where its author asks for it: %j", async (text, line) => {
    expect((await load(text))?.outside?.line ?? null).toBe(line);
  });
});
