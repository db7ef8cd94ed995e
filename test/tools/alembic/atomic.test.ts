import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findHistory } from "../../../src/tools/registry.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "atomic-"));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

const plainEnvironment = `
from alembic import context
from sqlalchemy import create_engine, pool

with create_engine(url, poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
`;

type Given = {
  /** Lines before `upgrade()`. */
  readonly head?: string;
  readonly body?: string;
  /** null: there is none. */
  readonly environment?: string | null;
};

async function isAtomic({ head = "", body = "pass", environment }: Given): Promise<boolean> {
  const files: Record<string, string> = {
    "alembic.ini": "[alembic]\nscript_location = scripts\n",
    "scripts/versions/a.py": `"""Commit all of it; BEGIN with autocommit."""
import sqlalchemy as sa
from alembic import op
${head}
revision = "a"
down_revision = None


def upgrade():
    ${body.replaceAll("\n", "\n    ")}
`,
  };
  if (environment !== null) files["scripts/env.py"] = environment ?? plainEnvironment;
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, file)), { recursive: true });
    await writeFile(join(directory, file), text);
  }
  const candidate = await findHistory({ cwd: directory, env: {}, migrations: null, tool: null });
  const { graph } = await candidate.read(new Map());
  if (graph.kind === "broken") throw new Error(JSON.stringify(graph.faults));
  return graph.history.revisions.get("a")!.isAtomic;
}

const execute = (sql: string): string => `op.execute(${JSON.stringify(sql)})`;

describe("a revision file", () => {
  test.each<[string, string]>([
    ["SQL", execute("UPDATE t SET n = 1")],
    ["a comment in Python", "pass  # COMMIT, then op.get_bind().commit()"],
    ["a docstring", "'''Does not COMMIT.'''"],
    ["a comment in SQL", execute("-- COMMIT;\nUPDATE t SET n = 1 /* ROLLBACK */")],
    [
      "words in quotes",
      execute(`INSERT INTO t VALUES ('commit', 'it''s; BEGIN;', E'\\'; COMMIT') `),
    ],
    ["a column of that name", execute('SELECT t.commit, "rollback" FROM t')],
    ["a setting", execute("SET LOCAL synchronous_commit = off")],
    ["a temporary table", execute("CREATE TEMP TABLE t (n int) ON COMMIT DROP")],
    ["a savepoint", execute("SAVEPOINT a; DELETE FROM t; ROLLBACK TO SAVEPOINT a; ROLLBACK TO a")],
    [
      "a function",
      execute(
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $f$ BEGIN DELETE FROM t; END; $f$",
      ),
    ],
    ["a block", execute("DO $$ BEGIN UPDATE t SET n = 1; RAISE NOTICE 'commit'; END $$")],
    ["CASE … END", execute("UPDATE t SET n = CASE WHEN n = 1 THEN 2 ELSE 3 END")],
    [
      "columns of a range",
      "op.create_table('t', sa.Column('begin', sa.Date), sa.Column('end', sa.Date))",
    ],
    ["keys of a row", "op.bulk_insert(t, [{'begin': 1, 'commit': 'x'}])"],
    ["an f-string", "op.execute(f'UPDATE {table} SET n = {n}')"],
    ["a savepoint of SQLAlchemy's", "with op.get_bind().begin_nested():\n    pass"],
    [
      "a session on Alembic's connection",
      "session = sa.orm.Session(bind=op.get_bind())\nsession.execute(sa.text('DELETE FROM t'))\nsession.flush()",
    ],
    ["the dialect", "if op.get_bind().engine.dialect.name == 'postgresql':\n    pass"],
    ["a pattern", "import re\nre.compile('commit_')"],
    [
      "SQL that SQLAlchemy makes",
      "users = sa.table('users', sa.column('end'))\nop.execute(users.update().values(end=1))",
    ],
  ])("is atomic with %s", async (_, body) => {
    expect(await isAtomic({ body })).toBe(true);
  });

  test("is atomic with a package's column types", async () => {
    const head = "import datetime as dt\nimport sqlmodel\nfrom pgvector.sqlalchemy import Vector\n";
    const body =
      "op.add_column('t', sa.Column('n', sqlmodel.AutoString()))\nop.alter_column('t', 'v', type_=Vector(3))\ndt.datetime.now()";
    expect(await isAtomic({ head, body })).toBe(true);
  });

  test.each<[string, string]>([
    ["COMMIT", execute("COMMIT")],
    ["COMMIT in small letters, after a newline", execute("UPDATE t SET n = 1;\ncommit;\n")],
    ["COMMIT in an f-string", "op.execute(f'UPDATE {t} SET n = 1;\\nCOMMIT')"],
    ["COMMIT in pieces", "op.execute(f'UPDATE {t} SET n = 1; ' 'COM' 'MIT')"],
    [
      "COMMIT after quotes that another piece ends",
      `op.execute("UPDATE t SET n = '" + n + "'; COMMIT; SELECT '" + n + "'")`,
    ],
    [
      "COMMIT in a text that is kept",
      "steps = ['UPDATE t SET n = 1', 'COMMIT']\nfor step in steps:\n    op.execute(step)",
    ],
    ["COMMIT AND CHAIN", execute("COMMIT AND CHAIN")],
    ["END", execute("END")],
    ["ABORT", execute("DELETE FROM t; ABORT;")],
    ["ROLLBACK", execute("ROLLBACK")],
    ["BEGIN", execute("BEGIN")],
    ["START TRANSACTION", execute("COMMIT_THIS; START TRANSACTION READ WRITE")],
    ["PREPARE TRANSACTION", execute("PREPARE TRANSACTION 'a'")],
    ["CALL", execute('CALL app."refill"(1)')],
    ["a block that commits", execute("DO $$ BEGIN UPDATE t SET n = 1; COMMIT; END $$")],
    ["a block in quotes that commits", execute("DO 'BEGIN UPDATE t SET n = 1; COMMIT; END'")],
    ["a block in Python that commits", execute("DO LANGUAGE plpython3u $$ plpy.commit() $$")],
    ["another database", execute("SELECT dblink_exec('dbname=x', 'DELETE FROM t')")],
    ["SQLAlchemy's commit", "op.get_bind().commit()"],
    ["the driver's commit", "op.get_bind().connection.commit()"],
    ["a commit that is kept", "end = op.get_bind().commit\nend()"],
    ["a rollback", "session = sa.orm.Session(op.get_bind())\nsession.rollback()"],
    ["autocommit_block", "with op.get_context().autocommit_block():\n    pass"],
    ["autocommit of the driver", "op.get_bind().connection.autocommit = True"],
    ["an isolation level", "op.get_bind().execution_options(isolation_level='AUTOCOMMIT')"],
    ["a level in a dictionary", "op.get_bind().execution_options(**{'isolation_level': level})"],
    [
      "a transaction of the context",
      "with op.get_context().begin_transaction(_per_migration=True):\n    pass",
    ],
    ["a second connection", "with op.get_bind().engine.connect() as other:\n    pass"],
    ["a second transaction", "with op.get_bind().engine.begin() as other:\n    pass"],
    ["a second engine", "sa.create_engine(url)"],
    ["SQL from a file", "op.execute(open('fill.sql').read())"],
    ["SQL from a path", "import pathlib\nop.execute(pathlib.Path('fill.sql').read_text())"],
    ["another program", "import os\nos.system('psql -f fill.sql')"],
    ["a process", "import subprocess\nsubprocess.run(['psql'])"],
    ["exec", "exec(code)"],
    ["a computed name", "getattr(op.get_bind(), word)()"],
    ["a computed verb", "op.execute(f'{verb} TRANSACTION')"],
    ["a formatted verb", "op.execute(sa.text('{} TRANSACTION'.format(verb)))"],
    ["an added verb", "op.execute(verb + ' TRANSACTION')"],
    ["the project's code", "from app.seeds import fill\nfill(op.get_bind())"],
    ["the project's code by another name", "import app.seeds as s\ns.fill(op.get_bind())"],
    ["a module beside it", "from . import helpers\nhelpers.fill()"],
    ["all of the project's code", "pass\nfrom app.seeds import *"],
    ["an operation of the project's", "op.run_sql_file('fill.sql')"],
  ])("is not atomic with %s", async (_, body) => {
    expect(await isAtomic({ body })).toBe(false);
  });

  test("is not atomic with a decorator of the project's", async () => {
    const body = "pass\n\nfrom app.tools import in_batches\n@in_batches\ndef inner():\n    pass";
    expect(await isAtomic({ body })).toBe(false);
  });
});

describe("env.py", () => {
  const change = (from: string, to: string): string => {
    expect(plainEnvironment).toContain(from);
    return plainEnvironment.replace(from, to);
  };

  test.each<[string, () => string]>([
    [
      "one transaction for each revision",
      () =>
        change("connection=connection", "connection=connection, transaction_per_migration=True"),
    ],
    ["one transaction around all", () => change("connect()", "begin()")],
    [
      "an asynchronous engine",
      () =>
        change("create_engine(url, poolclass=pool.NullPool)", "async_engine_from_config(section)"),
    ],
    [
      "settings from elsewhere",
      () =>
        `import app.models\nfrom app.settings import url\nimport psycopg2\nopen("password").read()\nurl()\n${plainEnvironment}`,
    ],
    [
      "an engine from elsewhere",
      () => change("create_engine(url, poolclass=pool.NullPool)", "engine"),
    ],
  ])("leaves revisions atomic with %s", async (_, environment) => {
    expect(await isAtomic({ environment: environment() })).toBe(true);
  });

  test.each<[string, () => string | null]>([
    [
      "an engine in autocommit mode",
      () => change("NullPool)", "NullPool, isolation_level='AUTOCOMMIT')"),
    ],
    [
      "options of the connection",
      () => change("connect()", "connect().execution_options(isolation_level=level)"),
    ],
    [
      "autocommit of the driver",
      () =>
        change(
          "    context.configure",
          "    connection.connection.autocommit = True\n    context.configure",
        ),
    ],
    [
      "DDL without transactions",
      () => change("connection=connection", "connection=connection, transactional_ddl=False"),
    ],
    [
      "a commit",
      () => change("    context.configure", "    connection.commit()\n    context.configure"),
    ],
    [
      "COMMIT",
      () =>
        change(
          "    context.configure",
          "    connection.execute(text('COMMIT'))\n    context.configure",
        ),
    ],
    ["a second engine", () => `${plainEnvironment}\nother = create_engine(url)\n`],
    ["a driver's connection", () => `import psycopg\npsycopg.connect(url)\n${plainEnvironment}`],
    ["exec", () => `exec(code)\n${plainEnvironment}`],
    ["an error", () => `${plainEnvironment}\nx = (`],
    ["bytes that are no text", () => `# coding: klingon\n${plainEnvironment}`],
    ["no such file", () => null],
  ])("leaves none atomic with %s", async (_, environment) => {
    expect(await isAtomic({ environment: environment() })).toBe(false);
  });
});
