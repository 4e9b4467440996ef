ALTER TABLE claims DROP CONSTRAINT IF EXISTS claims_channel_known;
--> statement-breakpoint
ALTER TABLE claims DROP COLUMN IF EXISTS channel;
