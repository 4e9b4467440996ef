-- How large each table is, by its name as a migration spells it; a name that is no table has no bytes. Rows are an estimate, and unknown before the first ANALYZE.
-- A partitioned table is as large as its partitions.
SELECT wanted.name AS "table",
  CASE WHEN count(*) FILTER (WHERE part.reltuples < 0) = 0 THEN sum(part.reltuples)::bigint END AS rows,
  coalesce(sum(pg_total_relation_size(part.oid)), 0)::bigint AS bytes
FROM unnest(%(tables)s::text[]) WITH ORDINALITY AS wanted (name, place)
CROSS JOIN LATERAL (SELECT to_regclass((SELECT string_agg(quote_ident(word), '.') FROM unnest(string_to_array(wanted.name, '.')) AS word)) AS oid) AS found
LEFT JOIN pg_class AS part ON (part.oid = found.oid AND part.relkind <> 'p') OR part.oid IN (SELECT relid FROM pg_partition_tree(found.oid) WHERE isleaf)
GROUP BY wanted.place, wanted.name
ORDER BY wanted.place
