import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseProgramEnv, programVariables } from "../../../src/core/program-env.ts";
import { chainOf, writeHistory } from "../../support/histories.ts";
import { preflight, type Said } from "../../support/in-process.ts";
import { startServer, type TestServer } from "../../support/postgres.ts";
import { pythonEnvironment } from "../../support/python.ts";

let server: TestServer;
let bin: string;
beforeAll(async () => {
  server = await startServer();
  ({ bin } = await pythonEnvironment());
});
afterAll(() => server?.stop());

const password = `p@ss/w%rd:'"ä`;

/** What every env.py here does once it has an engine; it says what its session has. "search_path" in one piece would set it. */
const work = `
def work(connection):
    say = lambda name: print(name, connection.exec_driver_sql("SHOW " + name).scalar(), flush=True)
    say("search" + "_path")
    say("lock_timeout")
    connection.commit()
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
`;
const synchronous = (url: string, first = "import os"): string => `${first}
from alembic import context
from sqlalchemy import create_engine
${work}
with create_engine(${url}).connect() as connection:
    work(connection)
`;
const parts = `"postgresql+psycopg2://", connect_args=dict(host=os.environ["DB_HOST"], port=os.environ["DB_PORT"], user=os.environ["DB_USER"], password=os.environ["DB_PASSWORD"], dbname=os.environ["DB_NAME"])`;

/** As FastAPI's template has it. */
const settings = `from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL


class Settings(BaseSettings):
    model_config = SettingsConfigDict(extra="ignore")
    PROJECT_NAME: str = "shop"
    POSTGRES_SERVER: str
    POSTGRES_PORT: int = 5432
    POSTGRES_USER: str
    POSTGRES_PASSWORD: str = ""
    POSTGRES_DB: str = ""

    @property
    def url(self):
        return URL.create("postgresql+psycopg", self.POSTGRES_USER, self.POSTGRES_PASSWORD, self.POSTGRES_SERVER, self.POSTGRES_PORT, self.POSTGRES_DB)


settings = Settings()
`;

function project(env: string, files: Readonly<Record<string, string>> = {}): string {
  const directory = writeHistory(chainOf("one", "two"), { env });
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(directory, file)), { recursive: true });
    writeFileSync(path.join(directory, file), text);
  }
  return directory;
}

async function say(
  cwd: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Said> {
  const base = { PATH: `${bin}:${process.env["PATH"]}`, PYTHONPATH: cwd };
  const scratch = argv[0] === "bake" ? { PREFLIGHT_SCRATCH_URL: server.url } : {};
  return await preflight(argv, { cwd, env: { ...base, ...scratch, ...env } });
}

/** An address of a new database, with a password; the server asks for none. */
async function newDatabase(sql = "SELECT 1"): Promise<URL> {
  const url = new URL(await server.createDatabase());
  await server.sql(url.href, sql);
  url.password = encodeURIComponent(password);
  return url;
}

/** What is advised, as it is typed. */
function advised({ line }: Said): string {
  return /--program-env '([^']*)'/.exec(line.next.join("\n"))?.[1] ?? "";
}

async function tablesOf(url: URL): Promise<readonly unknown[]> {
  const rows = await server.sql(
    url.href,
    "SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname !~ '^(pg_|information_schema|preflight$)' ORDER BY 1",
  );
  return rows.map(({ name }) => name);
}

const made = ["public.alembic_version", "public.t_0", "public.t_1"];

describe("a URL leads each driver there", () => {
  const script = `import asyncio, os, sys
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine
question = text("SELECT current_user || ' ' || current_database()")
async def ask(url):
    async with create_async_engine(url).connect() as connection:
        return (await connection.execute(question)).scalar()
for url in sys.stdin.read().split():
    if "async" in url:
        print(asyncio.run(ask(url)))
    else:
        with create_engine(url).connect() as connection:
            print(connection.execute(question).scalar())
`;
  const schemes = ["psycopg", "psycopg_async", "psycopg2", "asyncpg", "pg8000"];

  test.each(["host", "socket"])("by %s, whatever its parts are called", async (way) => {
    await server.sql(server.url, `DROP ROLE IF EXISTS "o'dd ür@"; CREATE ROLE "o'dd ür@" LOGIN`);
    const database = `My d/b%?#${way}`;
    await server.createDatabase(database);
    const { variables } = parseProgramEnv(
      schemes.map((driver) => `${driver}={url:postgresql+${driver}}`).join(";"),
    );
    const urls = programVariables(variables, {
      host: way === "host" ? server.host : (server.socketDirectory ?? server.host),
      port: server.port,
      user: "o'dd ür@",
      password,
      database,
      sslMode: way === "host" ? "prefer" : null,
      sslRootCert: null,
    });
    const { stdout, stderr } = spawnSync(path.join(bin, "python"), ["-c", script], {
      input: Object.values(urls).join("\n"),
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    expect(stdout.trim().split("\n")).toEqual(schemes.map(() => `o'dd ür@ ${database}`));
  });
});

describe("an application with variables of its own", { timeout: 120_000 }, () => {
  test("pydantic-settings in a module of its own: what is advised is typed, and does it for bake, run and check", async () => {
    const env = synchronous("settings.url", "from app.core.config import settings");
    const cwd = project(env, { "app/core/config.py": settings });
    const failed = await say(cwd, ["bake"]);
    expect(failed.line).toMatchObject({ exit: 78, outcome: "config" });
    expect(failed.line.reason).toContain("POSTGRES_SERVER");
    expect(failed.line.next[0]).toContain("seen to read PROJECT_NAME; POSTGRES_SERVER");
    const mapping = advised(failed);
    expect(mapping.split("; ")).toEqual([
      "POSTGRES_SERVER={host}",
      "POSTGRES_PORT={port}",
      "POSTGRES_USER={user}",
      "POSTGRES_PASSWORD={password}",
      "POSTGRES_DB={database}",
    ]);
    expect((await say(cwd, ["bake", "--program-env", mapping])).line).toMatchObject({ exit: 0 });

    const DATABASE_URL = (await newDatabase()).href;
    const unmapped = await say(cwd, ["run"], { DATABASE_URL });
    expect(unmapped.line).toMatchObject({ exit: 25, outcome: "migration-failed" });
    expect(unmapped.line.reason).toContain("POSTGRES_SERVER");
    expect(advised(unmapped)).toBe(mapping);
    const PREFLIGHT_PROGRAM_ENV = mapping.replaceAll("; ", "\n");
    const run = await say(cwd, ["run"], { DATABASE_URL, PREFLIGHT_PROGRAM_ENV });
    expect(run.line).toMatchObject({ exit: 0, outcome: "ready", verdict: "fresh" });
    const check = await say(cwd, ["check", ...flags(mapping)], { DATABASE_URL });
    expect(check.line).toMatchObject({ exit: 0, verdict: "current" });
  });

  test("the password arrives as it is, and is printed nowhere", async () => {
    const digest = createHash("sha256").update(password).digest("hex");
    const env = synchronous(
      parts,
      `import hashlib, os
if "DIGEST" in os.environ:
    assert hashlib.sha256(os.environ["DB_PASSWORD"].encode()).hexdigest() == os.environ["DIGEST"]
    print("parts", os.environ["DB_PASSWORD"], os.environ["DB_URL"], os.environ["DB_JSON"], flush=True)`,
    );
    const mapping =
      'DB_HOST={host}; DB_PORT={port}; DB_USER={user}; DB_PASSWORD={password}; DB_NAME={database}; DB_URL={url:postgresql+asyncpg}; DB_JSON={{"pw": "{password}"}}';
    const cwd = project(env);
    expect((await say(cwd, ["bake", "--program-env", mapping])).line).toMatchObject({ exit: 0 });
    const url = await newDatabase();
    // What the environment has under the same name counts less.
    const PREFLIGHT_DATABASE_URL = url.href;
    const given = { PREFLIGHT_DATABASE_URL, DB_HOST: "nowhere.invalid", DIGEST: digest };
    const run = await say(cwd, ["run", "--program-env", mapping], given);
    expect(run.line).toMatchObject({ exit: 0 });
    expect(run.stderr).toContain("parts ***");
    for (const secret of [password, encodeURIComponent(password), "p%40ss", "w%25rd"])
      expect(run.stderr + run.stdout).not.toContain(secret);
    expect(await tablesOf(url)).toEqual(made);
  });

  test("a password that a command prints", async () => {
    const cwd = project(
      synchronous(parts, `import os\nassert os.environ["DB_PASSWORD"] in ("", "t0ken-of-today")`),
    );
    const url = await newDatabase();
    url.password = "";
    const mapping =
      "DB_HOST={host}; DB_PORT={port}; DB_USER={user}; DB_PASSWORD={password}; DB_NAME={database}";
    const run = await say(cwd, ["run", "--program-env", mapping], {
      DATABASE_URL: url.href,
      PREFLIGHT_PASSWORD_COMMAND: "echo t0ken-of-today",
    });
    expect(run.line).toMatchObject({ exit: 0 });
    expect(run.stderr).not.toContain("t0ken-of-today");
  });

  test("an asynchronous env.py that takes one URL", async () => {
    const env = `import asyncio
from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine
from shop.settings import AppSettings
${work}
async def main():
    async with create_async_engine(AppSettings().db_url).connect() as connection:
        await connection.run_sync(work)
        await connection.commit()

asyncio.run(main())
`;
    const cwd = project(env, {
      "shop/settings.py": `from pydantic_settings import BaseSettings\nclass AppSettings(BaseSettings):\n    db_url: str\n    class Config:\n        env_prefix = "SHOP_"\n`,
    });
    const failed = await say(cwd, ["bake"]);
    expect(advised(failed)).toBe("SHOP_DB_URL={url:postgresql+asyncpg}");
    expect((await say(cwd, ["bake", "--program-env", advised(failed)])).line.exit).toBe(0);
    const url = await newDatabase();
    const run = await say(cwd, ["run", "--program-env", advised(failed)], {
      DATABASE_URL: url.href,
    });
    expect(run.line).toMatchObject({ exit: 0, verdict: "fresh" });
    expect(await tablesOf(url)).toEqual(made);
  });

  const all =
    "DB_HOST={host}; DB_PORT={port}; DB_USER={user}; DB_PASSWORD={password}; DB_NAME={database}";

  test("the address' options go along, behind the limit for locks", async () => {
    const cwd = project(synchronous(parts));
    const url = await newDatabase("CREATE SCHEMA app");
    const DATABASE_URL = `${url.href}?options=-csearch_path%3Dapp`;
    const run = await say(cwd, ["run", "--program-env", all], { DATABASE_URL });
    expect(run.line).toMatchObject({ exit: 0 });
    expect(run.stderr).toContain("search_path app");
    expect(run.stderr).toContain("lock_timeout 5s");
    expect(await tablesOf(url)).toEqual(made.map((name) => name.replace("public", "app")));
  });

  test("a driver that reads no options: warned of, and refused where it would lead to another schema", async () => {
    const cwd = project(synchronous(`os.environ["SHOP_DB_URL"]`));
    const url = await newDatabase("CREATE SCHEMA app");
    const mapping = ["--program-env", "SHOP_DB_URL={url:postgresql+pg8000}"];
    const elsewhere = await say(cwd, ["run", ...mapping], {
      DATABASE_URL: `${url.href}?options=-csearch_path%3Dapp`,
    });
    expect(elsewhere.line).toMatchObject({ exit: 78 });
    expect(elsewhere.line.reason).toContain("for postgresql+pg8000");
    expect(await tablesOf(url)).toEqual([]);
    const run = await say(cwd, ["run", ...mapping], {
      DATABASE_URL: `${url.href}?options=-cwork_mem%3D8MB`,
    });
    expect(run.stderr).toContain(
      "a URL for postgresql+pg8000 cannot say what the address says of options",
    );
    expect(run.line).toMatchObject({ exit: 0, verdict: "fresh" });
  });

  test("of several hosts the one that was reached", async () => {
    const cwd = project(synchronous(parts));
    const url = await newDatabase();
    const DATABASE_URL = url.href.replace(url.host, `127.0.0.1:1,${url.host}`);
    const run = await say(cwd, ["run", "--program-env", all], { DATABASE_URL });
    expect(run.line).toMatchObject({ exit: 0 });
    expect(await tablesOf(url)).toEqual(made);
  });

  test("a program that works on another database is given the mapping as advice", async () => {
    const cwd = project(synchronous(parts));
    const other = await newDatabase();
    const run = await say(cwd, ["run"], {
      DATABASE_URL: (await newDatabase()).href,
      DB_HOST: other.hostname,
      DB_PORT: other.port,
      DB_USER: other.username,
      DB_PASSWORD: "x",
      DB_NAME: other.pathname.slice(1),
    });
    expect(run.line).toMatchObject({ exit: 78, outcome: "config" });
    expect(advised(run)).toBe(all);
    expect(await tablesOf(other)).toEqual([]);
  });

  test("--env-file: for preflight and for the program; and mentioned where nobody named it", async () => {
    const url = await newDatabase();
    const cwd = project(synchronous(parts), {
      ".env": `DATABASE_URL='${url.href.replaceAll("'", "%27")}'\nDB_HOST=${url.hostname}\nDB_PORT=${url.port}\nDB_USER=${url.username}\nDB_PASSWORD=S3kr1t-of-mine\nDB_NAME=${url.pathname.slice(1)}\n`,
    });
    const unread = await say(cwd, ["run"]);
    expect(unread.line).toMatchObject({ exit: 78 });
    expect(unread.line.reason).toContain("--env-file .env");
    const noPart = await say(cwd, ["run"], { DATABASE_URL: url.href });
    expect(noPart.line.next.join()).toContain("--env-file .env");
    const run = await say(cwd, ["run", "--env-file", ".env"]);
    expect(run.line).toMatchObject({ exit: 0 });
    expect(run.stderr).not.toContain("S3kr1t-of-mine");
    expect(await tablesOf(url)).toEqual(made);
  });

  test("a history that preflight applies itself has no program", async () => {
    const cwd = project("", { "migrations/001_a.sql": "CREATE TABLE a (id int);" });
    const run = await say(cwd, ["check", "--tool", "sql", "--program-env", "A={host}"], {
      DATABASE_URL: (await newDatabase()).href,
    });
    expect(run.line).toMatchObject({ exit: 78 });
    expect(run.line.reason).toContain("--program-env");
  });
});

/** Each of them a flag of its own. */
function flags(mapping: string): readonly string[] {
  return mapping.split("; ").flatMap((one) => ["--program-env", one]);
}
