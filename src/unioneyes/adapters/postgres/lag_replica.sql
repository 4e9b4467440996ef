-- The replica, against where the primary's log ended just before.
SELECT coalesce((SELECT status FROM pg_stat_wal_receiver), '') AS receiver,
  greatest(pg_wal_lsn_diff(%(position)s::pg_lsn, pg_last_wal_replay_lsn()), 0)::bigint AS behind,
  CASE WHEN pg_last_wal_receive_lsn() IS NOT NULL
    THEN greatest(pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), 0)::bigint END AS unreplayed,
  pg_is_wal_replay_paused() AS paused, pg_last_xact_replay_timestamp() AS shows
WHERE pg_is_in_recovery()
