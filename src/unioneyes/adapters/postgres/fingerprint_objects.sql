-- NOT NULL is left out of the constraints: PostgreSQL 18 lists it there, earlier versions do not.
WITH own AS (SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
  relations AS (SELECT oid FROM pg_class WHERE relnamespace IN (SELECT oid FROM own))
SELECT 'schemas' AS kind, count(*) AS count FROM own
UNION ALL SELECT 'views', count(*) FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace IN (SELECT oid FROM own)
UNION ALL SELECT 'columns', count(*) FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped AND attrelid IN (SELECT oid FROM relations)
UNION ALL SELECT 'indexes', count(*) FROM pg_index WHERE indrelid IN (SELECT oid FROM relations)
UNION ALL SELECT 'constraints', count(*) FROM pg_constraint WHERE contype <> 'n' AND connamespace IN (SELECT oid FROM own)
UNION ALL SELECT 'triggers', count(*) FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM relations)
UNION ALL SELECT 'policies', count(*) FROM pg_policy WHERE polrelid IN (SELECT oid FROM relations)
UNION ALL SELECT 'functions', count(*) FROM pg_proc WHERE pronamespace IN (SELECT oid FROM own)
UNION ALL SELECT 'large objects', count(*) FROM pg_largeobject_metadata
ORDER BY 1
