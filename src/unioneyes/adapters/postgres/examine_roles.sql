-- What the roles of the operated database may not do and should, or may do and should not; as its owner sees it.
SELECT wrong FROM (
  VALUES
    (pg_is_in_recovery(), 'it is a replica: name the primary'),
    (NOT EXISTS (SELECT FROM pg_database WHERE datname = current_database() AND pg_get_userbyid(datdba) = 'claims_owner'),
      'claims_owner does not own the database'),
    (NOT pg_has_role('pg_read_all_stats', 'USAGE'), 'claims_owner lacks pg_read_all_stats: a migration that waits could not say for whom'),
    (EXISTS (SELECT FROM pg_roles WHERE rolname = 'claims_owner' AND (rolsuper OR rolbypassrls)), 'row level security does not hold for claims_owner'),
    (NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'claims_app'), 'there is no role claims_app'),
    (EXISTS (SELECT FROM pg_roles WHERE rolname = 'claims_app' AND (rolsuper OR rolbypassrls)),
      'row level security does not hold for claims_app: members would see what is not theirs'),
    (NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ue_backup' AND (rolsuper OR rolbypassrls)),
      'ue_backup has not BYPASSRLS: a backup would lack rows'),
    (EXISTS (SELECT FROM pg_roles WHERE rolname = 'ue_backup' AND NOT pg_has_role(oid, 'pg_read_all_data', 'USAGE')),
      'ue_backup lacks pg_read_all_data'),
    (EXISTS (SELECT FROM pg_roles WHERE rolname = 'ue_operator' AND NOT pg_has_role(oid, 'pg_monitor', 'USAGE')),
      'ue_operator lacks pg_monitor: it would see whose sessions there are, and not what they do'),
    (EXISTS (SELECT FROM pg_roles WHERE rolname = 'ue_operator' AND NOT pg_has_role(oid, 'pg_signal_backend', 'USAGE')),
      'ue_operator lacks pg_signal_backend: it could end no session'),
    (EXISTS (SELECT FROM pg_roles AS operator, pg_roles AS reserves WHERE operator.rolname = 'ue_operator'
        AND reserves.rolname = 'pg_use_reserved_connections' AND NOT pg_has_role(operator.oid, reserves.oid, 'USAGE')),
      'ue_operator lacks pg_use_reserved_connections: it could not come in where all connections are in use'),
    (EXISTS (SELECT FROM pg_roles WHERE rolname = 'ue_operator' AND (rolsuper OR rolbypassrls OR pg_has_role(oid, 'pg_read_all_data', 'USAGE'))),
      'ue_operator may read what members wrote')
) AS checked (is_so, wrong) WHERE is_so;
