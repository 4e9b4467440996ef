-- Which file each table has, so that the transaction that drops it can be found in the log, where tables have no names.
SELECT namespace.nspname::text || '.' || class.relname::text, 'base/' || (SELECT oid FROM pg_database WHERE datname = current_database()) || '/'
  || pg_relation_filenode(class.oid)
FROM pg_class AS class JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE class.relkind = 'r' AND class.relpersistence = 'p' AND pg_relation_filenode(class.oid) IS NOT NULL
  AND namespace.nspname !~ '^pg_' AND namespace.nspname <> 'information_schema'
ORDER BY 1
