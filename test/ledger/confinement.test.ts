import { execFile, execFileSync } from "node:child_process";
import { mkdtemp, readdir, readFile, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { DatabaseAddress } from "../../src/core/database-address.ts";
import { chooseProtection, confine, type Confinement } from "../../src/ledger/confinement.ts";
import type { Scratch } from "../../src/ledger/scratch.ts";
import { startServer, type TestServer } from "../support/postgres.ts";
import { pythonEnvironment } from "../support/python.ts";
import { connectionTo, openTestScratch } from "./open-scratch.ts";
import { refusal } from "./refusal.ts";

const run = promisify(execFile);
const certificates = join(import.meta.dirname, "../faults/certificates");
const path = process.env["PATH"] ?? "";

let given: TestServer;
let python: string;
beforeAll(async () => {
  [given, { python }] = await Promise.all([
    startServer({ settings: ["autovacuum = off"] }),
    pythonEnvironment(),
  ]);
});
afterAll(() => given?.stop());

describe.skipIf(!canConfine())("a confined child", () => {
  test("reaches a server of our own, and no other, by no way", async () => {
    const scratch = await openTestScratch({ on: null });
    const child = await confined(scratch);
    const { address } = await scratch.createDatabase();
    expect(await child.asks(child.reach(address))).toBe(address.database);
    const real = { ...address, user: "postgres", database: "postgres" };
    expect(await child.asks({ ...real, port: given.port })).toMatch(/refused/i);
    expect(await child.asks({ ...real, host: given.socketDirectory!, port: given.port })).toMatch(
      /refused|not a socket/i,
    );
    expect(await child.asks({ ...real, host: "192.0.2.1" })).toMatch(/unreachable/i);
    // What it could not reach is there.
    expect(await asks(python, [], { ...real, port: given.port })).toBe("postgres");
  });

  test("reaches bake's own databases on a given server, and no others beside them", async () => {
    const scratch = await openTestScratch({ on: connectionTo(given) });
    const child = await confined(scratch);
    const { address, other } = await scratch.createDatabase();
    const inside = child.reach(address);
    expect(await child.asks(inside)).toBe(address.database);
    expect(await child.asks(child.reach(await other("stats")))).toBe(`${address.database}_2`);
    for (const database of ["postgres", "template1", ""])
      expect(await child.asks({ ...inside, database })).toContain(
        `preflight bake did not make this database: "${database === "" ? address.user : database}"`,
      );
    for (const sslMode of ["disable", "prefer"])
      expect(await child.asks({ ...inside, sslMode })).toBe(address.database);
    expect(await child.asks({ ...inside, sslMode: "require" })).toContain("SSL");
  });

  test("speaks TLS with a given server, whose name it cannot check", async () => {
    const secured = await startServer({
      hba: ["local all all trust", "hostssl all all 127.0.0.1/32 trust"],
      tls: { certificate: join(certificates, "good.crt"), key: join(certificates, "server.key") },
    });
    onTestFinished(secured.stop);
    const rootCert = join(certificates, "ca.crt");
    const scratch = await openTestScratch({
      on: {
        ...connectionTo(secured),
        hosts: [{ host: "localhost", address: null, port: secured.port, password: null }],
        tls: { mode: "verify-full", rootCert, client: null },
      },
    });
    const child = await confined(scratch);
    const { address } = await scratch.createDatabase();
    const inside = child.reach(address);
    expect(await child.asks(inside)).toBe(address.database);
    expect(inside).toMatchObject({ sslMode: "verify-ca", sslRootCert: rootCert });
    // An address in the files that says 5432 does not fit by chance.
    expect(await child.asks({ ...inside, port: 5432 })).toMatch(/refused/i);
  });

  test("says nothing of a server that was there and has ended", async () => {
    const other = await startServer({ settings: ["autovacuum = off"] });
    const child = await confined(await openTestScratch({ on: null }));
    await other.stop();
    const [program = "", ...args] = child.wrap([python, "-c", "print('done')"], "/");
    expect(await run(program, args)).toMatchObject({ stdout: "done\n", stderr: "" });
  });

  test("leaves no process behind, and its end is its own", async () => {
    const child = await confined(await openTestScratch({ on: null }));
    const argv = child.wrap([python, "-c", "import os, sys; print(os.getpid()); sys.exit(7)"], "/");
    const [program = "", ...args] = argv;
    const ended = await run(program, args).catch((error: unknown) => error);
    expect(ended).toMatchObject({ code: 7 });
    // What forwards looks for the child's end ten times a second, and a loaded machine lets it wait.
    await expect
      .poll(async () => await processesOf(argv[argv.indexOf("-c") + 2]!), { timeout: 20_000 })
      .toBe(0);
  });

  test("a program that is not there is left to whoever starts it", async () => {
    const child = await confined(await openTestScratch({ on: null }));
    expect(child.wrap(["preflight-no-such-program", "x"], "/")).toEqual([
      "preflight-no-such-program",
      "x",
    ]);
  });
});

test.each([
  ["unshare", "/nowhere"],
  ["python3", "unshare"],
])("without %s on PATH there is none", async (missing, link) => {
  const scratch = await openTestScratch({ on: connectionTo(given) });
  const directory = link === "unshare" ? await directoryWith("unshare") : link;
  expect(await confine(scratch, directory)).toEqual({
    kind: "none",
    why: `there is no ${missing} on PATH`,
  });
  const options = { scratch, path: directory, unconfined: false, log: () => {} };
  expect(await chooseProtection({ ...options, suspects: [] })).toMatchObject({
    kind: "one-engine",
  });
  const refused = await refusal(chooseProtection({ ...options, suspects: ["env.py:3 makes"] }));
  expect(refused).toMatchObject({ outcome: "config" });
  expect(refused.message).toContain("env.py:3 makes");
  expect(
    await chooseProtection({ ...options, suspects: ["env.py:3 makes"], unconfined: true }),
  ).toEqual({ kind: "unconfined" });
});

async function directoryWith(program: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "preflight-path-"));
  await symlink(`/usr/bin/${program}`, join(directory, program));
  return directory;
}

type Child = Confinement & { readonly asks: (address: DatabaseAddress) => Promise<string> };

async function confined(scratch: Scratch): Promise<Child> {
  const made = await confine(scratch, path);
  if ("kind" in made) throw new Error(made.why);
  onTestFinished(made.close);
  return {
    ...made,
    asks: async (address) => {
      const [program = "", ...args] = made.wrap([python], "/");
      return await asks(program, args, address);
    },
  };
}

/** The name of the database, or what the driver says. */
async function asks(
  program: string,
  args: readonly string[],
  address: DatabaseAddress,
): Promise<string> {
  const script = `
import json, psycopg, sys
try:
    with psycopg.connect(**json.loads(sys.argv[1]), connect_timeout=5) as connection:
        print(connection.execute("SELECT current_database()").fetchone()[0])
except psycopg.Error as error:
    print(error)`;
  const { host, port, user, password, database, sslMode, sslRootCert } = address;
  const words = { host, port, user, password, dbname: database, sslmode: sslMode };
  const given = Object.entries({ ...words, sslrootcert: sslRootCert });
  const json = JSON.stringify(Object.fromEntries(given.filter(([, value]) => value !== null)));
  const { stdout } = await run(program, [...args, "-c", script, json]);
  return stdout.trim();
}

/** Those of this machine that have the word among their arguments. */
async function processesOf(word: string): Promise<number> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map(async (pid) => await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")),
  );
  return lines.filter((line) => line.includes(word)).length;
}

function canConfine(): boolean {
  try {
    const asRoot = process.getuid?.() === 0 ? [] : ["-r"];
    execFileSync("unshare", [...asRoot, "-n", "-m", "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
