-- Fault: lints clean and applies to any data, but every claim must now name its channel, which only this release does. Claims submitted through 1.1.0 fail.
ALTER TABLE claims ADD COLUMN IF NOT EXISTS channel text;
--> statement-breakpoint
ALTER TABLE claims ADD CONSTRAINT claims_channel_known CHECK (channel IS NOT NULL) NOT VALID;
