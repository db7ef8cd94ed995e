/** How to reach a PostgreSQL server, whichever dialect the address came in. */
export type Connection = {
  /** The variable it came from, such as `DATABASE_URL`: safe to print. */
  readonly source: string;
  /** In the order in which they are tried. */
  readonly hosts: readonly Host[];
  readonly user: string;
  readonly database: string;
  readonly tls: Tls;
  readonly applicationName: string | null;
  /** libpq's `options`, such as `-c search_path=app`: a start-up parameter, sent as it is. */
  readonly options: string | null;
  readonly targetSession: (typeof targetSessions)[number];
  /** Where the address says the application's tables are, besides its search_path; null: it does not. */
  readonly schema: string | null;
};

export const targetSessions = [
  "any",
  "read-write",
  "read-only",
  "primary",
  "standby",
  "prefer-standby",
] as const;

export type Host = {
  /** A name or an address; the directory of a Unix socket where it begins with `/`. Certificates are compared with it. */
  readonly host: string;
  /** libpq's `hostaddr`: dialled instead of looking the name up. */
  readonly address: string | null;
  readonly port: number;
  /** libpq's password file may have another one for each host. */
  readonly password: string | null;
};

export const defaultPort = 5432;

/** libpq's meaning of its parameters; paths are as given. */
export type Tls = {
  readonly mode: (typeof sslModes)[number];
  /** A path, "system", or null. */
  readonly rootCert: string | null;
  /** What this client proves itself with. */
  readonly client: {
    readonly certificate: string;
    readonly key: string;
    readonly keyPassword: string | null;
  } | null;
};

export const sslModes = [
  "disable",
  "allow",
  "prefer",
  "require",
  "verify-ca",
  "verify-full",
] as const;
