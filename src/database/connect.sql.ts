/** The first query of every connection. */
export const readSession = `
SELECT pg_catalog.pg_backend_pid() AS pid,
       pg_catalog.pg_is_in_recovery() AS "inRecovery",
       pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.=) 'on' AS "readOnly",
       pg_catalog.current_setting('listen_addresses') OPERATOR(pg_catalog.=) ''
         AND pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) pg_catalog.pg_postmaster_start_time()
             OPERATOR(pg_catalog.<) '10 s'::pg_catalog.interval AS "isTemporary"`;

/** Behind a pooler the answer changes. */
export const readPid = `SELECT pg_catalog.pg_backend_pid() AS pid`;
