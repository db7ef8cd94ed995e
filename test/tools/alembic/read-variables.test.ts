import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { findAlembic } from "../../../src/tools/alembic/locate.ts";
import { readVariables } from "../../../src/tools/alembic/read-variables.ts";
import { writeHistory } from "../../support/histories.ts";

async function read(env: string, files: Readonly<Record<string, string>> = {}) {
  const cwd = writeHistory([], { env });
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(cwd, file)), { recursive: true });
    writeFileSync(path.join(cwd, file), text);
  }
  const [location] = await findAlembic({ cwd, env: {} });
  return await readVariables(location!);
}

describe("what env.py reads by itself", () => {
  test.each<[string, readonly string[]]>([
    ['os.environ["A"]', ["A"]],
    ["environ['A']", ["A"]],
    ['os.environ.get("A", "x")', ["A"]],
    ['os.getenv("A")', ["A"]],
    ['getenv("a_b")', ["a_b"]],
    [`url = f"postgresql://{os.environ['A']}@{os.getenv('B', 'h')}/d"`, ["A", "B"]],
    ["def url():\n    return os.environ['A']", ["A"]],
    ['config("A", default=1, cast=int)', ["A"]],
    ['env("A")', ["A"]],
    ['env.str("A")\nenv.int("B", 1)', ["A", "B"]],
    ['os.environ["A"]\nos.environ["A"]', ["A"]],
    // Not a variable, or not to be seen.
    ['config.get_main_option("sqlalchemy.url")', []],
    ['config.set_main_option("A", "x")', []],
    ['os.environ["DB_" + part]', []],
    ["os.environ[name]", []],
    ['data["A"]', []],
    ['# os.environ["A"]', []],
    ["text = \"os.environ['A']\"", []],
    ["this is no Python(", []],
  ])("%s", async (env, names) => {
    expect((await read(env)).names).toEqual(names);
  });
});

const settings = (body: string, head = "class Settings(BaseSettings):"): string =>
  `${head}\n${body.replaceAll(/^/gm, "    ")}\n`;

describe("fields of a settings class", () => {
  test.each<[string, string, readonly string[]]>([
    ["plain", settings("db_host: str\nDB_PORT: int = 5432"), ["DB_HOST", "DB_PORT"]],
    [
      "a prefix",
      settings(
        'model_config = SettingsConfigDict(env_file=".env", env_prefix="shop_")\ndb_url: str',
      ),
      ["SHOP_DB_URL"],
    ],
    ["a prefix of old", settings('db: str\nclass Config:\n    env_prefix = "X_"'), ["X_DB"]],
    [
      "a prefix in a dictionary",
      settings('model_config = {"env_prefix": "Y_"}\ndb: str'),
      ["Y_DB"],
    ],
    [
      "other names",
      settings(
        'a: str = Field(alias="DSN")\nb: str = Field(..., validation_alias=AliasChoices("DB", "B"))\nc: str = Field(env="C_C")',
      ),
      ["DSN", "DB", "C_C"],
    ],
    [
      "no fields",
      settings("_x: int = 1\nn: ClassVar[int] = 2\nplain = 3\n@property\ndef url(self): ..."),
      [],
    ],
    ["a class of the project's own", settings("a: str", "class Db(AppSettings):"), ["A"]],
    ["another kind of class", settings("a: str", "class Order(BaseModel):"), []],
  ])("%s", async (_, text, names) => {
    expect((await read(text)).names).toEqual(names);
  });
});

describe("modules of the project", () => {
  const config = settings("db_host: str");
  test.each<[string, string, Readonly<Record<string, string>>]>([
    ["from a package", "from app.core.config import settings", { "app/core/config.py": config }],
    ["a module of a package", "from app.core import config as c", { "app/core/config.py": config }],
    ["import", "import os, app.config as c", { "app/config.py": config }],
    ["in brackets", "from app import (\n    models,\n    config,\n)", { "app/config.py": config }],
    ["a package's own file", "from app import settings", { "app/__init__.py": config }],
    ["below src", "from app.config import settings", { "src/app/config.py": config }],
    [
      "by way of others, relative",
      "from app.db.session import engine",
      {
        "app/db/session.py": "from ..core.config import settings\nfrom . import other\n",
        "app/core/config.py": config,
        "app/db/other.py": "from app.db import session\n",
      },
    ],
    [
      "in a function",
      "def url():\n    from app.config import settings",
      { "app/config.py": config },
    ],
  ])("%s", async (_, env, files) => {
    expect((await read(env, files)).names).toEqual(["DB_HOST"]);
  });

  test("installed packages and names of modules that lead out are none of them", async () => {
    expect(
      (await read("import sqlalchemy\nfrom ... import x\nfrom alembic import context")).names,
    ).toEqual([]);
  });
});

test.each([
  ['url = "postgresql+psycopg2://" + x', "postgresql+psycopg2"],
  ['PostgresDsn.build(scheme="postgresql+asyncpg", host=h)', "postgresql+asyncpg"],
  ["engine = create_async_engine(url)", "postgresql+asyncpg"],
  ["connectable = async_engine_from_config(section)", "postgresql+asyncpg"],
  ["engine = create_engine(url)", "postgresql"],
])("the scheme of its URLs: %s", async (env, scheme) => {
  expect((await read(env)).scheme).toBe(scheme);
});
