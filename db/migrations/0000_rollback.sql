-- Takes the whole service away, with all its data.
DROP TABLE idempotency_keys, login_attempts, claim_updates, claims, claim_counters, organization_members, users, organizations;
--> statement-breakpoint
DROP FUNCTION number_claim(), refuse_change();
--> statement-breakpoint
REVOKE ALL ON drizzle.__drizzle_migrations FROM claims_app;
--> statement-breakpoint
REVOKE USAGE ON SCHEMA drizzle FROM claims_app;
--> statement-breakpoint
REVOKE USAGE ON SCHEMA public FROM claims_app;
