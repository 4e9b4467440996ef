-- 1.1.0 answers each claim by a date. The column is nullable and has no default: no table rewrite, and 1.0.0, which does not know it, works on.
-- A long transaction in its way makes it give up at once instead of queueing every request behind it; whoever applies it tries again.
SET LOCAL lock_timeout = '300ms';
--> statement-breakpoint
SET LOCAL statement_timeout = '5s';
--> statement-breakpoint
ALTER TABLE claims ADD COLUMN IF NOT EXISTS deadline date;
--> statement-breakpoint
COMMENT ON COLUMN claims.deadline IS 'By when the claim must be answered; null for claims submitted before 1.1.0.';
