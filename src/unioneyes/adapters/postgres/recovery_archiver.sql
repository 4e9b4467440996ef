-- Up to which segment the server handed its log over, and whether the last attempt went well; a server that has none to hand over yet says nothing wrong.
SELECT last_archived_wal, last_failed_time IS NULL OR coalesce(last_archived_time >= last_failed_time, false) FROM pg_stat_archiver
