-- Who may do what with a database; nobody's name stands for everybody.
SELECT coalesce(grantee.rolname::text, '') AS grantee, acl.privilege_type AS privilege, acl.is_grantable AS grantable
FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) AS acl LEFT JOIN pg_roles AS grantee ON grantee.oid = acl.grantee
WHERE datname = %(database)s AND acl.grantee <> datdba
ORDER BY 1, 2
