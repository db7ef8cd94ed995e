import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CannotJudge } from "../../../src/core/outcome.ts";
import { parseIni, readIni } from "../../../src/tools/alembic/configuration.ts";
import { findHistory } from "../../../src/tools/registry.ts";
import { pythonEnvironment } from "../../support/python.ts";

let cwd: string;
beforeEach(async () => {
  cwd = await realpath(await mkdtemp(join(tmpdir(), "configuration-")));
});
afterEach(async () => {
  await rm(cwd, { recursive: true });
});

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(cwd, path)), { recursive: true });
    await writeFile(join(cwd, path), text);
  }
}

const one = 'revision = "one"\ndown_revision = None\n';
const two = 'revision = "two"\ndown_revision = "one"\n';
const ini = "[alembic]\nscript_location = scripts\n";
const scripts = { "scripts/env.py": "", "scripts/versions/1.py": one };

type Asked = { migrations?: string; tool?: string; env?: Record<string, string> };

async function candidateFor({ migrations, tool, env }: Asked = {}) {
  return await findHistory({
    cwd,
    env: env ?? {},
    migrations: migrations ?? null,
    tool: tool ?? null,
  });
}

async function find(asked: Asked = {}) {
  const candidate = await candidateFor(asked);
  const found = await candidate.read(new Map());
  if (found.upgrade.kind !== "command") throw new Error(found.upgrade.kind);
  return { ...candidate, ...found, commands: found.upgrade.commands };
}

async function ids(asked: Asked = {}): Promise<readonly string[]> {
  const { graph } = await find(asked);
  if (graph.kind === "broken") throw new Error(JSON.stringify(graph.faults));
  return [...graph.history.revisions.keys()];
}

async function refusal(asked: Asked = {}): Promise<readonly [string, string]> {
  const error = await find(asked).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof CannotJudge)) throw new Error(`not refused: ${String(error)}`);
  return [error.outcome, error.message];
}

describe("script_location", () => {
  test.each([
    ["scripts", "scripts"],
    ["./scripts/", "scripts"],
    ["%(here)s/scripts", "scripts"],
    ["%(HERE)s/%(name)s\nname = scripts", "scripts"],
    [".", "."],
    ["app:db/scripts", "app/db/scripts"],
    ["app.db:scripts", "app/db/scripts"],
    ["app:db:scripts", "app/db/scripts"],
    ["100%%", "100%"],
  ])("%s", async (location, directory) => {
    await write({
      "alembic.ini": `[alembic]\nscript_location = ${location}\n`,
      [`${directory}/versions/1.py`]: one,
    });
    expect(await ids()).toEqual(["one"]);
  });

  test("an absolute path", async () => {
    await write({
      "conf/alembic.ini": `[alembic]\nscript_location = ${cwd}/scripts\n`,
      ...scripts,
    });
    expect(await ids({ migrations: "conf/alembic.ini" })).toEqual(["one"]);
  });

  test("a relative path is relative to the working directory, not to the file", async () => {
    await write({ "conf/alembic.ini": ini, ...scripts });
    const found = await find({ migrations: "conf/alembic.ini" });
    expect(found.graph.kind).toBe("sound");
    expect(found.ledgerDirectory).toBe(join(cwd, "conf"));
    expect(found.commands.cwd).toBe(cwd);
    expect(found.commands.upgrade("heads")).toEqual([
      "alembic",
      "-c",
      "conf/alembic.ini",
      "upgrade",
      "heads",
    ]);
  });

  test.each([
    ["prepend_sys_path = lib", "lib/pkg/scripts"],
    ["prepend_sys_path = .:lib\npath_separator = os", "lib/pkg/scripts"],
    ["", ".venv/lib/python3.12/site-packages/pkg/scripts"],
    ["", "src/pkg/scripts"],
  ])("a package, found by %j in %s", async (setting, directory) => {
    await write({
      "alembic.ini": `[alembic]\nscript_location = pkg:scripts\n${setting}\n`,
      [`${directory}/versions/1.py`]: one,
    });
    expect(await ids()).toEqual(["one"]);
  });

  test("a package that is nowhere", async () => {
    await write({ "alembic.ini": "[alembic]\nscript_location = pkg:scripts\n" });
    expect(await refusal()).toEqual([
      "config",
      expect.stringContaining("'pkg' of 'pkg:scripts' was not found"),
    ]);
  });

  test("a directory that is not there", async () => {
    await write({ "alembic.ini": ini });
    expect(await refusal()).toEqual(["missing-input", expect.stringContaining(`${cwd}/scripts`)]);
  });

  test("scripts whose versions were not copied into the image", async () => {
    await write({ "alembic.ini": ini, "scripts/env.py": "" });
    expect(await refusal()).toEqual(["missing-input", expect.stringContaining("scripts/versions")]);
  });

  test.each(["[alembic]\n", "[alembic]\nscript_location =\n"])("missing in %j", async (text) => {
    await write({ "alembic.ini": text });
    expect(await refusal()).toEqual(["config", "alembic.ini: 'script_location' is missing."]);
  });
});

describe("version_locations", () => {
  test.each([
    ["version_locations = a b"],
    ["version_locations = a, b"],
    ["version_locations = a:b\npath_separator = os"],
    ["version_locations = a:b\nversion_path_separator = :"],
    ["version_locations = a;b\npath_separator = ;\nversion_path_separator = space"],
    ["version_locations = a  b\npath_separator = space"],
    ["version_locations =\n    a\n    b\npath_separator = newline"],
    ["version_locations =\n    a\n  # not this\n\n    b\n\npath_separator = newline"],
    ["Version_Locations : %(here)s/a %(here)s/b"],
    ["version_locations = %(script_location)s/../a b"],
  ])("%j", async (setting) => {
    await write({
      "alembic.ini": `${ini}${setting}\n`,
      "a/1.py": one,
      "b/2.py": two,
      "scripts/env.py": "",
    });
    expect(await ids()).toEqual(["one", "two"]);
  });

  test("an unknown separator is refused only where it is used", async () => {
    const setting = "version_path_separator = os  # Use os.pathsep\n";
    await write({ "alembic.ini": `${ini}${setting}`, ...scripts });
    expect(await ids()).toEqual(["one"]);
    await write({ "alembic.ini": `${ini}${setting}version_locations = a\n` });
    expect(await refusal()).toEqual([
      "config",
      expect.stringContaining("'version_path_separator' must be one of"),
    ]);
  });

  test("one that is not there is passed over", async () => {
    await write({ "alembic.ini": `${ini}version_locations = gone scripts/versions\n`, ...scripts });
    expect(await ids()).toEqual(["one"]);
  });

  test("directories below count only where that is set", async () => {
    await write({ "alembic.ini": ini, ...scripts, "scripts/versions/backup/2.py": two });
    expect(await ids()).toEqual(["one"]);
    await write({ "alembic.ini": `${ini}recursive_version_locations = true\n` });
    expect(await ids()).toEqual(["one", "two"]);
    await write({ "alembic.ini": `${ini}recursive_version_locations = yes\n` });
    expect(await ids()).toEqual(["one"]);
  });
});

describe("sections, as by -n", () => {
  const sections =
    "[one]\nscript_location = %(here)s/a\n[two]\nscript_location = %(here)s/b\n[loggers]\nkeys = root\n";
  const histories = {
    "alembic.ini": sections,
    "a/env.py": "",
    "a/versions/1.py": one,
    "b/env.py": "",
    "b/versions/2.py": one.replace('"one"', '"other"'),
  };

  test("a named one is read and run, and has a ledger of its own", async () => {
    await write(histories);
    const found = await find({ migrations: "alembic.ini#two" });
    expect(await ids({ migrations: "alembic.ini#two" })).toEqual(["other"]);
    expect(found.commands.upgrade("heads")).toEqual(["alembic", "-n", "two", "upgrade", "heads"]);
    expect(found.ledgerDirectory).toBe(join(cwd, "b"));
    expect(found.place).toBe("alembic.ini#two");
    expect(found.tool.words.downgrade?.(["other"])).toBe("alembic -n two downgrade other");
    expect(await ids({ migrations: ".#one" })).toEqual(["one"]);
  });

  test("the directory of its scripts leads to it", async () => {
    await write(histories);
    const { commands } = await find({ migrations: "b" });
    expect(commands.current()).toEqual(["alembic", "-n", "two", "current"]);
  });

  test.each([{}, { migrations: "alembic.ini" }, { migrations: "." }])(
    "of several none is chosen: %j",
    async (asked) => {
      await write(histories);
      const error: unknown = await find(asked).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        outcome: "config",
        message:
          "alembic.ini has no section [alembic], and several that lead to a history: one, two.",
        next: [
          "Name the one that this application uses: --migrations alembic.ini#one or --migrations alembic.ini#two",
          expect.any(String),
        ],
      });
    },
  );

  test("the only one is taken, and Alembic's usual one before all others", async () => {
    await write({ ...histories, "alembic.ini": "[one]\nscript_location = a\n" });
    expect((await find()).commands.current()).toEqual(["alembic", "-n", "one", "current"]);
    await write({ "alembic.ini": `${sections}[alembic]\nscript_location = b\n` });
    expect(await ids()).toEqual(["other"]);
    expect((await find()).commands.current()).toEqual(["alembic", "current"]);
  });

  test("what all share stands in [DEFAULT]", async () => {
    const shared =
      "[DEFAULT]\nscript_location = a\n[t1]\nx = 1\n[t2]\nx = 2\n[logger_root]\nlevel = INFO\n";
    await write({ ...histories, "alembic.ini": shared });
    expect(await refusal()).toEqual(["config", expect.stringMatching(/history: t1, t2\.$/)]);
    expect(await ids({ migrations: "alembic.ini#t2" })).toEqual(["one"]);
  });

  test.each(["alembic.ini#three", "pyproject.toml#one", "gone.ini#one"])(
    "%s is refused",
    async (migrations) => {
      await write({ ...histories, "pyproject.toml": "[tool.alembic]\n" });
      expect(await refusal({ migrations })).toEqual([expect.any(String), expect.any(String)]);
    },
  );

  test("an upgrade command that names another one is another history's", async () => {
    await write(histories);
    const { commands } = await find({ migrations: "alembic.ini#two" });
    const refused = [
      "alembic -n one upgrade heads",
      "python -m alembic upgrade heads",
      "alembic --name=one upgrade heads",
    ];
    for (const words of refused)
      expect(() => commands.refuseOther(words.split(" "))).toThrow("[two]");
    const fine = [
      "alembic -n two upgrade heads",
      "poetry run alembic -c x --name two upgrade heads",
      "make migrate",
    ];
    for (const words of fine) commands.refuseOther(words.split(" "));
  });
});

describe("the version table that env.py names", () => {
  const table = async (env: string, more = "") => {
    await write({ "alembic.ini": `${ini}${more}`, ...scripts, "scripts/env.py": env });
    return await (await find()).readTable();
  };
  const configure = (options: string) => `context.configure(connection=c, ${options})\n`;

  test.each([
    ["version_table='v'", "", { schema: null, name: "v" }],
    [
      "version_table_schema='app', version_table=None",
      "",
      { schema: "app", name: "alembic_version" },
    ],
    [
      "version_table_schema=config.get_main_option('Schema')",
      "schema = app\n",
      { schema: "app", name: "alembic_version" },
    ],
    ["version_table=config.get_main_option('t', 'v')", "", { schema: null, name: "v" }],
  ] as const)("%s", async (options, more, named) => {
    expect(await table(configure(options), more)).toEqual({ kind: "named", table: named });
  });

  test.each([
    "",
    "version_table='alembic_version'",
    "version_table_schema=config.get_main_option('x')",
  ])("the usual one: %j", async (options) => {
    expect(await table(configure(options), "version_table = nobody\n")).toBeNull();
  });

  test("a constant of the file, bound once", async () => {
    const use = configure("version_table=TABLE");
    const named = { kind: "named", table: { schema: null, name: "v" } };
    expect(await table(`TABLE = "v"\n${use}`)).toEqual(named);
    const unread = {
      kind: "unread",
      where: expect.stringMatching(/^scripts\/env\.py:\d$/),
      says: "TABLE",
    };
    for (const before of [
      'TABLE = "v"\nTABLE = "w"\n',
      "from x import TABLE\n",
      'TABLE = "v"\ndef f(TABLE, x): pass\n',
    ])
      expect(await table(`${before}${use}`)).toEqual(unread);
  });

  test("the call that has a connection counts, and two of them must agree", async () => {
    const offline = "context.configure(url=u)\n";
    expect(await table(`${offline}${configure("version_table='v'")}`)).toMatchObject({
      kind: "named",
    });
    expect(await table(configure("version_table='v'") + configure("version_table='w'"))).toBeNull();
  });
});

describe("pyproject.toml", () => {
  test("lists, booleans and %(here)s", async () => {
    await write({
      "pyproject.toml": `[tool.alembic]\nscript_location = "%(here)s/scripts"\nversion_locations = ["%(here)s/a", "b"]\nrecursive_version_locations = true\n`,
      "scripts/env.py": "",
      "a/1.py": one,
      "b/deep/2.py": two,
    });
    const found = await find();
    expect(await ids()).toEqual(["one", "two"]);
    expect(found.commands.current()).toEqual(["alembic", "current"]);
    expect(await ids({ migrations: "pyproject.toml" })).toEqual(["one", "two"]);
  });

  test("the ini file wins for what both have, and both are one history", async () => {
    await write({
      "alembic.ini": ini,
      "pyproject.toml":
        '[tool.alembic]\nscript_location = "elsewhere"\nrecursive_version_locations = true\n',
      ...scripts,
      "scripts/versions/deep/2.py": two,
    });
    expect(await ids()).toEqual(["one", "two"]);
  });

  test.each([
    ["[tool.alembic\n", "pyproject.toml: "],
    ["[tool.alembic]\nscript_location = 3\n", "must be text"],
    ['[tool.alembic]\nscript_location = "a%b"\n', "only '%(here)s'"],
    ['[tool.alembic]\nscript_location = "scripts"\nversion_locations = "a b"\n', "must be a list"],
  ])("%j is refused", async (text, reason) => {
    await write({ "pyproject.toml": text, ...scripts });
    expect(await refusal()).toEqual(["config", expect.stringContaining(reason)]);
  });

  test("one of another tool is not looked at", async () => {
    await write({ "pyproject.toml": "[tool.black]\nline-length = 88\n" });
    expect(await refusal()).toEqual([
      "missing-input",
      expect.stringContaining("No migration history"),
    ]);
  });
});

describe("which files", () => {
  test("Alembic's own choice", async () => {
    await write({
      "alembic.ini": ini,
      ...scripts,
      "scripts/versions/__init__.py": "",
      "scripts/versions/__init__old.py": "",
      "scripts/versions/.#lock.py": "<<<",
      "scripts/versions/2.py.backup": "<<<",
      "scripts/versions/2.PY": "<<<",
      "scripts/versions/__pycache__/2.py": "<<<",
      "scripts/versions/x (1).py": two,
    });
    await symlink("1.py", join(cwd, "scripts/versions/copy.py"));
    expect(await ids()).toEqual(["one", "two"]);
  });

  test("a helper among the revisions, a link to nowhere and a broken file are named", async () => {
    await write({
      "alembic.ini": ini,
      ...scripts,
      "scripts/versions/utils.py": "",
      "scripts/versions/2.py": "x = (",
    });
    await symlink("nowhere", join(cwd, "scripts/versions/3.py"));
    const { graph } = await find();
    expect(graph).toEqual({
      kind: "broken",
      faults: [
        {
          kind: "unreadable",
          file: "scripts/versions/2.py",
          line: 1,
          column: null,
          why: "'(' is never closed",
        },
        {
          kind: "unreadable",
          file: "scripts/versions/3.py",
          line: null,
          column: null,
          why: "it cannot be opened (ENOENT)",
        },
        {
          kind: "unreadable",
          file: "scripts/versions/utils.py",
          line: null,
          column: null,
          why: expect.any(String),
        },
      ],
    });
  });

  test("a child of an unreadable file is not called an orphan", async () => {
    await write({
      "alembic.ini": ini,
      "scripts/versions/1.py": "x = (",
      "scripts/versions/2.py": two,
    });
    const { graph } = await find();
    expect(graph).toMatchObject({ faults: [{ kind: "unreadable" }] });
  });

  test("warnings", async () => {
    await write({ "alembic.ini": ini, "scripts/versions/README": "" });
    expect((await find()).warnings).toEqual([expect.stringContaining("no revision files")]);
  });
});

describe("where the history is", () => {
  test("nothing, or a path to nowhere", async () => {
    expect(await refusal()).toEqual(["missing-input", `No migration history was found in ${cwd}.`]);
    expect(await refusal({ migrations: "nowhere" })).toEqual([
      "missing-input",
      expect.stringContaining("nowhere does not exist"),
    ]);
    await write({ "empty/README": "", "other.ini": "[app]\n" });
    expect(await refusal({ migrations: "empty" })).toEqual([
      "missing-input",
      "empty holds no migrations.",
    ]);
    expect(await refusal({ migrations: "other.ini" })).toEqual([
      "config",
      "other.ini says nothing about Alembic.",
    ]);
  });

  test("a directory with a configuration is like going there", async () => {
    await write({ "app/alembic.ini": ini, "app/scripts/versions/1.py": one });
    const found = await find({ migrations: "app" });
    expect(found).toMatchObject({
      tool: { name: "alembic" },
      root: join(cwd, "app"),
      ledgerDirectory: join(cwd, "app"),
    });
    expect(found.commands.cwd).toBe(join(cwd, "app"));
    expect(found.commands.upgrade("heads")).toEqual(["alembic", "upgrade", "heads"]);
  });

  test.each(["scripts", "scripts/versions"])(
    "%s leads to the configuration beside it",
    async (path) => {
      await write({ "alembic.ini": ini, ...scripts });
      const found = await find({ migrations: path });
      expect(found.graph.kind).toBe("sound");
      expect(found.commands.upgrade("one")).toEqual(["alembic", "upgrade", "one"]);
    },
  );

  test.each(["scripts", "scripts/versions"])("%s alone can be read, and not run", async (path) => {
    await write(scripts);
    const found = await find({ migrations: path });
    expect(found.graph.kind).toBe("sound");
    expect(() => found.commands.upgrade("heads")).toThrow(CannotJudge);
  });

  test("ALEMBIC_CONFIG, as Alembic takes it", async () => {
    await write({ "conf/db.ini": ini, ...scripts });
    const found = await find({ env: { ALEMBIC_CONFIG: "conf/db.ini" } });
    expect(found.graph.kind).toBe("sound");
    expect(found.commands.current()).toEqual(["alembic", "-c", "conf/db.ini", "current"]);
  });

  test("Flask-Migrate: the scripts beside an ini file without script_location", async () => {
    await write({
      "migrations/alembic.ini": "[alembic]\n",
      "migrations/env.py": "",
      "migrations/versions/1.py": one,
    });
    const found = await find();
    expect(found.graph.kind).toBe("sound");
    expect(found.commands.upgrade("heads")).toEqual(["flask", "db", "upgrade", "heads"]);
    expect((await find({ migrations: "migrations" })).commands).toMatchObject({ cwd });
    expect((await find({ migrations: "migrations/alembic.ini" })).commands.current()).toEqual([
      "flask",
      "db",
      "current",
    ]);
  });

  test("Flask-Migrate in a folder of another name", async () => {
    await write({ "db/alembic.ini": "[alembic]\n", "db/env.py": "", "db/versions/1.py": one });
    const { commands } = await find({ migrations: "db" });
    expect(commands.cwd).toBe(cwd);
    expect(commands.upgrade("heads")).toEqual(["flask", "db", "upgrade", "-d", "db", "heads"]);
  });

  test("two histories are never chosen from", async () => {
    await write({ "alembic.ini": ini, ...scripts, "supabase/migrations/20260101000000_a.sql": "" });
    expect(await refusal()).toEqual([
      "config",
      "There are several migration histories: alembic.ini (alembic) and supabase/migrations (supabase).",
    ]);
    expect(await ids({ tool: "alembic" })).toEqual(["one"]);
    expect(await ids({ migrations: "alembic.ini" })).toEqual(["one"]);
  });

  test.each([
    ["supabase/migrations/20260101000000_a.sql", "supabase/migrations", "supabase"],
    ["migrations/0001_a.sql", "migrations", "sql"],
  ] as const)("%s belongs to another tool", async (file, place, tool) => {
    await write({ [file]: "SELECT 1;" });
    for (const asked of [{}, { migrations: place }, { tool }])
      expect(await candidateFor(asked)).toMatchObject({ tool: { name: tool }, place });
    expect(await refusal({ tool: "alembic" })).toEqual(["missing-input", expect.any(String)]);
  });
});

describe("the dialect of alembic.ini", () => {
  const documents = [
    "[a]\nk = v\n[DEFAULT]\nd = %(k)s!\n",
    "[a]\nK: v ; w # x\nother =\n\n  first\n\n  second\n\nlast = 1\n",
    "# c\n; c\n[a]\n  k = v\n  l = w\n    more\n",
    "[a]\nk = a=b:c\nl : a=b\n",
    "[a]\nk = 100%%\nl = %(k)s\nm = %(here)s/%(M2)s\nm2 = 2\n",
    "[a]\r\nk = v\r\n  w\r\n",
    "[a]\nk = %\n",
    "[a]\nk = %(absent)s\n",
    "[a]\nk = %(k)s\n",
    "k = v\n",
    "[a]\nk = 1\nK = 2\n",
    "[a]\n[a]\n",
    "[a]\nnonsense\n",
    "[a] trailing\nk =\n",
    "[a]\n= v\n",
    "[b]\nk = v\n",
  ];

  test.each(documents)("%j is read as by ConfigParser", async (text) => {
    const { python } = await pythonEnvironment();
    const program = [
      "import configparser, json, sys",
      "parser = configparser.ConfigParser({'here': '/h'})",
      "try:",
      "    parser.read_string(sys.stdin.read().replace(chr(13), ''))",
      "    print(json.dumps(dict(parser.items('a')) if parser.has_section('a') else None))",
      "except configparser.Error:",
      "    print(json.dumps('fault'))",
    ].join("\n");
    const expected: unknown = JSON.parse(
      execFileSync(python, ["-c", program], { input: text }).toString(),
    );
    expect(readAll(text)).toEqual(expected);
  });

  function readAll(text: string): unknown {
    const file = parseIni(text);
    if (file.kind === "fault") return "fault";
    const section = file.ini.get("a");
    if (section === undefined) return null;
    const keys = new Set([...section.keys(), ...(file.ini.get("DEFAULT")?.keys() ?? []), "here"]);
    const values = [...keys].map(
      (key) => [key, readIni(file.ini, "a", key, { here: "/h" })] as const,
    );
    if (values.some(([, value]) => value.kind === "fault")) return "fault";
    return Object.fromEntries(
      values.map(([key, value]) => [key, value.kind === "value" ? value.value : null]),
    );
  }
});

describe("revisions that only git remembers", () => {
  function git(...args: readonly string[]): void {
    const identity = [
      "-c",
      "user.name=t",
      "-c",
      "user.email=t@example.org",
      "-c",
      "commit.gpgsign=false",
    ];
    execFileSync("git", ["-C", cwd, ...identity, ...args], { stdio: "ignore" });
  }

  const version = (id: string, parent: string | null, more = "") =>
    `revision = "${id}"\ndown_revision = ${parent === null ? "None" : `"${parent}"`}\n${more}`;

  test("deleted files, newest spelling first, without what is still there under another name", async () => {
    await write({
      "app/alembic.ini": ini,
      "app/scripts/versions/1.py": version("one", null),
      "app/scripts/versions/2 é.py": version("two", "one", 'depends_on = "x"\n'),
      "app/scripts/versions/3.py": version("three", "old"),
      "app/scripts/versions/moved.py": version("moved", "one"),
      "app/scripts/versions/broken.py": "<<<<<<< HEAD\n",
      "app/scripts/versions/notes.txt": "",
      "app/other/4.py": version("four", null),
    });
    git("init", "--quiet");
    git("add", ".");
    git("commit", "--quiet", "-m", "one");
    git("rm", "--quiet", "app/scripts/versions/3.py", "app/scripts/versions/moved.py");
    await write({
      "app/scripts/versions/renamed.py": version("moved", "one"),
      "app/scripts/versions/again.py": version("three", "new"),
    });
    git("add", ".");
    git("commit", "--quiet", "-m", "two");
    git("rm", "-r", "--quiet", "app/scripts/versions/2 é.py", "app/scripts/versions/again.py");
    git(
      "rm",
      "-r",
      "--quiet",
      "app/scripts/versions/broken.py",
      "app/scripts/versions/notes.txt",
      "app/other",
    );
    git("commit", "--quiet", "-m", "three");
    const found = await find({ migrations: "app" });
    expect(await found.readDeleted()).toEqual([
      { id: "three", parents: ["new"], dependsOn: [], file: "scripts/versions/again.py" },
      { id: "two", parents: ["one"], dependsOn: ["x"], file: "scripts/versions/2 é.py" },
    ]);
  });

  test("no checkout, or one without commits", async () => {
    await write({ "alembic.ini": ini, ...scripts });
    expect(await (await find()).readDeleted()).toEqual([]);
    git("init", "--quiet");
    expect(await (await find()).readDeleted()).toEqual([]);
  });
});
