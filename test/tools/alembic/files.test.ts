import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readRevisionFile } from "../../../src/tools/alembic/revision-file.ts";
import { computations, refusals, writeScripts } from "../history-files.ts";
import { type Oracle, startOracle } from "./oracle.ts";

const plain = 'revision = "a1"\ndown_revision = None\n';

function read(source: string | Uint8Array, file = "versions/x.py") {
  const bytes = typeof source === "string" ? Buffer.from(source) : source;
  return readRevisionFile(file, bytes);
}

async function revisionOf(source: string | Uint8Array, file?: string) {
  const result = await read(source, file);
  if (result.kind === "unreadable") throw new Error(JSON.stringify(result.faults));
  return result.revision;
}

async function why(source: string | Uint8Array, file?: string) {
  const result = await read(source, file);
  return result.kind === "unreadable" ? result.faults.map(({ line, why }) => [line, why]) : [];
}

describe("forms of real files", () => {
  test.each([
    [
      "a list merge",
      'revision = "m"\ndown_revision = ["a", "b_slug", "c", "d"]\n',
      ["a", "b_slug", "c", "d"],
    ],
    [
      "several names at once",
      'revision, down_revision = "0027", "0026"\nbranch_labels = depends_on = None\n',
      ["0026"],
    ],
    [
      "a constant of the file, as it stands there",
      'OLD = "a"\nPARENT = OLD\nOLD = "z"\nrevision = "m"\ndown_revision = PARENT\nPARENT = None\n',
      ["a"],
    ],
    ["unicode prefix", "revision = u'a'\ndown_revision = u'b'\n", ["b"]],
    [
      "an annotated merge",
      'revision: str = "m"\ndown_revision: Union[str, None] = ("a", "b")\n',
      ["a", "b"],
    ],
    [
      "brackets in the annotation",
      'revision: "x[" = "m"\ndown_revision: dict[str, "="] = "a"\n',
      ["a"],
    ],
    [
      "the last assignment wins",
      'revision = "m"\ndown_revision = "no"\ndown_revision = "a"\n',
      ["a"],
    ],
    ["a comment after the value", 'revision = "m"  # "x"\ndown_revision = "a"  # was "b"\n', ["a"]],
    ["parents in a set", 'revision = "m"\ndown_revision = {"b", "a"}\n', ["a", "b"]],
    ["a form feed puts the column back to 0", 'revision = "m"\n  \fdown_revision = "a"\n', ["a"]],
    ["nested targets", '(revision, [down_revision, x]) = "m", ("a", "b")\n', ["a"]],
  ])("%s", async (_, source, parents) => {
    expect((await revisionOf(source)).parents).toEqual(parents);
  });

  test("branch labels and dependencies, empty ones included", async () => {
    const source = `${plain}branch_labels = ("expand",)\ndepends_on = ["x", "", "y"]\n`;
    expect(await revisionOf(source)).toMatchObject({ labels: ["expand"], dependsOn: ["x", "y"] });
    expect(await revisionOf(`${plain}branch_labels = ()\ndepends_on = ""\n`)).toMatchObject({
      labels: [],
      dependsOn: [],
    });
  });

  test("the id comes from a file's name only for the hex names of Alembic 0.1", async () => {
    expect((await revisionOf("down_revision = None\n", "versions/bad1.py")).id).toBe("bad1");
    expect(await why("down_revision = None\n", "versions/bad_1.py")).toEqual([
      [null, expect.stringContaining("no 'revision")],
    ]);
  });

  test.each([
    ["pass", true],
    ['"""Merges."""\n    pass', true],
    ["...", true],
    ["return", true],
    ["return None", true],
    ["'one'\n    'two'", true],
    ["op.execute('x')", false],
    ["pass\n    op.execute('x')", false],
    ["return op.execute('x')", false],
    ["if op.get_bind().dialect.name == 'mysql':\n        return\n    pass", true],
    ["if fill(op):\n        return", false],
    ["f'{op.execute(1)}'", false],
    ["if a:\n        pass\n    elif b:\n        return\n    else:\n        op.execute('x')", false],
    ["for a in b:\n        pass", false],
  ])("an upgrade() of %j is empty: %s", async (body, isEmpty) => {
    expect((await revisionOf(`${plain}\n\ndef upgrade():\n    ${body}\n`)).isEmpty).toBe(isEmpty);
  });

  const empty = "def upgrade() -> None:\n    pass\n";

  test.each([
    ["alone", empty],
    [
      "with what Alembic's template has",
      `import sqlalchemy as sa\nfrom alembic import op\n${empty}\n\ndef downgrade():\n    fill()\n`,
    ],
    [
      "with a table and a logger",
      `import logging\nimport sqlalchemy as sa\nt = sa.table("t", sa.column("n"))\nlog: logging.Logger = logging.getLogger(__name__)\n${empty}`,
    ],
    ["after a star import", `from app import *\n${empty}`],
    ["in a semicolon's company", `a = 1; b, (c, d) = 2, (3, 4)\n${empty}`],
    [
      "which a function that nobody calls would replace by another name",
      `${empty}def f():\n    upgrades = f\n`,
    ],
  ])("an empty upgrade() %s is empty", async (_, source) => {
    expect((await revisionOf(`${plain}${source}`)).isEmpty).toBe(true);
  });

  test.each([
    ["an assignment", `${empty}upgrade = fill\n`],
    ["an assignment of several", `${empty}downgrade = upgrade = fill\n`],
    ["a tuple", `${empty}(x, upgrade) = 1, fill\n`],
    ["an annotated assignment", `${empty}upgrade: object = fill\n`],
    ["another spelling", `${empty}\uff55pgrade = fill\n`],
    ["a decorator by assignment", `${empty}upgrade = in_batches(upgrade)\n`],
    ["a loop", `${empty}for upgrade in [fill]:\n    pass\n`],
    ["a with", `${empty}with f() as upgrade:\n    pass\n`],
    ["a walrus", `${empty}x = (upgrade := fill)\n`],
    ["an import", `${empty}from app import fill as upgrade\n`],
    ["a later star import", `${empty}from app import *\n`],
    ["another body", `${empty}upgrade.__code__ = fill.__code__\n`],
    ["a decorator", `@in_batches\n${empty}`],
    ["a second definition", `${empty}def upgrade():\n    fill()\n`],
    ["a first definition", `def upgrade():\n    fill()\n${empty}`],
    ["a class", `${empty}class upgrade:\n    pass\n`],
    ["a condition around it", `if x:\n    def upgrade():\n        pass\n`],
    ["a try around it", `try:\n    def upgrade():\n        pass\nfinally:\n    pass\n`],
    ["a condition after it", `${empty}if x:\n    upgrade = fill\n`],
    ["setattr", `import sys\n${empty}setattr(sys.modules[__name__], "upgrade", fill)\n`],
    ["a value of setattr", `${empty}x = setattr(m, "upgrade", fill)\n`],
    ["globals", `${empty}globals()["upgrade"] = fill\n`],
    ["an update of globals", `${empty}x = globals().update(upgrade=fill)\n`],
    ["exec", `${empty}exec("upgrade = fill")\n`],
    ["a call of anything", `${empty}x = install()\n`],
    ["the module itself", `import sys\n${empty}sys.modules[__name__].upgrade = fill\n`],
    ["a function's global", `${empty}def f():\n    global upgrade\n    upgrade = fill\n`],
    ["a default value", `${empty}def f(x=globals().update(upgrade=fill)):\n    pass\n`],
    ["a default value of its own", "def upgrade(x=fill()):\n    pass\n"],
    ["a decorator of another function", `${empty}@install\ndef f():\n    pass\n`],
    ["a class body", `${empty}class A:\n    x = install()\n`],
    ["del", `${empty}del upgrade\n`],
    ["an asynchronous one", "async def upgrade():\n    pass\n"],
  ])("an empty upgrade() with %s is not known to be empty", async (_, source) => {
    // What can set any name may come before the revision's, or the file is not readable at all.
    const rest = "branch_labels = depends_on = None\n";
    expect((await revisionOf(`${source}${plain}${rest}`)).isEmpty).toBe(false);
  });

  test("a file without upgrade() is not an empty one", async () => {
    expect((await revisionOf(plain)).isEmpty).toBe(false);
  });

  test("the hash does not depend on line ends or on a byte order mark", async () => {
    const { hash } = await revisionOf(plain);
    expect(hash).toMatch(/^[0-9a-f]{16}$/);
    expect((await revisionOf(plain.replaceAll("\n", "\r\n"))).hash).toBe(hash);
    expect((await revisionOf(`\ufeff${plain}`)).hash).toBe(hash);
    expect((await revisionOf(`${plain}\n`)).hash).not.toBe(hash);
  });

  test("encodings", async () => {
    const latin = Buffer.from(`# coding: latin-1\n${plain}x = "é"\n`, "latin1");
    expect((await revisionOf(latin)).id).toBe("a1");
    expect(await why(Buffer.from(`${plain}x = "é"\n`, "latin1"))).toEqual([
      [1, "the file is not valid UTF-8"],
    ]);
    expect(await why(`# coding: klingon\n${plain}`)).toEqual([
      [1, "the encoding 'klingon' is not known"],
    ]);
    expect(await why(`${plain}\0`)).toEqual([[3, "the file holds a NUL byte"]]);
  });

  test.each([
    "x = [1. for y in z if 2. or 3.]",
    "def f():\n    yield\n    x = yield\n    return (yield)",
    "match y:\n    case Foo(): pass\n    case (Foo( ), [], {}): pass\n    case [1., *_]: pass",
    "match x, y:\n    case 1., {}:\n        pass",
    "with (open(a) as b, c as (d, e)):\n    pass",
    "with (\n    a() as (\n        b,\n        c,\n    ),\n    d as e.f,\n):\n    pass",
    "x = [a for a, *b in c] + list(a for *a, b in c)",
    "x = lambda a, /, b: a",
    "def f(*a: tuple[*T]): pass",
    "print >> x, 1",
    "print(f\"{a['b']:>{10}}\", f'{{{x!r}}}', rf'\\{{x}}', f\"{x:'>3}\", f'{y[\"k\"]}')",
    "x = f'{x:=9}', rf'(\\{{%)[a-z]', rf'\\{x[\"a\"]}', t'{x}', rt'\\{x}'",
    "type X = int",
    "case.total = 3.",
    "def f():\n    pass\n\t",
    "\f\nif x:\n\f    y = 1\n",
    "if x:\n\tif y:\n\t    z = 1\n\telse:\n\t\tz = 2\n",
  ])("valid Python that parsers stumble over: %j", async (body) => {
    expect((await revisionOf(`${plain}${body}`)).id).toBe("a1");
  });
});

test("a sum of two thousand strings", async () => {
  const sum = Array(2000).fill("'a'").join(" + ");
  expect((await revisionOf(`${plain}x = ${sum}\nop.execute(${sum})\n`)).id).toBe("a1");
});

describe("nothing is guessed", () => {
  test.each([
    ['revision = "a"\ndown_revision = PARENT\n', 2, "down_revision is computed: PARENT"],
    [
      'revision = "a"\nfrom x import PARENT\ndown_revision = PARENT\n',
      3,
      "down_revision is computed: PARENT",
    ],
    [
      'PARENT = "b"\nfor PARENT in x: pass\nrevision = "a"\ndown_revision = PARENT\n',
      4,
      "down_revision is computed: PARENT",
    ],
    [
      'PARENT = "bc"\nrevision = "a"\ndown_revision, x = PARENT\n',
      3,
      "down_revision is computed: PARENT",
    ],
    ['revision = "a" + "b"\ndown_revision = None\n', 1, 'revision is computed: "a" + "b"'],
    [
      'revision = "a"\nif x:\n    down_revision = None\n',
      3,
      "down_revision is computed: down_revision = None inside a block",
    ],
    [
      'revision = "a"\ndown_revision = ("b", None)\n',
      2,
      "down_revision is a list with more in it than names",
    ],
    ["revision = 5\ndown_revision = None\n", 1, "revision is computed: 5"],
    ['revision = b"a"\ndown_revision = None\n', 1, 'revision is computed: b"a"'],
    [
      'revision = "a"\ndown_revision = "\\N{BULLET}"\n',
      2,
      'down_revision is computed: "\\N{BULLET}"',
    ],
    [`${plain}branch_labels = (cli.EXPAND,)\n`, 3, "branch_labels is computed: (cli.EXPAND,)"],
    [
      `${plain}from other import (depends_on)\n`,
      3,
      expect.stringContaining("depends_on is computed: from other"),
    ],
    [`${plain}with a as revision: pass\n`, 3, expect.stringContaining("revision is computed")],
    [
      `${plain}def revision(): pass\n`,
      3,
      expect.stringContaining("revision is computed: def revision"),
    ],
    [`${plain}del down_revision\n`, 3, expect.stringContaining("down_revision is computed")],
    [`${plain}<<<<<<< HEAD\n`, 3, "a merge conflict is not resolved"],
    [`${plain}x = (1,\n`, 3, "'(' is never closed"],
    [`${plain}x = [1)\n`, 3, "syntax error near ')'"],
    [`${plain}x = 'a\n`, 3, "a string is never closed"],
    [`${plain}x = 'C:\\'\ny = 1\n`, 3, "a string is never closed"],
    [`${plain}x = “a”\n`, 3, "syntax error near '“a”'"],
    [`${plain}if x\n`, 3, "syntax error near 'if x'"],
    [`${plain}  x = 1\n`, 3, "the indentation fits no block around it"],
    [`${plain}if x:\n    pass\n  y = 1\n`, 5, "the indentation fits no block around it"],
    [`${plain}def f():\n    return (1,,\n`, 4, "syntax error near ','"],
    [`${plain}with a as :\n    pass\n`, 3, "syntax error near ':'"],
    [
      `${plain}with a() as (b, revision): pass\n`,
      3,
      expect.stringContaining("revision is computed"),
    ],
    [
      `${plain}with (a as b, c as (d, revision)): pass\n`,
      3,
      expect.stringContaining("revision is computed"),
    ],
    [`${plain}revision = rf"\\{x}"\n`, 3, expect.stringContaining("revision is computed")],
    [`${plain}x = 1 2\n`, 3, "syntax error near '2'"],
    [`${plain}if x:\n\tpass\n        pass\n`, 5, "tabs and spaces are mixed in the indentation"],
  ])("%j", async (source, line, reason) => {
    expect(await why(source)).toContainEqual([line, reason]);
  });

  test("all that is wrong with a file is said at once", async () => {
    expect(await why("revision = X\ndown_revision = Y\n")).toHaveLength(2);
  });
});

describe("beside Alembic", () => {
  let oracle: Oracle;
  beforeAll(async () => {
    oracle = await startOracle();
  }, 180_000);
  afterAll(() => oracle.stop());

  async function ask(source: string) {
    const directory = await writeScripts([{ name: "one file.py", bytes: Buffer.from(source) }]);
    try {
      return await oracle.ask(directory);
    } finally {
      await rm(directory, { recursive: true });
    }
  }

  test.each(refusals.map((damage) => damage(plain)))("both refuse %j", async (source) => {
    expect((await read(source)).kind).toBe("unreadable");
    expect(await ask(source)).toMatchObject({ fault: "unreadable" });
  });

  test.each(computations.map((damage) => damage(plain)))(
    "only running tells %j",
    async (source) => {
      expect(await why(source)).toContainEqual([
        expect.any(Number),
        expect.stringContaining("computed"),
      ]);
      const answer = await ask(source);
      expect("fault" in answer ? answer.fault : "").not.toBe("unreadable");
    },
  );
});

test("the sketch of upgrade()", async () => {
  const { sketch } = await revisionOf(`${plain}
def upgrade() -> None:
    op.create_table("shops", sa.Column("id", sa.Integer(), primary_key=True), Column('na' "me", sa.Text),
                    sa.UniqueConstraint("name"), sa.Column(sa.Text, name="note"), *more, schema="app")
    op.create_table(TABLE, sa.Column("id"))
    op.add_column("shops", sa.Column("city", sa.String(length=3)), schema=None)
    op.drop_column("shops", "old", schema=SCHEMA)
    if something:
        op.drop_table(table_name="gone")
    with op.batch_alter_table("people", schema="app") as batch_op:
        batch_op.add_column(sa.Column("age", sa.Integer))
        batch_op.drop_column("born")
        batch_op.alter_column("name", new_column_name="full_name")
        batch_op.alter_column("name", nullable=True)
    for name in names:
        with op.batch_alter_table(name) as batch_op:
            batch_op.drop_column("lost")
    op.rename_table("a", "b")
    op.alter_column("shops", "x", new_column_name="y", schema="app")
    op.execute("DROP TABLE z")
    op.execute(sa.text("""
        CREATE TABLE IF NOT EXISTS app.tills (id int, note text);
        ALTER TABLE tills ADD COLUMN at timestamptz
    """))
    op.execute("UPDATE z SET table = 1")
    op.execute("CREATE TABLE " + name + " (id int)")

def downgrade():
    op.drop_table("shops")
`);
  const app = (name: string) => ({ schema: "app", name });
  const bare = (name: string) => ({ schema: null, name });
  expect(sketch).toEqual([
    { kind: "create-table", table: app("shops"), columns: ["id", "name", "note"] },
    { kind: "add-column", table: bare("shops"), column: "city" },
    { kind: "drop-table", table: bare("gone") },
    { kind: "add-column", table: app("people"), column: "age" },
    { kind: "drop-column", table: app("people"), column: "born" },
    { kind: "rename-column", table: app("people"), column: "name", to: "full_name" },
    { kind: "rename-table", table: bare("a"), to: "b" },
    { kind: "rename-column", table: app("shops"), column: "x", to: "y" },
    { kind: "drop-table", table: bare("z") },
    { kind: "create-table", table: app("tills"), columns: ["id", "note"] },
    { kind: "add-column", table: bare("tills"), column: "at" },
  ]);
});
