-- The roles of the operated database. Safe to repeat.
DO $$
DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['claims_owner', 'claims_app', 'ue_replication', 'ue_backup', 'ue_operator'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
      EXECUTE format('CREATE ROLE %I', role);
    END IF;
  END LOOP;
END;
$$;

-- Said in full each time, so that a role that somebody widened is narrow again.
ALTER ROLE claims_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE claims_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE ue_replication LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE REPLICATION NOBYPASSRLS;
ALTER ROLE ue_backup LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION BYPASSRLS;
ALTER ROLE ue_operator LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;

-- A migration that waits for a lock says who holds it, and since when.
GRANT pg_read_all_stats TO claims_owner;
GRANT pg_monitor TO ue_replication;
GRANT pg_read_all_data TO ue_backup;
-- Sees every session, and may end those of no superuser; of members' data it sees nothing.
GRANT pg_monitor, pg_signal_backend TO ue_operator;
-- Where all connections are in use, it still comes in to end what is idle: by those that reserved_connections keeps, from PostgreSQL 16 on.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'pg_use_reserved_connections') THEN
    GRANT pg_use_reserved_connections TO ue_operator;
  END IF;
END;
$$;
