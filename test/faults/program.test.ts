import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/databases.ts";
import { freePort, startServer, type TestServer } from "../support/postgres.ts";
import {
  everyProgram,
  expectLine,
  logOf,
  type Place,
  programs,
  runProgram,
  start,
  startProgram,
} from "../support/process.ts";
import {
  error,
  message,
  scriptedServer,
  type Fault,
  type ScriptedServer,
  type Site,
} from "./scripted-server.ts";
import { faults } from "./server-faults.ts";

let image: string;
let server: TestServer;
const servers: ScriptedServer[] = [];

beforeAll(async () => {
  image = mkdtempSync(path.join(tmpdir(), "preflight-image-"));
  mkdirSync(path.join(image, "migrations"));
  writeFileSync(
    path.join(image, "migrations", "001_orders.sql"),
    "CREATE TABLE orders (id int);\n",
  );
  server = await startServer({
    settings: ["password_encryption = 'scram-sha-256'"],
    hba: [
      "local all all trust",
      "host all postgres 127.0.0.1/32 trust",
      "host all all 127.0.0.1/32 scram-sha-256",
    ],
  });
});
afterAll(() => server?.stop());
afterEach(async () => {
  for (const one of servers.splice(0)) await one.stop();
});

function at(url: string): Place {
  return { cwd: image, env: { PATH: process.env["PATH"] ?? "", DATABASE_URL: url } };
}

async function wrongAt(site: Site, fault: Fault): Promise<ScriptedServer> {
  const one = await scriptedServer({ login: "trust", faults: { [site]: fault } });
  servers.push(one);
  return one;
}

const pooler: Fault = (socket) => {
  socket.end(error({ S: "FATAL", C: "08P01", M: "unsupported startup parameter: options" }));
  return false;
};
const refusesSql: Fault = (socket) => {
  socket.end(Buffer.concat([error({ C: "57014", M: "storniert" }), message("Z", "I")]));
  return false;
};

const cases: readonly (readonly [string, Site, Fault, number])[] = [
  ["says nothing at all", "accept", faults["says nothing more"]!, 69],
  ["stalls at the login", "authentication ok", faults["says nothing more"]!, 69],
  ["stalls before the first answer", "first row", faults["says nothing more"]!, 69],
  ["closes at once", "accept", faults["closes"]!, 69],
  ["cannot fork", "authentication ok", faults["cannot fork"]!, 69],
  [
    "starts, in German",
    "authentication ok",
    faults["says that it starts, in another language"]!,
    69,
  ],
  [
    "refuses without a SQLSTATE",
    "authentication ok",
    faults["says an error without a SQLSTATE"]!,
    69,
  ],
  ["speaks HTTP", "authentication ok", faults["says HTTP"]!, 76],
  [
    "speaks at random",
    "authentication ok",
    (socket) => socket.write(Buffer.from("\x07\x07\x07\x07\x07\x07")),
    76,
  ],
  ["says 2 GB at the login", "setting", faults["announces a message of 2 GB"]!, 76],
  ["says a negative length", "ready", faults["announces a negative length"]!, 76],
  ["says notices without end", "setting", faults["says notices without end"]!, 76],
  ["asks for Kerberos", "authentication ok", faults["asks for Kerberos"]!, 77],
  ["is PgBouncer and knows no options", "authentication ok", pooler, 78],
  ["closes during the look", "second description", faults["closes"]!, 75],
  ["closes in the middle of the look's answer", "second row", faults["closes in the middle"]!, 75],
  ["cancels the look, in German", "second description", refusesSql, 75],
  [
    "answers the look with random bytes",
    "second description",
    faults["says an unknown message"]!,
    76,
  ],
  ["answers the look with a copy", "second description", faults["wants to copy out"]!, 76],
  ["answers the look with bad JSON", "second description", faults["says JSON that is none"]!, 76],
];

describe.each(everyProgram)("%s", (program) => {
  test.each(cases)(
    "a server that %s: one verdict line and its exit code (fault 5)",
    async (_, site, fault, exit) => {
      const one = await wrongAt(site, fault);
      for (const command of ["check", "run"]) {
        const url = `postgres://app:s3cret@127.0.0.1:${one.port}/app`;
        const ended = await runProgram(program, [command, "--timeout", "1s"], at(url));
        const line = expectLine(ended);
        expect(line, logOf(ended)).toMatchObject({ exit, actions: [] });
        expect(line.next, "what to do").not.toHaveLength(0);
        expect(ended.stdout + ended.stderr).not.toContain("s3cret");
      }
    },
  );

  test("told to stop while the server says nothing, it stops at once", async () => {
    const one = await wrongAt("authentication ok", faults["says nothing more"]!);
    const url = `postgres://app@127.0.0.1:${one.port}/app`;
    const started = startProgram(program, ["run"], at(url));
    await eventually(async () => one.connections() > 0, "it has connected");
    started.child.kill("SIGTERM");
    expect(expectLine(await started.ended)).toMatchObject({ exit: 143, outcome: "signal" });
  });

  test("a password that SASLprep changes logs in", async () => {
    const role = `prepared_${program}`;
    await server.sql(
      server.url,
      `CREATE ROLE "${role}" LOGIN PASSWORD 'a\u00a0\ufb01sh\u00ad'; GRANT CREATE ON SCHEMA public TO "${role}"`,
    );
    const password = encodeURIComponent("a\u00a0\ufb01sh\u00ad");
    const url = `postgres://${role}:${password}@127.0.0.1:${server.port}/postgres?sslmode=disable`;
    const line = expectLine(await runProgram(program, ["check", "--timeout", "1s"], at(url)));
    expect(line).toMatchObject({ exit: 0, verdict: "fresh" });
  });
});

/** Another file in the place of /etc/hosts, for one process. */
const withHosts = ["unshare", "--map-root-user", "--mount", "sh", "-c"];
const mountThem = 'mount --bind "$0" /etc/hosts && exec "$@"';

test.skipIf(!mayMount())(
  "a name that is made known late is met, and one that never is, is said (fault 3)",
  async () => {
    const hosts = path.join(image, "hosts");
    writeFileSync(hosts, "127.0.0.1 localhost\n");
    const url = `postgres://postgres@late.invalid:${server.port}/postgres`;
    const argv = [...withHosts, mountThem, hosts, ...programs.binary, "check", "--timeout"];
    const never = await start([...argv, "1s"], at(url)).ended;
    const line = expectLine(never);
    expect(line).toMatchObject({ exit: 69 });
    expect(line.reason).toContain("name");
    const late = start([...argv, "60s"], at(url));
    await late.says("waiting for PostgreSQL");
    // A dead address and a live one.
    writeFileSync(hosts, "127.0.0.1 localhost\n127.0.0.9 late.invalid\n127.0.0.1 late.invalid\n");
    expect(expectLine(await late.ended)).toMatchObject({ exit: 0, verdict: "fresh" });
  },
);

function mayMount(): boolean {
  const hosts = path.join(tmpdir(), `hosts-${process.pid}`);
  writeFileSync(hosts, "127.0.0.1 localhost\n");
  try {
    execFileSync("unshare", [...withHosts.slice(1), mountThem, hosts, "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

test("nothing listens, and then PostgreSQL starts (fault 1)", async () => {
  const port = await freePort();
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const started = startProgram("binary", ["check"], at(url));
  await started.says("waiting for PostgreSQL: connection refused");
  const late = await startServer({ port });
  try {
    expect(expectLine(await started.ended)).toMatchObject({ exit: 0, verdict: "fresh" });
  } finally {
    await late.stop();
  }
});
