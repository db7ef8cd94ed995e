/** How to reach a PostgreSQL server, whichever dialect the address came in. */
export type Connection = {
  /** The variable it came from, such as `DATABASE_URL`: safe to print. */
  readonly source: string;
  /** In the order in which they are tried. A host that begins with `/` is the directory of a Unix socket. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly user: string;
  readonly password: string | null;
  readonly database: string;
  readonly tls: Tls;
  readonly applicationName: string | null;
  /** libpq's `options`, such as `-c search_path=app`: a start-up parameter, sent as it is. */
  readonly options: string | null;
  readonly targetSession:
    | "any"
    | "read-write"
    | "read-only"
    | "primary"
    | "standby"
    | "prefer-standby";
};

/** libpq's meaning of `sslmode`; `rootCert` is a path, "system", or null (libpq's default file is not looked for). */
export type Tls = {
  readonly mode: "disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full";
  readonly rootCert: string | null;
};
