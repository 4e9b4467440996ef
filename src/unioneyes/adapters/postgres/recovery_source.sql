-- What a base backup's manifest says beside what the server itself lists: when it ended by the server's clock, and which files the database's tables had then.
SELECT clock_timestamp(), current_setting('server_version'), pg_current_wal_lsn()::text,
  current_setting('summarize_wal', true) IS NOT DISTINCT FROM 'on',
  (SELECT count(*) FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')),
  pg_size_bytes(current_setting('wal_segment_size'))
