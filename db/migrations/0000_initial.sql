-- The claims service, first release.
--
-- Two roles stand before this runs: claims_owner owns the schema and runs migrations; claims_app serves members, owns nothing and can't bypass row level
-- security. Each request names its tenant and its user for its own transaction (app.current_org_id, app.current_user_id); without them nothing is visible.
-- Row level security is forced, so it holds for claims_owner too.

CREATE TABLE organizations (
  id text PRIMARY KEY,
  slug text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
--> statement-breakpoint
CREATE TABLE users (
  id text PRIMARY KEY,
  name text NOT NULL,
  email text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
--> statement-breakpoint
CREATE TABLE organization_members (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "userId" text NOT NULL REFERENCES users (id),
  organization_id text NOT NULL REFERENCES organizations (id),
  name text NOT NULL,
  email text NOT NULL,
  role text NOT NULL CHECK (role IN ('member', 'steward', 'officer', 'chief_steward', 'president', 'admin')),
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE ("userId", organization_id),
  UNIQUE (organization_id, id)
);
--> statement-breakpoint
-- The last claim number of each organization. Only number_claim() writes here: claims_app has no right to.
CREATE TABLE claim_counters (
  organization_id text PRIMARY KEY REFERENCES organizations (id),
  last_number bigint NOT NULL
);
--> statement-breakpoint
-- Foreign keys carry the organization: a claim can't point at a member of another tenant.
CREATE TABLE claims (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id text NOT NULL REFERENCES organizations (id),
  claim_number bigint NOT NULL,
  member_id uuid NOT NULL,
  type text NOT NULL CHECK (type IN ('grievance', 'workplace_safety', 'discrimination', 'harassment', 'wage_dispute', 'other')),
  status text NOT NULL DEFAULT 'submitted'
    CHECK (status IN ('submitted', 'under_review', 'assigned', 'investigation', 'pending_documentation', 'resolved', 'rejected', 'closed')),
  priority text NOT NULL CHECK (priority IN ('low', 'medium', 'high', 'critical')),
  text text NOT NULL,
  assigned_to uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (organization_id, claim_number),
  UNIQUE (organization_id, id),
  FOREIGN KEY (organization_id, member_id) REFERENCES organization_members (organization_id, id),
  FOREIGN KEY (organization_id, assigned_to) REFERENCES organization_members (organization_id, id)
);
--> statement-breakpoint
CREATE TABLE claim_updates (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id text NOT NULL,
  claim_id uuid NOT NULL,
  member_id uuid NOT NULL,
  from_status text,
  to_status text NOT NULL,
  assigned_to uuid,
  note text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (organization_id, claim_id) REFERENCES claims (organization_id, id),
  FOREIGN KEY (organization_id, member_id) REFERENCES organization_members (organization_id, id)
);
--> statement-breakpoint
CREATE INDEX claim_updates_of_claim ON claim_updates (organization_id, claim_id, id);
--> statement-breakpoint
-- A failed sign-in has no proven tenant: its organization and user are null then.
CREATE TABLE login_attempts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id text,
  user_id text,
  succeeded boolean NOT NULL,
  reason text NOT NULL DEFAULT '',
  client_address inet,
  request_id text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
--> statement-breakpoint
CREATE INDEX login_attempts_by_time ON login_attempts (created_at);
--> statement-breakpoint
-- What was answered to a POST that carried an Idempotency-Key; the same key gets the same answer.
CREATE TABLE idempotency_keys (
  organization_id text NOT NULL,
  member_id uuid NOT NULL,
  key text NOT NULL,
  request_sha256 text NOT NULL,
  status bigint,
  body text,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (organization_id, member_id, key),
  FOREIGN KEY (organization_id, member_id) REFERENCES organization_members (organization_id, id)
);
--> statement-breakpoint
-- Numbers without gaps: the counter's row is locked until the claim is committed, and a claim that is rolled back gives its number back.
CREATE FUNCTION number_claim() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO public.claim_counters AS counter (organization_id, last_number) VALUES (NEW.organization_id, 1)
  ON CONFLICT (organization_id) DO UPDATE SET last_number = counter.last_number + 1
  RETURNING counter.last_number INTO NEW.claim_number;
  RETURN NEW;
END;
$$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION number_claim() FROM PUBLIC;
--> statement-breakpoint
CREATE TRIGGER number_claim BEFORE INSERT ON claims FOR EACH ROW EXECUTE FUNCTION number_claim();
--> statement-breakpoint
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'integrity_constraint_violation';
END;
$$;
--> statement-breakpoint
CREATE TRIGGER claim_updates_append_only BEFORE UPDATE OR DELETE ON claim_updates FOR EACH ROW EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
CREATE TRIGGER claim_updates_keep_all BEFORE TRUNCATE ON claim_updates FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
--> statement-breakpoint
ALTER TABLE organizations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
--> statement-breakpoint
ALTER TABLE users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
--> statement-breakpoint
ALTER TABLE organization_members ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
--> statement-breakpoint
ALTER TABLE claim_counters ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
--> statement-breakpoint
ALTER TABLE claims ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
--> statement-breakpoint
ALTER TABLE claim_updates ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
--> statement-breakpoint
ALTER TABLE login_attempts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
--> statement-breakpoint
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
--> statement-breakpoint
CREATE POLICY own_organization ON organizations USING (id = (SELECT current_setting('app.current_org_id', true)));
--> statement-breakpoint
CREATE POLICY own_organization ON organization_members USING (organization_id = (SELECT current_setting('app.current_org_id', true)));
--> statement-breakpoint
CREATE POLICY own_organization ON claim_counters USING (organization_id = (SELECT current_setting('app.current_org_id', true)));
--> statement-breakpoint
CREATE POLICY own_organization ON claims USING (organization_id = (SELECT current_setting('app.current_org_id', true)));
--> statement-breakpoint
CREATE POLICY own_organization ON claim_updates USING (organization_id = (SELECT current_setting('app.current_org_id', true)));
--> statement-breakpoint
CREATE POLICY own_organization ON idempotency_keys USING (organization_id = (SELECT current_setting('app.current_org_id', true)));
--> statement-breakpoint
-- A user belongs to several organizations: each sees its own members, and only the user writes itself.
CREATE POLICY fellow_members ON users FOR SELECT
  USING (EXISTS (SELECT FROM organization_members AS member WHERE member."userId" = users.id));
--> statement-breakpoint
CREATE POLICY oneself ON users USING (id = (SELECT current_setting('app.current_user_id', true)));
--> statement-breakpoint
CREATE POLICY record_attempt ON login_attempts FOR INSERT
  WITH CHECK (organization_id IS NULL OR organization_id = (SELECT current_setting('app.current_org_id', true)));
--> statement-breakpoint
GRANT USAGE ON SCHEMA public TO claims_app;
--> statement-breakpoint
GRANT SELECT, INSERT ON organizations, users, organization_members, claims, claim_updates, idempotency_keys TO claims_app;
--> statement-breakpoint
GRANT UPDATE (slug) ON organizations TO claims_app;
--> statement-breakpoint
GRANT UPDATE (name, email) ON users TO claims_app;
--> statement-breakpoint
GRANT UPDATE (name, email, role) ON organization_members TO claims_app;
--> statement-breakpoint
GRANT UPDATE (status, assigned_to, updated_at) ON claims TO claims_app;
--> statement-breakpoint
GRANT UPDATE (status, body) ON idempotency_keys TO claims_app;
--> statement-breakpoint
GRANT INSERT ON login_attempts TO claims_app;
--> statement-breakpoint
-- The service's health check compares the ledger with what its release needs.
GRANT USAGE ON SCHEMA drizzle TO claims_app;
--> statement-breakpoint
GRANT SELECT ON drizzle.__drizzle_migrations TO claims_app;
