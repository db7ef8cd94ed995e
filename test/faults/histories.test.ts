import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chainOf, writeHistory } from "../support/histories.ts";
import { startServer } from "../support/postgres.ts";
import { expectLine, runProgram } from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { dump, environment, type Shop } from "../support/shop.ts";

let shop: Shop;

beforeAll(async () => {
  shop = { server: await startServer(), python: await pythonEnvironment(), ledger: "" };
});

afterAll(async () => {
  await shop?.server.stop();
});

const file = (id: string, after: string, more = ""): string =>
  `revision = "${id}"\ndown_revision = ${after}\n${more}\n\ndef upgrade():\n    pass\n`;

/** What is put beside the revisions one and two, and what is then said. */
const broken = [
  [
    "a cycle",
    { "three.py": file("three", '"four"'), "four.py": file("four", '"three"') },
    /three.*four|four.*three/,
  ],
  ["a parent that no file has", { "three.py": file("three", '"gone"') }, /three follows gone/],
  [
    "two files with one id",
    { "other.py": file("two", '"one"') },
    /(?=.*versions\/other\.py)(?=.*versions\/two\.py)/,
  ],
  [
    "Python that does not parse",
    { "three.py": file("three", '"two"', "def f(:") },
    /versions\/three\.py:3/,
  ],
  [
    "bytes that are not UTF-8",
    { "three.py": Buffer.from(file("three", '"two"', 'x = "\xe9"'), "latin1") },
    /versions\/three\.py:1: .*UTF-8/,
  ],
  [
    "an id that only running the file tells",
    { "three.py": file("three", "make()") },
    /versions\/three\.py:2/,
  ],
] as const;

describe.each(["binary", "module"] as const)("%s: files that are no history", (program) => {
  it.each(broken)(
    "%s: 24, with file and line, and the database is not asked (fault 44)",
    async (_, files, said) => {
      const history = writeHistory(chainOf("one", "two"));
      for (const [name, text] of Object.entries(files))
        writeFileSync(path.join(history, "alembic/versions", name), text);
      const url = await shop.server.createDatabase();
      const before = await dump(shop.server, url);
      for (const command of ["check", "run"]) {
        const place = { cwd: history, env: environment(shop, url) };
        const line = expectLine(await runProgram(program, [command], place));
        expect(line).toMatchObject({
          exit: 24,
          outcome: "broken-history",
          actions: [],
          server: null,
        });
        expect(line.reason).toMatch(said);
        expect(line.next.length).toBeGreaterThan(0);
      }
      expect(await dump(shop.server, url)).toBe(before);
    },
  );

  it("a directory without any revision file: nothing is written, and it is said (fault 44)", async () => {
    const history = writeHistory([]);
    const url = await shop.server.createDatabase();
    await shop.server.sql(
      url,
      "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY); INSERT INTO alembic_version VALUES ('one'); CREATE TABLE users (id int)",
    );
    const before = await dump(shop.server, url);
    const ended = await runProgram(program, ["run"], { cwd: history, env: environment(shop, url) });
    const line = expectLine(ended);
    expect(line.actions).toEqual([]);
    expect(line.exit, `${line.verdict}: ${line.reason}`).not.toBe(0);
    expect(ended.stderr).toContain("no revision files");
    expect(await dump(shop.server, url)).toBe(before);
  });
});

describe("a directory of revisions that is not in the image", () => {
  it("is missing input (66), not an empty history (fault 44)", async () => {
    const history = writeHistory(chainOf("one"));
    rmSync(path.join(history, "alembic/versions"), { recursive: true });
    const url = await shop.server.createDatabase();
    const place = { cwd: history, env: environment(shop, url) };
    expect(expectLine(await runProgram("binary", ["run"], place))).toMatchObject({ exit: 66 });
  });
});
