-- The tables that hold rows of their own, partitions included.
SELECT namespace.nspname, class.relname FROM pg_class AS class JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE class.relkind = 'r' AND class.relpersistence = 'p'
  AND namespace.nspname !~ '^pg_' AND namespace.nspname NOT IN ('information_schema', 'unioneyes')
ORDER BY 1, 2
