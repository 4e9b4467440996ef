-- The same text for the same row, whatever the server's own settings; and an error, never fewer rows, where row level security would hide some.
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL IntervalStyle = 'postgres';
SET LOCAL extra_float_digits = 1;
SET LOCAL bytea_output = 'hex';
SET LOCAL search_path = '';
SET LOCAL row_security = off;
