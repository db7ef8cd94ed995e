import { enumerate } from "../../core/words.ts";
import type { Explanation } from "../tool.ts";

/**
 * Why a program of the project's own could not do its work, where that is no fault of a migration: by the errors of Python, of SQLAlchemy
 * (2.0 and 2.1) and of those that read settings.
 */
export function explainFailure(complaint: string, lines: readonly string[]): Explanation | null {
  if (
    /^Error: (?:Could not locate a Flask application|Could not import '|Failed to find )/.test(
      complaint,
    )
  )
    return because(
      "set FLASK_APP to the module in which the application is, such as FLASK_APP=shop or FLASK_APP=shop:create_app, and start where the application starts: only the application brings `flask db`",
    );
  if (complaint === "Error: No such command 'db'.")
    return because(
      "the application that Flask found has no Flask-Migrate: let it call Migrate(app, db), or name another one in FLASK_APP",
    );
  if (/\bMissingGreenlet\b/.test(complaint))
    return because(
      `env.py makes a synchronous engine with an asynchronous driver: give it create_async_engine(), or another driver; ${driverOf("postgresql+psycopg")}`,
    );
  if (/\basyncio extension requires an async driver\b/.test(complaint))
    return because(
      `env.py makes an asynchronous engine, and the URL names no driver for it; ${driverOf("postgresql+asyncpg")}`,
    );
  if (/\bNoSuchModuleError: .*\bdialects:postgres$/.test(complaint))
    return because(
      "SQLAlchemy knows postgresql://, and no longer postgres://: let env.py put the one for the other, or set DATABASE_URL so",
    );
  const [, module, dialect] =
    /^ModuleNotFoundError: No module named '([\w.]+)'|\bNoSuchModuleError: .*\bdialects:postgresql\.(\w+)/.exec(
      complaint,
    ) ?? [];
  const driver = dialect ?? (drivers.test(module ?? "") ? module : undefined);
  if (driver !== undefined) {
    const another = driver === "psycopg2" ? "postgresql+psycopg" : "postgresql+psycopg2";
    return because(
      `the driver ${driver} is not installed here; SQLAlchemy takes it because the URL names it, or names none: ${inEnvironment}`,
      `or name one that is (postgresql+asyncpg only where env.py makes an asynchronous engine): ${driverOf(another)}`,
    );
  }
  if (/^ImportError: .*\bpartially initialized module\b/.test(complaint))
    return because(
      "two modules of the application import each other, and env.py begins at the other end than the application does: let it import first what the application imports first",
    );
  if (module !== undefined || complaint.startsWith("ImportError: "))
    return because(
      inEnvironment,
      "or, if it is a module of the application: start bake where the application starts, or say where it is (PYTHONPATH, or prepend_sys_path = . in alembic.ini)",
    );
  const unset = unsetVariables(complaint, lines);
  if (unset.length > 0)
    return {
      names: unset,
      isOfVariables: true,
      next: [
        `set what the program reads, and is not set here: ${enumerate(unset, 20)}. Of what names a database all parts are needed, with any values (such as DB_HOST, DB_USER, DB_PASSWORD and DB_NAME): bake puts a scratch database in their place`,
      ],
    };
  if (/\bArgumentError: (?:Expected string or URL object, got|Could not parse)/.test(complaint))
    return ofVariables(
      "set the variable that env.py takes its URL from: what it found there is none, and bake puts a scratch database in its place",
    );
  if (/\bpassword authentication failed for user\b/.test(complaint))
    return ofVariables(
      "env.py logs in with a user or a password of its own: let them come from variables, as its host does",
    );
  return null;
}

function because(...next: readonly string[]): Explanation {
  return { names: [], next, isOfVariables: false };
}

function ofVariables(...next: readonly string[]): Explanation {
  return { names: [], next, isOfVariables: true };
}

/** As `DATABASE_URL` must be for `schemeOf`. */
function driverOf(scheme: string): string {
  return `a DATABASE_URL that names the driver, such as ${scheme}://localhost/any, is enough for a bake, which keeps the driver and puts a scratch database in place of the rest`;
}

const inEnvironment =
  "bake where the application's own Python environment is: in its virtual environment, or in its image";
const drivers = /^(?:aiopg|asyncpg|pg8000|psycopg|psycopg2|psycopg2cffi)$/;

function unsetVariables(complaint: string, lines: readonly string[]): readonly string[] {
  const [, key] = /^KeyError: '(\w+)'$/.exec(complaint) ?? [];
  // A dictionary of a migration's own raises it, too.
  const isEnvironment = lines.some((line) => /^\s*File "(?:<frozen os>|.*[/\\]os\.py)"/.test(line));
  if (key !== undefined) return isEnvironment ? [key] : [];
  const [, said] =
    /^KeyError: "Config '(\w+)' is missing/.exec(complaint) ??
    /\bUndefinedValueError: (\w+) not found\b/.exec(complaint) ??
    /\b(?:EnvError|EnvValidationError): Environment variable "(\w+)" not set\b/.exec(complaint) ??
    /\bImproperlyConfigured: Set the (\w+) environment variable\b/.exec(complaint) ??
    [];
  if (said !== undefined) return [said];
  if (!/\bValidationError: \d+ validation errors? for\b/.test(complaint)) return [];
  return lines.filter((_, at) =>
    /^ {2}(?:Field required|field required)\b/.test(lines[at + 1] ?? ""),
  );
}
