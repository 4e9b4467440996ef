CREATE SCHEMA IF NOT EXISTS unioneyes;
CREATE TABLE unioneyes.fence (one boolean PRIMARY KEY DEFAULT true CHECK (one), token bigint NOT NULL);
COMMENT ON TABLE unioneyes.fence IS 'The highest fencing token that changed this database; ue refuses a lower one. Holds one row.';
INSERT INTO unioneyes.fence (token) VALUES (0);
