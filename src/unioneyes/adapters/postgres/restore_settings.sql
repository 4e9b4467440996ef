-- Settings that hold in a database, for everybody or for one role.
SELECT coalesce(role.rolname::text, '') AS role, split_part(setting, '=', 1) AS name, substr(setting, strpos(setting, '=') + 1) AS value
FROM pg_db_role_setting
JOIN pg_database ON pg_database.oid = setdatabase
LEFT JOIN pg_roles AS role ON role.oid = setrole,
unnest(setconfig) AS setting
WHERE datname = %(database)s
ORDER BY 1, 2
