import { quoteIdentifier } from "../core/quote.ts";
import { schemasOfPath } from "../core/search-path.ts";
import { nearest } from "./arguments.ts";
import { libpqParameters } from "./connection-parameters.ts";
import { targetSessions } from "./connection.ts";
import type { Findings } from "./sources.ts";

/** Parameters of a URL that libpq does not know, in libpq's words where they say where to go or whom to trust. */
export type Understood = {
  readonly parameters: ReadonlyMap<string, string>;
  /** Prisma's `schema`: the application's tables are in there, whatever the search_path is. */
  readonly schema: string | null;
};

/**
 * What other programs mean by them: drivers, object mappers and frameworks that share one URL with us. What does not
 * matter for one look is passed over in one line, and what may matter and is not known is a fault.
 * @param own libpq's parameters of the same URL
 * @param name of the setting that holds the URL
 */
export function readForeign(
  others: ReadonlyMap<string, string>,
  { own, scheme, name }: { own: ReadonlyMap<string, string>; scheme: string; name: string },
  { faults, warnings, notes }: Findings,
): Understood {
  const parameters = new Map(own);
  const idle: string[] = [];
  let schema: string | null = null;
  const paths = new Map<string, readonly string[]>();
  for (const [keyword, value] of others) {
    const place = `${keyword} in ${name}`;
    const setting = startupSetting(keyword);
    const target = keyword === "targetServerType" ? targetServers.get(value) : undefined;
    if (setting === "search_path") paths.set(keyword, schemasOfPath(value));
    if (setting !== null) addOption(setting, value, parameters);
    else if (keyword === "schema") schema = value;
    else if (target !== undefined) parameters.set("target_session_attrs", target);
    else if (driverParameters[scheme]?.includes(keyword) === true) continue;
    else if (keyword === "sslaccept") readPrismasCheck(value, parameters);
    else if (beyond.has(keyword))
      warnings.push(`${place} is not honoured by preflight's own connection`);
    else if (passedOver.has(keyword) || keyword.startsWith("x-")) idle.push(keyword);
    else if (mayMatter(keyword)) faults.push(`${name} ${describeUnknown(keyword)}`);
    else
      warnings.push(
        `${place} is no parameter that libpq or preflight knows, and is passed over: if it says where the data lives, say it in libpq's words`,
      );
  }
  const contrary = leadingElsewhere(schema, paths);
  if (contrary !== null)
    faults.push(`${contrary.join(" and ")} in ${name} lead to different schemas: keep one of them`);
  if (idle.length > 0)
    notes.push(
      `passed over in ${name}, since it changes nothing of what is seen: ${idle.join(", ")}`,
    );
  if (schema !== null) notes.push(noteOnSchema(schema, name));
  return { parameters, schema };
}

/** Two words for where the data lives that two programs would follow to different places; null: there are none. */
function leadingElsewhere(
  schema: string | null,
  paths: ReadonlyMap<string, readonly string[]>,
): readonly [string, string] | null {
  const [first, ...others] = [...paths];
  if (first === undefined) return null;
  const [keyword, names] = first;
  const other = others.find(([, each]) => each.join() !== names.join());
  if (other !== undefined) return [keyword, other[0]];
  return schema === null || names.includes(schema) ? null : ["schema", keyword];
}

export function noteOnSchema(schema: string, name: string): string {
  return `schema in ${name}, Prisma's word, is taken for --schema ${quoteIdentifier(schema)}, unless that is given`;
}

/** Whether some other program is known to have this parameter. */
export function isForeign(keyword: string): boolean {
  return (
    startupSetting(keyword) !== null ||
    ["schema", "sslaccept", "targetServerType"].includes(keyword) ||
    beyond.has(keyword) ||
    passedOver.has(keyword)
  );
}

/** The names under which programs send a setting when a session starts; sqlx writes `options[NAME]`. */
function startupSetting(keyword: string): string | null {
  if (/^(?:currentSchema|search_path|schema_search_path)$/.test(keyword)) return "search_path";
  if (keyword === "role") return "role";
  return /^options\[([a-z_]+)\]$/.exec(keyword)?.[1] ?? null;
}

/** Behind what libpq's `options` say, which therefore count less. */
function addOption(setting: string, value: string, parameters: Map<string, string>): void {
  const spelled =
    setting === "search_path" ? schemasOfPath(value).map(quoteIdentifier).join(",") : value;
  const asked = `-c ${setting}=${spelled.replaceAll(/[\\\s]/g, "\\$&")}`;
  const before = parameters.get("options");
  parameters.set("options", before === undefined ? asked : `${before} ${asked}`);
}

/** JDBC's words for `target_session_attrs`. */
const targetServers: ReadonlyMap<string, (typeof targetSessions)[number]> = new Map([
  ["any", "any"],
  ["primary", "primary"],
  ["master", "primary"],
  ["secondary", "standby"],
  ["slave", "standby"],
  ["preferSecondary", "prefer-standby"],
  ["preferSlave", "prefer-standby"],
]);

/** To Prisma `sslcert` is the authority's certificate, and counts where `sslaccept` is strict. */
function readPrismasCheck(value: string, parameters: Map<string, string>): void {
  const authority = parameters.get("sslcert");
  parameters.delete("sslcert");
  if (value !== "strict" || parameters.get("sslmode") === "disable") return;
  parameters.set("sslmode", "verify-full");
  parameters.set("sslrootcert", authority ?? "system");
}

/** Parameters that SQLAlchemy hands to a driver: nothing to say of them where the URL names it. */
const driverParameters: Readonly<Record<string, readonly string[]>> = {
  "postgresql+asyncpg": [
    "async_fallback",
    "command_timeout",
    "max_cacheable_statement_size",
    "max_cached_statement_lifetime",
    "prepared_statement_cache_size",
    "prepared_statement_name_func",
    "statement_cache_size",
    "timeout",
  ],
  "postgresql+pg8000": ["tcp_keepalive", "timeout"],
};

/** They restrict whom a program would speak to. */
const beyond: ReadonlySet<string> = new Set([
  "channelBinding",
  "gssEncMode",
  "requireAuth",
  "sslNegotiation",
  "sslfactory",
  "sslfactoryarg",
  "sslhostnameverifier",
  "sslidentity",
  "sslpasswordcallback",
]);

/** How a program works with its connections: of no meaning for one look. */
const passedOver: ReadonlySet<string> = new Set(
  [
    // Prisma, and the poolers of Supabase and Vercel
    "connection_limit pool_timeout pgbouncer socket_timeout statement_cache_size single_use_connections",
    "max_connection_lifetime max_idle_connection_lifetime supa workaround",
    ...Object.values(driverParameters).flat(),
    // Go: pgx, its pool, lib/pq
    "pool_max_conns pool_min_conns pool_min_idle_conns pool_max_conn_lifetime pool_max_conn_lifetime_jitter",
    "pool_max_conn_idle_time pool_health_check_period default_query_exec_mode statement_cache_capacity",
    "statement_cache_mode description_cache_capacity prefer_simple_protocol min_read_buffer_size",
    "binary_parameters disable_prepared_binary_result",
    // Rails, Django, Ecto, Doctrine
    "adapter advisory_locks checkout_timeout database_tasks encoding idle_timeout insert_returning min_messages",
    "pool prepared_statements reaping_frequency statement_limit timeout",
    "conn_health_checks conn_max_age disable_server_side_cursors",
    "pool_size queue_interval queue_target charset serverVersion",
    // JavaScript: node-postgres, postgres.js; Rust: sqlx
    "connectionTimeoutMillis fetch_types idleTimeoutMillis keepAlive keepAliveInitialDelayMillis max max_lifetime",
    "max_uses prepare query_timeout uselibpqcompat statement-cache-capacity",
    // JDBC
    "ApplicationName adaptiveFetch autosave binaryTransfer cancelSignalTimeout cleanupSavepoints connectTimeout",
    "defaultRowFetchSize hostRecheckSeconds loadBalanceHosts logServerErrorDetail loginTimeout",
    "preferQueryMode prepareThreshold preparedStatementCacheQueries preparedStatementCacheSizeMiB",
    "reWriteBatchedInserts receiveBufferSize sendBufferSize socketTimeout sslResponseTimeout stringtype",
    "tcpKeepAlive tcpNoDelay",
    // Settings of the server's that programs send when a session starts
    "DateStyle TimeZone bytea_output datestyle extra_float_digits idle_in_transaction_session_timeout",
    "idle_session_timeout intervalstyle lock_timeout statement_timeout timezone",
  ].flatMap((names) => names.split(" ")),
);

/** A slip in one of these would be a connection to another place, or one that nobody has checked. */
const weighty: readonly string[] = [
  ...Object.keys(libpqParameters),
  "currentSchema",
  "role",
  "schema",
  "search_path",
  "ssl",
  "sslaccept",
  "targetServerType",
];

function mayMatter(keyword: string): boolean {
  return (
    meantBy(keyword) !== null ||
    /ssl|tls|cert|auth|secur|verif|encrypt|trust|pass|user|host|addr|port|server|schema|path|database/i.test(
      keyword,
    )
  );
}

function meantBy(keyword: string): string | null {
  return (
    weighty.find((name) => name.toLowerCase() === keyword.toLowerCase()) ??
    nearest(keyword.toLowerCase(), weighty)
  );
}

function describeUnknown(keyword: string): string {
  const meant = meantBy(keyword);
  const known = meant === null ? "" : `; did you mean ${meant}?`;
  return `has a parameter that neither libpq nor preflight knows, and that may say where to go or whom to trust: ${keyword}${known}`;
}
