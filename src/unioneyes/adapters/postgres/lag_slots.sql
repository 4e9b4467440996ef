-- What log is kept for, of the slots that outlive their connection.
SELECT slot_name::text AS name, active, coalesce(wal_status, '') AS wal_status,
  CASE WHEN restart_lsn IS NOT NULL THEN greatest(pg_wal_lsn_diff(%(position)s::pg_lsn, restart_lsn), 0)::bigint END AS kept, safe_wal_size AS safe
FROM pg_replication_slots WHERE NOT temporary ORDER BY slot_name
