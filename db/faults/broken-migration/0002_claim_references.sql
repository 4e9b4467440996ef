-- Fault: reads well and lints clean, but the second statement calls a function that no migration ever made. It fails on every database.
ALTER TABLE claims ADD COLUMN IF NOT EXISTS reference text;
--> statement-breakpoint
ALTER TABLE claims ALTER COLUMN reference SET DEFAULT next_claim_reference();
