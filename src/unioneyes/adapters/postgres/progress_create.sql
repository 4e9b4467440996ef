CREATE SCHEMA IF NOT EXISTS unioneyes;
CREATE TABLE IF NOT EXISTS unioneyes.migration_progress (
  script text PRIMARY KEY,
  tag text NOT NULL,
  done integer NOT NULL DEFAULT 0,
  begun boolean NOT NULL DEFAULT false,
  reached text[],
  rows bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE unioneyes.migration_progress IS 'How far ue got with scripts that can not run in one transaction: statements done, whether the next was begun, where a backfill stands.';
