-- What a database has beside its contents, by which a new one is made alike. The column of its locale has another name before PostgreSQL 17.
SELECT owner.rolname::text AS owner, pg_encoding_to_char(encoding)::text AS encoding, datlocprovider::text AS provider, datcollate AS collate,
  datctype AS ctype, coalesce(to_jsonb(pg_database) ->> 'datlocale', to_jsonb(pg_database) ->> 'daticulocale') AS locale, datconnlimit AS connections
FROM pg_database JOIN pg_roles AS owner ON owner.oid = datdba
WHERE datname = %(database)s
