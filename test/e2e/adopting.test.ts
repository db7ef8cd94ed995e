import { mkdtempSync, readFileSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startServer, type TestServer } from "../support/postgres.ts";
import { programs } from "../support/process.ts";
import { needProgram } from "../support/programs.ts";
import { pythonEnvironment } from "../support/python.ts";
import { type Ground, packagesOf, playWalk, walksOf } from "../support/walks.ts";

const root = path.join(import.meta.dirname, "../..");
const walks = walksOf(readFileSync(path.join(root, "docs/adopting.md"), "utf8"));

describe("docs/adopting.md, as it is typed", () => {
  let server: TestServer;
  let ground: Ground;

  beforeAll(async () => {
    await needProgram("psql", "postgresql-client");
    // Its roles are dropped: a server of its own.
    server = await startServer({ settings: ["autovacuum = off"] });
    const { bin } = await pythonEnvironment();
    ground = {
      env: {
        PATH: `${binWithPreflight()}:${bin}:${process.env["PATH"]}`,
        HOME: tmpdir(),
        LANG: "C.UTF-8",
        PAGER: "cat",
      },
      server: `${server.host}:${server.port}`,
      packages: packagesOf(readFileSync(path.join(root, "test/requirements.txt"), "utf8")),
    };
  });
  afterAll(async () => await server?.stop());

  /** An empty database `shop`, of the role `shop`, and no other role. */
  beforeEach(async () => {
    await server.sql(server.url, "DROP DATABASE IF EXISTS shop WITH (FORCE)");
    const roles = await server.sql(
      server.url,
      "SELECT quote_ident(rolname) AS name FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> current_user",
    );
    for (const { name } of roles) await server.sql(server.url, `DROP ROLE ${String(name)}`);
    await server.sql(server.url, "CREATE ROLE shop LOGIN");
    await server.createDatabase("shop");
    await server.sql(server.url, "ALTER DATABASE shop OWNER TO shop");
  });

  it("has a walk for each of six teams", () => {
    expect(walks.map(({ title }) => title)).toEqual([
      expect.stringContaining("FastAPI"),
      expect.stringContaining("Flask-Migrate"),
      expect.stringContaining("SQL files"),
      expect.stringContaining("Supabase"),
      expect.stringContaining("tenant"),
      expect.stringContaining("roles"),
    ]);
  });

  it.each(walks)("$title", { timeout: 600_000 }, async (walk) => {
    expect(await playWalk(walk, ground), "what works, and what goes wrong").toBeGreaterThan(1);
    expect(walk.blocks.map(({ language }) => language)).toContain("dockerfile");
    expect(walk.blocks.at(-1)?.text ?? "", "what Preflight says").toMatch(/▸|✗/);
  });
});

function binWithPreflight(): string {
  const bin = mkdtempSync(path.join(tmpdir(), "bin-"));
  symlinkSync(programs.binary[0], path.join(bin, "preflight"));
  return bin;
}

/** A chapter with these blocks: where it has `>`, a fence. */
function walkOf(text: string) {
  const [walk] = walksOf(`## A walk\n\n${text.replaceAll(/^>/gm, "```")}\n`);
  if (walk === undefined) throw new Error("there is no walk");
  return walk;
}

const bare: Ground = {
  env: { PATH: process.env["PATH"] ?? "" },
  server: "127.0.0.1:1",
  packages: new Set(["alembic"]),
};

const typed = ">sh\necho one; echo two; echo three\n>\n";

describe("a walk is played", () => {
  it.each([
    ["every line", `${typed}\n>\none\ntwo\nthree\n>`],
    ["lines that are left out", `${typed}\n>\none\n…\n>`],
    ["no line where some are left out", `${typed}\n>\none\n…\ntwo\nthree\n>`],
    ["text that is left out", `${typed}\n>\none\nt…o\nthr…\n>`],
    ["a file", "`a/b`:\n\n>\nhere\n>\n\n>sh\ncat a/b\n>\n\n>\nhere\n>"],
    [
      "a change",
      "`a`:\n\n>\n1\n2\n3\n>\n\n`a`:\n\n>diff\n 1\n-2\n+4\n>\n\n>sh\ncat a\n>\n\n>\n1\n4\n3\n>",
    ],
    ["variables of an earlier block", ">sh\nexport A=1\n>\n\n>sh\necho $A\n>\n\n>\n1\n>"],
    [
      "an image",
      `${typed}\n>\none\n…\n>\n\n>dockerfile\nENV A=1\nENTRYPOINT ["env"]\nCMD ["node"]\n>`,
    ],
  ])("%s", async (_, text) => {
    expect(await playWalk(walkOf(text), bare)).toBe(1);
  });

  it.each([
    ["another line", `${typed}\n>\none\nTWO\nthree\n>`, "and seen was\none\ntwo"],
    ["a line too few", `${typed}\n>\none\ntwo\n>`, "and seen was"],
    ["lines in another order", `${typed}\n>\n…\ntwo\n…\none\n…\n>`, "and seen was"],
    ["a command that fails", ">sh\nfalse\necho on\n>", "ended with 1"],
    ["a block of a language that nobody knows", ">yaml\na: 1\n>", "nobody plays this block"],
    ["what is seen without a command", ">\none\n>", "nobody plays this block"],
    ["what is seen twice", `${typed}\n>\n…\n>\n\n>\n…\n>`, "nobody plays this block"],
    [
      "a change of what is not there",
      "`a`:\n\n>\n1\n>\n\n`a`:\n\n>diff\n-2\n+4\n>",
      "this 0 times",
    ],
    [
      "a package that the tests lack",
      '>sh\npip install alembic "left-pad[x]"\n>',
      "lacks left-pad",
    ],
    ["an image of files that are not there", image("COPY a ./"), "no such file"],
    ["an image that does more", image("RUN make"), "nobody plays RUN make"],
    ["an image that starts something else", image('CMD ["true"]'), "was not started"],
  ])("and fails at %s", async (_, text, message) => {
    await expect(playWalk(walkOf(text), bare)).rejects.toThrow(message);
  });

  it.each([
    ["before the first chapter", "```sh\ntrue\n```\n"],
    ["in a list", "## A walk\n\n- a\n  ```sh\n  true\n  ```\n"],
    ["without an end", "## A walk\n\n```sh\ntrue\n"],
  ])("a block %s is an error", (_, text) => {
    expect(() => walksOf(text)).toThrow("a block that is in no walk");
  });
});

function image(line: string): string {
  return `>dockerfile\n${line}\n>`;
}
