/**
 * Who else changes this database: sessions of an upgrade, by the name that ours have, and whoever holds a lock that
 * changes a table of the users'. `work` names one transaction or, of an upgrade, one session. A pooler keeps an upgrade's
 * name on a connection that nobody uses any more: such a one counts while it was used a moment ago.
 * Cleaning up (VACUUM, ANALYZE) changes nothing. Most columns of pg_stat_activity are NULL for other roles' sessions.
 */
export const readOthersAtWork = `
SELECT a.pid, a.application_name AS "applicationName", pg_catalog.host(a.client_addr) AS "clientAddress",
       pg_catalog.to_char(coalesce(a.xact_start, a.backend_start) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since,
       held.mode, held.relation,
       CASE WHEN isUpgrade THEN a.backend_start::text ELSE held.virtualtransaction END AS work
FROM pg_catalog.pg_stat_activity a
CROSS JOIN LATERAL (
  SELECT coalesce(a.application_name LIKE 'preflight-upgrade/%'
                  AND (a.state <> 'idle' OR a.state_change > pg_catalog.clock_timestamp() - interval '10 seconds'), false)
) u (isUpgrade)
LEFT JOIN LATERAL (
  SELECT l.mode, l.virtualtransaction, n.nspname || '.' || c.relname AS relation
  FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_class c ON c.oid = l.relation
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE l.pid = a.pid AND l.locktype = 'relation' AND l.granted
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
    AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum v WHERE v.pid = a.pid)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_analyze v WHERE v.pid = a.pid)
  ORDER BY l.mode, relation LIMIT 1
) held ON true
WHERE a.datname = pg_catalog.current_database() AND a.usename IS NOT NULL AND a.pid <> pg_catalog.pg_backend_pid()
  AND (u.isUpgrade OR held.mode IS NOT NULL)
ORDER BY a.pid`;
