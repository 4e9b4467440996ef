SELECT pg_export_snapshot(), pg_current_wal_lsn()::text, current_setting('server_version'), current_database(), getdatabaseencoding(), pg_database_size(current_database()),
  ARRAY(SELECT rolname::text FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY rolname)
