-- Stops what one session does, where it still is what it did.
SELECT seen.pid IS NOT NULL AND seen.backend_start = %(started)s AS there,
  CASE WHEN seen.backend_start = %(started)s AND seen.state = 'active' AND seen.query_start = %(query_since)s
    THEN pg_cancel_backend(seen.pid) END AS told
FROM (SELECT) AS one LEFT JOIN pg_stat_get_activity(%(pid)s) AS seen ON true
