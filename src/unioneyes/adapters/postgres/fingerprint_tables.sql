-- Tables with rows of their own, partitions included. Materialised views are derived: a restore computes them anew.
-- What is summed up of a row: a column as it is where equal means the same; else as its type's output function writes it, so that 1.0 is not 1.00. By concat():
-- a cast to text may be a function of the table's owner, who would come by it to the rights of whoever asks. The columns stand by name, wherever they stood.
SELECT convert_to('"' || replace(namespace.nspname::text, '"', '""') || '"."' || replace(class.relname::text, '"', '""') || '"', pg_client_encoding()) AS named,
  CASE WHEN class.relforcerowsecurity AND class.relrowsecurity THEN 'forced' WHEN class.relrowsecurity THEN 'on' ELSE 'off' END AS protected,
  convert_to(coalesce(columns.summed, ''), pg_client_encoding()) AS summed
FROM pg_class AS class
JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
CROSS JOIN LATERAL (
  SELECT string_agg(CASE
      WHEN atttypid = ANY (ARRAY['bool', 'bytea', 'date', 'int2', 'int4', 'int8', 'oid', 'timestamp', 'timestamptz', 'uuid']::regtype[]) THEN quoted
      WHEN atttypid = ANY (ARRAY['text', 'varchar']::regtype[]) THEN quoted || ' COLLATE "C"'
      ELSE 'CASE num_nonnulls(' || quoted || ') WHEN 1 THEN concat(' || quoted || ') END COLLATE "C"'
    END, ', ' ORDER BY attname) AS summed
  FROM pg_attribute CROSS JOIN LATERAL (SELECT '"' || replace(attname::text, '"', '""') || '"' AS quoted) AS name
  WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped
) AS columns
WHERE class.relkind = 'r' AND class.relpersistence <> 't'
  AND namespace.nspname !~ '^pg_' AND namespace.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend AS depend WHERE depend.classid = 'pg_class'::regclass AND depend.objid = class.oid AND depend.deptype = 'e')
ORDER BY namespace.nspname, class.relname
