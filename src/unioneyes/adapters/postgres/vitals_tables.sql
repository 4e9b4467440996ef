-- The largest tables, and those that autovacuum should have cleaned up by now: by the table's own settings, then the server's.
-- Source: PostgreSQL, "The Autovacuum Daemon"; the upper bound came with 18.
WITH settings AS (
  SELECT current_setting('autovacuum_vacuum_threshold')::float8 AS threshold, current_setting('autovacuum_vacuum_scale_factor')::float8 AS factor,
    coalesce(current_setting('autovacuum_vacuum_max_threshold', true), '-1')::float8 AS most
), tables AS (
  SELECT format('%%I.%%I', stat.schemaname, stat.relname) AS name, pg_total_relation_size(stat.relid) AS bytes, stat.n_live_tup AS rows, stat.n_dead_tup AS dead,
    coalesce(own.threshold, settings.threshold) + coalesce(own.factor, settings.factor) * greatest(class.reltuples, 0) AS allowed,
    coalesce(own.most, settings.most) AS most, greatest(stat.last_vacuum, stat.last_autovacuum) AS vacuumed_at
  FROM settings, pg_stat_user_tables AS stat
  JOIN pg_class AS class ON class.oid = stat.relid
  LEFT JOIN LATERAL (
    SELECT max(option_value::float8) FILTER (WHERE option_name = 'autovacuum_vacuum_threshold') AS threshold,
      max(option_value::float8) FILTER (WHERE option_name = 'autovacuum_vacuum_scale_factor') AS factor,
      max(option_value::float8) FILTER (WHERE option_name = 'autovacuum_vacuum_max_threshold') AS most
    FROM pg_options_to_table(class.reloptions) WHERE option_name LIKE 'autovacuum\_vacuum\_%%'
  ) AS own ON true
), judged AS (
  SELECT name, bytes, rows, dead, ceil(CASE WHEN most >= 0 THEN least(allowed, most) ELSE allowed END)::bigint AS dead_allowed, vacuumed_at,
    row_number() OVER (ORDER BY bytes DESC, name) AS place
  FROM tables WHERE bytes IS NOT NULL
)
SELECT name, bytes, rows, dead, dead_allowed, vacuumed_at FROM judged
WHERE place <= %(largest)s OR dead > dead_allowed
ORDER BY bytes DESC, name LIMIT %(most)s
