import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const project = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
/** Real Alembic and its drivers. */
const alembic = {
  directory: join(project, ".venv"),
  requirements: join(project, "test/requirements.txt"),
};
/** Libraries that keep tables of their own beside an application's. */
const libraries = {
  directory: join(project, ".venv-libraries"),
  requirements: join(project, "test/proof/real/beside/requirements.txt"),
};

export type PythonEnvironment = {
  readonly python: string;
  /** Directory of `alembic`, to be put first in PATH. */
  readonly bin: string;
};

let started: Promise<PythonEnvironment> | undefined;

/**
 * A Python with real Alembic: a virtual environment in the project's directory, remade when `test/requirements.txt` changes; where none can
 * be made, this machine's own Python, if it has Alembic. Nothing is installed anywhere else. Several processes may ask at once.
 */
export async function pythonEnvironment(): Promise<PythonEnvironment> {
  started ??= withLock(async () => {
    const made = await virtualEnvironment(alembic);
    return "python" in made ? made : await systemPython(made.why);
  });
  return await started;
}

/** The same for the libraries of test/proof/real/beside; throws where PyPI is out of reach. */
export async function librariesEnvironment(): Promise<PythonEnvironment> {
  const made = await withLock(async () => await virtualEnvironment(libraries));
  if ("why" in made) throw new Error(`${libraries.requirements} cannot be installed: ${made.why}`);
  return made;
}

const versions = join(project, "test/tools/alembic/versions");

/** Combinations of Alembic and SQLAlchemy, the oldest first; without PREFLIGHT_ALEMBIC_VERSIONS=all the oldest and the newest. */
export async function alembicVersions(): Promise<readonly string[]> {
  const names = (await readdir(versions)).map((file) => file.replace(/\.txt$/, "")).toSorted();
  const isWhole = process.env["PREFLIGHT_ALEMBIC_VERSIONS"] === "all";
  return isWhole ? names : names.filter((_, at) => at === 0 || at === names.length - 1);
}

/** The same for one of these; throws where PyPI is out of reach. */
export async function versionEnvironment(name: string): Promise<PythonEnvironment> {
  const directory = join(project, `.venv-${name}`);
  const requirements = join(versions, `${name}.txt`);
  const made = await withLock(async () => await virtualEnvironment({ directory, requirements }));
  if ("why" in made) throw new Error(`${requirements} cannot be installed: ${made.why}`);
  return made;
}

async function virtualEnvironment({
  directory,
  requirements,
}: typeof alembic): Promise<PythonEnvironment | { readonly why: string }> {
  const bin = join(directory, "bin");
  const python = join(bin, "python");
  const marker = join(directory, "requirements.sha256");
  const wanted = createHash("sha256")
    .update(await readFile(requirements))
    .digest("hex");
  if ((await readFile(marker, "utf8").catch(() => "")) === wanted) return { python, bin };
  try {
    await run("python3", ["-m", "venv", "--clear", directory]);
    await run(python, [
      "-m",
      "pip",
      "install",
      "--quiet",
      "--disable-pip-version-check",
      "-r",
      requirements,
    ]);
    await writeFile(marker, wanted);
    return { python, bin };
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    return { why: complaintOf(error) };
  }
}

async function systemPython(why: string): Promise<PythonEnvironment> {
  for (const python of ["python3", "/usr/bin/python3"]) {
    if (!(await hasAlembic(python))) continue;
    const { stdout } = await run(python, [
      "-c",
      "import shutil; print(shutil.which('alembic') or '')",
    ]);
    if (stdout.trim() !== "") return { python, bin: dirname(stdout.trim()) };
  }
  throw new Error(
    `real Alembic is needed, for which a virtual environment is made in .venv, and that failed: ${why}
On Debian and Ubuntu: apt-get install python3-venv. Or let python3 have Alembic and psycopg2: apt-get install python3-alembic python3-psycopg2.`,
  );
}

/** The line that says most of what a child printed. */
function complaintOf(error: unknown): string {
  const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
  const lines = `${stdout}\n${stderr}`.split("\n").map((line) => line.trim());
  const said = lines.find((line) => /ensurepip|No module named|^ERROR/.test(line));
  return said ?? (error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error));
}

async function hasAlembic(python: string): Promise<boolean> {
  return await run(python, ["-c", "import alembic"]).then(
    () => true,
    () => false,
  );
}

/** A directory can be made only once. One that is older than any installation takes was left by a killed process. */
async function withLock<Value>(work: () => Promise<Value>): Promise<Value> {
  const lock = join(project, "node_modules", ".python-environment.lock");
  while (
    !(await mkdir(lock).then(
      () => true,
      () => false,
    ))
  ) {
    const made = await stat(lock).catch(() => null);
    if (made !== null && Date.now() - made.mtimeMs > 5 * 60_000)
      await rm(lock, { recursive: true });
    await sleep(200);
  }
  try {
    return await work();
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}
