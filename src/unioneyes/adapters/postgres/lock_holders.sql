-- Who stands in the way of a session that waits for a lock: who holds it, and who waits before us.
SELECT pid, coalesce(application_name, '') AS application, coalesce(usename, '') AS role,
  extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds
FROM pg_stat_activity
WHERE pid = ANY (pg_blocking_pids(%(pid)s))
ORDER BY xact_start NULLS LAST
