SELECT attribute.attname
FROM pg_attribute AS attribute
JOIN pg_class AS class ON class.oid = attribute.attrelid
JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE namespace.nspname = 'drizzle' AND class.relname = '__drizzle_migrations' AND attribute.attnum > 0 AND NOT attribute.attisdropped
