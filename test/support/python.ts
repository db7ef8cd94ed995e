import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
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
 * A Python with real Alembic: a virtual environment in the project's directory, remade when `test/requirements.txt` changes;
 * where PyPI is out of reach, Debian's packages. Several processes may ask at once.
 */
export async function pythonEnvironment(): Promise<PythonEnvironment> {
  started ??= withLock(async () => (await virtualEnvironment(alembic)) ?? (await systemPython()));
  return await started;
}

/** The same for the libraries of test/proof/real/beside; throws where PyPI is out of reach. */
export async function librariesEnvironment(): Promise<PythonEnvironment> {
  const found = await withLock(async () => await virtualEnvironment(libraries));
  if (found === null) throw new Error(`${libraries.requirements} cannot be installed`);
  return found;
}

async function virtualEnvironment({
  directory,
  requirements,
}: typeof alembic): Promise<PythonEnvironment | null> {
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
  } catch {
    await rm(directory, { recursive: true, force: true });
    return null;
  }
}

async function systemPython(): Promise<PythonEnvironment> {
  if (!(await hasAlembic("/usr/bin/python3")) && process.getuid?.() === 0)
    await run("apt-get", ["install", "-y", "python3-alembic", "python3-psycopg2"]).catch(
      () => null,
    );
  for (const python of ["python3", "/usr/bin/python3"]) {
    if (!(await hasAlembic(python))) continue;
    const { stdout } = await run(python, [
      "-c",
      "import shutil; print(shutil.which('alembic') or '')",
    ]);
    if (stdout.trim() !== "") return { python, bin: dirname(stdout.trim()) };
  }
  throw new Error(
    "The tests need real Alembic: PyPI is out of reach (python3 -m venv .venv, pip install -r test/requirements.txt) " +
      "and this machine's python3 cannot import it. On Debian: apt-get install -y python3-alembic python3-psycopg2.",
  );
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
