-- Whoever takes the log, against where it ended just before. What a follower has not said yet is unknown: greatest() would make 0 of it.
SELECT coalesce(nullif(application_name, ''), usename, '')::text AS name, coalesce(host(client_addr), '') AS client, coalesce(state, '') AS state,
  coalesce(sync_state, '') AS synchronous, CASE WHEN sent_lsn IS NOT NULL THEN greatest(pg_wal_lsn_diff(%(position)s::pg_lsn, sent_lsn), 0)::bigint END AS sent_behind,
  CASE WHEN replay_lsn IS NOT NULL THEN greatest(pg_wal_lsn_diff(%(position)s::pg_lsn, replay_lsn), 0)::bigint END AS behind, reply_time AS heard
FROM pg_stat_replication ORDER BY name, pid
