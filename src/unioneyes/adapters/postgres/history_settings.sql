-- Which durations the server logs, and how; what belongs to a module that is not loaded is NULL. Milliseconds; -1 is never.
SELECT clock_timestamp() AS at, current_database()::text AS database, current_setting('log_timezone') AS zone,
  current_setting('logging_collector')::bool AND current_setting('log_destination') ~ 'jsonlog' AS as_json,
  current_setting('compute_query_id') <> 'off'
    AND (current_setting('compute_query_id') <> 'auto' OR current_setting('shared_preload_libraries') ~ 'pg_stat_statements') AS identified,
  (SELECT setting::int FROM pg_settings WHERE name = 'log_min_duration_statement') AS always,
  (SELECT setting::int FROM pg_settings WHERE name = 'log_min_duration_sample') AS sampled,
  current_setting('log_statement_sample_rate')::float8 AS rate,
  current_setting('log_transaction_sample_rate')::float8 AS transactions,
  (SELECT setting::int FROM pg_settings WHERE name = 'auto_explain.log_min_duration') AS explained,
  (SELECT setting::float8 FROM pg_settings WHERE name = 'auto_explain.sample_rate') AS explained_rate
