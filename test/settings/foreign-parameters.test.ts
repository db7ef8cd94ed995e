import { describe, expect, test } from "vitest";
import { connect, look } from "./connection-world.ts";

const at = (query: string, scheme = "postgresql") =>
  look({ env: { DATABASE_URL: `${scheme}://u@h/d?${query}` } });

describe("what other programs put into the same URL", () => {
  test.each([
    ["Prisma through a pooler", "pgbouncer=true&connection_limit=1&pool_timeout=20"],
    ["SQLAlchemy with asyncpg", "prepared_statement_cache_size=0&async_fallback=true"],
    ["Rails", "pool=5&reaping_frequency=10&prepared_statements=false&encoding=unicode"],
    ["pgx", "pool_max_conns=10&default_query_exec_mode=simple_protocol"],
    ["lib/pq", "binary_parameters=yes&statement_timeout=30000"],
    ["JDBC", "reWriteBatchedInserts=true&ApplicationName=shop&loginTimeout=5"],
    ["Doctrine", "serverVersion=16&charset=utf8"],
    ["node-postgres", "uselibpqcompat=true&connectionTimeoutMillis=1000"],
    ["Ecto", "pool_size=10"],
    ["golang-migrate", "x-multi-statement=true"],
    ["Vercel", "supa=base-pooler.x&workaround=supabase-pooler.vercel"],
  ])("%s: passed over in one line, which names all of it", (_, query) => {
    const { connection, warnings, notes } = at(query);
    expect(connection).toMatchObject({ user: "u", database: "d", options: null, schema: null });
    expect(warnings).toEqual([]);
    expect(notes).toHaveLength(1);
    for (const pair of query.split("&")) expect(notes[0]).toContain(pair.split("=")[0]);
  });

  test("nothing is said of a driver's own, where the URL names the driver", () => {
    const query = "prepared_statement_cache_size=0&statement_cache_size=0&timeout=3";
    expect(at(query, "postgresql+asyncpg")).toMatchObject({ warnings: [], notes: [] });
    expect(at("timeout=3", "postgresql+pg8000")).toMatchObject({ warnings: [], notes: [] });
  });

  test("one that nobody knows is warned of, by name", () => {
    for (const name of ["colour", "constructor", "toString"]) {
      const { connection, warnings, notes } = at(`${name}=S3kr1t`);
      expect(connection).not.toBeNull();
      expect(warnings).toEqual([expect.stringContaining(`${name} in DATABASE_URL`)]);
      expect([...warnings, ...notes].join()).not.toContain("S3kr1t");
    }
  });

  test.each([
    ["sslmod=require", "sslmode"],
    ["SSLMODE=require", "sslmode"],
    ["sslMode=verify-full", "sslmode"],
    ["sslrootcrt=/ca.pem", "sslrootcert"],
    ["usessl=true", null],
    ["tls=1", null],
    ["verify=true", null],
    ["search_pth=app", "search_path"],
    ["schem=app", "schema"],
    ["optoins=-csearch_path%3Dapp", "options"],
    ["hostadr=10.0.0.1", "hostaddr"],
    ["target_session_attr=primary", "target_session_attrs"],
    ["chanel_binding=require", "channel_binding"],
    ["targetservertype=primary", "targetServerType"],
  ])("%s could be a slip that matters: a fault", (query, meant) => {
    const { connection, faults } = at(query);
    expect(connection).toBeNull();
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(query.split("=")[0]);
    if (meant !== null) expect(faults[0]).toContain(`did you mean ${meant}?`);
  });
});

describe("what says where the data lives is understood", () => {
  test("Prisma's schema, as --schema is", () => {
    const { connection, notes } = at("schema=app");
    expect(connection).toMatchObject({ schema: "app", options: null });
    expect(notes).toEqual([expect.stringContaining('--schema "app"')]);
  });

  test.each([
    ["currentSchema=app", '-c search_path="app"'],
    ["search_path=app,public", '-c search_path="app","public"'],
    ["search_path=%22My%20app%22", String.raw`-c search_path="My\ app"`],
    ["search_path=%22$user%22,public", '-c search_path="$user","public"'],
    ["schema_search_path=app", '-c search_path="app"'],
    ["options[search_path]=app", '-c search_path="app"'],
    ["options=-cwork_mem%3D8MB&search_path=app", '-cwork_mem=8MB -c search_path="app"'],
    ["search_path=app&options=-cwork_mem%3D8MB", '-cwork_mem=8MB -c search_path="app"'],
    ["role=shop_owner", "-c role=shop_owner"],
    ["options[role]=shop%20owner", String.raw`-c role=shop\ owner`],
  ])("%s is sent as a start-up option", (query, options) => {
    expect(at(query)).toMatchObject({ connection: { options }, warnings: [] });
  });

  test.each([
    ["currentSchema=a&search_path=b", "currentSchema and search_path"],
    ["schema=app&search_path=b", "schema and search_path"],
    ["search_path=b,public&schema=app", "schema and search_path"],
  ])("%s: one program would read there, and another one elsewhere", (query, named) => {
    const { connection, faults } = at(query);
    expect(connection).toBeNull();
    expect(faults).toEqual([expect.stringContaining(`${named} in DATABASE_URL lead to different`)]);
  });

  test("what leads to the same is no fault", () => {
    const query = "currentSchema=app&search_path=app&schema=app";
    expect(at(query)).toMatchObject({ faults: [], connection: { schema: "app" } });
    expect(at("schema=app&search_path=%22$user%22,app").faults).toEqual([]);
  });

  test.each([
    ["primary", "primary"],
    ["master", "primary"],
    ["secondary", "standby"],
    ["preferSecondary", "prefer-standby"],
    ["any", "any"],
  ])("targetServerType=%s", (value, targetSession) => {
    expect(at(`targetServerType=${value}`)).toMatchObject({ connection: { targetSession } });
  });

  test("targetServerType with another value is a fault", () => {
    expect(at("targetServerType=preferPrimary").connection).toBeNull();
  });
});

describe("what says whom to trust is understood", () => {
  test.each([
    ["sslmode=no-verify", "require"],
    ["ssl=no-verify", "require"],
    ["ssl=1", "require"],
    ["ssl=0", "disable"],
  ])("node-postgres' %s", (query, mode) => {
    expect(at(query).connection?.tls.mode).toBe(mode);
  });

  test("Prisma's strict check, with its word for the authority's certificate", () => {
    const tls = (query: string) => at(query).connection?.tls;
    expect(tls("sslmode=require&sslaccept=strict&sslcert=/ca.pem")).toEqual({
      mode: "verify-full",
      rootCert: "/ca.pem",
      client: null,
    });
    expect(tls("sslaccept=strict")).toMatchObject({ mode: "verify-full", rootCert: "system" });
    expect(tls("sslmode=require&sslaccept=accept_invalid_certs&sslcert=/ca.pem")).toEqual({
      mode: "require",
      rootCert: null,
      client: null,
    });
    expect(tls("sslmode=disable&sslaccept=strict")).toMatchObject({ mode: "disable" });
  });

  test.each(["sslidentity=/c.p12", "sslhostnameverifier=x", "channelBinding=require"])(
    "%s cannot be honoured: a warning",
    (query) => {
      expect(at(query).warnings).toEqual([expect.stringContaining("is not honoured")]);
    },
  );
});

test("a URL of JDBC's", () => {
  const DATABASE_URL = "jdbc:postgresql://h:1/d?user=u&password=S3kr1t&currentSchema=app&ssl=true";
  expect(connect({ env: { DATABASE_URL } })).toMatchObject({
    hosts: [{ host: "h", port: 1, password: "S3kr1t" }],
    user: "u",
    database: "d",
    tls: { mode: "require" },
    options: '-c search_path="app"',
  });
});
