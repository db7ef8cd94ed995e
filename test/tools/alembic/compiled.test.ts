import { execFile } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { CannotJudge } from "../../../src/core/outcome.ts";
import { findHistory } from "../../../src/tools/registry.ts";
import { pythonEnvironment, type PythonEnvironment } from "../../support/python.ts";

const execute = promisify(execFile);
let python: PythonEnvironment;
beforeAll(async () => {
  python = await pythonEnvironment();
});

let directory: string;
let versions: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "compiled-"));
  versions = join(directory, "scripts/versions");
  mkdirSync(versions, { recursive: true });
  writeFileSync(join(directory, "scripts/env.py"), "");
  writeRevision("one", null);
  writeRevision("two", "one");
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function writeRevision(id: string, after: string | null, file = `${id}.py`): void {
  const down = after === null ? "None" : `"${after}"`;
  writeFileSync(join(versions, file), `revision = "${id}"\ndown_revision = ${down}\n`);
}

function configure(...lines: readonly string[]): void {
  const text = ["[alembic]", "script_location = %(here)s/scripts", ...lines, ""].join("\n");
  writeFileSync(join(directory, "alembic.ini"), text);
}

/** `legacy`: beside the sources, as in Python 2; `cache`: in `__pycache__`. */
async function compile(where: "legacy" | "cache"): Promise<void> {
  const legacy = where === "legacy" ? "True" : "False";
  const code = `import compileall; compileall.compile_dir("scripts/versions", legacy=${legacy}, quiet=1)`;
  await execute(python.python, ["-c", code], { cwd: directory });
}

function remove(...files: readonly string[]): void {
  for (const file of files) rmSync(join(versions, file));
}

/** The file of a revision in `__pycache__`, whose name holds Python's version. */
function cached(id: string): string {
  const name = readdirSync(join(versions, "__pycache__")).find((each) => each.startsWith(`${id}.`));
  return `__pycache__/${name}`;
}

async function loadedByAlembic(): Promise<readonly string[]> {
  const env = { PATH: process.env["PATH"], PYTHONDONTWRITEBYTECODE: "1" };
  const alembic = join(python.bin, "alembic");
  const { stdout } = await execute(alembic, ["history"], { cwd: directory, env });
  return [...stdout.matchAll(/-> (\w+)/g)].map(([, id]) => id!).sort();
}

/** The ids, or the refusal. */
async function read(): Promise<readonly string[] | CannotJudge> {
  const where = { cwd: directory, env: {}, migrations: null, tool: null };
  const candidate = await findHistory(where);
  try {
    const { graph } = await candidate.read(new Map());
    if (graph.kind === "broken") throw new Error(JSON.stringify(graph.faults));
    return [...graph.history.revisions.keys()].sort();
  } catch (error) {
    if (error instanceof CannotJudge) return error;
    throw error;
  }
}

describe("with 'sourceless', what Alembic loads and has no source is refused by name", () => {
  const both = ["one", "two"];

  test.each<[string, () => Promise<void>, () => string]>([
    [
      "beside the sources",
      async () => (await compile("legacy"), remove("two.py")),
      () => "two.pyc",
    ],
    ["in a cache", async () => (await compile("cache"), remove("two.py")), () => cached("two")],
    [
      "of another Python",
      async () => {
        await compile("cache");
        remove("two.py");
        renameSync(join(versions, cached("two")), join(versions, "__pycache__/two.other-38.pyc"));
      },
      () => "__pycache__/two.other-38.pyc",
    ],
    [
      "as a source in a cache",
      async () => {
        mkdirSync(join(versions, "__pycache__"));
        renameSync(join(versions, "two.py"), join(versions, "__pycache__/two.py"));
      },
      () => "__pycache__/two.py",
    ],
    [
      "behind a link",
      async () => {
        await compile("legacy");
        remove("two.py");
        mkdirSync(join(directory, "elsewhere"));
        renameSync(join(versions, "two.pyc"), join(directory, "elsewhere/two.pyc"));
        symlinkSync("../../elsewhere/two.pyc", join(versions, "link"));
      },
      () => "link",
    ],
  ])("%s", async (_, arrange, file) => {
    configure("sourceless = true");
    await arrange();
    expect(await loadedByAlembic()).toEqual(both);
    const refused = await read();
    expect(refused).toBeInstanceOf(CannotJudge);
    expect(refused).toMatchObject({ outcome: "missing-input" });
    expect(String(refused)).toContain(`scripts/versions/${file()}, which has no .py file`);
    expect(String(refused)).not.toContain("one.");
  });

  test("in a directory below, where Alembic looks there", async () => {
    configure("sourceless = true", "recursive_version_locations = true");
    mkdirSync(join(versions, "below"));
    renameSync(join(versions, "two.py"), join(versions, "below/two.py"));
    await compile("cache");
    await execute(python.python, ["-m", "compileall", "-q", "scripts/versions/below"], {
      cwd: directory,
    });
    remove("below/two.py");
    expect(await loadedByAlembic()).toEqual(both);
    expect(String(await read())).toContain("scripts/versions/below/__pycache__/two.");
  });

  test("several at once", async () => {
    configure("sourceless = true");
    await compile("legacy");
    remove("one.py", "two.py");
    expect(String(await read())).toContain(
      "scripts/versions/one.pyc; scripts/versions/two.pyc, which have no .py file beside them",
    );
  });
});

describe("compiled files that do not matter", () => {
  test.each<[string, readonly string[], () => Promise<void>]>([
    [
      "with their sources beside them",
      ["sourceless = true"],
      async () => {
        await compile("legacy");
        await compile("cache");
      },
    ],
    [
      "of a package's own file",
      ["sourceless = true"],
      async () => {
        writeFileSync(join(versions, "__init__.py"), "");
        await compile("cache");
        await compile("legacy");
        remove("__init__.py");
      },
    ],
    [
      "beside a file of that name",
      ["sourceless = true"],
      async () => {
        writeRevision("three", "two");
        await compile("cache");
        remove("three.py");
        writeFileSync(join(versions, "three.txt"), "");
      },
    ],
    [
      "in a directory that Alembic does not look into",
      ["sourceless = true"],
      async () => {
        writeRevision("three", "two");
        await compile("legacy");
        mkdirSync(join(versions, "below"));
        renameSync(join(versions, "three.pyc"), join(versions, "below/three.pyc"));
        remove("three.py");
      },
    ],
    [
      "of an ordinary project",
      [],
      async () => {
        writeRevision("three", "two");
        await compile("legacy");
        await compile("cache");
        remove("three.py");
      },
    ],
    [
      "where it is set to something else",
      ["sourceless = false"],
      async () => {
        writeRevision("three", "two");
        await compile("cache");
        remove("three.py");
      },
    ],
  ])("%s", async (_, lines, arrange) => {
    configure(...lines);
    await arrange();
    const ids = ["one", "two"];
    expect(await loadedByAlembic()).toEqual(ids);
    expect(await read()).toEqual(ids);
  });
});
