-- Ends one session, where it still is what it was: looked at in the same statement, so that one that became active meanwhile survives.
SELECT seen.pid IS NOT NULL AND seen.backend_start = %(started)s AS there,
  CASE WHEN seen.backend_start = %(started)s AND (%(busy)s OR (seen.state = %(state)s AND seen.state_change = %(state_since)s))
    THEN pg_terminate_backend(seen.pid) END AS told
FROM (SELECT) AS one LEFT JOIN pg_stat_get_activity(%(pid)s) AS seen ON true
