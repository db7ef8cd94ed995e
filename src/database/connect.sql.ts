/**
 * In front of a message: whatever the role's search path is, names and operators are PostgreSQL's own. Holds for the
 * transaction; statements of one message that begin none are one all the same, and a failure leaves nothing open.
 */
export const ownNames = "SET LOCAL search_path = pg_catalog, pg_temp;";

/**
 * The first query of every connection. One that waits while a migration runs must not be closed as idle
 * (PostgreSQL 14 or newer), whatever the role's settings say.
 */
export const readSession = `
SELECT pg_catalog.pg_backend_pid() AS pid,
       pg_catalog.pg_is_in_recovery() AS "inRecovery",
       pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.=) 'on' AS "readOnly",
       pg_catalog.current_setting('listen_addresses') OPERATOR(pg_catalog.=) ''
         AND pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) pg_catalog.pg_postmaster_start_time()
             OPERATOR(pg_catalog.<) '10 s'::pg_catalog.interval AS "isTemporary",
       pg_catalog.version() AS version;
SELECT pg_catalog.set_config(s.name, '0', false)
FROM pg_catalog.pg_settings s
WHERE s.name OPERATOR(pg_catalog.=) 'idle_session_timeout' AND s.setting OPERATOR(pg_catalog.<>) '0'`;

/** Where the other one fails: what else speaks PostgreSQL's protocol knows this at least. */
export const readVersion = "SELECT version() AS version";

/** Behind a pooler the answer changes. */
export const readPid = `SELECT pg_catalog.pg_backend_pid() AS pid`;

/** A row where somebody has set it; none where the server as a whole is read-only. */
export const readReadOnlyForRole = `${ownNames}
SELECT FROM pg_settings s
WHERE s.name = 'default_transaction_read_only' AND s.setting = 'on'
  AND s.source IN ('database', 'user', 'database user', 'client', 'session')`;
