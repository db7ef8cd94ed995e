import { quoteLiteral } from "../core/quote.ts";
import { ownNames } from "./connect.sql.ts";

/**
 * The lock is held by this idle transaction. READ COMMITTED and nothing read or written: no snapshot stays, so neither
 * vacuum nor CREATE INDEX CONCURRENTLY waits for it. Every setting ends with the transaction: behind a pooler the
 * session is somebody else's afterwards.
 * @param mark of this transaction alone; it ends with it
 */
export function tryToLock(key: bigint, mark: string): string {
  return `
BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY;
${ownNames}
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = 0;
${setWhereKnown};
SET LOCAL preflight.lock = ${quoteLiteral(mark)};
SELECT pg_try_advisory_xact_lock(${key}) AS obtained, pg_backend_pid() AS pid`;
}

/**
 * Of a holder whose machine vanishes the server hears within 30 s. A setting that a server does not have, or that
 * a role may not set, must not end the transaction; transaction_timeout exists from PostgreSQL 17 on.
 */
const setWhereKnown = `
SELECT set_config(s.name, v.value, true)
FROM (VALUES ('transaction_timeout', '0'), ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'),
             ('tcp_keepalives_count', '3'), ('tcp_user_timeout', '30s')) v(name, value)
JOIN pg_settings s ON s.name = v.name AND s.context = 'user'`;

/** A bigint key stands in pg_locks as two halves and objsubid 1. */
function isTheLock(key: bigint): string {
  const unsigned = BigInt.asUintN(64, key);
  return `l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
    AND l.classid = ${unsigned >> 32n}::oid AND l.objid = ${unsigned & 0xffff_ffffn}::oid
    AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())`;
}

/** Sessions that the server would still give to this role in this database; limits that are not set are NULL. Outside of a transaction. */
export const readFreeSessions = `${ownNames}
SELECT least(
  current_setting('max_connections')::int4 - current_setting('superuser_reserved_connections')::int4
    - coalesce(current_setting('reserved_connections', true)::int4, 0)
    - (SELECT sum(s.numbackends) FROM pg_stat_database s),
  (SELECT d.datconnlimit - s.numbackends
   FROM pg_database d JOIN pg_stat_database s ON s.datid = d.oid
   WHERE d.datname = current_database() AND d.datconnlimit >= 0),
  (SELECT r.rolconnlimit - (SELECT count(*) FROM pg_stat_activity a WHERE a.usesysid = r.oid)
   FROM pg_roles r WHERE r.rolname = session_user AND r.rolconnlimit >= 0)
)::int4 AS free`;

/**
 * The mark of the transaction that holds the lock, which is held as long as the mark is there. SHOW takes no snapshot: CREATE INDEX
 * CONCURRENTLY waits for the end of every transaction that it has once seen with one (WaitForOlderSnapshots), and this one ends last.
 */
export const beat = "SHOW preflight.lock";

/** Beside the lock itself and in its transaction, so it ends with it. */
export function askForSlots(key: bigint): string {
  return `SELECT pg_try_advisory_xact_lock(${slotsKey(key)})`;
}

function slotsKey(key: bigint): bigint {
  return key ^ 1n;
}

export function readIsHeld(key: bigint): string {
  return `${ownNames}
SELECT EXISTS (SELECT FROM pg_locks l WHERE ${isTheLock(key)}) AS held`;
}

/**
 * State, address and times are NULL for a role without pg_read_all_stats. A session may hold it outside of a
 * transaction: then nothing says since when.
 */
export function readHolder(key: bigint): string {
  return `${ownNames}
SELECT l.pid, a.application_name AS "applicationName", host(a.client_addr) AS "clientAddress",
       a.usename AS role, a.state,
       to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since,
       to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS "connectedSince",
       EXISTS (SELECT FROM pg_locks l WHERE ${isTheLock(slotsKey(key))}) AS "wantsSlots"
FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE ${isTheLock(key)}`;
}

/**
 * Backends of one application in this database, without the one that asks. By name, and never by a number learnt
 * before: behind a pooler that process serves somebody else by now. Others', to signal which would be an error, are left alone.
 */
export function signalBackends(how: "cancel" | "terminate", applicationName: string): string {
  return `${ownNames}
SELECT a.pid, pg_${how}_backend(a.pid) AS signalled
FROM pg_stat_activity a
WHERE a.application_name = ${quoteLiteral(applicationName)} AND a.datname = current_database()
  AND a.pid <> pg_backend_pid()
  AND pg_has_role(a.usesysid, 'USAGE')`;
}
