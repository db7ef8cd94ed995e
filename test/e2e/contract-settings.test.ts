import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRole, withUrl } from "../support/databases.ts";
import { chainOf, writeHistory } from "../support/histories.ts";
import { freePort, startServer } from "../support/postgres.ts";
import { expectLine, logOf, type Place, type Program, runProgram } from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { environment, makeDatabase, makeImage, type Shop } from "../support/shop.ts";

let shop: Shop;
let image: string;
let url: string;

beforeAll(async () => {
  // Passwords count on this server, except for the superuser who prepares it.
  const server = await startServer({
    hba: [
      "local all all trust",
      "host all postgres 127.0.0.1/32 trust",
      "host all all 127.0.0.1/32 scram-sha-256",
    ],
  });
  shop = { server, python: await pythonEnvironment(), ledger: "" };
  image = makeImage(shop, { name: "", ledger: "none" });
  url = await makeDatabase(shop, { at: "head" });
});

afterAll(async () => {
  await shop?.server.stop();
});

function at(env: Record<string, string>, cwd = image): Place {
  const { PATH = "", HOME = "" } = environment(shop, "");
  return { cwd, env: { PATH, HOME, ...env } };
}

async function check(env: Record<string, string>, ...args: readonly string[]) {
  return expectLine(await runProgram("binary", ["check", ...args], at(env)));
}

const forms: readonly Program[] = ["binary", "module"];

describe.each(forms)("%s: faults in the settings", (program) => {
  it.each([
    ["an unknown flag", ["run", "--lock-timeuot", "3s"], 64, "did you mean --lock-timeout?"],
    ["an unknown command", ["chekc"], 64, "did you mean check?"],
    ["a stray argument", ["run", "python", "app.py"], 64, "a command to start goes after --"],
    ["a bad duration", ["run", "--timeout", "soon"], 78, "--timeout must be a duration"],
    ["a negative duration", ["run", "--timeout=-1s"], 78, "--timeout must be a duration"],
    ["a flag without its value", ["run", "--timeout"], 64, "--timeout needs a value"],
    ["a flag given twice", ["run", "--timeout", "1s", "--timeout", "2s"], 64, "given twice"],
    ["another command's flag", ["run", "--scratch-url", "postgres://x"], 64, "belongs to bake"],
    ["a wrong word", ["run", "--ahead", "maybe"], 78, "compatible, allow or refuse"],
    ["a shell's work", ["run", "--upgrade-command", "a && b"], 78, "no shell runs it"],
    ["a name that moves", ["run", "--assume", "head"], 78, "--assume must be"],
    ["a revision that is not there", ["run", "--assume", "nothing"], 78, "--assume nothing"],
    ["no such history", ["run", "--migrations", "./nowhere"], 66, "nowhere"],
    ["no such ledger", ["run", "--ledger", "nowhere.json"], 66, "nowhere.json"],
  ] as const)("%s", async (_, args, exit, text) => {
    const line = expectLine(await runProgram(program, args, at({ DATABASE_URL: url })));
    expect(line).toMatchObject({ exit, verdict: null, actions: [] });
    expect(line.reason).toContain(text);
  });

  it("all are told at once, and none repeats a value", async () => {
    const secret = "hunter2-very-secret";
    const ended = await runProgram(
      program,
      ["run", "--timeout", secret, "--drift", secret, "--nonsense", secret],
      at({
        DATABASE_URL: `mysql://me:${secret}@db/x`,
        PREFLIGHT_LOCK_TIMEOUT: secret,
        PREFLIGHT_UPGRADE_COMMAND: `x $(${secret})`,
      }),
    );
    const { reason, exit } = expectLine(ended);
    expect(exit).toBe(64);
    for (const name of [
      "--timeout",
      "--drift",
      "--nonsense",
      "DATABASE_URL",
      "PREFLIGHT_LOCK_TIMEOUT",
      "PREFLIGHT_UPGRADE_COMMAND",
    ])
      expect(reason).toContain(name);
    expect(ended.stdout + ended.stderr).not.toContain(secret);
    for (const fault of reason?.split("; ") ?? [])
      expect(ended.stderr).toContain(fault.slice(0, 30));
  });

  it("no database, an unreadable address, and two that contradict each other", async () => {
    const file = path.join(mkdtempSync(path.join(tmpdir(), "preflight-secret-")), "url");
    writeFileSync(file, `${url}\n`);
    const cases: readonly (readonly [Record<string, string>, string])[] = [
      [{}, "no database is named"],
      [{ DATABASE_URL: "" }, "no database is named"],
      [{ DATABASE_URL: "postgres//nothing" }, "DATABASE_URL"],
      [{ DATABASE_URL: "http://db:5432/x" }, "DATABASE_URL must begin with"],
      [{ DATABASE_URL: "postgres://u:p@ss@db/x" }, "%40"],
      [{ DATABASE_URL: "postgres://db:99999/x" }, "is not a port"],
      [
        { DATABASE_URL: url, DATABASE_URL_FILE: file },
        "DATABASE_URL and DATABASE_URL_FILE are both set",
      ],
      [
        { DATABASE_URL_FILE: "/no/such/file" },
        "DATABASE_URL_FILE names a file that cannot be read",
      ],
      [{ POSTGRES_PASSWORD: "x", POSTGRES_DB: "y" }, "without POSTGRES_HOST"],
    ];
    for (const [env, text] of cases) {
      const line = expectLine(await runProgram(program, ["check"], at(env)));
      expect(line, text).toMatchObject({ exit: 78, verdict: null });
      expect(line.reason).toContain(text);
    }
    const fromFile = expectLine(
      await runProgram(program, ["check"], at({ DATABASE_URL_FILE: file })),
    );
    expect(fromFile.exit).toBe(0);
  });
});

describe("the history", () => {
  it("none: 66; two: 78, naming both; one of them named: judged", async () => {
    const empty = mkdtempSync(path.join(tmpdir(), "preflight-empty-"));
    const none = await runProgram("binary", ["run"], at({ DATABASE_URL: url }, empty));
    expect(expectLine(none)).toMatchObject({ exit: 66, outcome: "missing-input" });

    const both = makeImage(shop, { name: "", ledger: "none" });
    mkdirSync(path.join(both, "supabase/migrations"), { recursive: true });
    writeFileSync(path.join(both, "supabase/migrations/20240101000000_a.sql"), "SELECT 1;");
    const two = await runProgram("binary", ["run"], at({ DATABASE_URL: url }, both));
    const line = expectLine(two);
    expect(line.exit).toBe(78);
    expect(line.reason).toContain("alembic.ini");
    expect(line.reason).toContain("supabase/migrations");
    const named = ["check", "--migrations", "alembic.ini"];
    const one = await runProgram("binary", named, at({ DATABASE_URL: url }, both));
    expect(expectLine(one)).toMatchObject({ exit: 0, verdict: "current" });
  });

  it("a history of the shop is found from elsewhere with --migrations", async () => {
    const args = ["check", "--migrations", image];
    const line = expectLine(await runProgram("module", args, at({ DATABASE_URL: url }, "/")));
    expect(line).toMatchObject({ exit: 0, verdict: "current" });
  });
});

describe("flags and variables", () => {
  it("every flag has its variable, and a flag counts more", async () => {
    const fresh = await makeDatabase(shop, { at: null });
    expect(await check({ DATABASE_URL: fresh, PREFLIGHT_EXIT_CODE: "true" })).toMatchObject({
      exit: 30,
    });
    expect(await check({ DATABASE_URL: url, PREFLIGHT_MIGRATIONS: "nowhere" })).toMatchObject({
      exit: 66,
    });
    expect(
      await check({ DATABASE_URL: url, PREFLIGHT_MIGRATIONS: "nowhere" }, "--migrations", "."),
    ).toMatchObject({ exit: 0 });
    expect(
      await check({ DATABASE_URL: url, PREFLIGHT_VERSION_TABLE: "other_table" }),
    ).toMatchObject({ verdict: "unversioned", exit: 21 });
    const closed = url.replace(/:\d+\//, `:${await freePort()}/`);
    const bounded = await runProgram(
      "binary",
      ["run"],
      at({ DATABASE_URL: closed, PREFLIGHT_TIMEOUT: "1s" }),
    );
    expect(expectLine(bounded)).toMatchObject({ exit: 69, outcome: "unavailable" });
    expect(bounded.ms).toBeLessThan(15_000);
    const once = await runProgram(
      "binary",
      ["run", "--check-only", "--timeout", "0"],
      at({ DATABASE_URL: closed, PREFLIGHT_TIMEOUT: "1h" }),
    );
    expect(expectLine(once).exit).toBe(69);
  });

  it("a misspelt variable is a warning that names the right one", async () => {
    const ended = await runProgram(
      "binary",
      ["check"],
      at({ DATABASE_URL: url, PREFLIGHT_LOCKTIMEOUT: "5s" }),
    );
    expect(expectLine(ended).exit).toBe(0);
    expect(logOf(ended)).toContain("did you mean PREFLIGHT_LOCK_TIMEOUT?");
  });

  it("DEBUG=true and --verbose show more", async () => {
    const quiet = await runProgram("binary", ["check"], at({ DATABASE_URL: url }));
    const loud = await runProgram("binary", ["check"], at({ DATABASE_URL: url, DEBUG: "true" }));
    const verbose = await runProgram("binary", ["check", "--verbose"], at({ DATABASE_URL: url }));
    expect(quiet.stderr).not.toContain('"level":"debug"');
    expect(loud.stderr).toContain('"level":"debug"');
    expect(verbose.stderr).toContain('"level":"debug"');
  });
});

describe.each(forms)("%s: addresses", (program) => {
  const odd = `p@ss:w/or%d?#&+ '"\\=é`;
  let name: string;
  let database: string;

  beforeAll(async () => {
    ({ name } = await createRole(shop.server, { password: odd }));
    await shop.server.sql(url, `GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${name}`);
    database = new URL(url).pathname.slice(1);
  });

  it("in every dialect, with a password of odd characters", async () => {
    const { host } = shop.server;
    const port = String(shop.server.port);
    const login = `${name}:${encodeURIComponent(odd).replaceAll("'", "%27")}`;
    const file = path.join(mkdtempSync(path.join(tmpdir(), "preflight-secret-")), "password");
    writeFileSync(file, `${odd}\n`);
    const cases: readonly Record<string, string>[] = [
      { DATABASE_URL: `postgres://${login}@${host}:${port}/${database}` },
      { DATABASE_URL: `postgresql://${login}@${host}:${port}/${database}?sslmode=prefer` },
      { DATABASE_URL: `postgresql+asyncpg://${login}@${host}:${port}/${database}?ssl=disable` },
      { DATABASE_URL: `postgresql+psycopg://${login}@/${database}?host=${host}&port=${port}` },
      {
        POSTGRES_HOST: host,
        POSTGRES_PORT: port,
        POSTGRES_USER: name,
        POSTGRES_PASSWORD: odd,
        POSTGRES_DB: database,
      },
      { PGHOST: host, PGPORT: port, PGUSER: name, PGPASSWORD: odd, PGDATABASE: database },
      { PGHOST: host, PGPORT: port, PGUSER: name, PGPASSWORD_FILE: file, PGDATABASE: database },
      {
        DATABASE_URL: "postgres://wrong:wrong@127.0.0.1:1/wrong",
        PREFLIGHT_DATABASE_URL: `postgres://${login}@${host}:${port}/${database}`,
      },
    ];
    for (const env of cases) {
      const ended = await runProgram(program, ["check"], at(env));
      expect(expectLine(ended), JSON.stringify(env)).toMatchObject({ exit: 0, verdict: "current" });
      expect(ended.stderr + ended.stdout).not.toContain(odd);
    }
  });

  it("a wrong password is 77 and a database that is not there 78, when the time is over", async () => {
    const wrong = withUrl(url, { user: name, password: "wrong-password" });
    const args = ["run", "--timeout", "1s"];
    const refused = await runProgram(program, args, at({ DATABASE_URL: wrong }));
    expect(expectLine(refused)).toMatchObject({ exit: 77, outcome: "permission", verdict: null });
    expect(refused.stdout + refused.stderr).not.toContain("wrong-password");
    const absent = url.replace(/[^/]+$/, "preflight_not_there");
    const line = expectLine(await runProgram(program, args, at({ DATABASE_URL: absent })));
    expect(line).toMatchObject({ exit: 78, outcome: "config", verdict: null });
    expect(line.reason).toContain("preflight_not_there");
  });

  it("something that is not PostgreSQL is 76, with TLS or without, and so is a server without TLS", async () => {
    const http = createHttpServer((_, response) => response.end("hello"));
    await new Promise<void>((resolve) => {
      http.listen(0, "127.0.0.1", resolve);
    });
    const { port } = http.address() as AddressInfo;
    try {
      for (const query of ["", "?sslmode=disable", "?sslmode=require"]) {
        const env = { DATABASE_URL: `postgres://me:secret@127.0.0.1:${port}/db${query}` };
        const ended = await runProgram(program, ["run", "--timeout", "20s"], at(env));
        expect(expectLine(ended), query).toMatchObject({ exit: 76, outcome: "protocol" });
      }
    } finally {
      http.closeAllConnections();
      http.close();
    }
    const strict = withUrl(url, { query: "sslmode=require" });
    const line = expectLine(await runProgram(program, ["run"], at({ DATABASE_URL: strict })));
    expect(line).toMatchObject({ exit: 76, outcome: "protocol", verdict: null });
  });
});

it("a version table with another name and schema is a setting, or read where env.py names it", async () => {
  const directory = writeHistory(chainOf("one", "two"), {
    configure: 'version_table="our versions", version_table_schema="Ops"',
  });
  const fresh = await makeDatabase(shop, { at: null, sql: ['CREATE SCHEMA "Ops"'] });
  const args = ["run", "--version-table", '"Ops"."our versions"'];
  const place = at({ DATABASE_URL: fresh }, directory);
  expect(expectLine(await runProgram("binary", args, place))).toMatchObject({
    exit: 0,
    verdict: "fresh",
    recordedAfter: ["two"],
  });
  expect(expectLine(await runProgram("module", args, place))).toMatchObject({
    verdict: "current",
    actions: [],
  });
  const without = expectLine(await runProgram("binary", ["run"], place));
  expect(without).toMatchObject({ exit: 0, verdict: "current", recorded: ["two"], actions: [] });
});
