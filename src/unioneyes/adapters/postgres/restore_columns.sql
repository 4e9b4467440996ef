-- The columns of every table with rows of its own, in their order; generated ones follow from the others.
SELECT namespace.nspname, class.relname, array_agg(attribute.attname::text ORDER BY attribute.attnum)
FROM pg_class AS class
JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
WHERE class.relkind = 'r' AND class.relpersistence <> 't'
  AND namespace.nspname !~ '^pg_' AND namespace.nspname NOT IN ('information_schema', 'unioneyes')
  AND NOT EXISTS (SELECT FROM pg_depend AS depend WHERE depend.classid = 'pg_class'::regclass AND depend.objid = class.oid AND depend.deptype = 'e')
GROUP BY 1, 2
ORDER BY 1, 2
