-- Sessions of runs' own SQL in this database have ended, but for this one: whether each did, in time.
SELECT pid, pg_terminate_backend(pid, %(within_ms)s) AS ended FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid <> pg_backend_pid()
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (classid::bigint << 32 | objid::bigint) = %(key)s
