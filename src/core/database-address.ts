/** How a program reaches a database, in whatever spelling it wants that. */
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
  /** What else libpq must be told to get there, in its own words. */
  readonly more?: Readonly<Record<string, string>>;
};

/** @param scheme such as `postgresql+asyncpg`: SQLAlchemy takes its driver from there, and each has words of its own. */
export function databaseUrl(address: DatabaseAddress, scheme: string): string {
  const { host, port, user, password, database } = address;
  const login =
    encodeURIComponent(user) + (password === null ? "" : `:${encodeURIComponent(password)}`);
  const place = host.startsWith("/") ? "" : `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const query = Object.entries(parametersFor(driverOf(scheme), address)).flatMap(([name, value]) =>
    value === null ? [] : `${name}=${encodeURIComponent(value)}`,
  );
  const tail = query.length === 0 ? "" : `?${query.join("&")}`;
  return `${scheme}://${login}@${place}/${encodeURIComponent(database)}${tail}`;
}

/** What SQLAlchemy hands on to asyncpg and pg8000 are arguments of theirs, and others than these are an error. */
function parametersFor(
  driver: Driver,
  { host, port, sslMode, sslRootCert, more = {} }: DatabaseAddress,
): Readonly<Record<string, string | null>> {
  const isSocket = host.startsWith("/");
  const socket = isSocket ? { host, port: String(port) } : {};
  switch (driver) {
    case "asyncpg":
      return { ...socket, ssl: sslMode };
    case "pg8000":
      return isSocket ? { unix_sock: `${host}/.s.PGSQL.${port}` } : {};
    case "libpq":
      return { ...socket, sslmode: sslMode, sslrootcert: sslRootCert, ...more };
  }
}

type Driver = "asyncpg" | "pg8000" | "libpq";

function driverOf(scheme: string): Driver {
  const name = /\+(\w+)$/.exec(scheme)?.[1];
  return name === "asyncpg" || name === "pg8000" ? name : "libpq";
}

/** Whether it takes libpq's start-up options, from PGOPTIONS. */
export function readsOptions(scheme: string): boolean {
  return driverOf(scheme) === "libpq";
}

/**
 * libpq's names of what a program that gets such a URL is not told; [] where it is told all.
 * @param options libpq's start-up options, which its own drivers read in PGOPTIONS
 */
export function unsaidInUrl(
  scheme: string,
  { sslMode, sslRootCert, more = {} }: DatabaseAddress,
  options: string | null,
): readonly string[] {
  const driver = driverOf(scheme);
  if (readsOptions(scheme)) return [];
  const words = {
    sslmode: driver === "pg8000" && sslMode !== "prefer" ? sslMode : null,
    sslrootcert: sslRootCert,
    options,
    ...more,
  };
  return Object.entries(words).flatMap(([name, value]) => (value === null ? [] : name));
}
