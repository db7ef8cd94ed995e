import { writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRole, eventually, withUrl } from "../support/databases.ts";
import { execute, writeHistory, writeRevision } from "../support/histories.ts";
import { startServer } from "../support/postgres.ts";
import { expectLine, logOf, runProgram, startProgram } from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { alembic, dump, dumpWithoutJournal, environment } from "../support/shop.ts";
import type { Ground } from "./support/kinds.ts";

let ground: Ground;
/** Its tables are in a schema of their own; the second revision writes rows outside of a transaction. */
let image: string;

const rows = `with op.get_context().autocommit_block():\n    ${execute("INSERT INTO app.t VALUES (1)")}`;

beforeAll(async () => {
  const server = await startServer({ settings: ["autovacuum = off"] });
  ground = { server, python: await pythonEnvironment() };
  image = writeHistory([
    {
      id: "a",
      upgrade: [execute("CREATE SCHEMA app"), execute("CREATE TABLE app.t (n int)")].join("\n"),
    },
    { id: "b", after: "a", upgrade: rows },
  ]);
  expect((await runProgram("binary", ["bake"], at(""))).exit).toBe(0);
});

afterAll(async () => {
  await ground?.server.stop();
});

function at(url: string) {
  return { cwd: image, env: environment(ground, url) };
}

async function database(): Promise<string> {
  const url = await ground.server.createDatabase();
  await alembic(ground, image, url, "upgrade", "a");
  return url;
}

async function noted(url: string): Promise<readonly unknown[]> {
  return (await ground.server.sql(url, "SELECT version FROM preflight_progress")).map(
    ({ version }) => version,
  );
}

describe("a revision that writes rows outside of a transaction", () => {
  it("needs a role that may note its beginning: otherwise 77, and nothing is done", async () => {
    const owner = await database();
    const { name } = await createRole(ground.server);
    await ground.server.sql(
      owner,
      `GRANT ALL ON SCHEMA app TO ${name}; GRANT ALL ON ALL TABLES IN SCHEMA app, public TO ${name}; REVOKE CREATE ON SCHEMA public FROM PUBLIC`,
    );
    const before = await dump(ground.server, owner);
    const url = withUrl(owner, { user: name });
    const refused = expectLine(await runProgram("binary", ["run"], at(url)));
    expect(refused).toMatchObject({ exit: 77, outcome: "permission", actions: [] });
    expect(await dump(ground.server, owner)).toBe(before);

    await ground.server.sql(owner, `GRANT CREATE ON SCHEMA public TO ${name}`);
    expect(expectLine(await runProgram("binary", ["run"], at(url)))).toMatchObject({ exit: 0 });
    expect(await noted(owner), "what is recorded needs no note").toEqual([]);
    expect(await ground.server.sql(owner, "TABLE app.t")).toEqual([{ n: 1 }]);
  });

  /** It is there and executable; that its interpreter cannot be started shows only when it is. */
  const unstartable = ["run", "--upgrade-command", "./unstartable"];

  it("leaves no note where its program could not be started at all", async () => {
    writeFileSync(path.join(image, "unstartable"), "#!/etc/passwd\n", { mode: 0o755 });
    const url = await database();
    const args = unstartable;
    expect(expectLine(await runProgram("binary", args, at(url)))).toMatchObject({ exit: 66 });
    expect(await noted(url)).toEqual([]);
    expect(expectLine(await runProgram("binary", ["run"], at(url)))).toMatchObject({ exit: 0 });
  });

  it("does not begin where the run is told to stop while it notes it, and leaves no note", async () => {
    const url = await database();
    expect(expectLine(await runProgram("binary", unstartable, at(url)))).toMatchObject({
      exit: 66,
    });
    await ground.server.sql(
      url,
      `CREATE FUNCTION app.wait() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN PERFORM pg_catalog.pg_advisory_xact_lock(4711); RETURN NEW; END';
       CREATE TRIGGER wait BEFORE INSERT ON preflight_progress FOR EACH ROW EXECUTE FUNCTION app.wait()`,
    );
    const gate = postgres(url, { max: 1 });
    await gate`SELECT pg_advisory_lock(4711)`;
    const run = startProgram("binary", ["run"], at(url));
    await eventually(
      async () => (await gate`SELECT FROM pg_locks WHERE objid = 4711 AND NOT granted`).length > 0,
      "the note waits",
    );
    run.child.kill("SIGTERM");
    await sleep(200);
    await gate.end();
    const ended = await run.ended;
    expect(expectLine(ended)).toMatchObject({ exit: 143, outcome: "signal" });
    expect(logOf(ended)).not.toContain("running ");
    expect(await noted(url)).toEqual([]);
  });

  it("is partial for check and run once it failed, and --resume runs it from its beginning", async () => {
    const url = await database();
    const failed = expectLine(
      await runProgram("binary", ["run", "--upgrade-command", "false"], at(url)),
    );
    expect(failed).toMatchObject({ exit: 25, outcome: "migration-failed" });
    expect(failed.reason).toContain("revision b");
    expect(failed.next.join("\n")).toContain("--resume");
    for (const command of ["check", "run"]) {
      const line = expectLine(await runProgram("binary", [command], at(url)));
      expect(line).toMatchObject({ exit: 23, verdict: "partial", recorded: ["a"], actions: [] });
      expect(line.reason).toContain("revision b");
    }
    const resumed = expectLine(await runProgram("module", ["run", "--resume"], at(url)));
    expect(resumed).toMatchObject({ exit: 0, recordedAfter: ["b"] });
    expect(await ground.server.sql(url, "TABLE app.t")).toEqual([{ n: 1 }]);
    expect(await noted(url)).toEqual([]);
  });

  it("is not in doubt once a person has recorded it, and the next work clears the note away", async () => {
    const url = await database();
    await runProgram("binary", ["run", "--upgrade-command", "false"], at(url));
    await ground.server.sql(url, "INSERT INTO app.t VALUES (1)");
    await alembic(ground, image, url, "stamp", "--purge", "b");
    expect(expectLine(await runProgram("binary", ["run"], at(url)))).toMatchObject({
      exit: 0,
      verdict: "current",
    });
    const newer = writeHistory([], {});
    for (const [id, after, upgrade] of [
      ["a", undefined, execute("CREATE SCHEMA app")],
      ["b", "a", rows],
      ["c", "b", execute("CREATE TABLE app.u (n int)")],
    ] as const)
      writeRevision(newer, { id, upgrade, ...(after !== undefined && { after }) });
    const place = { ...at(url), cwd: newer };
    expect(expectLine(await runProgram("binary", ["run"], place))).toMatchObject({
      exit: 0,
      recordedAfter: ["c"],
    });
    expect(await noted(url)).toEqual([]);
  });
});

describe("a program that says yes and has not done it", () => {
  const env = (body: string): string => `
import os

from alembic import context
from sqlalchemy import create_engine, pool

try:
    import psycopg  # noqa: F401

    driver = "postgresql+psycopg"
except ImportError:
    driver = "postgresql+psycopg2"

address = os.environ.get("ELSEWHERE", os.environ["DATABASE_URL"])
with create_engine(driver + "://" + address.split("://", 1)[1], poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection)
    ${body}
`;

  it.each([
    [
      "rolled back",
      "transaction = connection.begin()\n    context.run_migrations()\n    transaction.rollback()",
      {},
      { exit: 26, outcome: "verify-failed" },
    ],
    [
      "migrated another database",
      "with context.begin_transaction():\n        context.run_migrations()",
      { ELSEWHERE: "" },
      { exit: 78, outcome: "config" },
    ],
  ])(
    "%s: refused, and the application is not started (fault 38)",
    async (_, body, more, wanted) => {
      const history = writeHistory([{ id: "one", upgrade: execute("CREATE TABLE one (id int)") }]);
      writeFileSync(path.join(history, "alembic/env.py"), env(body));
      const url = await ground.server.createDatabase();
      const elsewhere = await ground.server.createDatabase();
      const place = {
        cwd: history,
        env: { ...environment(ground, url), ...("ELSEWHERE" in more && { ELSEWHERE: elsewhere }) },
      };
      const before = await dump(ground.server, url);
      const ended = await runProgram("binary", ["run", "--", "echo", "started"], place);
      expect(expectLine(ended, "stderr")).toMatchObject(wanted);
      expect(ended.stdout).toBe("");
      const after = wanted.exit === 26 ? dumpWithoutJournal : dump;
      expect(await after(ground.server, url)).toBe(before);
    },
  );
});
