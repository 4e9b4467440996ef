-- Where the primary's log ends, and whom its commits wait for.
SELECT clock_timestamp() AS at, pg_current_wal_lsn()::text AS position, current_setting('synchronous_standby_names') AS waits_for
