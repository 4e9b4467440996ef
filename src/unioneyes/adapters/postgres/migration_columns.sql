-- Every column that members' data may stand in, as people name it: without its schema where that is `public`.
SELECT CASE namespace.nspname WHEN 'public' THEN '' ELSE namespace.nspname || '.' END || class.relname || '.' || attribute.attname
FROM pg_attribute AS attribute
JOIN pg_class AS class ON class.oid = attribute.attrelid
JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE class.relkind IN ('r', 'p') AND class.relpersistence <> 't' AND attribute.attnum > 0 AND NOT attribute.attisdropped
  AND namespace.nspname !~ '^pg_' AND namespace.nspname NOT IN ('information_schema', 'drizzle', 'unioneyes')
ORDER BY 1
