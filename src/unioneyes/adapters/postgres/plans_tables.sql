-- How many rows the tables of a plan have, as the statistics say; -1 where nobody has looked yet.
SELECT nspname || '.' || relname AS name, reltuples::bigint AS rows
FROM pg_class AS class JOIN pg_namespace AS namespace ON namespace.oid = relnamespace
JOIN unnest(%(schemas)s::text[], %(names)s::text[]) AS read (schema, name) ON (nspname, relname) = (read.schema, read.name)
WHERE reltuples >= 0 ORDER BY name
