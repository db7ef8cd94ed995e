import { quoteLiteral } from "../core/quote.ts";
import { ownNames } from "./connect.sql.ts";
import { upgradePrefix } from "./own-sessions.ts";

/**
 * Who else changes this database: sessions of an upgrade, by the name that ours have, and whoever holds a lock that
 * changes a table of the users'. `work` names one transaction or, of an upgrade, one session. A pooler keeps an upgrade's
 * name on a connection that nobody uses any more: such a one counts while it was used a moment ago.
 * Cleaning up (VACUUM, ANALYZE) changes nothing. Most columns of pg_stat_activity are NULL for other roles' sessions.
 */
export const readOthersAtWork = `${ownNames}
SELECT a.pid, a.application_name AS "applicationName", host(a.client_addr) AS "clientAddress",
       a.usename AS role, to_char(coalesce(a.xact_start, a.backend_start) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since,
       held.mode, held.relation,
       CASE WHEN u.is_upgrade THEN a.backend_start::text ELSE held.virtualtransaction END AS work
FROM pg_stat_activity a
CROSS JOIN LATERAL (
  SELECT coalesce(a.application_name LIKE '${upgradePrefix}%'
                  AND (a.state <> 'idle' OR a.state_change > clock_timestamp() - interval '10 seconds'), false)
) u (is_upgrade)
LEFT JOIN LATERAL (
  SELECT l.mode, l.virtualtransaction, n.nspname || '.' || c.relname AS relation
  FROM pg_locks l
  JOIN pg_class c ON c.oid = l.relation
  JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE l.pid = a.pid AND l.locktype = 'relation' AND l.granted
    AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
    AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
    AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.pid = a.pid)
    AND NOT EXISTS (SELECT FROM pg_stat_progress_analyze v WHERE v.pid = a.pid)
  ORDER BY l.mode, relation LIMIT 1
) held ON true
WHERE a.datname = current_database() AND a.usename IS NOT NULL AND a.pid <> pg_backend_pid()
  AND (u.is_upgrade OR held.mode IS NOT NULL)
ORDER BY a.pid`;

/**
 * Which sessions of an upgrade wait for a lock, and who is in their way. They have its name, or none, where its driver passes none on:
 * such a one began after the upgrade, and waits for one that was there before. A prepared transaction has no process, and
 * pg_blocking_pids says 0. State, age and statement are NULL, or a word that says so, where this role may not see them.
 * Seconds of waiting are counted from the beginning of the statement: PostgreSQL 13 does not tell since when it waits.
 * @param began how many seconds ago the upgrade did
 */
export function readBlockers(applicationName: string, began: number): string {
  const name = quoteLiteral(applicationName);
  const start = `clock_timestamp() - interval '${began.toFixed(3)} s'`;
  return `${ownNames}
SELECT w.pid AS waiter, extract(epoch FROM clock_timestamp() - w.query_start)::int4 AS waited,
       l.relation, b.pid, a.usename AS role, a.application_name AS "applicationName",
       host(a.client_addr) AS "clientAddress", a.state,
       extract(epoch FROM clock_timestamp() - a.xact_start)::int4 AS age, left(a.query, 1000) AS query
FROM pg_stat_activity w
JOIN LATERAL (
  SELECT l.relation::regclass::text AS relation FROM pg_locks l WHERE l.pid = w.pid AND NOT l.granted LIMIT 1
) l ON true
CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS b (pid)
LEFT JOIN pg_stat_activity a ON a.pid = b.pid
WHERE w.datname = current_database()
  AND (left(w.application_name, length(${name})) = ${name}
       OR w.application_name = '' AND w.backend_start > ${start}
          AND coalesce(a.backend_start < ${start}, b.pid = 0))
ORDER BY w.pid, b.pid`;
}
