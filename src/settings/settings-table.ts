import type { z } from "zod";
import {
  anyText,
  duration,
  limit,
  objects,
  oneOf,
  revisionId,
  tableName,
  words,
  yesOrNo,
} from "./values.ts";

/** One setting: its flag is the key in the table. */
export type SettingRow = {
  /** What stands for the value in the help; null: a yes-or-no flag, which takes no value. */
  readonly placeholder: string | null;
  readonly variable: string;
  /** The text that counts where nothing is given, read by the same schema; null: the value is null. */
  readonly default: string | null;
  readonly about: string;
  readonly schema: z.ZodType<unknown, string>;
};

/** THE table of flags: parsing, the environment, `--help` and the README all read it. */
export const settingsTable = {
  migrations: {
    placeholder: "PATH",
    variable: "PREFLIGHT_MIGRATIONS",
    default: null,
    about: "where the migrations are; without it they are found by convention",
    schema: anyText,
  },
  tool: {
    placeholder: "NAME",
    variable: "PREFLIGHT_TOOL",
    default: null,
    about:
      "the migration tool: alembic, sql or supabase; without it, the one whose files are there",
    schema: anyText.trim(),
  },
  "version-table": {
    placeholder: "NAME",
    variable: "PREFLIGHT_VERSION_TABLE",
    default: null,
    about: "[schema.]name of the version table, where it is not the tool's usual one",
    schema: tableName,
  },
  schema: {
    placeholder: "NAME",
    variable: "PREFLIGHT_SCHEMA",
    default: null,
    about: "the schema that the tables live in; without it, the first one of the search_path",
    schema: anyText,
  },
  ledger: {
    placeholder: "FILE",
    variable: "PREFLIGHT_LEDGER",
    default: null,
    about: "the ledger; without it, preflight.ledger.json beside the migrations",
    schema: anyText,
  },
  stamp: {
    placeholder: "WHEN",
    variable: "PREFLIGHT_STAMP",
    default: "proven",
    about: "write version rows when the schema proves them (proven), or never",
    schema: oneOf(["proven", "never"]),
  },
  drift: {
    placeholder: "HOW",
    variable: "PREFLIGHT_DRIFT",
    default: "fail",
    about: "stop at a schema that no revision makes (fail), or only report it (warn)",
    schema: oneOf(["fail", "warn"]),
  },
  ahead: {
    placeholder: "HOW",
    variable: "PREFLIGHT_AHEAD",
    default: "compatible",
    about:
      "a database newer than this image: start when all that the image needs is there (compatible), always (allow) or never (refuse)",
    schema: oneOf(["compatible", "allow", "refuse"]),
  },
  unverified: {
    placeholder: "HOW",
    variable: "PREFLIGHT_UNVERIFIED",
    default: "start",
    about: "without a ledger, or with a stale one: start on the version rows alone, or refuse",
    schema: oneOf(["start", "refuse"]),
  },
  assume: {
    placeholder: "REVISION",
    variable: "PREFLIGHT_ASSUME",
    default: null,
    about: "your word for the revision of an unproven database; still checked against its tables",
    schema: revisionId,
  },
  "allow-out-of-order": {
    placeholder: null,
    variable: "PREFLIGHT_ALLOW_OUT_OF_ORDER",
    default: "false",
    about: "run a file numbered below the newest applied one",
    schema: yesOrNo,
  },
  resume: {
    placeholder: null,
    variable: "PREFLIGHT_RESUME",
    default: "false",
    about:
      "go on with a migration that stopped half-way outside of a transaction: a SQL file at the statement where it stopped, a revision of Alembic's from its beginning",
    schema: yesOrNo,
  },
  enforce: {
    placeholder: "on|off",
    variable: "PREFLIGHT_ENFORCE",
    default: "on",
    about:
      "off: look and say what would happen, write nothing, and start the application whatever was found",
    schema: yesOrNo,
  },
  timeout: {
    placeholder: "DURATION",
    variable: "PREFLIGHT_TIMEOUT",
    default: "60s",
    about: "how long to wait for the database",
    schema: duration,
  },
  "lock-timeout": {
    placeholder: "DURATION",
    variable: "PREFLIGHT_LOCK_TIMEOUT",
    default: "10m",
    about: "how long to wait for another instance that is upgrading",
    schema: duration,
  },
  "upgrade-timeout": {
    placeholder: "DURATION",
    variable: "PREFLIGHT_UPGRADE_TIMEOUT",
    default: "none",
    about: "how long the upgrade may run before it is stopped; of sql and supabase, each file",
    schema: limit,
  },
  "ddl-lock-timeout": {
    placeholder: "DURATION",
    variable: "PREFLIGHT_DDL_LOCK_TIMEOUT",
    default: "5s",
    about:
      "how long the upgrade may wait for a lock; sql and supabase: a statement that changes the schema, which is then tried again; Alembic: any statement, where the driver reads PGOPTIONS",
    schema: limit,
  },
  "upgrade-command": {
    placeholder: "COMMAND",
    variable: "PREFLIGHT_UPGRADE_COMMAND",
    default: null,
    about: "replaces Alembic's own upgrade command; split into words, and no shell runs it",
    schema: words,
  },
  "check-only": {
    placeholder: null,
    variable: "PREFLIGHT_CHECK_ONLY",
    default: "false",
    about: "the same as preflight check",
    schema: yesOrNo,
  },
  "exit-code": {
    placeholder: null,
    variable: "PREFLIGHT_EXIT_CODE",
    default: "false",
    about: "exit with 30 when run would stamp or upgrade",
    schema: yesOrNo,
  },
  check: {
    placeholder: null,
    variable: "PREFLIGHT_CHECK",
    default: "false",
    about: "only say whether the ledger is up to date with the files; needs no database",
    schema: yesOrNo,
  },
  "scratch-url": {
    placeholder: "URL",
    variable: "PREFLIGHT_SCRATCH_URL",
    default: null,
    about:
      "a server on which bake creates and drops databases of its own; the variable also as …_FILE",
    schema: anyText,
  },
  "scratch-init": {
    placeholder: "FILE",
    variable: "PREFLIGHT_SCRATCH_INIT",
    default: null,
    about: "SQL that is run on each scratch database before the first migration",
    schema: anyText,
  },
  "scratch-unconfined": {
    placeholder: null,
    variable: "PREFLIGHT_SCRATCH_UNCONFINED",
    default: "false",
    about: "let the replay reach the network: your word that it meets no database of worth there",
    schema: yesOrNo,
  },
  varies: {
    placeholder: "OBJECTS",
    variable: "PREFLIGHT_VARIES",
    default: null,
    about:
      "what differs from one deployment to the next, such as 'public.totals; orders.region': it must be there, and is not compared; kept in the ledger",
    schema: objects,
  },
  json: {
    placeholder: null,
    variable: "PREFLIGHT_JSON",
    default: "false",
    about: "the findings as one line of JSON on stdout, before the verdict line",
    schema: yesOrNo,
  },
  "metrics-file": {
    placeholder: "FILE",
    variable: "PREFLIGHT_METRICS_FILE",
    default: null,
    about: "how the run ended, as OpenMetrics, for Prometheus to collect",
    schema: anyText,
  },
  verbose: {
    placeholder: null,
    variable: "PREFLIGHT_VERBOSE",
    default: "false",
    about: "detailed logs; DEBUG=true does the same",
    schema: yesOrNo,
  },
} as const satisfies Record<string, SettingRow>;

export type Flag = keyof typeof settingsTable;

/** What a flag's text comes to; null where nothing was given and there is no default. */
export type Value<F extends Flag> =
  | z.output<(typeof settingsTable)[F]["schema"]>
  | ((typeof settingsTable)[F]["default"] extends string ? never : null);

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
