-- The role that owns the engine's database. Safe to repeat. CREATEDB because the engine keeps its own tables in a database beside ours.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ue_control') THEN
    CREATE ROLE ue_control;
  END IF;
END;
$$;
ALTER ROLE ue_control LOGIN NOSUPERUSER CREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
