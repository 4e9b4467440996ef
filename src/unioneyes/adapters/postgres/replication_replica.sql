SELECT (SELECT status FROM pg_stat_wal_receiver),
  greatest(pg_wal_lsn_diff(%(primary)s::pg_lsn, pg_last_wal_replay_lsn()), 0)::bigint
