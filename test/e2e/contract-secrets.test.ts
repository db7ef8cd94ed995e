import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRole, withUrl } from "../support/databases.ts";
import { chainOf, execute, writeHistory } from "../support/histories.ts";
import { startServer } from "../support/postgres.ts";
import { expectLine, logOf, type Place, type Program, runProgram } from "../support/process.ts";
import { pythonEnvironment } from "../support/python.ts";
import { environment, makeDatabase, makeImage, type Shop } from "../support/shop.ts";

let shop: Shop;

beforeAll(async () => {
  const server = await startServer({
    hba: [
      "local all all trust",
      "host all postgres 127.0.0.1/32 trust",
      "host all all 127.0.0.1/32 scram-sha-256",
    ],
  });
  shop = { server, python: await pythonEnvironment(), ledger: "" };
});

afterAll(async () => {
  await shop?.server.stop();
});

function at(cwd: string, url: string, more: Record<string, string> = {}): Place {
  return { cwd, env: { ...environment(shop, url), ...more } };
}

/** A role with this password that owns an empty database. */
async function owned(password: string): Promise<string> {
  const { name } = await createRole(shop.server, { password });
  const url = await makeDatabase(shop, { at: null });
  await shop.server.sql(url, `GRANT ALL ON SCHEMA public TO ${name}`);
  return withUrl(url, { user: name, password });
}

const forms: readonly Program[] = ["binary", "module"];

const telltale = String.raw`
import base64, configparser, html, json, logging, shlex, urllib.parse, subprocess, sqlalchemy
url = os.environ["DATABASE_URL"]
raw = urllib.parse.unquote(url.split("://", 1)[1].rsplit("@", 1)[0].split(":", 1)[1])
print("url", url)
print("raw", raw)
print("repr", repr(raw), repr(raw.encode()))
print("json", json.dumps({"p": raw}), json.dumps(raw, ensure_ascii=False))
print("quoted", urllib.parse.quote(raw), urllib.parse.quote(raw, safe=""), urllib.parse.quote_plus(raw))
print("lower", urllib.parse.quote(raw, safe="").lower() if raw.isascii() else "")
print("ini", urllib.parse.quote(raw, safe="").replace("%", "%%"))
print("base64", base64.b64encode(raw.encode()).decode(), base64.urlsafe_b64encode(("user:" + raw).encode()).decode())
print("dsn", "host=db user=me password='" + raw.replace("\\", "\\\\").replace("'", "\\'") + "'", file=sys.stderr)
print("hex", raw.encode().hex(), raw.encode().hex(" "))
print("html", html.escape(raw), "".join("&#%d;" % ord(c) for c in raw))
print("shell", shlex.quote(raw), subprocess.run(["bash", "-c", 'printf %q "$1"', "-", raw], capture_output=True, text=True).stdout)
print("sql", "'" + raw.replace("'", "''") + "'")
print("twice", urllib.parse.quote(url, safe=""), json.dumps(json.dumps(raw)))
print("dict", {"password": raw, "nested": [repr(raw)]})
print("cut", raw[:8] + "...", "..." + raw[-8:])
try: configparser.ConfigParser().read_dict({"a": {"url": url}}); c = configparser.ConfigParser(); c.add_section("a"); c.set("a", "url", url + "%")
except ValueError as error: print("configparser", error)
try: sqlalchemy.engine.make_url(url.replace("://", ":/"))
except Exception as error: print("sqlalchemy", url.replace("://", ":/") if "@" not in str(error) else error)
print("straddles " + "x" * (65536 - 15) + raw + "y" * 1000)
print("straddles " + "x" * (131072 - 15) + raw + "y" * 1000)
logging.getLogger("alembic").info("connecting to %s", url)
subprocess.run(["sh", "-c", "echo from a shell: $DATABASE_URL"])
sys.stdout.write("in two " + raw[:3]); sys.stdout.flush(); time.sleep(0.2); sys.stdout.write(raw[3:] + " parts\n")
raise RuntimeError("could not reach " + url)`;

describe.each(forms)("%s: no secret is printed", (program) => {
  it.each([
    ["plain letters", "correct-horse-battery"],
    ["signs of every kind", `p@ss:w/or%d?#&+ '"\\=é`],
    ["a percent sign and hexadecimal digits", "100%41%zz-secret"],
  ])("by a migration that prints its address in odd encodings: %s", async (_, password) => {
    const history = writeHistory([{ id: "teller", upgrade: telltale }]);
    const url = await owned(password);
    const metrics = path.join(mkdtempSync(path.join(tmpdir(), "preflight-metrics-")), "shop.prom");
    const args = ["run", "--verbose", "--metrics-file", metrics];
    const ended = await runProgram(program, args, at(history, url));
    const line = expectLine(ended);
    expect(line).toMatchObject({ exit: 25, outcome: "migration-failed" });
    const lines = logOf(ended).split("\n");
    const words = "url raw repr json quoted ini base64 dsn hex html shell sql twice dict cut";
    for (const word of [...words.split(" "), "configparser", "sqlalchemy", "in two"])
      expect(
        lines.find((one) => one.startsWith(word)),
        `${word} is shown, redacted`,
      ).toMatch(/\*\*\*/);
    const encoded = encodeURIComponent(password);
    const everything = `${ended.stdout}\n${ended.stderr}\n${logOf(ended)}\n${line.reason}\n${line.next.join("\n")}\n${readFileSync(metrics, "utf8")}`;
    for (const spelling of [
      password,
      encoded,
      encoded.replaceAll("%", "%%"),
      encoded.replaceAll("%20", "+"),
      JSON.stringify(password).slice(1, -1),
      JSON.stringify(JSON.stringify(password).slice(1, -1)).slice(1, -1),
      Buffer.from(password).toString("base64").replace(/=+$/, "").slice(0, -2),
      Buffer.from(password).toString("hex"),
      Buffer.from(password)
        .toString("hex")
        .replaceAll(/..(?!$)/g, "$& "),
      password.replaceAll("'", "''"),
      password.replaceAll("'", `'"'"'`),
      password.replaceAll("&", "&amp;").replaceAll("'", "&#x27;").replaceAll('"', "&quot;"),
      password.slice(0, 8),
      password.slice(-8),
    ])
      expect(everything, spelling).not.toContain(spelling);
  });

  it("of other variables in its environment", async () => {
    const history = writeHistory([
      { id: "teller", upgrade: `print(dict(os.environ))\nraise RuntimeError("as asked")` },
    ]);
    const url = await owned("first-password");
    const ended = await runProgram(
      program,
      ["run"],
      at(history, url, {
        REDIS_URL: "redis://:second-password@cache:6379/0",
        STRIPE_SECRET: "third-password",
        AWS_SECRET_ACCESS_KEY: "fourth-password",
        POSTGRES_PASSWORD: "fifth-password",
      }),
    );
    expect(expectLine(ended)).toMatchObject({ exit: 25 });
    for (const secret of ["first", "second", "third", "fourth", "fifth"])
      expect(ended.stdout + ended.stderr).not.toContain(`${secret}-password`);
  });

  it.each(["current", "ready", "v", "1", "alembic"])(
    "and a password that is the word %s breaks nothing",
    async (password) => {
      const history = writeHistory(chainOf("current", "ready"));
      const url = await owned(password);
      const first = expectLine(await runProgram(program, ["run"], at(history, url)));
      expect(first).toMatchObject({ verdict: "fresh", outcome: "ready", exit: 0, tool: "alembic" });
      const second = expectLine(await runProgram(program, ["check"], at(history, url)));
      expect(second).toMatchObject({ verdict: "current", outcome: "ready", ledger: "absent" });
    },
  );
});

it("a password that is a name leaves every message readable", async () => {
  const word = "inventory";
  const role = `CREATE ROLE ${word} LOGIN PASSWORD '${word}'`;
  for (const statement of [role, `CREATE DATABASE ${word} OWNER ${word}`])
    await shop.server.sql(shop.server.url, statement);
  const url = new URL(withUrl(shop.server.url, { user: word, password: word }));
  url.pathname = word;
  const table = execute(`CREATE TABLE ${word} (id int)`);
  const cwd = writeHistory([{ id: word, upgrade: `print(os.environ["DATABASE_URL"])\n${table}` }]);
  const more = { PGPASSWORD: word };
  const ended = await runProgram("module", ["run"], at(cwd, url.href, more));
  expect(expectLine(ended).exit, ended.stderr).toBe(0);
  const shown = ended.stdout + ended.stderr;
  expect(shown).toContain(`upgrade: revision ${word}`);
  expect(shown).toContain("***");
  expect(shown).not.toContain(`:${word}@`);
  const missing = new URL(url);
  missing.pathname = `${word}_2`;
  const lost = await runProgram("module", ["check"], at(cwd, missing.href, more));
  expect(expectLine(lost).reason).toContain(`database "${word}_2" does not exist`);
});

describe.each(forms)("%s: a secret in the image itself", (program) => {
  it("is hidden where a file's name or its first fault would show it", async () => {
    const secret = "named-like-a-password";
    const history = writeHistory(chainOf("one"));
    writeFileSync(
      path.join(history, `alembic/versions/${secret}.py`),
      `revision = connect("postgresql://user:${secret}-and-more-of-it@host/database")\ndown_revision = None\n`,
    );
    const url = await owned("first-password");
    const ended = await runProgram(program, ["run"], at(history, url, { API_TOKEN: secret }));
    expect(expectLine(ended)).toMatchObject({ exit: 24, outcome: "broken-history" });
    expect(logOf(ended)).toContain("versions/***.py:1");
    for (const shown of [secret, "and-more-of-it", "named-like"])
      expect(ended.stdout + ended.stderr).not.toContain(shown);
  });

  it("with line breaks is hidden line by line", async () => {
    const key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n";
    const history = writeHistory([
      { id: "teller", upgrade: `print(os.environ["SIGNING_KEY"])\nraise RuntimeError("as asked")` },
    ]);
    const url = await owned("first-password");
    const ended = await runProgram(program, ["run"], at(history, url, { SIGNING_KEY: key }));
    expect(expectLine(ended)).toMatchObject({ exit: 25 });
    for (const line of ["MIIEvQIBADANBgkq", "hkiG9w0BAQEFAASC"])
      expect(ended.stdout + ended.stderr).not.toContain(line);
  });
});

describe("a hostile current directory", () => {
  it.each(forms)("has no effect on the %s", async (program) => {
    const image = makeImage(shop, { name: "", ledger: "none" });
    const put = (file: string, text: string): void => writeFileSync(path.join(image, file), text);
    const marker = path.join(mkdtempSync(path.join(tmpdir(), "preflight-marker-")), "loaded");
    const evil = `require("node:fs").writeFileSync(${JSON.stringify(marker)}, "loaded"); console.log("evil"); process.exit(3);`;
    put(
      ".env",
      "DATABASE_URL=postgres://evil@127.0.0.1:1/evil\nPREFLIGHT_TIMEOUT=soon\nDEBUG=true\nNODE_OPTIONS=--require ./evil.cjs\n",
    );
    put(".env.local", "PREFLIGHT_DATABASE_URL=postgres://evil@127.0.0.1:1/evil\n");
    put(".env.production", "PREFLIGHT_DATABASE_URL=postgres://evil@127.0.0.1:1/evil\n");
    put("evil.cjs", evil);
    put(
      "bunfig.toml",
      'preload = ["./evil.cjs"]\nlogLevel = "debug"\n[run]\nbun = true\n[test]\npreload = ["./evil.cjs"]\n',
    );
    put(
      "tsconfig.json",
      '{ "compilerOptions": { "paths": { "*": ["./evil.cjs"] }, "jsx": "react", "extends": "./none" ',
    );
    put(
      "package.json",
      '{ "type": "commonjs", "main": "./evil.cjs", "imports": { "#x": "./evil.cjs" }, "bun": ',
    );
    put("node_modules", "not a directory");
    const url = await makeDatabase(shop, { at: "head" });
    for (const args of [["run"], ["check"], ["audit"], ["bake", "--check"]]) {
      const ended = await runProgram(program, args, at(image, url));
      expect(expectLine(ended).exit, args.join(" ")).toBe(args[0] === "bake" ? 66 : 0);
      expect(ended.stderr).not.toContain('"level":"debug"');
    }
    const none = await runProgram(program, ["check"], { cwd: image, env: { PATH: "/usr/bin" } });
    expect(expectLine(none)).toMatchObject({ exit: 78 });
    expect(none.stderr).toContain("no database is named");
    expect(() => readMarker(marker)).toThrow();
  });
});

function readMarker(file: string): void {
  writeFileSync(file, "", { flag: "r+" });
}
