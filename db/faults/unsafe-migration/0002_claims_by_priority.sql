-- Fault: builds an index without CONCURRENTLY and rewrites a column, so nobody can submit a claim meanwhile. The lint refuses it.
ALTER TABLE claims ALTER COLUMN claim_number TYPE numeric;
--> statement-breakpoint
CREATE INDEX claims_by_priority ON claims (priority, created_at);
