-- The columns of a table's primary key, in its order, each with its type.
SELECT attribute.attname, format_type(attribute.atttypid, attribute.atttypmod)
FROM pg_index AS index
CROSS JOIN unnest(index.indkey::int2[]) WITH ORDINALITY AS part (number, place)
JOIN pg_attribute AS attribute ON attribute.attrelid = index.indrelid AND attribute.attnum = part.number
WHERE index.indrelid = to_regclass(%(table)s) AND index.indisprimary AND part.place <= index.indnkeyatts
ORDER BY part.place
