-- What REINDEX CONCURRENTLY leaves on a table, or on an index's table, where it is cut off.
SELECT format('%%I.%%I', namespace.nspname, class.relname) AS named, index.indisvalid AS valid
FROM pg_index AS index
JOIN pg_class AS class ON class.oid = index.indexrelid
JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE NOT index.indisvalid AND class.relname ~ '_cc(new|old)[0-9]*$'
  AND index.indrelid IN (SELECT to_regclass(%(of)s) UNION SELECT indrelid FROM pg_index WHERE indexrelid = to_regclass(%(of)s))
