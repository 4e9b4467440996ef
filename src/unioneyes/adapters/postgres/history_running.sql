-- A statement that runs now, whole: the server keeps the beginning of a long one alone.
SELECT query FROM pg_stat_activity
WHERE query_id::text = %(query_id)s AND datname = current_database()
  AND octet_length(query) < (SELECT setting::int FROM pg_settings WHERE name = 'track_activity_query_size') - 1
LIMIT 1
