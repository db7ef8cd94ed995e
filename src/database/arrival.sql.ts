import { quoteLiteral, quoteQualified } from "../core/quote.ts";
import type { TableName } from "../core/version-table.ts";
import { ownNames } from "./connect.sql.ts";

/**
 * Whoever reads the table waits from now on, and can be seen to wait. NOWAIT, because a lock that is waited for holds up
 * all readers behind it. To be ended with ROLLBACK; nothing is written. Of a holder whose machine vanishes the server is rid in
 * ten seconds. transaction_timeout exists from PostgreSQL 17 on.
 */
export function holdTable(table: TableName): string {
  return `
BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE;
${ownNames}
SET LOCAL idle_in_transaction_session_timeout = '10s';
SELECT set_config(s.name, '0', true) FROM pg_settings s WHERE s.name = 'transaction_timeout' AND s.context = 'user';
LOCK TABLE ONLY ${quoteQualified(table)} IN ACCESS EXCLUSIVE MODE NOWAIT`;
}

/** Milliseconds: a program's shortest session takes longer. */
const betweenSamples = 5;

/**
 * Every other session in this database that was there in one of so many moments. The server itself looks again and again, as one
 * with a slow network would miss a session that comes and goes. The function's argument, though always NULL, keeps it from
 * being asked once for all. What a session began, and when, is NULL where this role may not see it.
 */
export function sampleSessions(samples: number): string {
  return `${ownNames}
SET LOCAL statement_timeout = '30s';
SELECT DISTINCT s.pid, s.application_name AS "applicationName",
       concat_ws(' ', s.pid, s.backend_start, s.query_start) AS moment
FROM generate_series(1, ${samples}) AS sample (n)
CROSS JOIN LATERAL (SELECT sample.n, pg_sleep(${betweenSamples / 1000}), pg_stat_clear_snapshot()) AS pause
CROSS JOIN LATERAL pg_stat_get_activity(CASE WHEN pause.n > 0 THEN NULL::int4 END) AS s
WHERE s.datid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
  AND s.usesysid IS NOT NULL AND s.pid <> pg_backend_pid()`;
}

/** Who waits for the table that is held. pg_locks is everybody's to read. */
export function readWaiting(table: TableName): string {
  return `SELECT pg_stat_clear_snapshot();
SELECT l.pid, a.application_name AS "applicationName"
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE NOT l.granted AND l.locktype = 'relation' AND l.relation = ${quoteLiteral(quoteQualified(table))}::regclass
  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())`;
}
