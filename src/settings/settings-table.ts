import type { z } from "zod";
import {
  anyText,
  duration,
  limit,
  objects,
  oneOf,
  programEnv,
  revisionId,
  tableName,
  words,
  yesOrNo,
} from "./values.ts";

/** One setting: its flag is the key in the table. */
export type SettingRow = {
  /** What stands for the value in the help; null: a yes-or-no flag, which takes no value. */
  readonly placeholder: string | null;
  /** In the environment: the flag's name, such as PREFLIGHT_LOCK_TIMEOUT. */
  readonly variable: string;
  /** The text that counts where nothing is given, read by the same schema; without it the value is null. */
  readonly default?: string;
  /** It may be given more than once: each time a line of the text. */
  readonly isList?: boolean;
  readonly about: string;
  readonly schema: z.ZodType<unknown, string>;
};

/** THE table of flags: parsing, the environment, `--help` and the README all read it. */
export const settingsTable = withVariables({
  migrations: {
    placeholder: "PATH",
    about: "where the migrations are; without it they are found by convention",
    schema: anyText,
  },
  tool: {
    placeholder: "NAME",
    about:
      "the migration tool: alembic, sql or supabase; without it, the one whose files are there",
    schema: anyText.trim(),
  },
  "version-table": {
    placeholder: "NAME",
    about: "[schema.]name of the version table, where it is not the tool's usual one",
    schema: tableName,
  },
  schema: {
    placeholder: "NAME",
    about: "the schema that the tables live in; without it, the first one of the search_path",
    schema: anyText,
  },
  ledger: {
    placeholder: "FILE",
    about: "the ledger; without it, preflight.ledger.json beside the migrations",
    schema: anyText,
  },
  stamp: {
    placeholder: "WHEN",
    default: "proven",
    about: "write version rows when the schema proves them (proven), or never",
    schema: oneOf(["proven", "never"]),
  },
  drift: {
    placeholder: "HOW",
    default: "fail",
    about: "stop at a schema that no revision makes (fail), or only report it (warn)",
    schema: oneOf(["fail", "warn"]),
  },
  ahead: {
    placeholder: "HOW",
    default: "compatible",
    about:
      "a database newer than this image: start when all that the image needs is there (compatible), always (allow) or never (refuse)",
    schema: oneOf(["compatible", "allow", "refuse"]),
  },
  unverified: {
    placeholder: "HOW",
    default: "start",
    about: "without a ledger, or with a stale one: start on the version rows alone, or refuse",
    schema: oneOf(["start", "refuse"]),
  },
  assume: {
    placeholder: "REVISION",
    about: "your word for the revision of an unproven database; still checked against its tables",
    schema: revisionId,
  },
  "allow-out-of-order": plainFlag("run a file although one that comes after it is applied"),
  resume: plainFlag(
    "go on with a migration that stopped half-way outside of a transaction: at the statement where it stopped, where Preflight applies the files; where a program does, the migration from its beginning",
  ),
  enforce: {
    placeholder: "on|off",
    default: "on",
    about:
      "off: look and say what would happen, write nothing, and start the application whatever was found",
    schema: yesOrNo,
  },
  journal: {
    placeholder: "HOW",
    default: "on",
    about:
      "keep what was written in schema preflight of the database: where the role may (on), or refuse to write without it (require), or not (off)",
    schema: oneOf(["on", "require", "off"]),
  },
  "image-version": {
    placeholder: "TEXT",
    about: "what the journal calls this image, such as its tag or commit",
    schema: anyText,
  },
  to: {
    placeholder: "REVISION",
    about: "what the schema shall be; without it, what the version rows say",
    schema: revisionId,
  },
  apply: plainFlag("run the statements, under the lock, and prove what they made"),
  "accept-empty": {
    placeholder: "OBJECTS",
    about:
      "tables and columns that may come back empty although a data migration may have written to them, such as 'customers.name; totals'",
    schema: objects,
  },
  force: plainFlag("write the rows in spite of what speaks against them"),
  timeout: {
    placeholder: "DURATION",
    default: "60s",
    about: "how long to wait for the database",
    schema: duration,
  },
  "lock-timeout": {
    placeholder: "DURATION",
    default: "10m",
    about: "how long to wait for another instance that is upgrading",
    schema: duration,
  },
  "upgrade-timeout": {
    placeholder: "DURATION",
    default: "none",
    about:
      "how long the upgrade may run before it is stopped; where Preflight applies the files, each of them",
    schema: limit,
  },
  "ddl-lock-timeout": {
    placeholder: "DURATION",
    default: "5s",
    about:
      "how long the upgrade may wait for a lock; where Preflight applies the files: a statement that changes the schema, which is then tried again; where a program does: any statement, if its driver reads PGOPTIONS",
    schema: limit,
  },
  "upgrade-command": {
    placeholder: "COMMAND",
    about:
      "replaces the migration tool's own upgrade command; split into words, and no shell runs it",
    schema: words,
  },
  "program-env": {
    placeholder: "NAME=TEMPLATE",
    isList: true,
    about:
      "a variable in which the program that upgrades is given the address, such as 'DB_HOST={host}; DB_PASSWORD={password}' or 'DB_URL={url:postgresql+asyncpg}': several between semicolons, on lines of their own, or by more of these flags; also {port}, {user}, {database}, {sslmode}, {url}",
    schema: programEnv,
  },
  "env-file": {
    placeholder: "FILE",
    about:
      "a file of NAME=value, such as .env: what it has counts where the environment has nothing, for preflight, the programs that it runs and the command that it starts",
    schema: anyText,
  },
  "check-only": plainFlag("the same as preflight check"),
  "exit-code": plainFlag("exit with 30 when run would stamp or upgrade"),
  check: plainFlag("only say whether the ledger is up to date with the files; needs no database"),
  "scratch-url": {
    placeholder: "URL",
    about:
      "a server on which bake creates and drops databases of its own; the variable also as …_FILE",
    schema: anyText,
  },
  "scratch-image": {
    placeholder: "IMAGE",
    about:
      "a container image, such as pgvector/pgvector:pg18, from which Docker or Podman starts bake a throw-away server",
    schema: anyText.trim(),
  },
  "scratch-init": {
    placeholder: "FILE",
    about: "SQL that is run on each scratch database before the first migration",
    schema: anyText,
  },
  "scratch-without": {
    placeholder: "EXTENSIONS",
    about:
      "extensions that bake passes over where the scratch server lacks them, such as 'pg_net; pg_cron'; kept in the ledger, which says nothing of them",
    schema: objects,
  },
  "scratch-unconfined": plainFlag(
    "let the replay reach the network: your word that it meets no database of worth there",
  ),
  varies: {
    placeholder: "OBJECTS",
    about:
      "what differs from one deployment to the next, such as 'public.totals; orders.region': it must be there, and is not compared; kept in the ledger",
    schema: objects,
  },
  json: plainFlag("what is found, as one line of JSON on stdout"),
  "metrics-file": {
    placeholder: "FILE",
    about: "how the run ended, as OpenMetrics, for Prometheus to collect",
    schema: anyText,
  },
  verbose: plainFlag("detailed logs; DEBUG=true does the same"),
});

export type Flag = keyof typeof settingsTable;

/** A flag that takes no value, and is off where nothing is given. */
function plainFlag(about: string) {
  return { placeholder: null, default: "false", about, schema: yesOrNo } as const;
}

function withVariables<const Rows extends Readonly<Record<string, Omit<SettingRow, "variable">>>>(
  rows: Rows,
) {
  const entries = Object.entries(rows).map(([flag, row]) => {
    const variable = `PREFLIGHT_${flag.toUpperCase().replaceAll("-", "_")}`;
    return [flag, { ...row, variable }] as const;
  });
  return Object.fromEntries(entries) as {
    readonly [F in keyof Rows]: Rows[F] & { readonly variable: string };
  };
}

/** What a flag's text comes to; null where nothing was given and there is no default. */
export type Value<F extends Flag> =
  | z.output<(typeof settingsTable)[F]["schema"]>
  | ((typeof settingsTable)[F] extends { readonly default: string } ? never : null);

/** Of every flag, under its name in camel case. */
export type Values = { readonly [F in Flag as CamelCase<F>]: Value<F> };

type CamelCase<Name extends string> = Name extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name;

/** Variables that name the database, and what they mean. */
export type AddressRow = { readonly variable: string; readonly about: string };

/** Where the address of the database may stand, in the order in which it is looked for. */
export const addressTable = [
  { variable: "PREFLIGHT_DATABASE_URL", about: "the database, as a direct, unpooled URL" },
  { variable: "DATABASE_URL", about: "the application's own URL" },
  {
    variable: "POSTGRES_HOST, POSTGRES_PORT, POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB",
    about: "the address in parts; counts when POSTGRES_HOST is set",
  },
  {
    variable: "PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSSLMODE, …",
    about: "libpq's own variables; they also fill in what a URL leaves out",
  },
  {
    variable: "PREFLIGHT_PASSWORD_COMMAND",
    about: "besides these, a command that prints the password at every attempt",
  },
] as const satisfies readonly AddressRow[];
