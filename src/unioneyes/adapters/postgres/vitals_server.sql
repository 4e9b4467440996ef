-- One database and its server, as a role with pg_monitor sees them.
SELECT clock_timestamp() AS at, current_database()::text AS database, current_setting('server_version') AS version, pg_postmaster_start_time() AS started,
  pg_is_in_recovery() AS replica, pg_database_size(current_database()) AS bytes,
  (SELECT coalesce(jsonb_object_agg(datname, pg_database_size(oid)), '{}') FROM pg_database WHERE datname <> current_database() AND datallowconn) AS others,
  CASE WHEN blks_hit + blks_read > 0 THEN blks_hit::float8 / (blks_hit + blks_read) END AS cache_hit,
  deadlocks, xact_commit AS commits, xact_rollback AS rollbacks, stats_reset AS counted_since,
  oldest.datname::text AS oldest_database, oldest.age AS oldest_age, current_setting('autovacuum_freeze_max_age')::int AS freeze_at
FROM pg_stat_database AS counted
CROSS JOIN (SELECT datname, age(datfrozenxid) FROM pg_database ORDER BY age(datfrozenxid) DESC LIMIT 1) AS oldest
WHERE counted.datname = current_database()
