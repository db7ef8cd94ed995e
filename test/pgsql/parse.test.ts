import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ParsedStatement, parseSql, placeAt } from "../../src/pgsql/parse.ts";

async function cut(script: string): Promise<readonly ParsedStatement[]> {
  const parsed = await parseSql(script);
  if (parsed.kind === "rejected") throw new Error(`${parsed.why} at ${parsed.offset}`);
  return parsed.statements;
}

async function texts(script: string): Promise<readonly string[]> {
  return (await cut(script)).map(({ text }) => text);
}

describe("statements", () => {
  test.each([
    ["nothing", "", []],
    ["only comments", "-- a\n/* b */\n", []],
    ["only semicolons", " ; ;\n;", []],
    ["the last without a semicolon", "SELECT 1;SELECT 2", ["SELECT 1", "SELECT 2"]],
    ["comments around, and inside", "/*a*/ SELECT /*b*/ 1 /*c*/ -- d\n; -- e", ["SELECT /*b*/ 1"]],
    ["nested comments", "/* a /* ; */ ; */ SELECT 1", ["SELECT 1"]],
    [
      "a string with a comment's marks",
      "SELECT '-- a' ; SELECT '*/'",
      ["SELECT '-- a'", "SELECT '*/'"],
    ],
    ["dollar quotes", "DO $a$ $b$;$b$ $a$; SELECT $$;$$", ["DO $a$ $b$;$b$ $a$", "SELECT $$;$$"]],
    ["a dollar quote of other letters", "SELECT $ä$ ; $ä$;", ["SELECT $ä$ ; $ä$"]],
    [
      "a body of statements",
      "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; SELECT 3",
      ["CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END", "SELECT 3"],
    ],
    ["a rule of statements", "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)", null],
    [
      "a name that ends in what only JavaScript takes for a blank",
      "SELECT 1 AS a\u00A0\n;",
      ["SELECT 1 AS a\u00A0"],
    ],
    ["control characters", "SELECT '\f\u0001' --\v\u0085\n;", ["SELECT '\f\u0001'"]],
  ])("%s", async (_, script, expected) => {
    expect(await texts(script)).toEqual(expected ?? [script]);
  });

  test("places count in UTF-16 units and in lines, whatever ends them", async () => {
    const script = "\uFEFF-- ä😀\r\n/* 1\n2\r3 */ SELECT 'ö😀\n' -- é\r\n;\r\n  SELECT 2;";
    expect(await cut(script)).toMatchObject([
      { text: "SELECT 'ö😀\n'", offset: script.indexOf("SELECT"), line: 4 },
      { text: "SELECT 2", offset: script.lastIndexOf("SELECT"), line: 7 },
    ]);
    expect(placeAt(script, script.indexOf("'ö"))).toEqual({ line: 4, column: 13 });
  });
});

describe("what PostgreSQL refuses", () => {
  test.each([
    ["SELECT 1;\nSELEC 2;", 2, 1, 'syntax error at or near "SELEC"'],
    ["SELECT 'ä😀', FROM t;\n", 1, 14, 'syntax error at or near "FROM"'],
    ["-- ä\r\nSELECT 1;\r\nSELECT 'a", 3, 8, `unterminated quoted string at or near "'a"`],
    ["SELECT 1;\n  CREATE TABLE\n\n-- end\n", 4, 7, "syntax error at end of input"],
    ["SELECT $$ a", 1, 8, 'unterminated dollar-quoted string at or near "$$ a"'],
    ["SELECT 1; /* a", 1, 11, 'unterminated /* comment at or near "/* a"'],
    [
      "SELECT 1;\nSELECT E'\\xff' AS a;\nSELECT 2",
      2,
      14,
      'invalid byte sequence for encoding "UTF8": 0xff',
    ],
    ["SELECT 1;\nSELECT '\0'", 2, 9, "a NUL character: PostgreSQL takes none in SQL"],
  ])("%j", async (script, line, column, why) => {
    expect(await parseSql(script)).toMatchObject({ kind: "rejected", line, column, why });
  });

  test("an open string is not quoted to the end of the file", async () => {
    const parsed = await parseSql(`SELECT '${"long ".repeat(1000)}`);
    expect(parsed.kind === "rejected" && parsed.why.length).toBe(160);
  });

  const gaveUp = { kind: "rejected", why: expect.stringContaining("ran out of memory") };

  const rows = (count: number) => `INSERT INTO t VALUES ${"(1,2,3,4,5,6),".repeat(count)}(1)`;

  test.each([
    ["brackets", `SELECT ${"(".repeat(1e6)}1${")".repeat(1e6)}`, { kind: "rejected" }, "SELECT 2"],
    ["an endless sum", `SELECT 1${"+1".repeat(2e5)}`, gaveUp, "SELECT 2"],
    ["an endless union", `SELECT 1${" UNION SELECT 1".repeat(2e5)}`, gaveUp, "SELECT 2"],
    // What has run out of memory once would not take the next one either.
    ["30 MB of rows", rows(2.2e6), gaveUp, rows(3e5)],
  ])("%s: it ends, and the next script is parsed", async (_, script, expected, next) => {
    const [broken, parsed] = await Promise.all([parseSql(script), texts(next)]);
    expect(broken).toMatchObject(expected);
    expect(parsed).toEqual([next]);
    expect(await texts("SELECT 3")).toEqual(["SELECT 3"]);
  });

  test("5 MB of rows, and 100 000 statements", async () => {
    const rows = `INSERT INTO t VALUES ${"(1, 'some text', NULL),\n".repeat(2e5)}(2)`;
    expect(await texts(`${rows} -- end\n;`)).toEqual([rows]);
    expect(await texts("SELECT 1;\n".repeat(1e5))).toHaveLength(1e5);
  });
});

test("what was joined is cut again: the same statements at the same places", async () => {
  const text = (pattern: RegExp) =>
    fc
      .string({ unit: "binary", maxLength: 8 })
      .map((any) => any.replaceAll("\0", "").replace(pattern, ""));
  const statement = fc.oneof(
    fc.constantFrom(
      "(SELECT 1)",
      "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a",
      "insert into t values ('a;', $$;$$)",
      "UPDATE t SET\r\n  a = 1 -- why;\r\n  WHERE /* ' */ b",
      "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END",
      "CREATE TABLE ä (😀 int)",
      "DO $do$BEGIN PERFORM 1; -- $$\nEND$do$",
      "ALTER TABLE t DROP a",
      "VALUES (1)",
      "END",
    ),
    text(/'/g).map((any) => `SELECT '${any}'`),
    text(/"/g).map((any) => `SELECT 1 AS "a${any}"`),
    text(/\$/g).map((any) => `SELECT $q$${any}$q$`),
  );
  const gap = fc
    .array(
      fc.oneof(
        fc.constantFrom(" ", "\t", "\f", "\v", "\n", "\r\n", "\r", "/* a /* ; */ ' */", "--\n"),
        text(/[\r\n]/g).map((any) => `--${any}\r\n`),
        text(/[*/]/g).map((any) => `/*${any}*/`),
      ),
      { maxLength: 4 },
    )
    .map((parts) => parts.join(""));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(gap, statement, gap)), gap, async (parts, tail) => {
      let script = "";
      const expected = parts.map(([before, statement, after]) => {
        script += before;
        const place = {
          text: statement,
          offset: script.length,
          line: script.split(/\r\n?|\n/).length,
        };
        script += `${statement}${after};`;
        return place;
      });
      const found = await cut(script + tail);
      expect(found.map(({ text, offset, line }) => ({ text, offset, line }))).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});
