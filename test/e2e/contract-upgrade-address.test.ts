import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createRole,
  eventually,
  rowsOf,
  sessionsIn,
  tablesOf,
  withUrl,
} from "../support/databases.ts";
import { type Driver, drivers, envWith } from "../support/drivers.ts";
import { chainOf, writeHistory } from "../support/histories.ts";
import { startServer } from "../support/postgres.ts";
import { type Ended, expectLine, logOf, runProgram, startProgram } from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { alembic, dump, environment, type Shop } from "../support/shop.ts";

let shop: Shop;

beforeAll(async () => {
  shop = { server: await startServer(), python: await pythonEnvironment(), ledger: "" };
});

afterAll(async () => {
  await shop?.server.stop();
});

const chain = chainOf("one", "two");

/** A database of this history: empty, or at its first revision. */
async function databaseAt(history: string, at: "fresh" | "behind"): Promise<string> {
  const url = await shop.server.createDatabase();
  if (at === "behind") await alembic(shop, history, url, "upgrade", "one");
  return url;
}

type Addresses = {
  /** What the program reads. */
  readonly program: string;
  /** What is judged. */
  readonly judged: string;
  readonly env?: Readonly<Record<string, string>>;
};

async function run(
  cwd: string,
  { program, judged, env = {} }: Addresses,
  args: readonly string[] = ["run"],
): Promise<Ended> {
  const own = { ...environment(shop, program), PREFLIGHT_DATABASE_URL: judged, ...env };
  return await runProgram("binary", args, { cwd, env: own });
}

function nameOf(url: string): string {
  return new URL(url).pathname.slice(1);
}

/** Refused with 78, and neither database was changed. */
async function expectRefused(
  cwd: string,
  addresses: Addresses,
  args: readonly string[] = ["run"],
): Promise<ReturnType<typeof expectLine>> {
  const before = await dumps(addresses);
  const ended = await run(cwd, addresses, args);
  const line = expectLine(ended);
  expect(line, ended.stderr).toMatchObject({ exit: 78, outcome: "config", actions: [] });
  expect(await dumps(addresses)).toEqual(before);
  await expectNoTrace(addresses.judged);
  return line;
}

async function dumps({ program, judged }: Addresses): Promise<readonly string[]> {
  return await Promise.all([program, judged].map((url) => dump(shop.server, url)));
}

async function expectNoTrace(url: string): Promise<void> {
  await eventually(
    async () => (await sessionsIn(shop.server, url)).length === 0,
    "no session is left",
  );
}

describe.each(drivers)("%s", (driver) => {
  const env = { DRIVER: driver };

  it.each(["fresh", "behind"] as const)(
    "%s: the upgrade is seen to arrive, and runs",
    async (at) => {
      const history = writeHistory(chain, { env: envWith() });
      const url = await databaseAt(history, at);
      const ended = await run(history, { program: url, judged: url, env }, ["run", "--verbose"]);
      expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0, recordedAfter: ["two"] });
      expect(logOf(ended)).toContain("alembic current --verbose arrives here");
      expect(logOf(ended)).not.toContain("could not be seen beforehand");
      await expectNoTrace(url);
    },
  );

  it.each(["fresh", "behind"] as const)(
    "%s: one that works on another database never runs",
    async (at) => {
      const history = writeHistory(chain, { env: envWith() });
      const judged = await databaseAt(history, at);
      const program = await databaseAt(history, at);
      const line = await expectRefused(history, { program, judged, env });
      expect(line.reason).toContain(`database ${nameOf(judged)} (PREFLIGHT_DATABASE_URL)`);
      expect(line.reason).toContain(
        `works on host 127.0.0.1, port ${shop.server.port}, database ${nameOf(program)}`,
      );
    },
  );

  it("one that leads to another schema's version table never runs", async () => {
    const history = writeHistory(chain, {
      env: envWith('connection.execute(text("SET search_path = tenant"))', "connection.commit()"),
    });
    const url = await databaseAt(writeHistory(chain), "behind");
    await shop.server.sql(
      url,
      "CREATE SCHEMA tenant; CREATE TABLE tenant.alembic_version (version_num varchar(32) PRIMARY KEY)",
    );
    const line = await expectRefused(history, { program: url, judged: url, env });
    expect(line.reason).toContain("public.alembic_version");
    expect(line.reason).toContain("another version table");
  });
});

it("another server is another database, whatever its name (psycopg)", async () => {
  const other = await startServer();
  try {
    const history = writeHistory(chain, { env: envWith() });
    const judged = await databaseAt(history, "behind");
    const program = new URL(other.url);
    program.pathname = nameOf(judged);
    await other.sql(other.url, `CREATE DATABASE ${nameOf(judged)}`);
    await alembic(shop, history, program.href, "upgrade", "one");
    const ended = await run(history, { program: program.href, judged });
    expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 78, actions: [] });
    expect(expectLine(ended).reason).toContain(`port ${program.port}`);
    expect(await rowsOf(other, program.href)).toEqual(["one"]);
    expect(await rowsOf(shop.server, judged)).toEqual(["one"]);
  } finally {
    await other.stop();
  }
});

describe("a fixed sqlalchemy.url", () => {
  function historyWith(url: string): string {
    const history = writeHistory(chain, { env: envWith() });
    fixUrl(path.join(history, "alembic.ini"), url);
    return history;
  }

  it("that leads here is as good as any other", async () => {
    const judged = await databaseAt(writeHistory(chain), "behind");
    const ended = await run(historyWith(judged), { program: shop.server.url, judged });
    expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0, recordedAfter: ["two"] });
  });

  it("that leads elsewhere is refused, and named", async () => {
    const judged = await databaseAt(writeHistory(chain), "behind");
    const other = await databaseAt(writeHistory(chain), "fresh");
    const line = await expectRefused(historyWith(other), { program: judged, judged });
    expect(line.reason).toContain(`database ${nameOf(other)}`);
    expect(line.next.join(" ")).toContain("sqlalchemy.url");
    expect(await tablesOf(shop.server, other)).toEqual([]);
  });

  it("of another configuration, which only the upgrade's own command names", async () => {
    const judged = await databaseAt(writeHistory(chain), "behind");
    const other = await databaseAt(writeHistory(chain), "behind");
    const history = historyWith(judged);
    const ini = readFileSync(path.join(history, "alembic.ini"), "utf8");
    writeFileSync(path.join(history, "other.ini"), ini);
    fixUrl(path.join(history, "other.ini"), other);
    const args = ["run", "--migrations", "alembic.ini", "--upgrade-command"];
    const command = [...args, "alembic -c other.ini upgrade head"];
    const line = await expectRefused(history, { program: judged, judged }, command);
    expect(line.reason).toContain("alembic -c other.ini current --verbose did not arrive");
    expect(await rowsOf(shop.server, other)).toEqual(["one"]);
    const right = [...args, "alembic -c alembic.ini upgrade head"];
    const ended = await run(history, { program: judged, judged }, right);
    expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0, recordedAfter: ["two"] });
  });

  function fixUrl(file: string, url: string): void {
    const text = readFileSync(file, "utf8").replace(/^sqlalchemy\.url.*\n/m, "");
    writeFileSync(file, text.replace("[alembic]\n", `[alembic]\nsqlalchemy.url = ${url}\n`));
  }
});

describe("others at the same table", () => {
  /** Somebody who reads the version table again and again, each time in a new session. */
  function readAgainAndAgain(url: string): () => Promise<number> {
    let isOver = false;
    const reading = (async () => {
      let times = 0;
      while (!isOver) {
        const client = postgres(url, { max: 1, onnotice: () => {} });
        await client`SELECT version_num FROM alembic_version`;
        await client.end();
        times += 1;
      }
      return times;
    })();
    return async () => {
      isOver = true;
      return await reading;
    };
  }

  it.each<Driver>(["psycopg", "asyncpg"])(
    "%s: who reads it meanwhile is not taken for the program",
    async (driver) => {
      const history = writeHistory(chain, { env: envWith() });
      const judged = await databaseAt(history, "behind");
      const program = await databaseAt(history, "behind");
      const stop = readAgainAndAgain(judged);
      const ended = await run(history, { program, judged, env: { DRIVER: driver } });
      expect(await stop()).toBeGreaterThan(0);
      expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 78, actions: [] });
      expect(await rowsOf(shop.server, program)).toEqual(["one"]);
    },
  );

  it("who reads it gets it while a program takes its time, within the patience of other replicas", async () => {
    const history = writeHistory(chain, { env: envWith("time.sleep(9)") });
    const url = await databaseAt(history, "behind");
    const started = startProgram("binary", ["run"], {
      cwd: history,
      env: environment(shop, url),
    });
    await started.says("address.asked");
    const reader = postgres(url, { max: 1, connection: { lock_timeout: 9500 } });
    for (let times = 0; times < 3; times += 1)
      expect(await reader`SELECT version_num FROM alembic_version`).toEqual([
        { version_num: "one" },
      ]);
    await reader.end();
    const ended = await started.ended;
    expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0, recordedAfter: ["two"] });
  });

  it("who holds it for reading, as pg_dump does, is in nobody's way", async () => {
    const history = writeHistory(chain, { env: envWith() });
    const url = await databaseAt(history, "behind");
    const other = await databaseAt(history, "behind");
    const readers = [url, other].map((one) => postgres(one, { max: 1 }));
    try {
      for (const reader of readers) await reader`BEGIN`.catch(() => {});
      const held = await Promise.all(readers.map((reader) => reader.reserve()));
      for (const reader of held) await reader.unsafe("BEGIN; SELECT FROM alembic_version").simple();
      const ended = await run(history, { program: url, judged: url });
      expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0, recordedAfter: ["two"] });
      const wrong = await run(history, { program: url, judged: other });
      expect(expectLine(wrong), wrong.stderr).toMatchObject({ exit: 78, actions: [] });
      for (const reader of held) reader.release();
    } finally {
      await Promise.all(readers.map((reader) => reader.end({ timeout: 1 })));
    }
  });

  it("a limit for locks of the program's own role does not make it a stranger", async () => {
    for (const driver of ["psycopg", "asyncpg"]) {
      const history = writeHistory(chain, { env: envWith() });
      const url = await databaseAt(history, "behind");
      const { name } = await createRole(shop.server, { settings: "lock_timeout = '10ms'" });
      await shop.server.sql(url, `GRANT ${name} TO CURRENT_USER; ALTER ROLE ${name} SUPERUSER`);
      const program = withUrl(url, { user: name });
      const env = { DRIVER: driver, PREFLIGHT_DDL_LOCK_TIMEOUT: "none" };
      const ended = await run(history, { program, judged: url, env });
      expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0, recordedAfter: ["two"] });
    }
  });
});

describe("a program that cannot say where it works", () => {
  it.each(drivers)(
    "%s has no connection: its own words, and where addresses stand",
    async (driver) => {
      const history = writeHistory(chain, { env: envWith() });
      const judged = await databaseAt(history, "behind");
      const wrong = new URL(judged);
      wrong.pathname = "nowhere";
      const ended = await run(history, { program: wrong.href, judged, env: { DRIVER: driver } });
      const line = expectLine(ended);
      expect(line, ended.stderr).toMatchObject({ exit: 78, outcome: "config", actions: [] });
      expect(line.reason).toContain('database "nowhere" does not exist');
      expect(line.next.join(" ")).toContain("sqlalchemy.url");
      expect(await rowsOf(shop.server, judged)).toEqual(["one"]);
    },
  );

  it("is broken itself: 25 with its own words, and nothing has run", async () => {
    const history = writeHistory(chain, { env: "import nothing_of_that_name\n" });
    const judged = await databaseAt(writeHistory(chain), "behind");
    const ended = await run(history, { program: judged, judged });
    const line = expectLine(ended);
    expect(line, ended.stderr).toMatchObject({ exit: 25, outcome: "migration-failed" });
    expect(line.reason).toContain("No module named 'nothing_of_that_name'");
    expect(line.next.join(" ")).toContain("nothing has run");
    expect(logOf(ended)).not.toContain("running alembic upgrade");
  });

  it("is asked by nobody where nothing is known of it: a warning, and the look after it", async () => {
    const history = writeHistory(chain, { env: envWith() });
    const judged = await databaseAt(history, "behind");
    const other = await databaseAt(history, "behind");
    const script = path.join(history, "migrate.sh");
    writeFileSync(script, '#!/bin/sh\nexec alembic "$@"\n', { mode: 0o755 });
    const args = ["run", "--migrations", "alembic/versions", "--upgrade-command"];
    const bare = writeHistory(chain, { env: envWith() });
    const hidden = ["-c", path.join(history, "alembic.ini"), "upgrade", "head"];
    const command = [...args, `${script} ${hidden.join(" ")}`];
    writeFileSync(path.join(bare, "alembic.ini"), "");
    const wrong = await run(bare, { program: other, judged }, command);
    expect(logOf(wrong)).toContain("could not be seen beforehand");
    const line = expectLine(wrong);
    expect(line, wrong.stderr).toMatchObject({ exit: 26, outcome: "verify-failed" });
    expect(line.next.join(" ")).toContain("Another one may just have been changed");
    const right = await run(bare, { program: judged, judged }, command);
    expect(expectLine(right), right.stderr).toMatchObject({ exit: 0, recordedAfter: ["two"] });
  });

  it("is a person's own command, of which the tool's failure says nothing", async () => {
    const history = writeHistory(chain, { env: envWith("os.environ['SET_BY_THE_SCRIPT']") });
    const script = path.join(history, "migrate.sh");
    writeFileSync(script, "#!/bin/sh\nSET_BY_THE_SCRIPT=1 exec alembic upgrade head\n", {
      mode: 0o755,
    });
    const plain = writeHistory(chain);
    const url = await databaseAt(plain, "behind");
    const args = ["run", "--upgrade-command", script];
    const ended = await run(history, { program: url, judged: url }, args);
    expect(expectLine(ended), ended.stderr).toMatchObject({ exit: 0, recordedAfter: ["two"] });
    expect(logOf(ended)).toContain("could not be seen beforehand");
  });
});

it("a healthy start starts no program", async () => {
  const history = writeHistory(chain, { env: envWith() });
  const judged = await databaseAt(history, "fresh");
  await alembic(shop, history, judged, "upgrade", "head");
  const ended = await run(history, { program: shop.server.url, judged });
  expect(expectLine(ended)).toMatchObject({ exit: 0, verdict: "current" });
  expect(logOf(ended)).not.toContain("alembic current");
});

describe("check, which starts no program", () => {
  it("warns of another database in the program's own variables", async () => {
    const history = writeHistory(chain, { env: envWith() });
    const judged = await databaseAt(history, "behind");
    const ended = await run(history, { program: "", judged, env: { POSTGRES_DB: "xb" } }, [
      "check",
    ]);
    expect(expectLine(ended)).toMatchObject({ exit: 0, verdict: "behind" });
    expect(logOf(ended)).toContain(`POSTGRES_HOST, POSTGRES_PORT, POSTGRES_DB names xb`);
    expect(logOf(ended)).toContain("run upgrades nothing if the program works there");
  });

  it("warns of another host or port only of an upgrade, since a pooler has others", async () => {
    const history = writeHistory(chain, { env: envWith() });
    const judged = await databaseAt(history, "behind");
    const program = new URL(judged);
    program.port = "6432";
    const addresses = { program: program.href, judged };
    const pending = await run(history, addresses, ["check"]);
    expect(logOf(pending)).toContain("port 6432");
    expect(logOf(pending)).toContain("right for a pooler");
    await alembic(shop, history, judged, "upgrade", "head");
    const healthy = await run(history, addresses, ["check"]);
    expect(expectLine(healthy)).toMatchObject({ exit: 0, verdict: "current" });
    expect(logOf(healthy)).not.toContain("6432");
  });

  it("says nothing of the same place by another name", async () => {
    const history = writeHistory(chain, { env: envWith() });
    const judged = await databaseAt(history, "behind");
    const program = new URL(judged);
    program.hostname = "localhost";
    const ended = await run(history, { program: program.href, judged }, ["check"]);
    expect(logOf(ended)).not.toContain("may take its address");
  });
});

describe("rows that are not the schema's", () => {
  const configure = 'version_table=os.environ.get("VERSION_TABLE", "alembic_version")';
  let history: string;
  beforeAll(async () => {
    history = writeHistory(chain, { configure });
    const baked = await runProgram("binary", ["bake"], {
      cwd: history,
      env: { ...environment(shop, ""), PREFLIGHT_SCRATCH_URL: shop.server.url },
    });
    expect(expectLine(baked), baked.stderr).toMatchObject({ exit: 0 });
  });

  /** The schema is that of `one`, or of `two`. */
  const rows = [
    ["nobody knows them", "behind", "stranger", "missing-file"],
    ["later than the schema", "behind", "two", "mismatched"],
    ["earlier than the schema, and nothing is left to be run", "head", "one", "mismatched"],
  ] as const;

  async function databaseWith(at: "behind" | "head", row: string): Promise<string> {
    const url = await databaseAt(history, "behind");
    if (at === "head") await alembic(shop, history, url, "upgrade", "head");
    await shop.server.sql(url, `UPDATE alembic_version SET version_num = '${row}'`);
    return url;
  }

  it.each(rows)("%s: replaced in the table that the program reads", async (_, at, row, verdict) => {
    const url = await databaseWith(at, row);
    const ended = await run(history, { program: url, judged: url });
    expect(expectLine(ended), ended.stderr).toMatchObject({
      exit: 0,
      verdict,
      recordedAfter: ["two"],
    });
  });

  it.each(rows)(
    "%s: they stay where the program reads another table, and are a neighbour's",
    async (_, at, row, verdict) => {
      const url = await databaseWith(at, row);
      const env = { VERSION_TABLE: "own_versions" };
      const line = await expectRefused(history, { program: url, judged: url, env });
      expect(line).toMatchObject({ verdict, recordedAfter: [row] });
      expect(line.reason).toContain("another version table");
    },
  );
});
