-- Tables with rows of their own, partitions included. Materialised views are derived: a restore computes them anew.
SELECT convert_to('"' || replace(namespace.nspname::text, '"', '""') || '"."' || replace(class.relname::text, '"', '""') || '"', pg_client_encoding()) AS named,
  CASE WHEN class.relforcerowsecurity AND class.relrowsecurity THEN 'forced' WHEN class.relrowsecurity THEN 'on' ELSE 'off' END AS protected
FROM pg_class AS class
JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE class.relkind = 'r' AND class.relpersistence <> 't'
  AND namespace.nspname !~ '^pg_' AND namespace.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend AS depend WHERE depend.classid = 'pg_class'::regclass AND depend.objid = class.oid AND depend.deptype = 'e')
ORDER BY namespace.nspname, class.relname
