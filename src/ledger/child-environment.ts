/** How a child process reaches a database, in every spelling that an `env.py` may read. */
export type DatabaseAddress = {
  /** A host name, or the directory of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | null;
  readonly database: string;
  /** libpq's `sslmode`; null: not said. */
  readonly sslMode: string | null;
  readonly sslRootCert: string | null;
};

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
  parent: Readonly<Record<string, string | undefined>>,
  database: Readonly<Record<string, string>>,
  others: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const kept = Object.entries(parent).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !namesADatabase(entry[0]),
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
function namesADatabase(variable: string): boolean {
  return /^(PREFLIGHT_|DATABASE_URL|POSTGRES|PG)/.test(variable);
}

export function databaseUrl(address: DatabaseAddress, scheme: string): string {
  const { host, port, user, password, database, sslMode, sslRootCert } = address;
  const socket = host.startsWith("/");
  const login =
    encodeURIComponent(user) + (password === null ? "" : `:${encodeURIComponent(password)}`);
  const query = new URLSearchParams();
  if (socket) {
    query.set("host", host);
    query.set("port", String(port));
  }
  const isAsyncpg = scheme.endsWith("+asyncpg");
  if (sslMode !== null) query.set(isAsyncpg ? "ssl" : "sslmode", sslMode);
  if (sslRootCert !== null && !isAsyncpg) query.set("sslrootcert", sslRootCert);
  const place = socket ? "" : `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const tail = query.size === 0 ? "" : `?${query.toString()}`;
  return `${scheme}://${login}@${place}/${encodeURIComponent(database)}${tail}`;
}
