import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRole, eventually, withUrl } from "../support/databases.ts";
import { writeHistory } from "../support/histories.ts";
import { freePort, startServer, type TestServer } from "../support/postgres.ts";
import {
  type Ended,
  expectLine,
  logOf,
  type Place,
  type Program,
  runProgram,
  startProgram,
} from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { environment, makeDatabase, makeImage, type Shop } from "../support/shop.ts";

let shop: Shop;
let image: string;
const forms: readonly Program[] = ["binary", "module"];

beforeAll(async () => {
  const server = await startServer({
    hba: [
      "local all all trust",
      "host all postgres 127.0.0.1/32 trust",
      "host all all 127.0.0.1/32 scram-sha-256",
    ],
  });
  shop = { server, python: await pythonEnvironment(), ledger: "" };
  image = makeImage(shop, { name: "", ledger: "none" });
});

afterAll(async () => {
  await shop?.server.stop();
});

function at(url: string, more: Record<string, string> = {}, cwd = image): Place {
  const { DATABASE_URL: _, ...env } = environment(shop, url);
  return { cwd, env: { ...env, ...(url === "" ? {} : { DATABASE_URL: url }), ...more } };
}

/** A database at head, and a role that may look at it with this password. */
async function guarded(password: string): Promise<URL> {
  const { name } = await createRole(shop.server, { password });
  const url = await makeDatabase(shop, { at: "head" });
  await shop.server.sql(url, `GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${name}`);
  return new URL(withUrl(url, { user: name }));
}

/** A port on which the server can be reached from when it is opened. */
async function laterPort() {
  const port = await freePort();
  const gate = createServer((socket) => {
    const inner = connect(shop.server.port, shop.server.host);
    socket.on("error", () => inner.destroy()).on("close", () => inner.destroy());
    inner.on("error", () => socket.destroy());
    socket.pipe(inner).pipe(socket);
  });
  return {
    port,
    open: () => gate.listen(port, "127.0.0.1"),
    close: () => gate.close(),
  };
}

/** A program of its own directory, in which it runs. */
function writeScript(body: string): string {
  const directory = mkdtempSync(path.join(tmpdir(), "preflight-command-"));
  const file = path.join(directory, "token");
  writeFileSync(file, `#!/bin/sh\ncd ${directory}\n${body}\n`, { mode: 0o755 });
  return file;
}

function linesBeside(script: string, name: string): readonly string[] {
  const file = path.join(path.dirname(script), name);
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
  // A file that a shell has opened and not yet written to holds no line.
  return lines.filter((line) => line !== "");
}

function isAlive(pid: string | undefined): boolean {
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch {
    return false;
  }
}

function expectSilence(ended: Ended, ...secrets: readonly string[]): void {
  for (const secret of secrets) expect(`${ended.stdout}${ended.stderr}`).not.toContain(secret);
}

describe.each(forms)("%s: the password comes from a command", (program) => {
  it("that is asked again for every attempt, so that a token that has expired is replaced (fault 15)", async () => {
    const url = await guarded("fresh-t0ken");
    const gate = await laterPort();
    url.port = String(gate.port);
    const script = writeScript(
      "echo asked >> calls\nif [ $(wc -l < calls) -lt 3 ]; then echo expired-t0ken; else echo fresh-t0ken; fi",
    );
    const place = at(url.href, { PREFLIGHT_PASSWORD_COMMAND: script });
    const started = startProgram(program, ["check", "--timeout", "60s", "--verbose"], place);
    await eventually(
      async () => linesBeside(script, "calls").length >= 3,
      "two tokens have been of no use",
      30_000,
    );
    gate.open();
    const ended = await started.ended;
    gate.close();
    expect(expectLine(ended)).toMatchObject({ exit: 0, verdict: "current" });
    expectSilence(ended, "expired-t0ken", "fresh-t0ken");
  });

  it("that is asked again when its token is refused, and prints the right one at last (fault 15)", async () => {
    const url = await guarded("fresh-t0ken");
    const script = writeScript(
      "echo asked >> calls\nif [ $(wc -l < calls) -lt 3 ]; then echo expired-t0ken; else echo fresh-t0ken; fi",
    );
    const place = at(url.href, { PREFLIGHT_PASSWORD_COMMAND: script });
    const ended = await runProgram(program, ["check", "--timeout", "60s"], place);
    expect(expectLine(ended)).toMatchObject({ exit: 0, verdict: "current" });
    expect(linesBeside(script, "calls")).toHaveLength(3);
    expectSilence(ended, "expired-t0ken", "fresh-t0ken");
  });

  it("and stays out of the environment and the output of the upgrade", async () => {
    const url = await makeDatabase(shop, { at: null });
    const said = `print("seen", [name for name, value in os.environ.items() if "t0ken" in value])\nprint("said", open("token.txt").read())`;
    const history = writeHistory([{ id: "one", upgrade: said }]);
    writeFileSync(path.join(history, "token.txt"), "some-t0ken");
    const script = writeScript(`cat ${path.join(history, "token.txt")}`);
    const place = at(url, { PREFLIGHT_PASSWORD_COMMAND: script }, history);
    const ended = await runProgram(program, ["run"], place);
    expect(expectLine(ended).exit).toBe(0);
    expect(logOf(ended)).toContain("seen []");
    expect(logOf(ended)).toContain("said ***");
    expectSilence(ended, "some-t0ken");
  });

  it.each([
    ["fails", "echo the-t0ken; echo looking >&2; echo no credentials >&2; exit 3", "exited with 3"],
    ["prints nothing", "echo no credentials >&2", "printed nothing"],
    ["prints a NUL byte", String.raw`printf 'a\000b'; echo no credentials >&2`, "NUL byte"],
    ["prints too much", "head -c 65537 /dev/zero | tr '\\0' x; echo no credentials >&2", "64 KiB"],
    ["is killed", "echo no credentials >&2; kill -9 $$", "was killed by SIGKILL"],
  ])("which is waited for while it %s, and then named (fault 15)", async (_, body, why) => {
    const script = writeScript(`echo asked >> calls\n${body}`);
    const place = at(shop.server.url, { PREFLIGHT_PASSWORD_COMMAND: script });
    const ended = await runProgram(program, ["check", "--timeout", "2s"], place);
    const line = expectLine(ended);
    expect(line).toMatchObject({ exit: 69, outcome: "unavailable", verdict: null });
    expect(line.reason).toContain(why);
    expect(line.reason).toContain("its last line: no credentials");
    expect(line.next[0]).toContain("PREFLIGHT_PASSWORD_COMMAND");
    expect(logOf(ended)).toContain("waiting for PostgreSQL: the command for the password failed");
    expect(linesBeside(script, "calls").length).toBeGreaterThan(1);
    expectSilence(ended, "the-t0ken");
  });

  it("which is stopped, with what it started, when it takes too long", async () => {
    const script = writeScript("echo $$ >> pids; sleep 100 & echo $! >> pids; wait");
    const place = at(shop.server.url, { PREFLIGHT_PASSWORD_COMMAND: script });
    const ended = await runProgram(program, ["check", "--timeout", "1s"], place);
    const line = expectLine(ended);
    expect(line).toMatchObject({ exit: 69, outcome: "unavailable" });
    expect(line.reason).toContain("did not end within");
    for (const pid of linesBeside(script, "pids"))
      await eventually(async () => !isAlive(pid), "the command and its child are gone");
  });

  it("which is stopped when preflight is told to stop", async () => {
    const script = writeScript("trap '' TERM; echo $$ > pids; while :; do sleep 1; done");
    const place = at(shop.server.url, { PREFLIGHT_PASSWORD_COMMAND: script });
    const started = startProgram(program, ["check"], place);
    await eventually(async () => linesBeside(script, "pids").length > 0, "the command runs");
    started.child.kill("SIGTERM");
    expect(expectLine(await started.ended)).toMatchObject({ exit: 143, outcome: "signal" });
    const [pid] = linesBeside(script, "pids");
    await eventually(async () => !isAlive(pid), "the command is gone");
  });

  it("which does not exist or is no program: 66 at once", async () => {
    for (const command of ["no-such-program --region eu", path.join(image, "alembic.ini")]) {
      const place = at(shop.server.url, { PREFLIGHT_PASSWORD_COMMAND: command });
      const line = expectLine(await runProgram(program, ["check"], place));
      expect(line).toMatchObject({ exit: 66, outcome: "missing-input" });
    }
  });

  it("and from the address too: 78, naming both; a password file is passed over", async () => {
    const passfile = path.join(mkdtempSync(path.join(tmpdir(), "preflight-")), "pgpass");
    writeFileSync(passfile, "*:*:*:*:from-file\n", { mode: 0o644 });
    const url = await guarded("right-t0ken");
    const command = { PREFLIGHT_PASSWORD_COMMAND: "echo right-t0ken", PGPASSFILE: passfile };
    const ended = await runProgram(program, ["check"], at(url.href, command));
    expect(expectLine(ended)).toMatchObject({ exit: 0, verdict: "current" });
    expect(logOf(ended)).not.toContain("PGPASSFILE");
    url.password = "other-t0ken";
    const both = expectLine(await runProgram(program, ["check"], at(url.href, command)));
    expect(both).toMatchObject({ exit: 78, outcome: "config" });
    expect(both.reason).toContain("PREFLIGHT_PASSWORD_COMMAND and password in DATABASE_URL");
    expect(both.reason).not.toContain("t0ken");
  });
});

describe.each(forms)("%s: the password comes from a file", (program) => {
  it("that Kubernetes rotates while preflight waits (fault 46)", async () => {
    const url = await guarded("second-pass");
    const gate = await laterPort();
    const volume = mkdtempSync(path.join(tmpdir(), "preflight-volume-"));
    const rotate = (version: string, password: string): void => {
      mkdirSync(path.join(volume, version));
      writeFileSync(path.join(volume, version, "password"), `${password}\n`);
      symlinkSync(version, path.join(volume, "..data_tmp"));
      renameSync(path.join(volume, "..data_tmp"), path.join(volume, "..data"));
    };
    rotate("..2026_01", "first-pass");
    symlinkSync("..data/password", path.join(volume, "password"));
    const place = at("", {
      POSTGRES_HOST: "127.0.0.1",
      POSTGRES_PORT: String(gate.port),
      POSTGRES_USER: url.username,
      POSTGRES_DB: url.pathname.slice(1),
      POSTGRES_PASSWORD_FILE: path.join(volume, "password"),
    });
    const started = startProgram(program, ["check"], place);
    await started.says("database.waiting");
    rotate("..2026_02", "second-pass");
    gate.open();
    const ended = await started.ended;
    gate.close();
    expect(expectLine(ended)).toMatchObject({ exit: 0, verdict: "current" });
    expectSilence(ended, "first-pass", "second-pass");
  });

  it("that is gone in the middle of a rotation: what was read before counts, and is said", async () => {
    const url = await guarded("first-pass");
    const gate = await laterPort();
    url.port = String(gate.port);
    url.password = "first-pass";
    const file = path.join(mkdtempSync(path.join(tmpdir(), "preflight-")), "url");
    writeFileSync(file, url.href);
    const started = startProgram(program, ["check"], at("", { DATABASE_URL_FILE: file }));
    await started.says("database.waiting");
    renameSync(file, `${file}.old`);
    await started.says("settings.unreadable");
    gate.open();
    const ended = await started.ended;
    gate.close();
    expect(expectLine(ended)).toMatchObject({ exit: 0, verdict: "current" });
    expect(logOf(ended)).toContain("DATABASE_URL_FILE names a file that cannot be read (ENOENT)");
    expectSilence(ended, "first-pass");
  });

  it("and a new one is redacted in the upgrade's output too (fault 40)", async () => {
    const gate = await laterPort();
    const url = new URL(await makeDatabase(shop, { at: null }));
    const { port } = url;
    const directory = mkdtempSync(path.join(tmpdir(), "preflight-"));
    const file = path.join(directory, "password");
    writeFileSync(file, "first-pass");
    const said = `print("said", open("${file}").read())`;
    const env = `import os\nos.environ["DATABASE_URL"] = os.environ["DATABASE_URL"].replace(":${gate.port}/", ":${port}/")\n${readFileSync(path.join(image, "alembic/env.py"), "utf8")}`;
    const history = writeHistory([{ id: "one", upgrade: said }], { env });
    url.port = String(gate.port);
    const place = at(url.href, { PGPASSWORD_FILE: file }, history);
    const started = startProgram(program, ["run"], place);
    await started.says("database.waiting");
    writeFileSync(file, "second-pass");
    gate.open();
    const ended = await started.ended;
    gate.close();
    expect(expectLine(ended).exit).toBe(0);
    expect(logOf(ended)).toContain("said ***");
    expectSilence(ended, "first-pass", "second-pass");
  });

  it("that is a pipe, which can be read once only", async () => {
    const url = await guarded("piped-pass");
    url.password = "piped-pass";
    const pipe = path.join(mkdtempSync(path.join(tmpdir(), "preflight-")), "url");
    execFileSync("mkfifo", [pipe]);
    const writer = spawn("sh", ["-c", `printf %s '${url.href}' > ${pipe}`]);
    const ended = await runProgram(program, ["check"], at("", { DATABASE_URL_FILE: pipe }));
    writer.kill();
    expect(expectLine(ended)).toMatchObject({ exit: 0, verdict: "current" });
  });

  it("of libpq, which others may read: it is passed over, and why is said (fault 46)", async () => {
    const url = await guarded("file-pass");
    const passfile = path.join(mkdtempSync(path.join(tmpdir(), "preflight-")), "pgpass");
    writeFileSync(passfile, "*:*:*:*:file-pass\n", { mode: 0o600 });
    const place = at(url.href, { PGPASSFILE: passfile });
    expect(expectLine(await runProgram(program, ["check"], place)).exit).toBe(0);
    chmodSync(passfile, 0o644);
    const ended = await runProgram(program, ["check"], place);
    expect(expectLine(ended).exit).toBe(77);
    expect(logOf(ended)).toMatch(/mode 0644\), so it is not read, as by libpq: chmod 0600/);
  });
});

describe.each(forms)(
  "%s: a secret file that holds no secret is refused by name (fault 46)",
  (program) => {
    it.each([
      ["empty", "", "is empty"],
      ["only a line break", "\r\n", "is empty"],
      ["a NUL byte", "S3kr\0t", "holds a NUL byte"],
      ["1 MiB", "S3kr1t".repeat(175_000), "is longer than 64 KiB"],
      ["not UTF-8", Buffer.from([0x53, 0xff, 0xfe, 0x33]), "is not UTF-8"],
    ])("%s", async (_, content, why) => {
      const file = path.join(mkdtempSync(path.join(tmpdir(), "preflight-")), "S3kr1t");
      writeFileSync(file, content);
      const ended = await runProgram(program, ["check"], at("", { DATABASE_URL_FILE: file }));
      const line = expectLine(ended);
      expect(line).toMatchObject({ exit: 78, outcome: "config", verdict: null });
      expect(line.reason).toBe(`DATABASE_URL_FILE names a file that ${why}`);
      expectSilence(ended, "S3kr");
    });

    it("one that may not be read", async () => {
      const directory = mkdtempSync(path.join(tmpdir(), "preflight-"));
      chmodSync(directory, 0o755);
      const file = path.join(directory, "S3kr1t");
      writeFileSync(file, "postgres://u:S3kr1t@h/d", { mode: 0o000 });
      const uid = process.getuid?.() === 0 ? { uid: 65_534 } : {};
      const place = { ...at("", { DATABASE_URL_FILE: file }, "/"), ...uid };
      const ended = await runProgram(program, ["check"], place);
      expect(expectLine(ended).reason).toBe(
        "DATABASE_URL_FILE names a file that cannot be read (EACCES)",
      );
      expectSilence(ended, "S3kr1t");
    });
  },
);

describe("TLS means what it means to libpq, its own files included", () => {
  const certificates = path.join(import.meta.dirname, "../database/certificates");
  let server: TestServer;

  beforeAll(async () => {
    const [certificate, key] = ["server.crt", "server.key"].map((name) =>
      path.join(certificates, name),
    );
    server = await startServer({ tls: { certificate: certificate ?? "", key: key ?? "" } });
  });

  afterAll(async () => {
    await server?.stop();
  });

  function connectsWithLibpq(url: string, home: string): boolean {
    const program = "import psycopg, sys; psycopg.connect(sys.argv[1]).close()";
    const env = { HOME: home };
    return spawnSync(shop.python.python, ["-c", program, url], { env }).status === 0;
  }

  const byName = "host=localhost&hostaddr=127.0.0.1";
  it.each([
    ["no root certificate", null, "", true],
    ["no root certificate", null, "sslmode=require", true],
    ["no root certificate", null, "sslmode=verify-ca", false],
    ["the right one at home", "ca.crt", "sslmode=require", true],
    ["the right one at home", "ca.crt", "sslmode=verify-ca", true],
    ["the right one at home", "ca.crt", "sslmode=verify-full", false],
    ["the right one at home", "ca.crt", `sslmode=verify-full&${byName}`, true],
    ["the right one at home", "ca.crt", "sslmode=verify-full&host=&hostaddr=127.0.0.1", false],
    ["another one at home", "other-ca.crt", "", true],
    ["another one at home", "other-ca.crt", "sslmode=require", false],
    ["another one at home", "other-ca.crt", "sslmode=verify-ca", false],
    ["another one at home", "other-ca.crt", "sslmode=disable", true],
  ])("%s (%s), %s: accepted is %s (fault 14)", async (_, root, query, accepted) => {
    const home = mkdtempSync(path.join(tmpdir(), "preflight-home-"));
    mkdirSync(path.join(home, ".postgresql"));
    const file = path.join(home, ".postgresql/root.crt");
    if (root !== null) copyFileSync(path.join(certificates, root), file);
    const url = `postgresql://postgres@127.0.0.1:${server.port}/postgres?${query}`;
    expect(connectsWithLibpq(url, home), "by libpq").toBe(accepted);
    const ended = await runProgram("binary", ["check"], at(url, { HOME: home }));
    expect(expectLine(ended).exit === 0, `by preflight: ${ended.stdout}`).toBe(accepted);
  });
});

it("nobody is named: the user is who runs the program, whatever USER says", async () => {
  const url = await makeDatabase(shop, { at: "head" });
  const { port, pathname } = new URL(url);
  const env = {
    PGHOST: "127.0.0.1",
    PGPORT: port,
    PGDATABASE: pathname.slice(1),
    USER: "postgres",
  };
  for (const program of forms) {
    const line = expectLine(await runProgram(program, ["check"], at("", env)));
    expect(line).toMatchObject({ exit: 77, outcome: "permission" });
    expect(line.reason).toContain(`user ${execFileSync("id", ["-un"]).toString().trim()},`);
  }
});
