import { describe, expect, test } from "vitest";
import {
  engines,
  filesRead,
  secondEngines,
  type Suspect,
} from "../../../src/tools/alembic/engines.ts";
import type { Node } from "../../../src/tools/alembic/syntax-node.ts";
import { parsePython } from "../../../src/tools/alembic/syntax-tree.ts";

async function lines(
  text: string,
  find: (script: Node) => readonly Suspect[],
): Promise<readonly number[]> {
  const parsed = await parsePython(text);
  if (parsed.kind === "fault") throw new Error(parsed.fault.why);
  return find(parsed.script).map(({ line }) => line);
}

const connects = "with engine.connect() as connection:\n    connection.begin()\n";

describe("an env.py with one engine", () => {
  test.each([
    `engine = create_engine(url)\n${connects}`,
    `engine = create_engine(url)\n${connects}${connects}`,
    `import sqlalchemy as sa\nwith sa.create_engine(url).connect() as c:\n    c.begin()\n`,
    `from app.db import engine\n${connects}`,
    `def get_engine():\n    return app.engine\nurl = get_engine().url\nengine = get_engine()\n${connects}`,
    `engine = config.attributes.get("connection", None)\nif engine is None:\n    engine = engine_from_config({})\n${connects}`,
    `engine = create_engine(url)\nfor tenant in tenants:\n    with engine.begin() as c:\n        run(c, tenant)\n`,
    `def run(connection):\n    with connection.begin():\n        pass\n\nasync def main():\n    engine = async_engine_from_config({})\n    async with engine.connect() as c:\n        await c.run_sync(run)\n\nasyncio.run(main())\n`,
    `def run(engine):\n    with engine.connect() as c:\n        pass\n\nrun(create_engine(url))\n`,
    `engine = create_engine(url)\nother = engine\nother.connect()\n`,
  ])("%s", async (text) => {
    expect(await lines(text, secondEngines)).toEqual([]);
  });
});

describe("an env.py with a second engine", () => {
  test.each([
    ["a = create_engine(1)\nb = create_engine(2)\n", 2],
    ["from sqlalchemy import create_engine as make\na = make(1)\nb = make(2)\n", 3],
    ["for url in urls:\n    create_engine(url)\n", 2],
    ["while True:\n    engine_from_config(x)\n", 2],
    ["engines = [create_engine(url) for url in urls]\n", 1],
    ["def run(url):\n    create_engine(url)\n\nrun(a)\nrun(b)\n", 2],
    ["def run(url):\n    create_engine(url)\n\nfor url in urls:\n    run(url)\n", 2],
    [
      "def make(url):\n    return create_engine(url)\n\ndef run(url):\n    make(url)\n\nrun(a)\nrun(b)\n",
      2,
    ],
    ["def run(url):\n    run(create_engine(url))\n\nrun(1)\n", 2],
    [`from app import stats, engine\n${connects}stats.connect()\n`, 4],
    [`from app import stats\nengine = create_engine(url)\n${connects}stats.begin()\n`, 5],
    ["for engine in engines:\n    engine.connect()\n", 2],
    ["def run(engine):\n    engine.connect()\n\nrun(a)\nrun(b)\n", 2],
    ["for name in names:\n    engine = get_engine(name)\n    engine.connect()\n", 3],
    ["def run(name):\n    engine = get_engine(name)\n    engine.connect()\n\nrun(1)\nrun(2)\n", 3],
    ["import psycopg\nengine = create_engine(url)\npsycopg.connect(dsn)\n", 3],
  ])("%s", async (text, line) => {
    expect(await lines(text, secondEngines)).toContain(line);
  });
});

test.each([
  ["from alembic import op\nop.get_bind().execute(1)\n", []],
  ["from sqlalchemy.orm import sessionmaker\nsessionmaker(op.get_bind())\n", []],
  ["import sqlalchemy as sa\nsa.create_engine(url)\n", [2]],
  ["import asyncpg\nasyncpg.connect(dsn)\n", [2]],
  ["from app.db import SessionLocal\n", [1]],
  ["from app.db import async_engine\n", [1]],
  ["open('data.sql').read()\n", []],
])("a revision file: %s", async (text, expected) => {
  expect(await lines(text, engines)).toEqual(expected);
});

test.each([
  ["load_dotenv()\n", []],
  ["load_dotenv('other.env')\n", [1]],
  ["dotenv.load_dotenv(override=True)\n", [1]],
  ["values = dotenv_values()\n", [1]],
  ["open('url.txt')\n", [1]],
  ["open('address.txt', encoding='utf-8')\n", [1]],
  ["Path('url').read_text()\n", [1]],
  ["open(file, 'w')\n", []],
  ["open(file, mode='a')\n", []],
  ["configparser.ConfigParser()\n", [1]],
])("an env.py that reads files: %s", async (text, expected) => {
  expect(await lines(text, filesRead)).toEqual(expected);
});
