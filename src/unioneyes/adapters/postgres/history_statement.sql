-- A statement that was counted, whole. {view} is pg_stat_statements, wherever it was made.
SELECT query FROM {view} AS counted JOIN pg_database AS database ON database.oid = counted.dbid AND datname = current_database()
WHERE queryid::text = %(query_id)s AND query IS NOT NULL LIMIT 1
