-- What the server keeps of its log for whoever receives it.
SELECT active, wal_status, safe_wal_size FROM pg_replication_slots WHERE slot_name = %(slot)s
