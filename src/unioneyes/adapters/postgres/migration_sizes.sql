-- How large each table is, by its name as a migration spells it; a name that is no table has no bytes. Rows are an estimate, and unknown before the first ANALYZE.
SELECT wanted.name AS "table",
  CASE WHEN size.reltuples >= 0 THEN size.reltuples::bigint END AS rows,
  coalesce(size.bytes, 0) AS bytes
FROM unnest(%(tables)s::text[]) WITH ORDINALITY AS wanted (name, place)
LEFT JOIN LATERAL (
  -- A partitioned table is as large as its partitions.
  SELECT sum(leaf.reltuples) FILTER (WHERE leaf.reltuples >= 0) AS reltuples, sum(pg_total_relation_size(leaf.oid))::bigint AS bytes
  FROM pg_partition_tree(to_regclass((SELECT string_agg(quote_ident(part), '.') FROM unnest(string_to_array(wanted.name, '.')) AS part))) AS tree
  JOIN pg_class AS leaf ON leaf.oid = tree.relid
) AS size ON true
ORDER BY wanted.place
