/** How Preflight treats one of libpq's parameters. */
type Treatment = {
  /** The environment variable that libpq reads for it. */
  readonly variable: string | null;
  /**
   * `used`: part of a `Connection`. `idle`: of no meaning for a short-lived connection of our own.
   * `beyond`: cannot be honoured. Most of them restrict whom or what libpq would accept, so it is said, unless the
   * value is one of `harmless`.
   * `service`: names an entry of a file that Preflight does not read.
   */
  readonly use: "used" | "idle" | "beyond" | "service";
  readonly harmless?: readonly string[];
};

/** Every parameter that libpq 18 knows (`PQconninfoOptions`), and what it means for our own connection. */
export const libpqParameters: Readonly<Record<string, Treatment>> = {
  host: { variable: "PGHOST", use: "used" },
  hostaddr: { variable: "PGHOSTADDR", use: "used" },
  port: { variable: "PGPORT", use: "used" },
  user: { variable: "PGUSER", use: "used" },
  password: { variable: "PGPASSWORD", use: "used" },
  dbname: { variable: "PGDATABASE", use: "used" },
  passfile: { variable: "PGPASSFILE", use: "used" },
  sslmode: { variable: "PGSSLMODE", use: "used" },
  sslrootcert: { variable: "PGSSLROOTCERT", use: "used" },
  sslcert: { variable: "PGSSLCERT", use: "used" },
  sslkey: { variable: "PGSSLKEY", use: "used" },
  sslpassword: { variable: null, use: "used" },
  application_name: { variable: "PGAPPNAME", use: "used" },
  options: { variable: "PGOPTIONS", use: "used" },
  target_session_attrs: { variable: "PGTARGETSESSIONATTRS", use: "used" },

  client_encoding: { variable: "PGCLIENTENCODING", use: "idle" },
  connect_timeout: { variable: "PGCONNECT_TIMEOUT", use: "idle" },
  fallback_application_name: { variable: null, use: "idle" },
  gssdelegation: { variable: "PGGSSDELEGATION", use: "idle" },
  gsslib: { variable: "PGGSSLIB", use: "idle" },
  keepalives: { variable: null, use: "idle" },
  keepalives_count: { variable: null, use: "idle" },
  keepalives_idle: { variable: null, use: "idle" },
  keepalives_interval: { variable: null, use: "idle" },
  krbsrvname: { variable: "PGKRBSRVNAME", use: "idle" },
  load_balance_hosts: { variable: "PGLOADBALANCEHOSTS", use: "idle" },
  max_protocol_version: { variable: "PGMAXPROTOCOLVERSION", use: "idle" },
  sslcompression: { variable: "PGSSLCOMPRESSION", use: "idle" },
  sslkeylogfile: { variable: null, use: "idle" },
  tcp_user_timeout: { variable: null, use: "idle" },

  channel_binding: {
    variable: "PGCHANNELBINDING",
    use: "beyond",
    harmless: ["disable", "prefer"],
  },
  gssencmode: { variable: "PGGSSENCMODE", use: "beyond", harmless: ["disable", "prefer"] },
  min_protocol_version: { variable: "PGMINPROTOCOLVERSION", use: "beyond", harmless: ["3.0"] },
  oauth_client_id: { variable: null, use: "beyond" },
  oauth_client_secret: { variable: null, use: "beyond" },
  oauth_issuer: { variable: null, use: "beyond" },
  oauth_scope: { variable: null, use: "beyond" },
  replication: { variable: null, use: "beyond", harmless: ["false", "off", "no", "0"] },
  require_auth: { variable: "PGREQUIREAUTH", use: "beyond" },
  requirepeer: { variable: "PGREQUIREPEER", use: "beyond" },
  scram_client_key: { variable: null, use: "beyond" },
  scram_server_key: { variable: null, use: "beyond" },
  ssl_max_protocol_version: { variable: "PGSSLMAXPROTOCOLVERSION", use: "beyond" },
  ssl_min_protocol_version: {
    variable: "PGSSLMINPROTOCOLVERSION",
    use: "beyond",
    harmless: ["TLSv1", "TLSv1.1", "TLSv1.2"],
  },
  sslcertmode: { variable: "PGSSLCERTMODE", use: "beyond", harmless: ["disable", "allow"] },
  sslcrl: { variable: "PGSSLCRL", use: "beyond" },
  sslcrldir: { variable: "PGSSLCRLDIR", use: "beyond" },
  sslnegotiation: { variable: "PGSSLNEGOTIATION", use: "beyond", harmless: ["postgres"] },
  sslsni: { variable: "PGSSLSNI", use: "beyond", harmless: ["1"] },

  service: { variable: "PGSERVICE", use: "service" },
  servicefile: { variable: "PGSERVICEFILE", use: "idle" },
};

/** A value and the words for where it stands, such as `PGPORT` or `port in DATABASE_URL`. */
export type Parameter = { readonly value: string; readonly place: string };

/** libpq's keywords, and `ssl`, asyncpg's word for `sslmode`. */
export type Parameters = ReadonlyMap<string, Parameter>;
