import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commands } from "../../src/cli.ts";
import { readSettings } from "../../src/settings/read-settings.ts";
import { settingsTable } from "../../src/settings/settings-table.ts";
import type { Settings } from "../../src/settings/settings.ts";

const known = { commands, tools: ["alembic", "sql", "supabase"] };

const DATABASE_URL = "postgres://u@h/d";

test("no command and no flag: run, with every default", () => {
  expect(settingsOf([])).toEqual({
    command: "run",
    database: expect.objectContaining({ source: "DATABASE_URL" }),
    programAddress: null,
    programConnection: null,
    passwordCommand: null,
    migrations: null,
    tool: null,
    versionTable: null,
    schema: null,
    ledger: null,
    policy: {
      stamp: "proven",
      drift: "fail",
      ahead: "compatible",
      unverified: "start",
      assume: null,
      allowOutOfOrder: false,
      resume: false,
    },
    enforce: true,
    to: null,
    apply: false,
    acceptEmpty: null,
    journal: "on",
    imageVersion: null,
    force: false,
    timeout: 60_000,
    lockTimeout: 600_000,
    upgradeTimeout: null,
    ddlLockTimeout: 5000,
    upgradeCommand: null,
    programEnv: null,
    envFile: null,
    verbose: false,
    exitCode: false,
    bakeCheck: false,
    scratch: null,
    varies: null,
    scratchImage: null,
    scratchInit: null,
    scratchWithout: null,
    scratchUnconfined: false,
    json: false,
    metricsFile: null,
    words: [],
    exec: [],
    fileVariables: {},
    warnings: [],
    notes: [],
    secrets: [],
    secretNames: [],
  });
});

test("every flag of run", () => {
  const argv = [
    "--migrations",
    "db/migrations",
    "--tool=alembic",
    "--version-table",
    "app.versions",
    "--ledger",
    "l.json",
    "--stamp",
    "never",
    "--drift",
    "warn",
    "--ahead",
    "refuse",
    "--unverified",
    "refuse",
    "--assume",
    "ae1027a6acf",
    "--allow-out-of-order",
    "--resume",
    "--enforce",
    "off",
    "--timeout",
    "5s",
    "--lock-timeout",
    "1m",
    "--upgrade-timeout",
    "1h",
    "--ddl-lock-timeout",
    "none",
    "--upgrade-command",
    "alembic -x 'a b' upgrade heads",
    "--verbose",
    "run",
    "--",
    "gunicorn",
    "--bind",
    "--",
    "x",
  ];
  expect(settingsOf(argv)).toMatchObject({
    command: "run",
    migrations: "db/migrations",
    tool: "alembic",
    versionTable: { schema: "app", name: "versions" },
    ledger: "l.json",
    policy: {
      stamp: "never",
      drift: "warn",
      ahead: "refuse",
      unverified: "refuse",
      assume: "ae1027a6acf",
      allowOutOfOrder: true,
      resume: true,
    },
    enforce: false,
    timeout: 5000,
    lockTimeout: 60_000,
    upgradeTimeout: 3_600_000,
    ddlLockTimeout: null,
    upgradeCommand: ["alembic", "-x", "a b", "upgrade", "heads"],
    verbose: true,
    exec: ["gunicorn", "--bind", "--", "x"],
  });
});

test("a list is given by several flags, by one, or by its variable; the flags count", () => {
  const names = (argv: readonly string[], more: Record<string, string> = {}) =>
    settingsOf(argv, { DATABASE_URL, ...more }).programEnv?.map(({ name }) => name);
  const PREFLIGHT_PROGRAM_ENV = "X={host}\nY={port}";
  expect(names(["--program-env", "A={host}", "--program-env=B={{x}}; C="])).toEqual([
    "A",
    "B",
    "C",
  ]);
  expect(names([], { PREFLIGHT_PROGRAM_ENV })).toEqual(["X", "Y"]);
  expect(names(["--program-env", "A={host}"], { PREFLIGHT_PROGRAM_ENV })).toEqual(["A"]);
});

test("what a template comes to is a secret like the environment's own", () => {
  const env = { DATABASE_URL: "postgres://u:S3kr1t%40@h/d" };
  const argv = ["--program-env", "A={url:postgresql+asyncpg}; B_TOKEN=constant-token; C={user}"];
  const { secrets } = settingsOf(argv, env);
  expect(secrets).toEqual(
    expect.arrayContaining([
      "postgresql+asyncpg://u:S3kr1t%40@h:5432/d",
      "S3kr1t@",
      "constant-token",
    ]),
  );
  expect(secrets).not.toContain("u");
});

test.each([
  { what: "of the same database", ours: "/a", schema: "app" },
  { what: "of another database", ours: "/b", schema: null },
  { what: "unless ours names one", ours: "/a?schema=own", schema: "own" },
  { what: "or a search_path", ours: "/a?search_path=own", schema: null },
  { what: "or it is given", ours: "/a", flags: ["--schema", "own"], schema: "own" },
])("the schema that the application's address names counts, $what", ({ ours, flags, schema }) => {
  const settings = settingsOf(flags ?? [], {
    PREFLIGHT_DATABASE_URL: `postgres://u@direct${ours}`,
    DATABASE_URL: "postgres://u@pooler/a?schema=app&pgbouncer=true",
  });
  expect(settings.schema).toBe(schema);
  const note = expect.stringContaining("schema in DATABASE_URL");
  expect(settings.notes).toEqual(schema === "app" ? [note] : expect.not.arrayContaining([note]));
});

test("the program's address is what the mapping says, not what the environment has under these names", () => {
  const env = { PREFLIGHT_DATABASE_URL: "postgres://u@h/a", DATABASE_URL: "postgres://u@h/b" };
  expect(settingsOf([], env).warnings).toHaveLength(1);
  const mapped = settingsOf(["--program-env", "DATABASE_URL={url:postgresql+psycopg}"], env);
  expect(mapped).toMatchObject({ warnings: [], programAddress: null, programConnection: null });
});

describe("commands", () => {
  test("bake, audit and new need no database", () => {
    for (const [command = "", ...more] of [["bake"], ["audit"], ["new", "x"]]) {
      expect(settingsOf([command, ...more], {})).toMatchObject({ command, database: null });
    }
  });

  test("audit --json, bake --scratch-init", () => {
    expect(settingsOf(["audit", "--json"], {})).toMatchObject({ json: true });
    expect(settingsOf(["bake", "--scratch-init", "init.sql"], {})).toMatchObject({
      scratchInit: "init.sql",
    });
  });

  test.each([
    ["add_customer_email", "add_customer_email"],
    ["Add customer's  E-Mail!", "add_customer_s_e_mail"],
    ["addCustomerEmail", "add_customer_email"],
    ["Größe für Café", "gro_e_fur_cafe"],
    ["2fa", "2fa"],
    ["check", "check"],
    ["x".repeat(100), "x".repeat(100)],
  ])("new %j", (word, name) => {
    expect(settingsOf(["new", word], {})).toMatchObject({ command: "new", words: [name] });
    expect(settingsOf(["--tool", "sql", "new", "--verbose", word], {}).words).toEqual([name]);
  });

  test("run --check-only is check, by flag and by environment", () => {
    expect(settingsOf(["--check-only"]).command).toBe("check");
    expect(settingsOf([], { DATABASE_URL, PREFLIGHT_CHECK_ONLY: "1" }).command).toBe("check");
    expect(settingsOf(["--check-only", "--exit-code"])).toMatchObject({ exitCode: true });
    expect(settingsOf(["check", "--exit-code"])).toMatchObject({ exitCode: true });
  });

  test("bake --check and its scratch server", () => {
    const url = "postgres://u:S3kr1t@scratch/postgres";
    expect(settingsOf(["bake", "--check"], {})).toMatchObject({ bakeCheck: true, scratch: null });
    for (const settings of [
      settingsOf(["bake", "--scratch-url", url], {}),
      settingsOf(["bake"], { PREFLIGHT_SCRATCH_URL: url }),
      settingsOf(["bake"], { PREFLIGHT_SCRATCH_URL_FILE: "/url" }, { "/url": `${url}\n` }),
    ]) {
      expect(settings.scratch).toMatchObject({ hosts: [{ host: "scratch", password: "S3kr1t" }] });
      expect(settings.secrets).toEqual(expect.arrayContaining([url, "S3kr1t"]));
    }
  });

  test("the scratch server is named in one way", () => {
    const PREFLIGHT_SCRATCH_IMAGE = "postgres:18";
    expect(settingsOf(["bake"], { PREFLIGHT_SCRATCH_IMAGE })).toMatchObject({
      scratch: null,
      scratchImage: "postgres:18",
    });
    const both = ["bake", "--scratch-url", "postgres://scratch/postgres"];
    expect(read(both, { PREFLIGHT_SCRATCH_IMAGE })).toMatchObject({
      kind: "faults",
      outcome: "config",
      faults: [expect.stringContaining("--scratch-url and --scratch-image")],
    });
  });

  test("-- with nothing after it starts nothing", () => {
    expect(settingsOf(["run", "--"]).exec).toEqual([]);
  });
});

describe("help and version win over any fault", () => {
  test.each([
    [["--help"], { kind: "help", command: null }],
    [["-h"], { kind: "help", command: null }],
    [["bake", "--help"], { kind: "help", command: "bake" }],
    [["--nonsense", "check", "-h"], { kind: "help", command: "check" }],
    [["nonsense", "--help"], { kind: "help", command: null }],
    [["--version"], { kind: "version" }],
    [["run", "--version", "--nonsense"], { kind: "version" }],
  ])("%j", (argv, expected) => {
    expect(read(argv, {})).toEqual(expected);
  });

  test("not after --", () => {
    expect(settingsOf(["--", "app", "--help", "--version"]).exec).toEqual([
      "app",
      "--help",
      "--version",
    ]);
  });
});

describe("usage faults", () => {
  test.each([
    [["--lock-timout", "10m"], ["unknown flag --lock-timout; did you mean --lock-timeout?"]],
    [["--nonsense=S3kr1t"], ["unknown flag --nonsense"]],
    [["--password", "S3kr1t"], ["unknown flag --password"]],
    [["-pS3kr1t"], ["unknown flag -p"]],
    [["--S3kr1t://x"], ["argument 1 is an unknown flag"]],
    [["chekc"], ["unknown command chekc; did you mean check?"]],
    [["postgres://u:S3kr1t@h/d"], [expect.stringMatching(/^argument 1 is no command/)]],
    [["check", "S3kr1t"], [expect.stringMatching(/^argument 2 is too many/)]],
    [["run", "app", "S3kr1t"], [expect.stringMatching(/^arguments 2, 3 are too many/)]],
    [["app", "S3kr1t"], [expect.stringMatching(/^unknown command app; /)]],
    [["--tool"], ["--tool needs a value: --tool NAME"]],
    [["--tool="], ["--tool needs a value: --tool NAME"]],
    [["--tool", "--verbose"], [expect.stringMatching(/^--tool needs a value; .*--tool=NAME/)]],
    [["--verbose=true"], ["--verbose takes no value"]],
    [["--help=run"], ["--help takes no value"]],
    [["--tool", "sql", "--tool", "sql"], ["--tool is given twice"]],
    [["--program-env"], ["--program-env needs a value: --program-env NAME=TEMPLATE"]],
    [["--check"], ["preflight run does not take --check; it belongs to bake"]],
    [["--exit-code"], ["preflight run does not take --exit-code; it belongs to check, status"]],
    [
      ["audit", "--timeout", "1s"],
      [expect.stringMatching(/^preflight audit does not take --timeout/)],
    ],
    [["check", "--", "app"], [expect.stringMatching(/^preflight check starts no command/)]],
    [["--check-only", "--", "app"], [expect.stringMatching(/^--check-only starts no command/)]],
    [["--", ""], ["the command after -- has no name"]],
    [["--no-verbose"], ["unknown flag --no-verbose"]],
    [["new"], [expect.stringMatching(/^preflight new needs a name/)]],
    [["new", "--verbose"], [expect.stringMatching(/^preflight new needs a name/)]],
    [["new", "a", "S3kr1t"], [expect.stringMatching(/^argument 3 is too many/)]],
    [["new", "a", "--ledger", "l.json"], [expect.stringMatching(/^preflight new does not take/)]],
    [["new", "a", "--", "b"], [expect.stringMatching(/^preflight new starts no command/)]],
    ...[
      "",
      " ",
      "!?",
      "../S3kr1t",
      "a/S3kr1t",
      String.raw`a\S3kr1t`,
      ".S3kr1t",
      "S3kr1t.sql",
      "x".repeat(101),
    ].map((name) => [["new", name], [expect.stringMatching(/^the name of a migration must be/)]]),
  ])("%j", (argv, faults) => {
    const result = read(argv);
    expect(result).toMatchObject({ kind: "faults", outcome: "usage", faults });
    expect(JSON.stringify(result)).not.toContain("S3kr1t");
  });

  test("a value that begins with - is fine after =", () => {
    expect(settingsOf(["--migrations=-odd"]).migrations).toBe("-odd");
  });
});

describe("wrong values are told by the name of the flag or variable, all at once", () => {
  test("from everywhere together; one usage fault makes it usage", () => {
    const env = {
      PREFLIGHT_DRIFT: "S3kr1t",
      PREFLIGHT_TIMEOUT: "soon",
      PREFLIGHT_VERBOSE: "maybe",
      PREFLIGHT_DATABASE_URL: "mysql://u:S3kr1t@h/d",
    };
    const wrong = [
      "--stamp must be proven or never",
      "PREFLIGHT_DRIFT must be fail or warn",
      "PREFLIGHT_TIMEOUT must be a duration such as 500ms, 30s, 5m or 1h, at most 24 days",
      "PREFLIGHT_VERBOSE must be true or false (or 1, 0, yes, no, on, off)",
      expect.stringMatching(/^PREFLIGHT_DATABASE_URL must begin with/),
    ];
    expect(read(["--stamp", "S3kr1t"], env)).toMatchObject({
      kind: "faults",
      outcome: "config",
      faults: wrong,
    });
    expect(read(["--stamp", "S3kr1t", "--nonsense"], env)).toMatchObject({
      kind: "faults",
      outcome: "usage",
      faults: ["unknown flag --nonsense", ...wrong],
    });
  });

  test("an unknown command leaves the environment unjudged: which settings count is not known", () => {
    expect(read(["bakery"], { PREFLIGHT_STAMP: "x" })).toMatchObject({
      outcome: "usage",
      faults: [expect.stringMatching(/^unknown command bakery/)],
    });
  });

  test("the metrics file is known whatever else is wrong, and is never a directory or a device", () => {
    const place = {
      env: { DATABASE_URL },
      readFile: () => "",
      statFile: (path: string) =>
        path === "/dev/null" ? { isFile: false, mode: 0o666, owner: 0 } : null,
      osUser: "me",
      osHome: null,
    };
    const readAt = (file: string, more: readonly string[] = []) =>
      readSettings([`--metrics-file=${file}`, ...more], place, known);
    expect(readAt("/m/shop.prom")).toMatchObject({ settings: { metricsFile: "/m/shop.prom" } });
    for (const fault of ["--nonsense", "--timeout=soon"])
      expect(readAt("/m/shop.prom", [fault])).toMatchObject({
        kind: "faults",
        command: "run",
        metricsFile: "/m/shop.prom",
      });
    for (const file of ["/dev/null", "/m/"])
      expect(readAt(file)).toMatchObject({
        kind: "faults",
        outcome: "config",
        faults: ["--metrics-file must name a file; a directory or a device is none"],
        metricsFile: null,
      });
    expect(read([], { DATABASE_URL, PREFLIGHT_METRICS_FILE: "/m/" })).toMatchObject({
      faults: [expect.stringMatching(/^PREFLIGHT_METRICS_FILE must name a file/)],
    });
    expect(read(["bake", "--metrics-file=/m/shop.prom"])).toMatchObject({
      faults: [
        "preflight bake does not take --metrics-file; it belongs to run, check, status, stamp, undo, repair",
      ],
    });
  });

  test("a wrong PREFLIGHT_CHECK_ONLY is told once", () => {
    expect(read([], { DATABASE_URL, PREFLIGHT_CHECK_ONLY: "perhaps" })).toMatchObject({
      outcome: "config",
      faults: [expect.stringMatching(/^PREFLIGHT_CHECK_ONLY must be/)],
    });
  });
});

describe("flag > environment > default", () => {
  test("for every setting with a value", () => {
    const env = { DATABASE_URL, PREFLIGHT_TIMEOUT: "5", PREFLIGHT_AHEAD: "allow" };
    expect(settingsOf([], env)).toMatchObject({ timeout: 5000, policy: { ahead: "allow" } });
    expect(settingsOf(["--timeout", "7"], env).timeout).toBe(7000);
  });

  test("an empty variable is not set", () => {
    expect(settingsOf([], { DATABASE_URL, PREFLIGHT_TIMEOUT: "" }).timeout).toBe(60_000);
  });

  test("a flag hides a wrong value in the environment", () => {
    const env = { DATABASE_URL, PREFLIGHT_TIMEOUT: "soon" };
    expect(settingsOf(["--timeout", "7"], env).timeout).toBe(7000);
  });

  test("what the command does not accept is not read", () => {
    expect(settingsOf(["audit"], { PREFLIGHT_TIMEOUT: "soon" }).command).toBe("audit");
  });

  test("DEBUG=true is --verbose, other meanings of DEBUG are not", () => {
    const verbose = (DEBUG: string) => settingsOf([], { DATABASE_URL, DEBUG }).verbose;
    expect(["true", "1", "TRUE", "app:*", "false", ""].map(verbose)).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  test.each([
    ["true", true],
    ["1", true],
    ["Yes", true],
    ["on", true],
    [" TRUE ", true],
    ["false", false],
    ["0", false],
    ["no", false],
    ["OFF", false],
  ])("PREFLIGHT_VERBOSE=%s", (text, expected) => {
    expect(settingsOf([], { DATABASE_URL, PREFLIGHT_VERBOSE: text }).verbose).toBe(expected);
  });
});

describe("values", () => {
  test.each([
    ["500ms", 500],
    ["30s", 30_000],
    ["5m", 300_000],
    ["1h", 3_600_000],
    ["2", 2000],
    ["0", 0],
  ])("duration %s", (text, expected) => {
    expect(settingsOf(["--timeout", text]).timeout).toBe(expected);
  });

  test.each(["", " ", "1.5s", "1d", "s", "5 m", "-1s", "1e3", "600h", "99999999999", "∞"])(
    "duration %j is refused",
    (text) => {
      expect(read([`--timeout=${text}`]).kind).toBe("faults");
    },
  );

  test("--upgrade-timeout may be none and not 0", () => {
    expect(settingsOf(["--upgrade-timeout", "none"]).upgradeTimeout).toBeNull();
    expect(read(["--upgrade-timeout", "0"])).toMatchObject({ outcome: "config" });
  });

  test.each([
    ["versions", null, "versions"],
    ["app.versions", "app", "versions"],
    ['"Odd.Schema"."say ""hi"""', "Odd.Schema", 'say "hi"'],
    ['app."Versions"', "app", "Versions"],
    ["_v$1", null, "_v$1"],
    ["übersicht", null, "übersicht"],
  ])("version table %s", (text, schema, name) => {
    expect(settingsOf(["--version-table", text]).versionTable).toEqual({ schema, name });
  });

  test.each([
    "Versions",
    "a.b.c",
    ".a",
    "a.",
    '"a',
    'a"b',
    '""',
    "a-b",
    "1a",
    "a b",
    "x".repeat(64),
    `"${"é".repeat(32)}"`,
  ])("version table %s is refused", (text) => {
    expect(read([`--version-table=${text}`])).toMatchObject({
      outcome: "config",
      faults: [expect.stringMatching(/^--version-table /)],
    });
  });

  test.each(["head", "heads", "current", "two words", " "])("--assume %j is refused", (text) => {
    expect(read([`--assume=${text}`])).toMatchObject({ outcome: "config" });
  });

  test.each([
    ["alembic upgrade heads", ["alembic", "upgrade", "heads"]],
    [" python -m 'my tool'  ", ["python", "-m", "my tool"]],
    [String.raw`a "b \"c\"" d\ e ''`, ["a", 'b "c"', "d e", ""]],
    ["a '$HOME' '*' '`' '{' '#'", ["a", "$HOME", "*", "`", "{", "#"]],
    ["a -x b=c HEAD~1", ["a", "-x", "b=c", "HEAD~1"]],
  ])("upgrade command %s", (text, expected) => {
    expect(settingsOf(["--upgrade-command", text]).upgradeCommand).toEqual(expected);
  });

  test.each([
    "a && b",
    "a | b",
    "a > f",
    "a; b",
    "a &",
    "(a)",
    "a *.py",
    "a x?",
    "a [x]",
    "a {b,c}",
    "a $X",
    'a "$X"',
    "a ${X}",
    "a $(b)",
    "a `b`",
    'a "`b`"',
    "a # c",
    "a ~/x",
    "~/a",
    "a\nb",
    "a 'b",
    'a "b',
    "a \\",
    "X=1 a",
    " ",
    "'' a",
  ])("upgrade command %j is refused", (text) => {
    expect(read([`--upgrade-command=${text}`])).toMatchObject({
      outcome: "config",
      faults: [expect.stringMatching(/^--upgrade-command /)],
    });
  });

  test("any words quoted for a shell come back", () => {
    const word = fc.string({ minLength: 1 });
    const quoted = (text: string) => `'${text.replaceAll("'", String.raw`'\''`)}'`;
    fc.assert(
      fc.property(fc.array(word), (more) => {
        const text = ["tool", ...more].map(quoted).join(" ");
        expect(settingsOf([`--upgrade-command=${text}`]).upgradeCommand).toEqual(["tool", ...more]);
      }),
    );
  });
});

describe("warnings", () => {
  test("a PREFLIGHT_ variable that nothing reads, with the nearest name", () => {
    const env = { DATABASE_URL, PREFLIGHT_LOCK_TIMOUT: "1s", PREFLIGHT_NONSENSE: "S3kr1t" };
    expect(settingsOf([], env).warnings).toEqual([
      "PREFLIGHT_LOCK_TIMOUT is no setting of preflight; did you mean PREFLIGHT_LOCK_TIMEOUT?",
      "PREFLIGHT_NONSENSE is no setting of preflight",
    ]);
  });

  test("not what Kubernetes injects, nor what another command reads", () => {
    const env = {
      DATABASE_URL,
      PREFLIGHT_SERVICE_HOST: "10.0.0.1",
      PREFLIGHT_SERVICE_PORT_HTTP: "80",
      PREFLIGHT_PORT: "tcp://10.0.0.1:80",
      PREFLIGHT_PORT_80_TCP_ADDR: "10.0.0.1",
      PREFLIGHT_WEB_SERVICE_HOST: "10.0.0.2",
      PREFLIGHT_SCRATCH_URL: "postgres://h",
    };
    expect(settingsOf([], env).warnings).toEqual([]);
  });

  test("the connection's own", () => {
    const env = { DATABASE_URL: `${DATABASE_URL}?channel_binding=require` };
    expect(settingsOf([], env).warnings).toEqual([expect.stringContaining("channel_binding")]);
  });
});

describe("secrets: every password in reach, whichever address counts", () => {
  test("of the address, of others, of files, of other programs' variables", () => {
    const env = {
      PREFLIGHT_DATABASE_URL: "postgres://u:one%21@h/d",
      DATABASE_URL: "postgres://u:t@w@o@h/d",
      POSTGRES_PASSWORD: "three",
      PGPASSWORD_FILE: "/four",
      REDIS_URL: "redis://:five@cache",
      DB_PASSWORD: "six-six-six",
      API_TOKEN: "none",
      HOME: "/home/me",
    };
    const { secrets } = settingsOf([], env, { "/four": "four\n" });
    expect(secrets.toSorted()).toEqual(
      [
        "postgres://u:one%21@h/d",
        "one%21",
        "one!",
        "postgres://u:t@w@o@h/d",
        "t",
        "t@w@o",
        "three",
        "four",
        "redis://:five@cache",
        "five",
        "six-six-six",
      ].toSorted(),
    );
  });

  test("a password of libpq's password file", () => {
    const env = { DATABASE_URL, PGPASSFILE: "/pass" };
    expect(settingsOf([], env, { "/pass": "*:*:*:*:word" }).secrets).toEqual(["word"]);
  });

  test("an address without a password is none", () => {
    expect(settingsOf([], { DATABASE_URL, OTHER: "http://x:80/a" }).secrets).toEqual([]);
  });
});

describe("a password that is a name in the same address, and a plain word", () => {
  test.each<[Record<string, string>, readonly string[]]>([
    [{ DATABASE_URL: "postgres://shop:shop@db/prod" }, ["shop"]],
    [{ DATABASE_URL: "postgresql+asyncpg://u:my_shop2@db/my_shop2" }, ["my_shop2"]],
    [{ DATABASE_URL: "postgres://u:shop@db/prod?application_name=shop" }, ["shop"]],
    [{ POSTGRES_HOST: "db", POSTGRES_USER: "app", POSTGRES_PASSWORD: "app" }, ["app"]],
    [{ DATABASE_URL, REPLICA_URL: "postgres://shop:shop@db/prod?a=b" }, ["shop"]],
    [{ DATABASE_URL: "postgres://shop:Sh0p@db/shop" }, []],
    [{ DATABASE_URL: "postgres://shop:prod@db/test", OTHER: "postgres://prod:x@h/d" }, []],
    [{ DATABASE_URL: "postgres://x7Kq9:x7Kq9@db/prod" }, []],
    [{ DATABASE_URL: "postgres://abcdefghijklmnopq:abcdefghijklmnopq@db/prod" }, []],
  ])("%j: %j", (env, names) => {
    const { secretNames, secrets } = settingsOf([], env);
    expect(secretNames).toEqual(names);
    expect(secrets).toEqual(expect.arrayContaining([...names]));
  });
});

test("any argv is answered without a throw, and no fault repeats a value", () => {
  const flag = fc.constantFrom(
    ...Object.keys(settingsTable).map((name) => `--${name}`),
    "--",
    "-",
    "-h",
    "--help",
    "--bogus",
    "-x",
  );
  const secret = fc.constantFrom("S3kr1t", "postgres://u:S3kr1t@h/d", "-S3kr1t", "--x=S3kr1t");
  const word = fc.oneof(
    flag,
    secret,
    fc.constantFrom("run", "check", "bake", "audit", "new", "", "5s"),
  );
  fc.assert(
    fc.property(fc.array(word), fc.array(fc.tuple(flag, secret)), (argv, pairs) => {
      const result = read([...argv, ...pairs.map(([name, value]) => `${name}=${value}`)]);
      if (result.kind === "faults") expect(result.faults.join("\n")).not.toContain("S3kr1t");
      if (result.kind === "faults") expect(result.faults.length).toBeGreaterThan(0);
    }),
    { numRuns: 1000 },
  );
});

function read(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = { DATABASE_URL },
  files: Readonly<Record<string, string>> = {},
) {
  const readFile = (path: string) => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error("no such file"), { code: "ENOENT" });
    return text;
  };
  const statFile = (path: string) =>
    path in files ? { isFile: true, mode: 0o600, owner: 1000 } : null;
  const place = { env, readFile, statFile, osUser: "me", osHome: null };
  return readSettings(argv, place, known);
}

function settingsOf(...world: Parameters<typeof read>): Settings {
  const result = read(...world);
  if (result.kind !== "settings") throw new Error(JSON.stringify(result));
  return result.settings;
}
