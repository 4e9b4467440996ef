DROP INDEX IF EXISTS claims_by_priority;
--> statement-breakpoint
ALTER TABLE claims ALTER COLUMN claim_number TYPE bigint;
