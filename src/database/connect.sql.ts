/** The first query of every connection. */
export const readSession = `
SELECT pg_catalog.pg_backend_pid() AS pid,
       pg_catalog.pg_is_in_recovery() AS "inRecovery",
       pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.=) 'on' AS "readOnly"`;

/** Behind a pooler the answer changes. */
export const readPid = `SELECT pg_catalog.pg_backend_pid() AS pid`;
