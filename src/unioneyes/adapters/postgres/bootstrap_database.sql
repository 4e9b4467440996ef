-- Who may come into the operated database. Safe to repeat. The owner may create schemas because the database is its own.
DO $$
BEGIN
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO claims_app, ue_backup, ue_replication, ue_operator', current_database());
END;
$$;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
