import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { explainFailure } from "../../../src/tools/alembic/explain-failure.ts";
import { chainOf, writeHistory } from "../../support/histories.ts";
import { preflight, type Said } from "../../support/in-process.ts";
import { startServer, type TestServer } from "../../support/postgres.ts";
import { pythonEnvironment } from "../../support/python.ts";

const modules = mkdtempSync(path.join(tmpdir(), "preflight-modules-"));
writeFileSync(path.join(modules, "settings_of_the_shop.py"), "");

// As Python 3.11 prints them, with the packages named.
test.each([
  ["os.environ", ['  File "<frozen os>", line 679, in __getitem__'], "KeyError: 'DB_HOST'"],
  [
    "os.environ, Python 3.10",
    ['  File "/usr/lib/python3.10/os.py", line 680'],
    "KeyError: 'DB_HOST'",
  ],
  [
    "python-decouple 3.8",
    [],
    "decouple.UndefinedValueError: DB_HOST not found. Declare it as envvar or define a default value.",
  ],
  ["environs 14.1", [], 'environs.exceptions.EnvError: Environment variable "DB_HOST" not set'],
  [
    "django-environ 0.12",
    [],
    "environ.compat.ImproperlyConfigured: Set the DB_HOST environment variable",
  ],
  ["starlette 0.45", [], `KeyError: "Config 'DB_HOST' is missing, and has no default."`],
  [
    "pydantic 1.10",
    ["DB_HOST", "  field required (type=value_error.missing)"],
    "pydantic.error_wrappers.ValidationError: 1 validation error for S",
  ],
  [
    "pydantic-settings 2.7",
    ["DB_HOST", "  Field required [type=missing, input_value={}, input_type=dict]"],
    "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings",
  ],
])("a variable that is not set, as %s says it", (_, before, complaint) => {
  const explained = explainFailure(complaint, [...before, complaint]);
  expect(explained?.names).toEqual(["DB_HOST"]);
  expect(explained?.next[0]).toContain("not set here: DB_HOST.");
});

test("of a settings class every field that is absent, and no value of one that is wrong", () => {
  const complaint =
    "pydantic_core._pydantic_core.ValidationError: 2 validation errors for Settings";
  const lines = [
    complaint,
    "DB_HOST",
    "  Field required [type=missing, input_value={'DB_PASSWORD': 'secret'}, input_type=dict]",
    "DB_PORT",
    "  Input should be a valid integer [type=int_parsing, input_value='secret', input_type=str]",
  ];
  const { names } = explainFailure(complaint, lines)!;
  expect(names).toEqual(["DB_HOST"]);
});

test.each([
  [
    "ModuleNotFoundError: No module named 'app'",
    /virtual environment.*or, if it is a module of the application/s,
  ],
  ["ImportError: cannot import name 'x' from 'app'", /virtual environment/],
  [
    "ImportError: cannot import name 'Base' from partially initialized module 'models' (most likely due to a circular import) (/app/models.py)",
    /import each other/,
  ],
  [
    "ModuleNotFoundError: No module named 'psycopg2'",
    /driver psycopg2 is not installed.*asyncpg only where.*postgresql\+psycopg:/s,
  ],
  [
    "sqlalchemy.exc.NoSuchModuleError: Can't load plugin: sqlalchemy.dialects:postgresql.psycopg",
    /driver psycopg is not installed/,
  ],
  [
    "sqlalchemy.exc.NoSuchModuleError: Can't load plugin: sqlalchemy.dialects:postgres",
    /no longer postgres:/,
  ],
  [
    "sqlalchemy.exc.ArgumentError: Could not parse SQLAlchemy URL from given URL string",
    /takes its URL from/,
  ],
  ["sqlalchemy.exc.ArgumentError: Expected string or URL object, got None", /takes its URL from/],
])("%s", (complaint, next) => {
  expect(explainFailure(complaint, [complaint])?.next.join("\n")).toMatch(next);
});

test.each(["KeyError: 'total'", 'ProgrammingError: relation "t" does not exist', ""])(
  "what a migration does is explained by the server: %s",
  (complaint) => {
    expect(explainFailure(complaint, [complaint])).toBeNull();
  },
);

describe("real Alembic", { timeout: 120_000 }, () => {
  let server: TestServer;
  let bin: string;
  beforeAll(async () => {
    server = await startServer();
    ({ bin } = await pythonEnvironment());
  });
  afterAll(() => server?.stop());

  const asynchronous = `import asyncio, os
from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine

def work(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()

async def main():
    async with create_async_engine(os.environ["DATABASE_URL"]).connect() as connection:
        await connection.run_sync(work)
        await connection.commit()

asyncio.run(main())
`;
  const synchronous = (url: string, first = ""): string => `import os
from alembic import context
from sqlalchemy import create_engine
${first}
with create_engine(${url}).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
`;

  /** As `flask db init` lays it out. */
  const flask = {
    "shop.py": `import os
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:")
Migrate(app, SQLAlchemy(app))
`,
    "plain.py": "from flask import Flask\napp = Flask(__name__)\n",
    "broken.py": "import lacking\n",
    "migrations/alembic.ini": "[alembic]\n",
    "migrations/env.py": `from alembic import context
from flask import current_app
with current_app.extensions["migrate"].db.engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
`,
    "migrations/versions/one.py":
      'from alembic import op\nrevision = "one"\ndown_revision = None\ndef upgrade():\n    op.execute("CREATE TABLE t (id int)")\n',
  };

  async function bake(
    env: string,
    variables: Readonly<Record<string, string>> = {},
    ...args: readonly string[]
  ): Promise<Said> {
    return await preflight(["bake", ...args], {
      cwd: writeHistory(chainOf("one"), { env }),
      env: {
        PATH: `${bin}:${process.env["PATH"]}`,
        PREFLIGHT_SCRATCH_URL: server.url,
        ...variables,
      },
    });
  }

  test.each<
    [
      string,
      string,
      Readonly<Record<string, string>>,
      RegExp,
      RegExp,
      Readonly<Record<string, string>>,
    ]
  >([
    [
      "an asynchronous env.py, a synchronous driver",
      asynchronous,
      { DATABASE_URL: "postgresql+psycopg2://localhost/any" },
      /InvalidRequestError: The asyncio extension requires an async driver/,
      /postgresql\+asyncpg:\/\/localhost\/any/,
      { DATABASE_URL: "postgresql+asyncpg://localhost/any" },
    ],
    [
      "a synchronous env.py, an asynchronous driver",
      synchronous('os.environ["DATABASE_URL"]'),
      { DATABASE_URL: "postgresql+asyncpg://localhost/any" },
      /MissingGreenlet: greenlet_spawn has not been called/,
      /postgresql\+psycopg:\/\/localhost\/any/,
      { DATABASE_URL: "postgresql+psycopg://localhost/any" },
    ],
    [
      "variables of its own",
      synchronous(
        `"postgresql+psycopg://%s:%s@%s/%s" % tuple(os.environ["DB_" + part] for part in ("USER", "PASSWORD", "HOST", "NAME"))`,
      ),
      {},
      /^`alembic current` failed with exit code 1 on the scratch database: KeyError: 'DB_USER'$/,
      /not set here: DB_USER\./,
      { DB_HOST: "any", DB_USER: "any", DB_PASSWORD: "any", DB_NAME: "any" },
    ],
    [
      "a module of the application's",
      synchronous(
        'os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:")',
        "import settings_of_the_shop",
      ),
      {},
      /ModuleNotFoundError: No module named 'settings_of_the_shop'$/,
      /PYTHONPATH/,
      { PYTHONPATH: modules },
    ],
  ])(
    "%s: the error is the reason, and what is advised helps",
    async (_, env, before, reason, next, after) => {
      const { line, stderr } = await bake(env, before);
      expect(line).toMatchObject({ exit: 78, outcome: "config" });
      expect(line.reason).toMatch(reason);
      expect(line.reason).not.toContain("\n");
      expect(line.next[0] + (line.next[1] ?? "")).toMatch(next);
      expect(stderr).not.toContain("Traceback");
      expect((await bake(env, after)).line).toMatchObject({ exit: 0 });
    },
  );

  test.each([
    ["no FLASK_APP", "", /Error: Could not locate a Flask application/, /FLASK_APP=shop/],
    ["another module", "nowhere", /Error: Could not import 'nowhere'\.$/, /FLASK_APP=shop/],
    ["no such name", "shop:nothing", /Failed to find attribute 'nothing'/, /FLASK_APP=shop/],
    ["no Flask-Migrate", "plain", /Error: No such command 'db'\.$/, /Migrate\(app, db\)/],
    ["a module that it lacks", "broken", /No module named 'lacking'$/, /virtual environment/],
  ])("Flask-Migrate, %s: the cause is the reason", async (_, named, reason, next) => {
    const cwd = mkdtempSync(path.join(tmpdir(), "preflight-flask-"));
    mkdirSync(path.join(cwd, "migrations/versions"), { recursive: true });
    for (const [file, text] of Object.entries(flask)) writeFileSync(path.join(cwd, file), text);
    const at = (app: string) => ({
      cwd,
      env: {
        PATH: `${bin}:${process.env["PATH"]}`,
        PREFLIGHT_SCRATCH_URL: server.url,
        ...(app !== "" && { FLASK_APP: app }),
      },
    });
    const { line } = await preflight(["bake"], at(named));
    expect(line).toMatchObject({ exit: 78, outcome: "config" });
    expect(line.reason).toMatch(reason);
    expect(line.next[0]).toMatch(next);
    if (named === "") expect((await preflight(["bake"], at("shop"))).line.exit).toBe(0);
  });

  test("the traceback is in the detailed log", async () => {
    const { stderr } = await bake(synchronous('os.environ["NOWHERE"]'), {}, "--verbose");
    expect(stderr).toContain("Traceback (most recent call last)");
  });
});
