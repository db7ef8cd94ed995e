import { quoteLiteral } from "../core/quote.ts";

/**
 * The start of a transaction for a file's own statements, whatever role and settings earlier ones have left.
 * The lock is in nobody's way and every role may take it: whoever still holds it at the end is still in this
 * transaction. LOCK and SET take no snapshot, so that the file may yet choose its isolation level.
 * Behind a pooler RESET ALL goes back to the pooler's settings: the name, by which we cancel, and the encoding, in
 * which we speak, are made again.
 */
export function begin(applicationName: string): string {
  return `
BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL application_name = ${quoteLiteral(applicationName)};
SET LOCAL client_encoding = 'UTF8';
LOCK TABLE pg_catalog.pg_ts_parser IN ACCESS SHARE MODE`;
}

export const isStillOurs = `
SELECT EXISTS (
  SELECT FROM pg_catalog.pg_locks l
  WHERE l.pid = pg_catalog.pg_backend_pid() AND l.relation = 'pg_catalog.pg_ts_parser'::pg_catalog.regclass
) AS "isOurs"`;

/** From here on; the file's own SET wins. */
export function limitLockWait(milliseconds: number): string {
  return `SET LOCAL lock_timeout = ${atLeastOne(milliseconds)}`;
}

/** The same where an earlier transaction of the file may have set its own limit. */
export function limitLockWaitUnlessSet(milliseconds: number): string {
  return `
SELECT pg_catalog.set_config('lock_timeout', '${atLeastOne(milliseconds)}', true)
FROM pg_catalog.pg_settings s
WHERE s.name OPERATOR(pg_catalog.=) 'lock_timeout' AND s.source OPERATOR(pg_catalog.<>) 'session'`;
}

/** 0 would mean no limit. */
function atLeastOne(milliseconds: number): number {
  return Math.max(1, Math.round(milliseconds));
}

/**
 * Until the end of the transaction, the role that connected and plain settings: for our own rows. What the file
 * has set in the same transaction comes back with its end.
 */
export const asOurselves = `
SET LOCAL session_authorization TO DEFAULT;
SET LOCAL role TO DEFAULT;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL client_encoding = 'UTF8';
SET LOCAL row_security = on;
SET LOCAL lock_timeout = '10s';
SET LOCAL statement_timeout = '60s'`;

/** A transaction of our own. The message that follows it is already read with these settings. */
export const beginAsOurselves = `
BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE;
${asOurselves}`;

/**
 * A timeout that ends CREATE INDEX CONCURRENTLY or its like half-way leaves an INVALID index behind. Timeouts that
 * the role or the database has are put aside and named; what the file has set itself stays. transaction_timeout
 * exists from PostgreSQL 17 on.
 */
export const setTimeoutsAside = `
SELECT s.name, pg_catalog.set_config(s.name, '0', false) AS value
FROM pg_catalog.pg_settings s
WHERE s.name OPERATOR(pg_catalog.=) ANY (ARRAY['lock_timeout', 'statement_timeout', 'transaction_timeout'])
  AND s.source OPERATOR(pg_catalog.<>) 'session' AND s.setting OPERATOR(pg_catalog.<>) '0'`;

/**
 * What DISCARD ALL does, in one message: it would refuse to be one of several.
 * @param prepares without it, prepared statements stay: behind a pooler others may need them
 */
export function resetSession(prepares: boolean): string {
  return [...(prepares ? ["DEALLOCATE ALL"] : []), resetSessionOf].join(";\n");
}

const resetSessionOf = `
RESET SESSION AUTHORIZATION;
RESET ROLE;
RESET ALL;
CLOSE ALL;
UNLISTEN *;
SELECT pg_catalog.pg_advisory_unlock_all();
DISCARD PLANS;
DISCARD TEMP;
DISCARD SEQUENCES`;

/**
 * Who may be in the way: of the other sessions that hold locks on tables here, the one whose transaction is the
 * oldest. Names and times are NULL for a role without pg_read_all_stats.
 */
export const readOldestTransaction = `
SELECT a.pid, a.application_name AS "applicationName", a.state,
       extract(epoch FROM clock_timestamp() - a.xact_start)::int4 AS seconds
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
  AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'relation' AND l.relation >= 16384 AND l.granted)
ORDER BY a.xact_start NULLS LAST
LIMIT 1`;
