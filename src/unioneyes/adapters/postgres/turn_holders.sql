-- Who applies migrations to this database at the moment.
SELECT activity.pid, coalesce(application_name, '') AS application, coalesce(usename, '') AS role,
  extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds
FROM pg_locks AS lock
JOIN pg_stat_activity AS activity USING (pid)
WHERE lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 1
  AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (lock.classid::bigint << 32 | lock.objid::bigint) = %(key)s
