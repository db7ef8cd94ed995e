import { execFileSync } from "node:child_process";
import {
  accessSync,
  appendFileSync,
  chmodSync,
  chownSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tablesOf, withUrl } from "../support/databases.ts";
import { chainOf, execute, writeHistory } from "../support/histories.ts";
import { startServer } from "../support/postgres.ts";
import {
  expectLine,
  type Place,
  programs,
  runProgram,
  start,
  startProgram,
} from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { dump, environment, type Shop } from "../support/shop.ts";

/** Bake must never touch a database that it did not make: here the project has a second one, which is real. */
let shop: Shop;
let real: string;

beforeAll(async () => {
  const server = await startServer({ settings: ["autovacuum = off"] });
  shop = { server, python: await pythonEnvironment(), ledger: "" };
  real = await server.createDatabase("stats");
  await server.sql(real, "CREATE TABLE precious (id int PRIMARY KEY)");
});

afterAll(async () => {
  await shop?.server.stop();
});

/** How a project may come by the address of its second database. */
const ways = {
  "a variable": 'os.environ["STATS_DATABASE_URL"]',
  "variables for its parts":
    '"postgresql://{STATS_DB_USER}@{STATS_DB_HOST}:{STATS_DB_PORT}/{STATS_DB_NAME}".format(**os.environ)',
  "a keyword DSN":
    '"postgresql://?" + urllib.parse.urlencode(dict(word.split("=") for word in os.environ["STATS_DSN"].replace(chr(39), "").split()))',
  "a .env file":
    '[os.environ.setdefault(*line.split("=", 1)) for line in open(".env").read().split()] and os.environ["STATS_FROM_DOTENV"]',
  "a .env file that overrules the environment":
    'dict(line.split("=", 1) for line in open(".env").read().split())["STATS_FROM_DOTENV"]',
  "another file": 'open("second.txt").read()',
  "its own text": "HARD_CODED",
  "the first address, with another name": 'os.environ["DATABASE_URL"].rsplit("/", 1)[0] + "/stats"',
} as const;

type Way = keyof typeof ways;

/** Ways in which bake can put another address. */
const replaced: readonly Way[] = [
  "a variable",
  "variables for its parts",
  "a keyword DSN",
  "a .env file",
];

/** Enough for the other kind of server: each takes seconds. */
const onOwn: readonly Way[] = ["a variable", "its own text"];

function project(way: Way): { readonly directory: string; readonly env: Record<string, string> } {
  const url = real.replace("postgres:", "postgresql:");
  const second = ways[way].replace("HARD_CODED", JSON.stringify(url));
  const directory = writeHistory(chainOf("one", "two"), {
    env: `
import os
import urllib.parse
from alembic import context
from sqlalchemy import create_engine, pool

def spelled(url):
    return "postgresql+psycopg://" + url.split("://", 1)[1]

for url in [os.environ["DATABASE_URL"], ${second}]:
    with create_engine(spelled(url), poolclass=pool.NullPool).connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
`,
  });
  writeFileSync(path.join(directory, ".env"), `STATS_FROM_DOTENV=${url}\n`);
  writeFileSync(path.join(directory, "second.txt"), url);
  const { hostname, port, username } = new URL(real);
  return {
    directory,
    env: {
      STATS_DATABASE_URL: url,
      STATS_DB_HOST: hostname,
      STATS_DB_PORT: port,
      STATS_DB_USER: username,
      STATS_DB_NAME: "stats",
      STATS_DSN: `host=${hostname} port=${port} user=${username} dbname=stats`,
    },
  };
}

function at(cwd: string, more: Record<string, string> = {}): Place {
  const { DATABASE_URL: _, ...env } = environment(shop, "");
  return { cwd, env: { ...env, PREFLIGHT_SCRATCH_URL: shop.server.url, ...more } };
}

/** All programs of the PATH but the one that makes namespaces. */
function pathWithoutUnshare(): string {
  const directory = mkdtempSync(path.join(tmpdir(), "preflight-path-"));
  const { PATH = "" } = environment(shop, "");
  for (const from of PATH.split(":").filter((each) => existsSync(each)))
    for (const name of readdirSync(from))
      if (name !== "unshare" && !existsSync(path.join(directory, name)))
        symlinkSync(path.join(from, name), path.join(directory, name));
  // A virtual environment's Python knows itself by where it stands.
  return [shop.python.bin, directory].join(":");
}

const isRoot = process.getuid?.() === 0;

describe.skipIf(!canConfine())("where a child can be confined", () => {
  it.each(["given", "own"] as const)(
    "%s server: a second database is never touched, however its address is known",
    { timeout: 300_000 },
    async (kind) => {
      const before = await dump(shop.server, real);
      for (const way of kind === "given" ? (Object.keys(ways) as Way[]) : onOwn) {
        const { directory, env } = project(way);
        const place = at(directory, env);
        const { PREFLIGHT_SCRATCH_URL: _, ...own } = place.env;
        const ended = await runProgram("binary", ["bake"], {
          cwd: directory,
          env: kind === "given" ? place.env : own,
        });
        const line = expectLine(ended);
        expect(await dump(shop.server, real), way).toBe(before);
        expect(line.exit, `${way}: ${ended.stderr}`).toBe(replaced.includes(way) ? 0 : 78);
        if (line.exit === 0) {
          expect(ended.stderr).toContain("the child could reach nothing but the scratch server");
          expect(readFileSync(path.join(directory, "preflight.ledger.json"), "utf8")).toContain(
            "t_1",
          );
        } else expect(line.next.join()).toMatch(/reach.*--scratch-unconfined|DATABASE_URL/);
      }
      expect(await databasesLeft()).toEqual([]);
    },
  );

  it("an upgrade that goes elsewhere after a `current` that did not: 25, with what to do", async () => {
    const url = real.replace("postgres:", "postgresql+psycopg:");
    const history = writeHistory([
      {
        id: "one",
        upgrade: `sa.create_engine("${url}").connect().exec_driver_sql("DROP TABLE precious")`,
      },
    ]);
    const line = expectLine(await runProgram("module", ["bake"], at(history)));
    expect(line).toMatchObject({ exit: 25, outcome: "migration-failed" });
    expect(line.next.join()).toContain("nothing but the scratch server can be reached");
    expect(await tablesOf(shop.server, real)).toEqual(["precious"]);
  });

  it("another server's Unix socket is out of reach, too", async () => {
    const [row] = await shop.server.sql(real, "SHOW unix_socket_directories");
    const { port } = new URL(real);
    const socket = `postgresql+psycopg://postgres@/stats?host=${row!["unix_socket_directories"]}&port=${port}`;
    const history = writeHistory([
      {
        id: "one",
        upgrade: `with sa.create_engine("${socket}").begin() as other:\n    other.exec_driver_sql("DROP TABLE precious")`,
      },
    ]);
    const { PREFLIGHT_SCRATCH_URL: _, ...env } = at(history).env;
    const line = expectLine(await runProgram("binary", ["bake"], { cwd: history, env }));
    expect(line).toMatchObject({ exit: 25, outcome: "migration-failed" });
    expect(await tablesOf(shop.server, real)).toEqual(["precious"]);
  });

  it.skipIf(!isRoot)("a user without rights confines it as well", async (context) => {
    const { directory, env } = project("its own text");
    const nobody = 65_534;
    const home = mkdtempSync(path.join(tmpdir(), "preflight-nobody-"));
    const program = path.join(home, "preflight");
    cpSync(programs.binary[0], program);
    // A Python in root's own directory is out of this user's reach; the machine's own may do.
    const bin = path.join(home, "bin");
    mkdirSync(bin);
    writeFileSync(
      path.join(bin, "alembic"),
      "#!/usr/bin/python3\nfrom alembic.config import main\nmain()\n",
      { mode: 0o755 },
    );
    for (const each of [home, bin, directory]) {
      chmodSync(each, 0o755);
      chownSync(each, nobody, nobody);
    }
    const place: Place = {
      ...at(directory, {
        ...env,
        PATH: `${bin}:/usr/bin:/bin`,
        PYTHONPATH: execFileSync(
          shop.python.python,
          ["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
          { encoding: "utf8" },
        ).trim(),
        HOME: home,
        TMPDIR: home,
        PYTHONDONTWRITEBYTECODE: "1",
      }),
      uid: nobody,
    };
    const tried = await start(["sh", "-c", "alembic --version && unshare -rnm true"], place).ended;
    if (tried.exit !== 0) context.skip("this user cannot run alembic, or make namespaces");
    const before = await dump(shop.server, real);
    const line = expectLine(await start([program, "bake"], place).ended);
    expect(line).toMatchObject({ exit: 78, outcome: "config" });
    expect(line.reason).toMatch(/The scratch database heard from .* on its way to another/);
    expect(await dump(shop.server, real)).toBe(before);
  });

  it("the child's exit code and its end by a signal come through", async () => {
    const history = writeHistory([{ id: "one", upgrade: "os.kill(os.getpid(), 9)" }]);
    const line = expectLine(await runProgram("binary", ["bake"], at(history)));
    expect(line).toMatchObject({ exit: 25 });
    expect(line.reason).toContain("was killed by SIGKILL");
  });
});

describe("where no child can be confined", () => {
  it("a second engine is refused before anything runs", { timeout: 300_000 }, async () => {
    const PATH = pathWithoutUnshare();
    const before = await dump(shop.server, real);
    for (const way of Object.keys(ways) as Way[]) {
      const { directory, env } = project(way);
      const line = expectLine(
        await runProgram("binary", ["bake"], at(directory, { ...env, PATH })),
      );
      expect(await dump(shop.server, real), way).toBe(before);
      expect(line, way).toMatchObject({ exit: 78, outcome: "config" });
      expect(line.reason).toMatch(/no unshare on PATH.*alembic\/env\.py:\d+ makes an engine/);
      expect(line.next.join()).toContain("--scratch-unconfined");
    }
    expect(await databasesLeft()).toEqual([]);
  });

  it("one engine that is seen to arrive is enough, and the log says so", async () => {
    const history = writeHistory(chainOf("one"));
    const ended = await runProgram("module", ["bake"], at(history, { PATH: pathWithoutUnshare() }));
    expect(expectLine(ended)).toMatchObject({ exit: 0 });
    expect(ended.stderr).toContain("one engine, seen to arrive on the scratch database");
  });

  it("a person's word lets it go on; addresses in variables are replaced all the same", async () => {
    const { directory, env } = project("a variable");
    const before = await dump(shop.server, real);
    const ended = await runProgram("binary", ["bake", "--scratch-unconfined"], at(directory, env));
    expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0 });
    expect(ended.stderr).toContain("not confined, by --scratch-unconfined");
    expect(await dump(shop.server, real)).toBe(before);
  });
});

describe("an address in alembic.ini", () => {
  /** Alembic's own template, on a real database. */
  function generic(template = "generic", driver = "psycopg"): string {
    const directory = mkdtempSync(path.join(tmpdir(), "preflight-template-"));
    const { bin } = shop.python;
    execFileSync(path.join(bin, "alembic"), ["init", "-t", template, "alembic"], {
      cwd: directory,
    });
    const url = real.replace("postgres:", `postgresql+${driver}:`);
    const ini = path.join(directory, "alembic.ini");
    const text = readFileSync(ini, "utf8").replaceAll(
      /^sqlalchemy\.url = .*/gm,
      `sqlalchemy.url = ${url}`,
    );
    writeFileSync(ini, text);
    return directory;
  }

  function revision(directory: string, upgrade: string, parameters = "", more = ""): void {
    const file = path.join(directory, "alembic/versions/one.py");
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(
      file,
      `from alembic import op\nrevision = "one"\ndown_revision = None\n\n\ndef upgrade(${parameters}):\n    ${upgrade}\n\n\ndef downgrade(${parameters}):\n    pass\n${more}`,
    );
  }

  it.each([
    ["generic", "psycopg"],
    ["async", "asyncpg"],
  ])("%s template with %s: the child gets a copy", async (template, driver) => {
    const directory = generic(template, driver);
    revision(directory, execute("CREATE TABLE made (id int)"));
    const before = await dump(shop.server, real);
    for (const more of [{}, { PATH: pathWithoutUnshare() }]) {
      const ended = await runProgram("binary", ["bake"], at(directory, more));
      expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0, ledger: "verified" });
    }
    expect(await dump(shop.server, real)).toBe(before);
    expect(readdirSync(directory).toSorted()).toEqual(
      ["alembic", "alembic.ini", "preflight.ledger.json"].toSorted(),
    );
  });

  it("a copy keeps `here`, the working directory and the logging, and takes any password", async () => {
    const directory = generic();
    revision(directory, execute("CREATE TABLE made (id int)"));
    appendFileSync(path.join(directory, "alembic.ini"), "\n[mine]\nplace = %(here)s/alembic.ini\n");
    const env = path.join(directory, "alembic/env.py");
    writeFileSync(
      env,
      `import os\n${readFileSync(env, "utf8")}
assert os.path.exists(config.get_section_option("mine", "place"))
assert os.path.exists("alembic/env.py")
`,
    );
    // The server trusts everybody; what matters is that ConfigParser would take a single % for its own.
    const PREFLIGHT_SCRATCH_URL = withUrl(shop.server.url, { password: "50%/@x" });
    const elsewhere = mkdtempSync(path.join(tmpdir(), "preflight-ledger-"));
    const args = ["bake", "--verbose", "--ledger", path.join(elsewhere, "ledger.json")];
    const ended = await runProgram("module", args, at(directory, { PREFLIGHT_SCRATCH_URL }));
    expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0 });
    expect(ended.stderr).toContain("Context impl PostgresqlImpl");
    expect(readdirSync(directory).toSorted()).toEqual(["alembic", "alembic.ini"]);
  });

  it("SIGTERM takes the copy away, and what leads to the scratch server", async () => {
    const directory = generic();
    revision(directory, `print("at work", flush=True)\n    ${execute("SELECT pg_sleep(600)")}`);
    const TMPDIR = mkdtempSync(path.join(tmpdir(), "preflight-own-"));
    const run = startProgram("binary", ["bake", "--verbose"], at(directory, { TMPDIR }));
    await run.says("at work");
    expect(readdirSync(TMPDIR).join()).toContain("preflight-ini-");
    run.child.kill("SIGTERM");
    expect(expectLine(await run.ended)).toMatchObject({ exit: 143, outcome: "signal" });
    expect(readdirSync(TMPDIR)).toEqual([]);
    expect(await databasesLeft()).toEqual([]);
  });

  it("multidb template: baked for its first database, and check warns", async () => {
    const directory = generic("multidb");
    revision(
      directory,
      'globals()["upgrade_%s" % engine_name]()',
      "engine_name",
      `\n\ndef upgrade_engine1():\n    ${execute("CREATE TABLE in_first (id int)")}\n\n\ndef upgrade_engine2():\n    ${execute("CREATE TABLE in_second (id int)")}\n`,
    );
    const before = await dump(shop.server, real);
    const ended = await runProgram("binary", ["bake"], at(directory));
    expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0 });
    const ledger = readFileSync(path.join(directory, "preflight.ledger.json"), "utf8");
    expect(ledger).toContain("in_first");
    expect(ledger).not.toContain("in_second");
    expect(await dump(shop.server, real)).toBe(before);

    const empty = await shop.server.createDatabase();
    const checked = await runProgram("binary", ["check"], at(directory, { DATABASE_URL: empty }));
    expect(expectLine(checked)).toMatchObject({ exit: 0, verdict: "fresh" });
    expect(checked.stderr).toContain("only one of its databases is judged");
    const refused = await runProgram(
      "binary",
      ["bake"],
      at(directory, { PATH: pathWithoutUnshare() }),
    );
    expect(expectLine(refused)).toMatchObject({ exit: 78 });
    expect(await dump(shop.server, real)).toBe(before);
  });
});

it("one other variable that env.py takes its address from names the first database", async () => {
  const read = readFileSync("examples/shop/alembic/env.py", "utf8");
  const env = read.replace('"DATABASE_URL"', '"SQLALCHEMY_DATABASE_URI"');
  const history = writeHistory(chainOf("one"), { env });
  const before = await dump(shop.server, real);
  // Alone, or beside DATABASE_URL, which names the same database.
  for (const more of [{}, { DATABASE_URL: real }]) {
    const place = at(history, { SQLALCHEMY_DATABASE_URI: `${real}?sslmode=disable`, ...more });
    const ended = await runProgram("binary", ["bake"], place);
    expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0 });
    expect(await dump(shop.server, real)).toBe(before);
  }
});

async function databasesLeft(): Promise<readonly unknown[]> {
  return await shop.server.sql(
    shop.server.url,
    "SELECT datname FROM pg_database WHERE datname LIKE 'preflight_bake_%'",
  );
}

function canConfine(): boolean {
  try {
    accessSync("/usr/bin/unshare", constants.X_OK);
    execFileSync("unshare", [...(isRoot ? [] : ["-r"]), "-n", "-m", "true"]);
    return true;
  } catch {
    return false;
  }
}
