-- Of the replicas that are connected, how far behind is the last: what it has not replayed, of what there is.
SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))::bigint FROM pg_stat_replication WHERE state = 'streaming'
