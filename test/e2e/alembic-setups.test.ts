import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startServer, type TestServer } from "../support/postgres.ts";
import { expectLine, runProgram, start } from "../support/process.ts";
import { alembicVersions, versionEnvironment } from "../support/python.ts";
import { environment } from "../support/shop.ts";

/** What docs/alembic.md says of each set-up, beside real Alembic on the same files. */
type Setup = {
  readonly files: Readonly<Record<string, string>>;
  /** What a person adds to every command of Alembic's. */
  readonly alembic?: readonly string[];
  readonly preflight?: readonly string[];
  /** Played without PREFLIGHT_ALEMBIC_VERSIONS=all, too. */
  readonly always?: true;
  /** The first minor release of Alembic that knows it. */
  readonly since?: 10 | 16;
};

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

afterAll(async () => {
  await server?.stop();
});

function env(options = "", before = ""): string {
  return `import os, re
from alembic import context
from sqlalchemy import create_engine, pool, text
config = context.config
SCHEMA = "app"
# Of "postgresql:" SQLAlchemy 2.1 makes psycopg, and older ones psycopg2.
url = re.sub("^[a-z]+:", "postgresql+psycopg2:", os.environ["DATABASE_URL"])
with create_engine(url, poolclass=pool.NullPool).connect() as c:
    ${before || "pass"}
    context.configure(connection=c, ${options})
    with context.begin_transaction():
        context.run_migrations()
`;
}

function revision(id: string, down: string, ...body: readonly string[]): string {
  return `from alembic import op
import sqlalchemy as sa
PARENT = "a1"
revision = "${id}"
down_revision = ${down}
def upgrade():
    ${body.join("\n    ")}
def downgrade():
    pass
`;
}

const inApp = "op.execute('CREATE SCHEMA IF NOT EXISTS app')";
const one = {
  "alembic/versions/a1.py": revision("a1", "None", inApp, "op.execute('CREATE TABLE t (id int)')"),
};
const two = revision("a2", '"a1"', "op.execute('ALTER TABLE t ADD n text')");
const makeApp =
  "c.execute(text('COMMIT')); c.execute(text('CREATE SCHEMA IF NOT EXISTS app')); c.execute(text('COMMIT'))";
const ini = "script_location = %(here)s/alembic\n";

function project(more: string, files: Setup["files"] = {}, runs = env()): Setup["files"] {
  return { "alembic.ini": `[alembic]\n${ini}${more}`, "alembic/env.py": runs, ...one, ...files };
}

const beside = { "more/a2.py": two };
const setups: Readonly<Record<string, Setup>> = {
  "a section of its own": {
    always: true,
    files: {
      ...project("", { "alembic/versions/a2.py": two }, env("version_table_schema='app'", makeApp)),
      "alembic.ini": `[one]\n${ini}[two]\nscript_location = gone\n`,
    },
    alembic: ["-n", "one"],
    preflight: ["--migrations", "alembic.ini#one"],
  },
  "the only section": {
    files: { ...project("", { "alembic/versions/a2.py": two }), "alembic.ini": `[one]\n${ini}` },
    alembic: ["-n", "one"],
  },
  "a command of one's own, where the scripts' directory tells of no section": {
    always: true,
    files: {
      ...project("", { "alembic/versions/a2.py": two }),
      "alembic.ini": `[one]\n${ini}[two]\n${ini}`,
    },
    alembic: ["-n", "one"],
    preflight: ["--migrations", "alembic", "--upgrade-command", "alembic -n one upgrade heads"],
  },
  "two ini files in one directory": {
    files: project("", {
      "alembic/versions/a2.py": two,
      "prod.ini": "[alembic]\nscript_location = gone\n",
    }),
  },
  "alembic.ini before pyproject.toml": {
    files: project("", { "pyproject.toml": '[tool.alembic]\nscript_location = "gone"\n' }),
  },
  "pyproject.toml alone": {
    files: {
      "pyproject.toml": '[tool.alembic]\nscript_location = "%(here)s/alembic"\n',
      "alembic/env.py": env(),
      ...one,
    },
    since: 16,
  },
  "version_table in env.py": { files: project("", {}, env("version_table='my_version'")) },
  "version_table_schema by a constant": {
    always: true,
    files: project("", {}, env("version_table_schema=SCHEMA", makeApp)),
  },
  "version_table_schema that env.py asks the ini for": {
    files: project(
      "version_table_schema = app\n",
      {},
      env("version_table_schema=config.get_main_option('version_table_schema')", makeApp),
    ),
  },
  "version_table in the ini, which nobody asks for": {
    files: project("version_table = nobody\nversion_table_schema = nobody\n"),
  },
  include_schemas: {
    files: project(
      "",
      {
        "alembic/versions/a2.py": revision(
          "a2",
          '"a1"',
          "op.execute('CREATE TABLE app.u (id int)')",
        ),
      },
      env("include_schemas=True"),
    ),
  },
  "schema_translate_map of a named schema": {
    files: project(
      "",
      {
        "alembic/versions/a2.py": revision(
          "a2",
          '"a1"',
          "op.create_table('u', sa.Column('id', sa.Integer), schema='tenant')",
        ),
      },
      env("", "c = c.execution_options(schema_translate_map={'tenant': 'app'})"),
    ),
  },
  "no separator": {
    files: project("version_locations = %(here)s/alembic/versions %(here)s/more\n", beside),
  },
  version_path_separator: {
    files: project(
      "version_path_separator = os\nversion_locations = %(here)s/alembic/versions:%(here)s/more\n",
      beside,
    ),
  },
  path_separator: {
    always: true,
    files: project(
      "path_separator = os\nversion_locations = %(here)s/alembic/versions:%(here)s/more\n",
      beside,
    ),
    since: 16,
  },
  "recursive_version_locations and file_template": {
    files: project("recursive_version_locations = true\nfile_template = %%(year)d/%%(rev)s\n", {
      "alembic/versions/2026/a2.py": two,
    }),
    since: 10,
  },
  "subfolders that are not recursive": {
    files: project("file_template = %%(year)d/%%(rev)s\n", { "alembic/versions/2026/a2.py": two }),
  },
  "down_revision by a constant": {
    always: true,
    files: project("", {
      "alembic/versions/a2.py": revision("a2", "PARENT", "op.execute('ALTER TABLE t ADD n text')"),
    }),
  },
};

/** Alembic's own templates, with what a person writes into them. */
const isWhole = process.env["PREFLIGHT_ALEMBIC_VERSIONS"] === "all";
const templates = isWhole ? ["generic", "async", "pyproject", "pyproject_async"] : ["generic"];

describe.each(await alembicVersions())("Alembic %s", (name) => {
  const version = Number(/^1\.(\d+)/.exec(name)?.[1]);
  const knows = ({ since }: Setup): boolean => since === undefined || version >= since;
  let python: Awaited<ReturnType<typeof versionEnvironment>>;
  beforeAll(async () => {
    python = await versionEnvironment(name);
  });

  function write(cwd: string, files: Setup["files"]): void {
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(cwd, file)), { recursive: true });
      writeFileSync(path.join(cwd, file), text);
    }
  }

  async function stateOf(url: string): Promise<unknown> {
    const tables = await server.sql(
      url,
      "SELECT table_schema || '.' || table_name AS name FROM information_schema.tables WHERE table_schema IN ('public', 'app') ORDER BY 1",
    );
    const versions = tables
      .map(({ name: table }) => String(table))
      .filter((table) => table.includes("version"));
    const rows = await Promise.all(
      versions.map(
        async (table) => await server.sql(url, `SELECT version_num FROM ${table} ORDER BY 1`),
      ),
    );
    return { tables, rows };
  }

  async function expectSame(cwd: string, setup: Omit<Setup, "files">): Promise<void> {
    const flags = setup.preflight ?? [];
    const [byAlembic, byPreflight] = [await server.createDatabase(), await server.createDatabase()];
    const at = (url: string) => ({ cwd, env: environment({ python }, url) });
    const argv = ["alembic", ...(setup.alembic ?? []), "upgrade", "heads"];
    const upgraded = await start(argv, at(byAlembic)).ended;
    expect(upgraded.exit, upgraded.stderr).toBe(0);

    const { DATABASE_URL: _, ...without } = environment({ python }, "");
    const baked = await runProgram("binary", ["bake", ...flags], { cwd, env: without });
    expect(baked.exit, baked.stdout).toBe(0);
    const checked = expectLine(await runProgram("binary", ["check", ...flags], at(byAlembic)));
    expect(checked).toMatchObject({ verdict: "current", ledger: "verified", exit: 0 });
    const ran = expectLine(await runProgram("binary", ["run", ...flags], at(byPreflight)));
    expect(ran, ran.reason ?? "").toMatchObject({ verdict: "fresh", exit: 0 });
    expect(await stateOf(byPreflight)).toEqual(await stateOf(byAlembic));
  }

  const known = Object.entries(setups).filter(
    ([, setup]) => knows(setup) && (isWhole || setup.always === true),
  );
  it.each(known)("%s", async (_, setup) => {
    const cwd = mkdtempSync(path.join(tmpdir(), "preflight-setup-"));
    write(cwd, setup.files);
    await expectSame(cwd, setup);
  });

  it.each(templates.filter((each) => version >= 16 || !each.startsWith("pyproject")))(
    "its template %s",
    async (template) => {
      const cwd = mkdtempSync(path.join(tmpdir(), "preflight-template-"));
      const place = { cwd, env: environment({ python }, "") };
      const made = await start(["alembic", "init", "-t", template, "alembic"], place).ended;
      expect(made.exit, made.stderr).toBe(0);
      const file = path.join(cwd, "alembic/env.py");
      const scheme = template.includes("async") ? "postgresql+asyncpg" : "postgresql+psycopg2";
      const address = `import os, re
config.set_main_option("sqlalchemy.url", re.sub("^[a-z]+:", "${scheme}:", os.environ["DATABASE_URL"]))`;
      const text = readFileSync(file, "utf8");
      writeFileSync(
        file,
        text.replace("config = context.config\n", `config = context.config\n${address}\n`),
      );
      write(cwd, one);
      await expectSame(cwd, {});
    },
  );
});
