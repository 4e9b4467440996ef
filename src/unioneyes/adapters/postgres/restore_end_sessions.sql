-- Everybody else in these databases is sent away. Replication by the log, which has no database, is none of them.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = ANY (%(databases)s) AND pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker'
