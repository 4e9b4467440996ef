-- The second kind of reserved connections came with PostgreSQL 16. The clock is read last, so that nothing seen before is of the future.
SELECT clock_timestamp() AS at, current_setting('max_connections')::int AS connections,
  current_setting('superuser_reserved_connections')::int + coalesce(current_setting('reserved_connections', true), '0')::int AS reserved
