-- Those that were told to end, and are still there.
SELECT pid FROM pg_stat_get_activity(NULL) AS seen
JOIN unnest(%(pids)s::int[], %(started)s::timestamptz[]) AS told (pid, started) USING (pid)
WHERE seen.backend_start = told.started
