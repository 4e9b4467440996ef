-- Who keeps what this server writes, and how far behind each is.
SELECT coalesce(nullif(application_name, ''), 'unnamed') AS keeper, sync_state IN ('sync', 'quorum') AS synchronous,
  pg_wal_lsn_diff(pg_current_wal_lsn(), CASE WHEN sync_state IN ('sync', 'quorum') THEN flush_lsn ELSE coalesce(write_lsn, flush_lsn) END)::bigint AS behind_bytes,
  CASE WHEN write_lag IS NULL THEN interval '0' ELSE greatest(write_lag, clock_timestamp() - reply_time - interval '1 s', interval '0') END AS behind,
  write_lsn::text AS received
FROM pg_stat_replication WHERE state IN ('streaming', 'catchup') AND application_name <> 'pg_basebackup'
ORDER BY 1
