-- What was counted of this database's queries, of all roles together. {view} is pg_stat_statements, wherever it was made.
SELECT queryid::text AS query_id, min(query) AS query, sum(calls)::bigint AS calls, sum(total_exec_time) / sum(calls) AS mean,
  sqrt(greatest(sum(calls * (stddev_exec_time ^ 2 + mean_exec_time ^ 2)) / sum(calls) - (sum(total_exec_time) / sum(calls)) ^ 2, 0)) AS deviation,
  max(max_exec_time) AS longest
FROM {view} AS counted JOIN pg_database AS database ON database.oid = counted.dbid AND datname = current_database()
WHERE queryid IS NOT NULL AND calls > 0 AND toplevel
GROUP BY queryid ORDER BY longest DESC LIMIT 2000
