import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildGraph } from "../../src/core/graph.ts";
import type { HistoryFault } from "../../src/core/history.ts";
import { combine } from "../../src/core/knowledge.ts";
import { decodeLedger, encodeLedger } from "../../src/core/ledger-text.ts";
import { factsOfState } from "../../src/core/ledger.ts";
import { CannotJudge } from "../../src/core/outcome.ts";
import { refuse } from "../../src/core/refusals.ts";
import { readLedger } from "../../src/ledger/file.ts";
import { makeRedactor } from "../../src/report/redact.ts";
import { alembic } from "../../src/tools/alembic/alembic.ts";
import { readRevisionFile } from "../../src/tools/alembic/revision-file.ts";
import { readMigrationFile } from "../../src/tools/numbered/migration-file.ts";
import { findHistory } from "../../src/tools/registry.ts";
import { recordedStatements } from "../../src/tools/supabase/statements.ts";
import { corpus, fuzz, search } from "./fuzz.ts";

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), "preflight-fuzz-"));
});

afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** Every file of the corpus must do; most readers also see it changed. */
async function each(reader: string, check: (bytes: Buffer) => unknown): Promise<void> {
  for (const { name, bytes } of corpus(reader))
    try {
      await check(bytes);
    } catch (error) {
      throw new Error(`${reader}/${name}`, { cause: error });
    }
}

function expectFaults(faults: readonly HistoryFault[], text: string, file: string): void {
  expect(faults.length).toBeGreaterThan(0);
  const lines = text.split(/\r\n?|\n/).length;
  for (const fault of faults) {
    if (fault.kind !== "unreadable") continue;
    expect(fault.file).toBe(file);
    expect(fault.why).not.toBe("");
    expect(fault.why.length, "one line of a message").toBeLessThan(1_000);
    if (fault.line !== null) {
      expect(fault.line).toBeGreaterThanOrEqual(1);
      expect(fault.line).toBeLessThanOrEqual(lines);
    }
    if (fault.column !== null) expect(fault.column).toBeGreaterThanOrEqual(1);
  }
  expect(refuse("broken-history", faults).reason).toContain(file);
}

describe("whatever a file holds, it is read, or refused by name and line", () => {
  const file = "versions/1.py";
  const checkRevision = async (bytes: Buffer): Promise<void> => {
    const read = await readRevisionFile(file, bytes);
    expect(await readRevisionFile(file, bytes)).toEqual(read);
    if (read.kind === "unreadable")
      return expectFaults(read.faults, bytes.toString("latin1"), file);
    const { id, parents, dependsOn, labels, hash } = read.revision;
    for (const name of [id, hash, ...parents, ...dependsOn, ...labels])
      expect(name).toBeTypeOf("string");
    buildGraph(alembic, [read.revision]);
  };

  test("a revision file", async () => {
    await each("revision", checkRevision);
    await fuzz("revision", pythonWords, checkRevision);
  });

  const checkSql = async (bytes: Buffer): Promise<void> => {
    const named = { id: "1", name: "x", file: "migrations/1_x.sql" };
    const rules = { isUnwritten: () => bytes.length % 2 === 0, whyOutside: () => null };
    const read = await readMigrationFile(named, bytes, rules);
    expect(await readMigrationFile(named, bytes, rules)).toEqual(read);
    if (read.kind === "unreadable")
      return expectFaults(read.faults, bytes.toString("utf8"), named.file);
    const text = new TextDecoder().decode(bytes);
    let after = 0;
    for (const statement of read.migration.statements) {
      const at = text.indexOf(statement.text, after);
      expect(at, "a statement is a part of the file, in its order").toBeGreaterThanOrEqual(after);
      after = at + statement.text.length;
    }
    const recorded = (await recordedStatements(text)).join("");
    for (const { text: said } of read.migration.statements) expect(recorded).toContain(said.trim());
  };

  test("a file of SQL", async () => {
    await each("sql", checkSql);
    await fuzz("sql", sqlWords, checkSql);
  });
});

describe("whatever an image holds, a history is found or CannotJudge says why not", () => {
  const image = async (files: Readonly<Record<string, Buffer>>): Promise<string> => {
    const cwd = mkdtempSync(path.join(directory, "image-"));
    try {
      for (const [name, bytes] of Object.entries(files)) {
        mkdirSync(path.dirname(path.join(cwd, name)), { recursive: true });
        writeFileSync(path.join(cwd, name), bytes);
      }
      const candidate = await findHistory({ cwd, env: {}, migrations: null, tool: null });
      const found = await candidate.read(new Map());
      if (found.graph.kind === "broken")
        expect(refuse("broken-history", found.graph.faults).reason).not.toBe("");
      return found.graph.kind;
    } catch (error) {
      if (!(error instanceof CannotJudge)) throw error;
      expect(["config", "missing-input"]).toContain(error.outcome);
      // What is no address any more, as it was damaged, may be told: as a path, say.
      if (/:\/\/u:p%40ss@/.test(error.message))
        expect(makeRedactor([])(error.message)).not.toContain("p%40ss");
      return error.outcome;
    } finally {
      rmSync(cwd, { recursive: true });
    }
  };
  const plain = Buffer.from('revision = "a"\ndown_revision = None\n');

  test.each(["alembic.ini", "pyproject.toml"])("%s", async (name) => {
    const check = async (bytes: Buffer): Promise<void> => {
      const files = { [name]: bytes, "alembic/versions/a.py": plain, "alembic/env.py": plain };
      expect(await image(files)).toBe(await image(files));
    };
    await each("configuration", check);
    await fuzz("configuration", configurationWords, check);
  });

  test("the names of SQL files", async () => {
    const pieces = fc.constantFrom(
      "1",
      "001",
      "2",
      "20240101120000",
      "20200101000000_init",
      "9".repeat(60),
      "_",
      "-",
      " ",
      ".",
      ".up",
      ".down",
      ".sql",
      ".SQL",
      "a",
      "é",
      "\ud83d\ude00",
      "\n",
      "\\",
      "'",
      "%",
      "#",
      ".#",
      "~",
      "constructor",
    );
    const name = fc
      .array(pieces, { minLength: 1, maxLength: 6 })
      .map((parts) => `${parts.join("")}.sql`)
      .filter((text) => Buffer.byteLength(text) < 200);
    const directories = fc.constantFrom("migrations", "supabase/migrations", "db/migrations");
    const text = fc.constantFrom("SELECT 1;", "SELECT 1; -- x", "", "SELEC", "BEGIN;");
    await search(
      "names",
      fc.tuple(directories, fc.dictionary(name, text, { maxKeys: 5, noNullPrototype: true })),
      async ([below, named]) => {
        const files = Object.fromEntries(
          Object.entries(named).map(([key, value]) => [`${below}/${key}`, Buffer.from(value)]),
        );
        expect(await image(files)).toBe(await image(files));
      },
    );
  });
});

describe("a ledger", () => {
  const check = (bytes: Buffer): void => {
    const text = bytes.toString("utf8");
    const decoded = decodeLedger(text);
    if (decoded.kind !== "ledger") {
      expect(decoded.why.length).toBeLessThan(1_000);
      return;
    }
    const again = decodeLedger(encodeLedger(decoded.ledger));
    if (again.kind !== "ledger") throw new Error(`accepted, written, and then: ${again.why}`);
    expect(encodeLedger(again.ledger)).toBe(encodeLedger(decoded.ledger));
    expect([...again.ledger.revisions]).toEqual([...decoded.ledger.revisions]);
    expect(again.ledger.states.map((state) => named(again.ledger.facts, state))).toEqual(
      decoded.ledger.states.map((state) => named(decoded.ledger.facts, state)),
    );
    const graph = buildGraph(
      alembic,
      [...decoded.ledger.revisions.values()].map((revision) => ({
        ...revision,
        title: "",
        isEmpty: false,
        saysIfNotExists: false,
        readsEnvironment: false,
        sketch: [],
      })),
    );
    if (graph.kind === "broken") return;
    const { ledger } = combine(graph.history, decoded.ledger);
    for (const [index] of decoded.ledger.states.entries())
      if (ledger !== null) factsOfState(ledger, index);
  };
  const named = <State extends { added: readonly number[]; dropped: readonly number[] }>(
    facts: readonly unknown[],
    state: State,
  ) => ({
    ...state,
    added: state.added.map((fact) => facts[fact]),
    dropped: state.dropped.map((fact) => facts[fact]),
  });

  test("that is accepted says the same when it is written again", async () => {
    await each("ledger", check);
    await fuzz("ledger", ledgerWords, check);
  });

  test("in a file is read, absent, or cannot be used, and says why", async () => {
    const file = path.join(directory, "preflight.ledger.json");
    await each("ledger", async (bytes) => {
      writeFileSync(file, bytes);
      const read = await readLedger(file, { required: true });
      if (read.kind === "unusable") expect(read.fault.message).toContain(file);
      else expect(read.kind).toBe("ledger");
    });
    expect(await readLedger(directory, { required: false })).toMatchObject({ kind: "unusable" });
    expect(await readLedger("/dev/zero", { required: false })).toMatchObject({ kind: "unusable" });
  });
});

const pythonWords = [
  "revision",
  "down_revision",
  "depends_on",
  "branch_labels",
  " = ",
  "None",
  "'a'",
  '"""',
  "'''",
  "f'{x}'",
  "rb'",
  "\\N{DASH}",
  "\\x",
  "\\u12",
  "def upgrade():\n    pass\n",
  "class A: ",
  "lambda: ",
  "global revision\n",
  "exec('')",
  "import a as revision\n",
  "with f() as (a, b): pass\n",
  "match x:\n case A(): pass\n",
  "yield",
  "print ",
  "1.",
  "*a",
  "(a := 1)",
  "if x:\n\t",
  "else:\n",
  "async ",
  "@a\n",
  "# coding: latin-1\n",
  "# coding: utf-16\n",
  "<<<<<<< a\n",
  "=======\n",
  "    ",
  "\\\n",
  "op.create_table('t', sa.Column('c'))",
  "with op.batch_alter_table('t') as b:\n  b.drop_column('c')\n",
];
const sqlWords = [
  "SELECT 1;",
  "CREATE TABLE t (id int);",
  "$$",
  "$a$",
  "E'",
  "U&'",
  "--",
  "-- migrate:down\n",
  "/*",
  "*/",
  "\\i x\n",
  "COPY t FROM stdin;\n",
  "BEGIN;",
  "COMMIT;",
  "DO $$ BEGIN COMMIT; END $$;",
  "ALTER TYPE t ADD VALUE 'a';",
  "'a'::t",
  "BEGIN ATOMIC",
  "END;",
  "CREATE INDEX CONCURRENTLY i ON t (c);",
  "((((",
  "SET client_encoding = 'latin1';",
  "-- Purpose: x\n",
  "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS ",
  "\\.",
  "::",
  "||",
  "@@",
  "\u00a0",
];
const configurationWords = [
  "[alembic]\n",
  "[DEFAULT]\n",
  "[tool.alembic]\n",
  "script_location = ",
  "version_locations = ",
  "prepend_sys_path = ",
  "path_separator = ",
  "alembic",
  "%(here)s",
  "%(a)s",
  "%%",
  "%",
  "a = %(a)s\n",
  "  more\n",
  "space",
  "newline",
  "os",
  "a:b",
  "true",
  '"',
  "'''",
  "[[",
  "]]",
  "{a = 1}",
  "= 1979-05-27",
  "\\u0000",
  "; x\n",
  "# x\n",
];
const ledgerWords = [
  '"a"',
  '"b"',
  '"heads"',
  '"from"',
  "null",
  "true",
  "[]",
  "{}",
  "[[]]",
  '["a"]',
  ",",
  ":",
  '"adds":[]',
  '"drops":[]',
  '"states":[]',
  '"retired":true',
  '"data":"none"',
  "1e999",
  "-0",
  "18",
  '"\\ud800"',
  '"\\u0000"',
  '"__proto__":{}',
  '["column","public.t","id"]',
  '["column","public.t","id","integer"]',
];
