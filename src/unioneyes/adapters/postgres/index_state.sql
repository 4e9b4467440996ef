-- The index of this name on this table: its own name, quoted, and whether it is valid.
SELECT format('%%I.%%I', namespace.nspname, class.relname) AS named, index.indisvalid AS valid
FROM pg_index AS index
JOIN pg_class AS class ON class.oid = index.indexrelid
JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE class.relname = %(index)s AND index.indrelid = to_regclass(%(table)s)
