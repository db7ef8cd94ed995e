import { type DatabaseAddress, databaseUrl } from "../core/database-address.ts";
import { namesOfParts } from "../core/program-env.ts";

/** One database that an environment names: in a variable of its own, or in parts. */
export type NamedDatabase = {
  /** The same for two spellings of one database. */
  readonly key: string;
  readonly names: readonly string[];
  /** DATABASE_URL, POSTGRES_* or PG*: the database whose migrations these are. */
  readonly isFirst: boolean;
  /** The same variables, for another database. */
  readonly spell: (address: DatabaseAddress) => Readonly<Record<string, string>>;
};

type Environment = Readonly<Record<string, string | undefined>>;

/** Every PostgreSQL database that a child could take from these variables. */
export function namedDatabases(env: Environment): readonly NamedDatabase[] {
  return [...inOneVariable(env), ...inParts(env)];
}

function inOneVariable(env: Environment): readonly NamedDatabase[] {
  return Object.entries(env).flatMap(([name, value = ""]) => {
    const key = keyOfAddress(value);
    if (key === null || name.startsWith("PREFLIGHT_")) return [];
    return {
      key,
      names: [name],
      isFirst: firstVariable.test(name),
      spell: (address) => ({ [name]: respellAddress(value, address) }),
    };
  });
}

/** `POSTGRES_STATS_URL` is another one. */
const firstVariable =
  /^(?:DATABASE_URL|(?:POSTGRES(?:QL)?|PG)_?(?:DATABASE_|DB_)?(?:URL|URI|DSN|CONNECTION_STRING))$/;

// An address in one text

const scheme = String.raw`(?:postgres(?:ql)?|postgis|pgsql)(?:\+\w+)?`;
const wholeUrl = new RegExp(String.raw`^\s*(jdbc:)?(${scheme})://(.*)$`, "is");
/** Inside of JSON or of a list. */
const anyUrl = new RegExp(String.raw`(?:jdbc:)?${scheme}://[^\s"'<>\\]*`, "gi");
const dsn = /(?:^|\s)dbname\s*=/i;

/** What the address names, without how to log in; null: it is no address of a PostgreSQL server. */
export function keyOfAddress(text: string): string | null {
  const [, , , rest] = wholeUrl.exec(text) ?? [];
  if (rest !== undefined) return keyOfUrl(rest);
  const inside = text.match(anyUrl);
  if (inside !== null) return inside.join(" ");
  if (!dsn.test(text)) return null;
  const part = (name: string): string =>
    new RegExp(String.raw`(?:^|\s)${name}\s*=\s*('(?:[^'\\]|\\.)*'|\S*)`, "i").exec(text)?.[1] ??
    "";
  return keyOf(part("host"), part("port"), part("dbname"));
}

function keyOfUrl(rest: string): string {
  const place = rest.slice(rest.lastIndexOf("@") + 1);
  const [, host = "", port = "", name = "", query = ""] =
    /^([^/?]*?)(?::(\d*))?(?:\/([^?]*))?(?:\?(.*))?$/s.exec(place) ?? [];
  const more = new URLSearchParams(query);
  return keyOf(more.get("host") ?? host, more.get("port") ?? port, more.get("dbname") ?? name);
}

function keyOf(host: string, port: string, name: string): string {
  return `${host.toLowerCase()}:${port === "" ? "5432" : port}/${name.trim()}`;
}

/** Another database in the spelling of this text, its driver included. */
export function respellAddress(text: string, address: DatabaseAddress): string {
  if (wholeUrl.test(text)) return respellUrl(text, address);
  if (!dsn.test(text)) return text.replace(anyUrl, (url) => respellUrl(url, address));
  const { host, port, user, password, database, sslMode, sslRootCert } = address;
  const words = { host, port, user, password, dbname: database, sslmode: sslMode };
  return Object.entries({ ...words, sslrootcert: sslRootCert })
    .flatMap(([name, value]) =>
      value === null ? [] : `${name}='${String(value).replace(/[\\']/g, String.raw`\$&`)}'`,
    )
    .join(" ");
}

function respellUrl(url: string, address: DatabaseAddress): string {
  const [, jdbc, driver = ""] = wholeUrl.exec(url) ?? [];
  if (jdbc === undefined) return databaseUrl(address, driver);
  const { host, port, user, password, database } = address;
  const login = new URLSearchParams({ user, ...(password === null ? {} : { password }) });
  return `jdbc:${driver}://${host}:${port}/${encodeURIComponent(database)}?${login.toString()}`;
}

// An address in parts: STATS_DB_HOST, STATS_DB_PORT, …

type Part = keyof typeof namesOfParts;

function inParts(env: Environment): readonly NamedDatabase[] {
  const groups = new Map<string, Map<Part, string>>();
  for (const [name, value = ""] of Object.entries(env))
    for (const part of Object.keys(namesOfParts) as Part[]) {
      const prefix = namesOfParts[part].exec(name)?.[1];
      if (prefix === undefined || value === "" || prefix.startsWith("PREFLIGHT")) continue;
      groups.set(prefix, (groups.get(prefix) ?? new Map<Part, string>()).set(part, name));
    }
  return [...groups].flatMap(([prefix, names]) => {
    // A mail server has a host and a user, too.
    const isDatabase = names.has("database") || /(?:DB|DATABASE|PG|SQL)$/.test(prefix);
    if (!names.has("host") || !names.has("user") || !isDatabase) return [];
    const valueOf = (part: Part): string => env[names.get(part) ?? ""] ?? "";
    return {
      key: keyOf(valueOf("host"), valueOf("port"), valueOf("database")),
      names: [...names.values()],
      isFirst: prefix === "POSTGRES" || prefix === "PG",
      spell: (address) => spellParts(prefix, names, address),
    };
  });
}

/** The port and the password are said even where they were not. */
function spellParts(
  prefix: string,
  names: ReadonlyMap<Part, string>,
  address: DatabaseAddress,
): Readonly<Record<string, string>> {
  const glue = names.get("host")?.startsWith(`${prefix}_`) === true ? "_" : "";
  const said = new Map(names).set("port", names.get("port") ?? `${prefix}${glue}PORT`);
  return Object.fromEntries(
    [...said].map(([part, name]) => [name, String(address[part] ?? "")] as const),
  );
}

// The environment of a child

/**
 * The variables that name a database.
 * @param scheme of the URL, such as `postgresql+asyncpg`: SQLAlchemy takes its driver from there.
 */
export function databaseVariables(
  address: DatabaseAddress,
  scheme: string,
): Readonly<Record<string, string>> {
  const { host, port, user, password, database, sslMode, sslRootCert } = address;
  return {
    DATABASE_URL: databaseUrl(address, scheme),
    POSTGRES_HOST: host,
    POSTGRES_PORT: String(port),
    POSTGRES_USER: user,
    ...(password === null ? {} : { POSTGRES_PASSWORD: password, PGPASSWORD: password }),
    POSTGRES_DB: database,
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: user,
    PGDATABASE: database,
    ...(sslMode === null ? {} : { PGSSLMODE: sslMode }),
    ...(sslRootCert === null ? {} : { PGSSLROOTCERT: sslRootCert }),
  };
}

/**
 * The parent's environment without anything that could lead to another database, and with this one.
 * @param others variables that name further scratch databases
 *
 * Alembic walks through sets of revisions: with a fixed hash seed, parallel branches come in the same
 * order in every bake.
 */
export function childEnvironment(
  parent: Environment,
  database: Readonly<Record<string, string>>,
  others: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const kept = Object.entries(parent).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !namesADatabase.test(entry[0]),
  );
  return {
    PYTHONHASHSEED: "0",
    PYTHONUNBUFFERED: "1",
    ...Object.fromEntries(kept),
    ...others,
    ...database,
  };
}

/** The project's own driver: an asynchronous env.py cannot use another, and SQLAlchemy's default differs by version. */
export function schemeOf(url: string | undefined): string {
  return /^(postgres(?:ql)?(?:\+\w+)?):\/\//.exec(url ?? "")?.[1] ?? "postgresql";
}

/** The `*_FILE` forms begin alike. */
const namesADatabase = /^(PREFLIGHT_|DATABASE_URL|POSTGRES|PG)/;
