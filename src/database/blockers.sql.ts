import { quoteLiteral } from "../core/quote.ts";
import { ownNames } from "./own-names.sql.ts";

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
