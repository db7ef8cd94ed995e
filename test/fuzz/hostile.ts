import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { commands } from "../../src/cli.ts";
import { decodeLedger } from "../../src/core/ledger-text.ts";
import { openLedger } from "../../src/core/ledger.ts";
import { CannotJudge } from "../../src/core/outcome.ts";
import { makeRedactor } from "../../src/report/redact.ts";
import { parseConnectionUrl } from "../../src/settings/connection-url.ts";
import { readSettings } from "../../src/settings/read-settings.ts";
import { readConfiguration } from "../../src/tools/alembic/configuration.ts";
import { readRevisionFile } from "../../src/tools/alembic/revision-file.ts";
import { readMigrationFile } from "../../src/tools/numbered/migration-file.ts";
import { recordedStatements } from "../../src/tools/supabase/statements.ts";
import { sourcesOf } from "./sources.ts";

/**
 * Inputs that grow with `n` and are made to hurt: deep nesting, long chains, many of a thing. Each takes well under a
 * second where the time grows with the size; with its square, minutes or hours.
 */
type Shape = { readonly n: number; readonly read: (n: number) => Promise<string> | string };

const revision = (n: number, make: (n: number) => string): Shape => ({
  n,
  read: async (size) => {
    const text = `revision = "a"\ndown_revision = None\n${make(size)}\n`;
    return (await readRevisionFile("versions/a.py", Buffer.from(text))).kind;
  },
});

const sql = (n: number, make: (n: number) => string): Shape => ({
  n,
  read: async (size) => {
    const text = make(size);
    const read = await readMigrationFile(
      { id: "1", name: "a", file: "migrations/1_a.sql" },
      Buffer.from(text),
      { isUnwritten: () => false, whyOutside: () => null },
    );
    await recordedStatements(text);
    return read.kind;
  },
});

const configuration = (
  n: number,
  file: "alembic.ini" | "pyproject.toml",
  make: (n: number) => string,
): Shape => ({
  n,
  read: async (size) => {
    const directory = mkdtempSync(path.join(tmpdir(), "preflight-hostile-"));
    try {
      writeFileSync(path.join(directory, file), make(size));
      await readConfiguration(
        path.join(directory, "alembic.ini"),
        path.join(directory, "pyproject.toml"),
      );
      return "read";
    } catch (error) {
      if (error instanceof CannotJudge) return error.outcome;
      throw error;
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
});

const ledger = (n: number, make: (n: number) => object): Shape => ({
  n,
  read: (size) => {
    const decoded = decodeLedger(
      JSON.stringify({
        preflight: "ledger",
        v: 1,
        tool: "sql",
        server: 18,
        revisions: [],
        states: [],
        spellings: [],
        ...make(size),
      }),
    );
    if (decoded.kind === "ledger") openLedger(decoded.ledger);
    return decoded.kind;
  },
});

const ledgerText = (n: number, make: (n: number) => string): Shape => ({
  n,
  read: (size) => decodeLedger(make(size)).kind,
});

const url = (n: number, make: (n: number) => string): Shape => ({
  n,
  read: (size) => parseConnectionUrl(make(size)).kind,
});

const settings = (
  n: number,
  make: (n: number) => { argv?: readonly string[]; env?: Record<string, string>; file?: string },
): Shape => ({
  n,
  read: (size) => {
    const { argv = ["check"], env = {}, file = "" } = make(size);
    const all = { DATABASE_URL: "postgres://u@h/d", ...env };
    return readSettings(
      argv,
      sourcesOf(all, () => file),
      { commands, tools: ["alembic"] },
    ).kind;
  },
});

const redacting = (n: number, secret: string, make: (n: number) => string): Shape => ({
  n,
  read: (size) => {
    makeRedactor([secret])(make(size));
    return "redacted";
  },
});

const lines = (n: number, make: (index: number) => string, between = "\n"): string =>
  Array.from({ length: n }, (_, index) => make(index)).join(between);

const column = (index: number) => ["column", "public.t", "c", `integer ${index}`];

export const shapes: Readonly<Record<string, Shape>> = {
  "python: brackets": revision(10_000, (n) => `x = ${"(".repeat(n)}${")".repeat(n)}`),
  "python: brackets never closed": revision(100_000, (n) => `x = ${"(".repeat(n)}`),
  "python: brackets never opened": revision(100_000, (n) => `x = ${")".repeat(n)}`),
  "python: lists in the parents": revision(
    10_000,
    (n) => `down_revision = ${"[".repeat(n)}'b'${"]".repeat(n)}`,
  ),
  "python: indexes in indexes": revision(10_000, (n) => `x = ${"a[".repeat(n)}0${"]".repeat(n)}`),
  "python: dictionaries": revision(10_000, (n) => `x = ${"{1:".repeat(n)}0${"}".repeat(n)}`),
  "python: not not not": revision(10_000, (n) => `x = ${"not ".repeat(n)}1`),
  "python: minus signs": revision(10_000, (n) => `x = ${"-".repeat(n)}1`),
  "python: lambdas": revision(10_000, (n) => `x = ${"lambda: ".repeat(n)}1`),
  "python: conditions": revision(10_000, (n) => `x = ${"1 if 1 else ".repeat(n)}1`),
  "python: a sum": revision(100_000, (n) => `x = ${"1 + ".repeat(n)}1`),
  "python: attributes": revision(100_000, (n) => `x = a${".b".repeat(n)}`),
  "python: calls of calls": revision(10_000, (n) => `x = f${"()".repeat(n)}`),
  "python: calls in calls": revision(10_000, (n) => `x = ${"f(".repeat(n)}${")".repeat(n)}`),
  "python: strings side by side": revision(100_000, (n) => `x = ${"'a' ".repeat(n)}`),
  "python: f-strings in f-strings": revision(
    2_000,
    (n) => `x = ${"f'{".repeat(n)}1${"}'".repeat(n)}`,
  ),
  "python: blocks in blocks": revision(
    1_000,
    (n) => lines(n, (i) => `${" ".repeat(i)}if x:`) + `\n${" ".repeat(n)}pass`,
  ),
  "python: statements of one line": revision(100_000, (n) => "x=1;".repeat(n)),
  "python: statements of one line in a block": revision(
    100_000,
    (n) => `if x: ${"y=1;".repeat(n)}`,
  ),
  "python: statements": revision(100_000, (n) => lines(n, (i) => `x${i} = ${i}`)),
  "python: assignments of the parents": revision(100_000, (n) =>
    "down_revision = None\n".repeat(n),
  ),
  "python: elif": revision(50_000, (n) => `if x: pass\n${"elif x: pass\n".repeat(n)}`),
  "python: print as a name": revision(50_000, (n) => "print(1)\n".repeat(n)),
  "python: yield without a value": revision(20_000, (n) => `def f():\n${" yield\n".repeat(n)}`),
  "python: targets": revision(50_000, (n) => `${"a, ".repeat(n)}= b`),
  "python: assignments in a chain": revision(10_000, (n) => `${"a = ".repeat(n)}1`),
  "python: operations": revision(
    20_000,
    (n) => `def upgrade():\n${" op.add_column('t', sa.Column('c', sa.Integer()))\n".repeat(n)}`,
  ),
  "python: backslashes in a string": revision(1_000_000, (n) => `x = "${"\\\\".repeat(n)}"`),
  "python: lines that go on": revision(100_000, (n) => `x = 1 ${"\\\n".repeat(n)} + 1`),
  "python: form feeds": revision(1_000_000, (n) => "\f".repeat(n)),
  "python: tabs": revision(1_000_000, (n) => `${"\t".repeat(n)}#`),
  "python: blanks": revision(1_000_000, (n) => `x = 1${" ".repeat(n)}#`),
  "python: comments": revision(100_000, (n) => "# x\n".repeat(n)),
  "python: conflict marks in a string, and a fault": revision(
    50_000,
    (n) => `x = """\n${"=======\n".repeat(n)}"""\n${"y = 1\n".repeat(n)}(`,
  ),
  "python: walruses": revision(5_000, (n) => `x = ${"(a := ".repeat(n)}1${")".repeat(n)}`),
  "python: decorators": revision(20_000, (n) => `${"@a\n".repeat(n)}def f(): pass`),
  "python: nothing that it knows": revision(200_000, (n) => "? ".repeat(n)),

  "sql: brackets": sql(10_000, (n) => `SELECT ${"(".repeat(n)}1${")".repeat(n)}`),
  "sql: brackets never closed": sql(100_000, (n) => `SELECT ${"(".repeat(n)}`),
  "sql: queries in queries": sql(10_000, (n) => `SELECT ${"(SELECT ".repeat(n)}1${")".repeat(n)}`),
  "sql: a sum": sql(10_000, (n) => `SELECT ${"1+".repeat(n)}1`),
  "sql: not not not": sql(10_000, (n) => `SELECT ${"NOT ".repeat(n)}true`),
  "sql: cases": sql(5_000, (n) => `SELECT ${"CASE WHEN true THEN ".repeat(n)}1${" END".repeat(n)}`),
  "sql: unions": sql(10_000, (n) => `SELECT 1${" UNION SELECT 1".repeat(n)}`),
  "sql: statements": sql(50_000, (n) => "SELECT 1;\n".repeat(n)),
  "sql: semicolons": sql(500_000, (n) => `SELECT 1${";".repeat(n)}`),
  "sql: rows": sql(50_000, (n) => `INSERT INTO t VALUES ${"(1),".repeat(n)}(1)`),
  "sql: refused statements": sql(20_000, (n) => "COMMIT;\n".repeat(n)),
  "sql: refused statements on one line": sql(20_000, (n) => "COMMIT;".repeat(n)),
  "sql: comments before the first statement": sql(
    50_000,
    (n) => `${"-- a: b\n".repeat(n)}SELECT 1`,
  ),
  "sql: comments at the end": sql(20_000, (n) => `SELECT 1\n${"-- a\n".repeat(n)}`),
  "sql: blocks of comment at the end": sql(20_000, (n) => `SELECT 1 ${"/* a */ ".repeat(n)}`),
  "sql: marks in a comment at the end": sql(50_000, (n) => `SELECT 1 -- ${"-- ".repeat(n)}`),
  "sql: a comment in comments": sql(
    10_000,
    (n) => `SELECT 1; ${"/*".repeat(n)}${"*/".repeat(n)} SELECT 2`,
  ),
  "sql: a comment never closed": sql(100_000, (n) => `SELECT 1; ${"/* ".repeat(n)}`),
  "sql: a string never closed": sql(1_000_000, (n) => `SELECT 1; SELECT '${"a".repeat(n)}`),
  "sql: strings never closed": sql(100_000, (n) => `SELECT ${"''".repeat(n)}'`),
  "sql: an escape that is none": sql(100_000, (n) => `${"SELECT 1;\n".repeat(n)}SELECT E'\\u12'`),
  "sql: values of a type": sql(2_000, (n) => lines(n, (i) => `ALTER TYPE t ADD VALUE 'v${i}';`)),
  "sql: down marks in a string": sql(
    20_000,
    (n) => `SELECT '\n${"-- migrate:down\n".repeat(n)}'; ${"SELECT 1;".repeat(n)}`,
  ),
  "sql: blanks": sql(1_000_000, (n) => `SELECT 1;${" ".repeat(n)}SELECT 1`),
  "sql: a DO that commits": sql(1_000, (n) => "DO $$ BEGIN COMMIT; END $$;\n".repeat(n)),

  "ini: blanks in a line": configuration(
    1_000_000,
    "alembic.ini",
    (n) => `[alembic]\na${" ".repeat(n)}b`,
  ),
  "ini: lines of one value": configuration(
    200_000,
    "alembic.ini",
    (n) => `[alembic]\nscript_location =\n${"  a\n".repeat(n)}`,
  ),
  "ini: empty lines": configuration(
    500_000,
    "alembic.ini",
    (n) => `[alembic]\nscript_location = a\n${"\n".repeat(n)}`,
  ),
  "ini: keys": configuration(
    100_000,
    "alembic.ini",
    (n) => `[alembic]\n${lines(n, (i) => `k${i} = v`)}`,
  ),
  "ini: a reference that doubles and doubles": configuration(
    100,
    "alembic.ini",
    (n) =>
      `[alembic]\nscript_location = ${"%(a)s".repeat(n)}\n${lines(9, (i) => `${"abcdefghij"[i]} = ${`%(${"abcdefghij"[i + 1]})s`.repeat(n)}`)}\nj = x`,
  ),
  "ini: percent signs": configuration(
    500_000,
    "alembic.ini",
    (n) => `[alembic]\nscript_location = ${"%%".repeat(n)}`,
  ),
  "ini: brackets": configuration(
    500_000,
    "alembic.ini",
    (n) => `[alembic]\nscript_location = ${"%(".repeat(n)}`,
  ),
  "toml: arrays in arrays": configuration(
    10_000,
    "pyproject.toml",
    (n) => `[tool.alembic]\nx = ${"[".repeat(n)}${"]".repeat(n)}`,
  ),
  "toml: a key of many parts": configuration(
    10_000,
    "pyproject.toml",
    (n) => `[tool.alembic]\n${"a.".repeat(n)}a = 1`,
  ),
  "toml: keys": configuration(
    50_000,
    "pyproject.toml",
    (n) => `[tool.alembic]\n${lines(n, (i) => `k${i} = "v"`)}`,
  ),

  "ledger: facts at one place": ledger(100_000, (n) => ({
    states: [
      { heads: ["a"], from: null, adds: Array.from({ length: n }, (_, i) => column(i)), drops: [] },
    ],
  })),
  "ledger: a place that is taken and left, state by state": ledger(5_000, (n) => ({
    states: Array.from({ length: n }, (_, i) => ({
      heads: [`h${i}`],
      from: i === 0 ? null : [`h${i - 1}`],
      adds: [column(i)],
      drops: i === 0 ? [] : [column(0).slice(0, 3)],
    })),
  })),
  "ledger: much is made and dropped": ledger(50_000, (n) => {
    const facts = Array.from({ length: n }, (_, i) => ["column", "public.t", `c${i}`, "integer"]);
    return {
      states: [
        { heads: ["a"], from: null, adds: facts, drops: [] },
        { heads: ["b"], from: ["a"], adds: [], drops: facts.map((fact) => fact.slice(0, 3)) },
      ],
    };
  }),
  "ledger: what the first state made goes late": ledger(3_000, (n) => ({
    states: [
      {
        heads: ["base"],
        from: null,
        adds: Array.from({ length: n }, (_, i) => ["table", `t${i}`, "", "x"]),
        drops: [],
      },
      ...Array.from({ length: n }, (_, i) => ({
        heads: [`h${i}`],
        from: [i === 0 ? "base" : `h${i - 1}`],
        adds: [],
        drops: [["table", `t${i}`, ""]],
      })),
    ],
  })),
  "ledger: spellings of spellings": ledger(20_000, (n) => ({
    spellings: Array.from({ length: n }, (_, i) => [...column(i), `integer ${i + 1}`]),
  })),
  "ledger: a version of lists in lists": ledgerText(
    100_000,
    (n) => `{"preflight":"ledger","v":${"[".repeat(n)}${"]".repeat(n)}}`,
  ),
  "ledger: heads of lists in lists": ledgerText(
    5_000,
    (n) =>
      `{"preflight":"ledger","v":1,"tool":"sql","server":18,"revisions":[{"id":${"[".repeat(n)}${"]".repeat(n)}}],"states":[],"spellings":[]}`,
  ),

  "url: hosts": url(100_000, (n) => `postgres://${"h,".repeat(n)}h/d`),
  "url: parameters": url(50_000, (n) => `postgres://h/d?${lines(n, (i) => `a${i}=b`, "&")}`),
  "url: @": url(500_000, (n) => `postgres://${"@".repeat(n)}`),
  "url: percent signs": url(500_000, (n) => `postgres://${"%".repeat(n)}`),
  "settings: a file of variables": settings(50_000, (n) => ({
    argv: ["check", "--env-file", "x"],
    file: lines(n, (i) => `A${i}='x' # y`),
  })),
  "settings: a file with a quote that is never closed": settings(100_000, (n) => ({
    argv: ["check", "--env-file", "x"],
    file: `${"# x\n".repeat(n)}A="${"x\n".repeat(n)}`,
  })),
  "settings: a file of blanks": settings(500_000, (n) => ({
    argv: ["check", "--env-file", "x"],
    file: `A=b${" ".repeat(n)}c#`,
  })),
  "settings: a template": settings(100_000, (n) => ({
    argv: ["check", "--program-env", `A=${"{host}".repeat(n)}`],
  })),
  "settings: templates": settings(20_000, (n) => ({
    argv: ["check", "--program-env", lines(n, (i) => `A${i}={host}`)],
  })),
  "settings: parameters of other programs": settings(20_000, (n) => ({
    env: { DATABASE_URL: `postgres://u@h/d?${lines(n, (i) => `a${i}=1`, "&")}` },
  })),
  "settings: unknown flags": settings(2_000, (n) => ({
    argv: ["check", ...Array.from({ length: n }, (_, i) => `--x${i}`)],
  })),
  "settings: one long flag": settings(100_000, (n) => ({ argv: ["check", `--${"x".repeat(n)}`] })),
  "settings: words": settings(50_000, (n) => ({
    argv: ["check", ..."x ".repeat(n).trim().split(" ")],
  })),
  "settings: a long command": settings(100_000, (n) => ({
    argv: ["run", "--upgrade-command", "a ".repeat(n)],
  })),
  "settings: a long word": settings(100_000, (n) => ({
    argv: ["run", "--upgrade-command", `"${"\\\\".repeat(n)}"`],
  })),
  "settings: a long table name": settings(100_000, (n) => ({
    argv: ["check", "--version-table", `"${'""'.repeat(n)}`],
  })),
  "settings: unknown variables": settings(2_000, (n) => ({
    env: Object.fromEntries(Array.from({ length: n }, (_, i) => [`PREFLIGHT_X${i}`, "x"])),
  })),
  "settings: a variable full of colons": settings(200_000, (n) => ({
    env: { X_URL: `a://${":".repeat(n)}` },
  })),
  "settings: a variable full of addresses": settings(50_000, (n) => ({
    env: { X_URL: "a://b:".repeat(n) },
  })),
  "settings: a password file of many lines": settings(100_000, (n) => ({
    env: { PGPASSFILE: "/f" },
    file: "h:1:d:u:p\n".repeat(n),
  })),

  "redact: a text of quotes": redacting(
    500_000,
    "secret-word",
    (n) => `password='${"'".repeat(n)}`,
  ),
  "redact: a text of dots": redacting(100_000, "aaaaaaaa", (n) => "a...".repeat(n)),
  "redact: nearly the secret": redacting(200_000, "a".repeat(300), (n) => "a".repeat(n)),
  "redact: signs": redacting(200_000, `${"\\".repeat(60)}x`, (n) => "\\".repeat(n)),
};

const [name = "", size] = process.argv.slice(2);
if (import.meta.main) {
  const shape = shapes[name];
  if (shape === undefined) throw new Error(`no shape ${name}`);
  process.stdout.write(await shape.read(Number(size ?? shape.n)));
}
